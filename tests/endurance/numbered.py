"""Numbered events, and the road they take: what the tests of endurance, and the programs they kill, record."""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, ClassVar, Final, Self

from opentelemetry.sdk.trace import TracerProvider

from otel_umami_exporter import Event, Pipeline, Privacy, Prop, Taxonomy, UmamiSpanProcessor, record
from otel_umami_exporter.backoff import Backoff
from otel_umami_exporter.delivery import Connection, Timing
from otel_umami_exporter.payload import Site

WEBSITE: Final = "0b1f6c1e-0000-4000-8000-00000000e0d5"
BATCH: Final = 50
WORKERS: Final = 2
IN_FLIGHT: Final = BATCH * WORKERS  # the most that one cut can double
SECONDS: Final = float(os.environ.get("ENDURANCE_SECONDS", "60"))  # how long the longest outage lasts
QUICK: Final = Timing(linger_seconds=0.05, backoff=Backoff(first_seconds=0.05, cap_seconds=0.5))
_PACE_SECONDS: Final = 0.006  # between two events of a load: more than the stand-in takes would only queue


@dataclass(frozen=True, kw_only=True)
class Numbered(Event):
    """Somebody counted."""

    name: ClassVar[str] = "numbered"
    person: ClassVar[bool] = False

    run: Annotated[int, Prop("Who counts", Privacy.INTERNAL)]
    number: Annotated[int, Prop("How far", Privacy.INTERNAL)]


TAXONOMY: Final = Taxonomy([Numbered])
Id = tuple[int, int]  # run and number


class Road:
    """
    The library as a program uses it: a tracer provider with the span processor before a pipeline.

    *connect* is the address of Umami, or makes a connection. Leaving the block shuts down.
    """

    def __init__(
        self, spool: Path, connect: str | Callable[[], Connection], *, timing: Timing = QUICK, shutdown: bool = True
    ) -> None:
        self.pipeline = Pipeline(taxonomy=TAXONOMY, site=Site(WEBSITE), spool=spool, connect=connect, timing=timing)
        self.processor = UmamiSpanProcessor(pipeline=self.pipeline)
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self._tracer = self.provider.get_tracer("endurance")
        self._shutdown = shutdown

    def record(self, run: int, number: int) -> Id:
        """Record one event on a span that ends here, so that it is on disk when this returns."""
        with self._tracer.start_as_current_span("work"):
            record(Numbered(run=run, number=number))
        return run, number

    def record_many(self, run: int, numbers: Sequence[int]) -> list[Id]:
        """Record events one after the other at full speed; return what is on disk."""
        return [self.record(run, number) for number in numbers]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shutdown:
            self.provider.shutdown()


class Load:
    """A thread that records events at a steady pace, from the beginning of a block to its end."""

    def __init__(self, road: Road, run: int = 1) -> None:
        self.acknowledged: list[Id] = []
        self._road = road
        self._run = run
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="load", daemon=True)

    def more(self, events: int, *, timeout: float = 300.0) -> None:
        """Return when so many more are on disk."""
        with self._changed:
            goal = len(self.acknowledged) + events
            if not self._changed.wait_for(lambda: len(self.acknowledged) >= goal, timeout):
                raise TimeoutError(f"{len(self.acknowledged)} events recorded, not {goal}")

    def last(self, seconds: float) -> int:
        """Let the trouble last so long under load; return how many events were recorded meanwhile."""
        before = len(self.acknowledged)
        self._stop.wait(seconds)
        return len(self.acknowledged) - before

    def _work(self) -> None:
        while not self._stop.wait(_PACE_SECONDS):
            done = self._road.record(self._run, len(self.acknowledged))
            with self._changed:
                self.acknowledged.append(done)
                self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
