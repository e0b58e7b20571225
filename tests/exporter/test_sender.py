"""The delivery threads leave a busy program alone, though not for long, and not when somebody waits for them."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

import pytest

from otel_umami_exporter.backoff import Backoff
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.outcome import Delivered, Outcome, Unavailable
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.sender import Sender
from otel_umami_exporter.testing import FakeConnection, ManualClock

PATIENCE_SECONDS = 60.0
BATCH = 10
TIMING = Timing(batch_size=BATCH)


class WatchedClock(ManualClock):
    """A clock that stands still and knows who waits for it, and how long."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()
        self.waits: list[float] = []

    def wait(self, condition: Condition, seconds: float) -> None:
        """Note it, and wait; not for what is advanced as soon as it is noted."""
        before = self._passed
        with self.changed:
            self.waits.append(round(seconds, 3))
            self.changed.notify_all()
        super().wait(condition, seconds - (self._passed - before))


class SlowClock(WatchedClock):
    """A clock on which each look takes its time, as when the interpreter is busy with others."""

    LOOK_SECONDS = 0.005

    def monotonic(self) -> float:
        """Let the time of a look pass, and return what it is then."""
        with self._lock:
            self._passed += self.LOOK_SECONDS
        return super().monotonic()


class Line:
    """A sender with its spool, its clock and its fake Umami."""

    def __init__(self, spool: OverflowingSpool, clock: WatchedClock, timing: Timing) -> None:
        self.spool, self.clock, self.end = spool, clock, FakeConnection()
        self.end.answer = self._answer
        self.sender = Sender(spool, lambda: self.end, timing=timing, clock=clock)
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

    @property
    def rests(self) -> int:
        """How often a thread has rested."""
        return sum(0.2 < each <= 0.25 for each in self.clock.waits)

    def rests_again(self, seen: int) -> bool:
        """Wait until a thread has rested once more; return whether it has."""
        return self.wait_for(lambda: self.rests > seen)

    def stir(self) -> None:
        """Let whoever waits for something look again."""
        with self.clock.changed:
            self.clock.changed.notify_all()

    def _answer(self, bodies: Sequence[bytes]) -> list[Outcome]:
        self.stir()
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
def line_at(path: Path, clock: WatchedClock | None = None, timing: Timing = TIMING) -> Iterator[Line]:
    """Yield a line with its spool there."""
    clock = clock or WatchedClock()
    line = Line(OverflowingSpool(path, None, clock, journal=True), clock, timing)
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


def test_who_waits_for_the_interpreter_leaves_it_to_a_flood_for_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its steps would slow the program down; but what is fifteen seconds old goes all the same."""
    monkeypatch.setattr("otel_umami_exporter.sender.WORKERS", 1)  # else one looks while the other has just looked
    with line_at(tmp_path / "spool", SlowClock()) as line:
        for _ in range(8):
            seen = line.rests
            line.record(1_000)  # four thousand a second
            line.clock.advance(0.25)
            assert line.rests_again(seen)
        seen = line.rests
        line.record(8_000)
        line.clock.advance(3.0)
        assert line.rests_again(seen)
        assert len(line.end.bodies) < 1_000

        line.clock.advance(15.0)
        line.record(1)
        assert line.wait_for(lambda: len(line.end.bodies) > 15_000)


def test_a_thread_that_has_its_answers_at_once_is_alone(tmp_path: Path) -> None:
    """Two of them would take the interpreter from each other."""
    with line_at(tmp_path / "spool") as line:
        line.record(BATCH)
        assert line.has_sent(1)
        senders: set[int] = set()

        def answer(bodies: Sequence[bytes]) -> list[Outcome]:
            senders.add(threading.get_ident())
            return [Delivered()] * len(bodies)

        line.end.answer = answer
        line.record(50 * BATCH)
        assert line.sender.flush(PATIENCE_SECONDS)
        assert len(line.end.bodies) == 51 * BATCH
        assert len(senders) == 1


def test_another_goes_on_when_an_answer_does_not_come(tmp_path: Path) -> None:
    """Though all before came at once."""
    with line_at(tmp_path / "spool") as line:
        line.record(BATCH)
        assert line.has_sent(1)
        may_answer = threading.Event()
        asked: list[bytes] = []

        def answer(bodies: Sequence[bytes]) -> list[Outcome]:
            asked.append(bodies[0])
            line.stir()
            if len(asked) == 1:
                may_answer.wait(PATIENCE_SECONDS)
            return [Delivered()] * len(bodies)

        line.end.answer = answer
        line.record(5 * BATCH)
        assert line.wait_for(lambda: len(asked) == 1)
        line.clock.advance(0.05)
        assert line.wait_for(lambda: len(asked) == 5)
        may_answer.set()
        assert line.sender.flush(PATIENCE_SECONDS)
        assert len(line.end.bodies) == 6 * BATCH


def test_what_waits_in_the_journal_goes_after_what_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once Umami is back all of it goes, without a new event: rows first, then what came meanwhile."""
    monkeypatch.setattr("otel_umami_exporter.sender.WORKERS", 1)  # else the other may look by chance
    slow = Timing(batch_size=BATCH, backoff=Backoff(first_seconds=4.0))
    with line_at(tmp_path / "spool", timing=slow) as line:
        answers: list[Outcome] = [Unavailable("away")]

        def answer(bodies: Sequence[bytes]) -> list[Outcome]:
            line.stir()
            return [answers.pop() if answers else Delivered()] * len(bodies)

        line.end.answer = answer
        line.record(3)
        assert line.wait_for(lambda: 1.0 in line.clock.waits)
        line.clock.advance(1.0)
        assert line.wait_for(lambda: any(2.0 <= each <= 4.0 for each in line.clock.waits))
        line.record(2)
        line.clock.advance(4.0)
        assert line.wait_for(lambda: len(line.end.bodies) == 8)
        assert line.has_sent(3)
        assert sorted(int(body) for body in line.end.bodies) == [0, 0, 1, 1, 2, 2, 3, 4]


