"""
What the tests of a program need: its events without a server, and a clock that stands still.

    def test_an_order_is_counted() -> None:
        with capture_events(TAXONOMY) as captured:
            place_order("soup")

        assert [("order_placed", {"dish": "soup"})] == [(each.name, each.properties) for each in captured]

With pytest, `pytest_plugins = ["otel_umami_exporter.testing"]` in conftest.py gives the fixture `captured_events`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Condition
from typing import Any, Final, overload

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from otel_umami_exporter.gate import Admitted, admit
from otel_umami_exporter.outcome import Delivered, Outcome
from otel_umami_exporter.record import Record, records_from_span
from otel_umami_exporter.taxonomy import Scalar, Taxonomy

try:
    import pytest
except ModuleNotFoundError:  # a test runner is no need of the library
    pytest = None  # type: ignore[assignment]

_ROUNDING_SECONDS: Final = 1e-6  # many small steps come to the same time as one


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """An event (or with *is_view* a page view) as it would leave: declared properties only."""

    name: str
    visitor: str | None
    properties: Mapping[str, Scalar]
    is_view: bool = False
    time_ns: int = 0


class CapturedEvents(Sequence[CapturedEvent]):
    """What was captured, in the order in which spans ended; *rejected* holds the names of what the gate kept back."""

    def __init__(self) -> None:
        self._events: list[CapturedEvent] = []
        self.rejected: list[str] = []

    @overload
    def __getitem__(self, index: int) -> CapturedEvent: ...
    @overload
    def __getitem__(self, index: slice) -> list[CapturedEvent]: ...
    def __getitem__(self, index: int | slice) -> CapturedEvent | list[CapturedEvent]:
        """Return one, or some."""
        return self._events[index]

    def __len__(self) -> int:
        """Return how many there are, page views included."""
        return len(self._events)

    @property
    def names(self) -> list[str]:
        """The names of the events, without page views."""
        return [each.name for each in self._events if not each.is_view]

    def named(self, name: str) -> list[CapturedEvent]:
        """Return the events of this name."""
        return [each for each in self._events if each.name == name and not each.is_view]

    def clear(self) -> None:
        """Forget what was captured so far."""
        self._events.clear()
        self.rejected.clear()

    def take(self, record: Record, taxonomy: Taxonomy) -> None:
        """Capture *record* if *taxonomy* lets it leave."""
        admitted = admit(record, taxonomy)
        if isinstance(admitted, Admitted):
            event = CapturedEvent(
                record.name, admitted.visitor, dict(admitted.properties), record.is_view, record.time_ns
            )
            self._events.append(event)
        else:
            self.rejected.append(record.name)


class _Switch(SpanProcessor):
    """A tracer provider cannot be taken away again, so one processor stays and is switched."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._open: list[tuple[CapturedEvents, Taxonomy]] = []
        self._provider: trace.TracerProvider | None = None

    def on_end(self, span: ReadableSpan) -> None:
        with self._lock:
            captures = list(self._open)
        for captured, taxonomy in captures:
            for record in records_from_span(span):
                captured.take(record, taxonomy)

    @contextmanager
    def capturing(self, captured: CapturedEvents, taxonomy: Taxonomy) -> Iterator[None]:
        self._install()
        with self._lock:
            self._open.append((captured, taxonomy))
        try:
            yield
        finally:
            with self._lock:
                self._open = [each for each in self._open if each[0] is not captured]

    def _install(self) -> None:
        provider = trace.get_tracer_provider()
        if provider is self._provider:
            return
        if not isinstance(provider, TracerProvider):
            provider = TracerProvider(shutdown_on_exit=False)
            trace.set_tracer_provider(provider)
        provider.add_span_processor(self)
        self._provider = provider


_switch: Final = _Switch()


@contextmanager
def capture_events(taxonomy: Taxonomy) -> Iterator[CapturedEvents]:
    """
    Capture what `record()` and spans tell in this block, without a server, a file or a thread.

    Spans go on to whatever else the program has configured. An event is there when its span has ended.
    """
    captured = CapturedEvents()
    with _switch.capturing(captured, taxonomy):
        yield captured


@dataclass
class FakeConnection:
    """
    A connection to an Umami that is a list: what a `Pipeline` takes as `connect` is `lambda: connection`.

    *answer* decides on each batch; by default everything is stored.
    """

    answer: Callable[[Sequence[bytes]], list[Outcome]] | None = None
    batches: list[list[bytes]] = field(default_factory=list)
    is_closed: bool = False

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Note the batch and answer it."""
        self.batches.append(list(bodies))
        return [Delivered()] * len(bodies) if self.answer is None else self.answer(bodies)

    def close(self) -> None:
        """Note that the connection was let go."""
        self.is_closed = True

    @property
    def bodies(self) -> list[bytes]:
        """Everything that was sent, in order."""
        return [body for batch in self.batches for body in batch]


class ManualClock:
    """A clock that goes only when it is told to. Threads that wait on it wake up when their time has come."""

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self._lock: Final = threading.Lock()
        self._start: Final = start
        self._passed = 0.0
        self._waiting: list[tuple[float, Condition]] = []  # each until then

    def time(self) -> float:
        """Return the seconds since 1970."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass, and wake those whose time has come, as the real time would: nobody else."""
        with self._lock:
            self._passed += seconds
            over = [condition for end, condition in self._waiting if end <= self._passed + _ROUNDING_SECONDS]
        for condition in over:
            with condition:
                condition.notify_all()

    def wait(self, condition: Condition, seconds: float) -> None:
        """Wait on *condition*, which is held, until it is notified or *seconds* have been advanced."""
        end = self._passed + seconds
        entry = (end, condition)
        with self._lock:
            self._waiting.append(entry)
        try:
            if self._passed < end:
                condition.wait()
        finally:
            with self._lock, suppress(ValueError):
                self._waiting.remove(entry)


if pytest is not None:

    @pytest.fixture
    def captured_events(request: Any) -> Iterator[CapturedEvents]:
        """Capture the test's events; the taxonomy comes from a fixture `umami_taxonomy` of the program."""
        with capture_events(request.getfixturevalue("umami_taxonomy")) as captured:
            yield captured
