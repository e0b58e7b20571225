"""
Deadlines hold to within 100 ms, whatever the server does.

A busy machine may wake anybody late, so each is tried some times, and once in time is enough: a deadline that is not
kept is missed each time.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from time import monotonic

import pytest
from numbered import Road
from world import check_books

from otel_umami_exporter.database import BUSY_SECONDS
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.inbox import Hang, Inbox, InboxServer

pytestmark = pytest.mark.endurance

TOLERANCE_SECONDS = 0.1
TRIES = 20
EVENTS = 300


class Hanging:
    """Makes roads both of whose connections hang in a request that is never answered."""

    def __init__(self, folder: Path, inbox: Inbox, server: InboxServer) -> None:
        self._folder = folder
        self._inbox = inbox
        self._server = server
        self._numbers = count()
        self.spool = folder

    @contextmanager
    def road(self) -> Iterator[Road]:
        """Yield one, with a spool of its own."""
        self._inbox.faults.always(Hang())
        self.spool = self._folder / f"{next(self._numbers)}.db"
        road = Road(self.spool, self._server.url, timing=Timing(), shutdown=False)
        road.record_many(1, range(EVENTS))
        self._inbox.faults.wait_for_hanging(2)
        yield road
        road.pipeline.shutdown(0.0)
        self._inbox.faults.clear()
        self._inbox.faults.wait_for_hanging(0)


@pytest.fixture
def hanging(tmp_path: Path, inbox: Inbox, server: InboxServer) -> Hanging:
    return Hanging(tmp_path, inbox, server)


def seconds_of(work: Callable[[], object]) -> float:
    start = monotonic()
    work()
    return monotonic() - start


def at_best(measure: Callable[[], float], allowed: float) -> float:
    """Return the first measurement of at most *allowed* seconds, or the best of all."""
    best = measure()
    for _ in range(TRIES - 1):
        if best <= allowed:
            break
        best = min(best, measure())
    return best


@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.5])
def test_a_flush_gives_up_in_time(hanging: Hanging, seconds: float, figures: Callable[[str], None]) -> None:
    """It says that not everything has left, and not before its time."""
    with hanging.road() as road:

        def flush() -> float:
            done: list[bool] = []
            took = seconds_of(lambda: done.append(road.processor.force_flush(int(seconds * 1_000))))
            assert done == [False]
            return took

        took = at_best(flush, seconds + TOLERANCE_SECONDS)
    figures(f"asked for {seconds} s, took {took:.3f} s")
    assert seconds <= took <= seconds + TOLERANCE_SECONDS


@pytest.mark.parametrize("seconds", [0.0, 0.5, 3.0])
def test_a_shutdown_ends_in_time(hanging: Hanging, seconds: float, figures: Callable[[str], None]) -> None:
    """What could not leave stays on disk; a second shutdown does nothing."""

    def shut_down() -> float:
        with hanging.road() as road:
            first = seconds_of(lambda: road.pipeline.shutdown(seconds))
            again = seconds_of(lambda: road.pipeline.shutdown(seconds))
            assert check_books(hanging.spool, waiting=EVENTS).delivered == 0
        return max(first, seconds + again)

    took = at_best(shut_down, seconds + TOLERANCE_SECONDS)
    figures(f"asked for {seconds} s, took {took:.3f} s")
    assert took <= seconds + TOLERANCE_SECONDS


def test_the_door_ends_in_time(hanging: Hanging, figures: Callable[[str], None]) -> None:
    """OpenTelemetry's own shutdown gives us no time of its own; we take three seconds at most."""

    def shut_down() -> float:
        with hanging.road() as road:
            took = seconds_of(road.provider.shutdown)
            check_books(hanging.spool, waiting=EVENTS)
        return took

    took = at_best(shut_down, 3.0 + TOLERANCE_SECONDS)
    figures(f"took {took:.3f} s")
    assert took <= 3.0 + TOLERANCE_SECONDS


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_a_spool_that_another_process_holds_keeps_nobody_waiting(
    server: InboxServer, tmp_path: Path, seconds: float, figures: Callable[[str], None]
) -> None:
    """Somebody is writing and does not let go: flush and shutdown end, at most one wait for the file later."""
    numbers = count()

    def flush_and_shut_down() -> float:
        spool = tmp_path / f"{next(numbers)}.db"
        road = Road(spool, server.url, timing=Timing(), shutdown=False)
        road.record_many(1, range(EVENTS))
        assert road.pipeline.flush(300.0)
        with closing(sqlite3.connect(spool, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            road.record(1, EVENTS)
            flushed = seconds_of(lambda: road.pipeline.flush(seconds))
            shut = seconds_of(lambda: road.pipeline.shutdown(seconds))
            other.execute("ROLLBACK")
        return max(flushed, shut)

    allowed = seconds + BUSY_SECONDS + TOLERANCE_SECONDS
    took = at_best(flush_and_shut_down, allowed)
    figures(f"asked for {seconds} s, the slower took {took:.3f} s")
    assert took <= allowed