def test_an_event_does_not_wait_for_one_that_stepped_aside(tmp_path: Path) -> None:
    """Another process has taken what we know of, and one of ours waits for a minute: a new one goes after a second."""
    hour = Timing(batch_size=BATCH, backoff=Backoff(first_seconds=3_600.0, cap_seconds=3_600.0))
    with line_at(tmp_path / "spool", timing=hour) as line:
        may_answer, is_asked = threading.Event(), threading.Event()

        def answer(bodies: Sequence[bytes]) -> list[Outcome]:
            line.stir()
            if not is_asked.is_set():
                is_asked.set()
                may_answer.wait(PATIENCE_SECONDS)
                return [Unavailable("no reason", doubtful=True), *[Delivered()] * (len(bodies) - 1)]
            return [Delivered()] * len(bodies)

        line.end.answer = answer
        line.record(BATCH)
        assert is_asked.wait(PATIENCE_SECONDS)
        waits = len(line.clock.waits)
        line.sender.notify(2 * BATCH - 2)  # of these nothing is left
        assert line.wait_for(lambda: 15.0 in line.clock.waits[waits:])
        waits = len(line.clock.waits)
        may_answer.set()
        assert line.wait_for(lambda: len(line.clock.waits) > waits)
        line.record(1)
        assert line.wait_for(lambda: 1.0 in line.clock.waits[waits:])
        line.clock.advance(1.0)
        assert line.has_sent(2)


def test_what_a_dead_process_has_left_goes_at_once_however_large_it_is(tmp_path: Path) -> None:
    """Only a few events of sixty kilobytes are taken in at a time."""
    code = """
import os, sys
from otel_umami_exporter.spool import Spool

spool = Spool(sys.argv[1], journal=True)
for number in range(20):
    spool.put([b"%d" % number + b" " * 60_000], 999_999_000.0)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "spool")], check=True)  # noqa: S603  # our own interpreter
    with line_at(tmp_path / "spool") as line:
        line.sender.start()
        assert line.wait_for(lambda: len(line.end.bodies) == 20)


def test_what_a_dead_process_has_left_is_sent_without_a_new_event(tmp_path: Path) -> None:
    """Its journal may be long: whoever starts the sender does not wait until it is taken in."""
    code = """
import os, sys
from otel_umami_exporter.spool import Spool

spool = Spool(sys.argv[1], journal=True)
for number in range(3_000):
    spool.put([b"%d" % number], 999_999_000.0)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "spool")], check=True)  # noqa: S603  # our own interpreter
    with line_at(tmp_path / "spool") as line:
        line.sender.start()
        assert line.wait_for(lambda: len(line.end.bodies) == 3_000)
        assert sorted(int(body) for body in line.end.bodies) == list(range(3_000))


def test_where_nothing_waits_nothing_is_looked_for_at_the_start(tmp_path: Path) -> None:
    """The first event waits for others to share its batch."""
    with line_at(tmp_path / "spool") as line:
        line.sender.start()
        assert line.wait_for(lambda: 15.0 in line.clock.waits)
        line.record(1)
        assert line.wait_for(lambda: 1.0 in line.clock.waits)
        assert line.end.batches == []
        line.clock.advance(1.0)
        assert line.has_sent(1)
