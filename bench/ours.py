"""This library as the benchmarks use it: one event class, and a pipeline with nothing but its defaults."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from bench.load import NAME, VISITOR, WEBSITE, properties
from otel_umami_exporter import Event, Pipeline, Privacy, Prop, Taxonomy
from otel_umami_exporter.delivery import Connection
from otel_umami_exporter.gate import Admitted, admit
from otel_umami_exporter.outcome import Outcome
from otel_umami_exporter.payload import Site, to_item, to_json
from otel_umami_exporter.record import Record
from otel_umami_exporter.spool import Spool, SpoolLimits


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """The shop has accepted an order."""

    name: ClassVar[str] = NAME

    service_id: Annotated[int, Prop("What was ordered", Privacy.INTERNAL)]
    office_id: Annotated[int, Prop("Where", Privacy.INTERNAL)]
    channel: Annotated[Literal["telegram", "web"], Prop("How", Privacy.PUBLIC)]
    reference: Annotated[str, Prop("The mark of this run", Privacy.INTERNAL, source="the benchmark")]


TAXONOMY: Final = Taxonomy([OrderPlaced])


ROOMY: Final = SpoolLimits(max_events=2_000_000, max_bytes=4 << 30)
_AT_ONCE: Final = 10_000


class Silence:
    """A connection on which no answer ever comes."""

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Wait for ever."""
        del bodies
        threading.Event().wait()
        return []

    def close(self) -> None:
        """Nothing is open."""


def pipeline(connect: str | Callable[[], Connection], spool: Path, limits: SpoolLimits | None = None) -> Pipeline:
    """Return a road with nothing but defaults."""
    return Pipeline(taxonomy=TAXONOMY, site=Site(WEBSITE), spool=spool, connect=connect, limits=limits)


def body(run: int, number: int) -> bytes:
    """Return one event as the road makes it."""
    made = Record(
        name=NAME,
        time_ns=time.time_ns(),
        visitor=VISITOR,
        attributes=properties(run, number),
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        span_id="00f067aa0ba902b7",
    )
    admitted = admit(made, TAXONOMY)
    assert isinstance(admitted, Admitted)
    return to_json(to_item(admitted, Site(WEBSITE)))


def fill(path: Path, run: int, events: int, *, accepted_at: float) -> None:
    """Let *events* wait in the spool *path*."""
    spool = Spool(path, ROOMY)
    for first in range(0, events, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, events))
        spool.put([body(run, number) for number in numbers], accepted_at)
        spool.checkpoint()
    spool.close()
