"""The delivery threads leave a busy program alone, though not for long, and not when somebody waits for them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.outcome import Delivered, Outcome
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.sender import Sender
from otel_umami_exporter.testing import FakeConnection, ManualClock

PATIENCE_SECONDS = 60.0
BATCH = 10


class WatchedClock(ManualClock):
    """A clock that stands still and knows who waits for it, and how long."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()
        self.waits: list[float] = []

    def wait(self, condition: Condition, seconds: float) -> None:
        """Note it, and wait."""
        with self.changed:
            self.waits.append(round(seconds, 3))
            self.changed.notify_all()
        super().wait(condition, seconds)


class Line:
    """A sender with its spool, its clock and its fake Umami."""

    def __init__(self, spool: OverflowingSpool, clock: WatchedClock) -> None:
        self.spool, self.clock, self.end = spool, clock, FakeConnection()
        self.end.answer = self._answer
        self.sender = Sender(spool, lambda: self.end, timing=Timing(batch_size=BATCH), clock=clock)
        self._number = 0

    def record(self, events: int) -> None:
        """Record so many events at once."""
        for _ in range(events):
            self.spool.put([b"%d" % self._number], self.clock.time())
            self._number += 1
        self.sender.notify(events)

    def wait_for(self, predicate: Callable[[], bool]) -> bool:
        """Wait until that is so; return whether it came to be."""
        with self.clock.changed:
            return self.clock.changed.wait_for(predicate, PATIENCE_SECONDS)

    def has_sent(self, batches: int) -> bool:
        """Wait until so many batches were sent; return whether there are no more."""
        return self.wait_for(lambda: len(self.end.batches) >= batches) and len(self.end.batches) == batches

    def _answer(self, bodies: Sequence[bytes]) -> list[Outcome]:
        with self.clock.changed:
            self.clock.changed.notify_all()
        return [Delivered()] * len(bodies)


@contextmanager
def busy_line(path: Path) -> Iterator[Line]:
    """Yield a line whose program has recorded forty thousand events a second, and whose sender rests."""
    with line_at(path) as line:
        line.record(BATCH)
        assert line.has_sent(1)
        line.clock.advance(0.005)
        line.record(20 * BATCH)
        assert line.wait_for(lambda: 0.25 in line.clock.waits)
        yield line


@contextmanager
def line_at(path: Path) -> Iterator[Line]:
    """Yield a line with its spool there."""
    clock = WatchedClock()
    line = Line(OverflowingSpool(path, None, clock, journal=True), clock)
    try:
        yield line
    finally:
        line.sender.stop(PATIENCE_SECONDS)
        line.spool.close()


def test_a_busy_program_is_left_alone(tmp_path: Path) -> None:
    """Each step of the sender would take the interpreter from it; a batch now and then goes all the same."""
    with busy_line(tmp_path / "spool") as line:
        sent = len(line.end.batches)
        assert sent <= 3
        line.clock.advance(0.25)
        assert line.wait_for(lambda: len(line.end.batches) > sent)


def test_whoever_flushes_is_not_kept_waiting(tmp_path: Path) -> None:
    """The clock stands still, and all of it leaves."""
    with busy_line(tmp_path / "spool") as line:
        assert line.sender.flush(PATIENCE_SECONDS)
        assert len(line.end.bodies) == 21 * BATCH


def test_what_has_waited_goes_however_busy_the_program_is(tmp_path: Path) -> None:
    """After two seconds nothing holds it back."""
    with busy_line(tmp_path / "spool") as line:
        line.clock.advance(3.0)
        line.record(2_000)
        assert line.wait_for(lambda: len(line.end.bodies) == 21 * BATCH + 2_000)


def test_a_program_that_has_time_is_served_at_once(tmp_path: Path) -> None:
    """A batch is full, and leaves."""
    with line_at(tmp_path / "spool") as line:
        for number in range(5):
            line.record(BATCH)
            assert line.has_sent(number + 1)
            line.clock.advance(0.1)
