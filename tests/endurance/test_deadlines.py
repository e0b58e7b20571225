"""Deadlines hold, whatever the server does. The promise is 100 ms; a busy machine gets some more."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest
from numbered import Road
from world import check_books

from otel_umami_exporter.database import BUSY_SECONDS
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.inbox import Hang, Inbox, InboxServer

pytestmark = pytest.mark.endurance

TOLERANCE_SECONDS = 0.5
EVENTS = 300


@pytest.fixture
def hanging(inbox: Inbox, server: InboxServer, spool: Path) -> Iterator[Road]:
    """Return a road both of whose connections hang in a request that is never answered."""
    inbox.faults.always(Hang())
    road = Road(spool, server.url, timing=Timing(), shutdown=False)
    road.record_many(1, range(EVENTS))
    inbox.faults.wait_for_hanging(2)
    yield road
    road.pipeline.shutdown(0.0)
    inbox.faults.clear()


@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.5])
def test_a_flush_gives_up_in_time(hanging: Road, seconds: float, figures: Callable[[str], None]) -> None:
    """It says that not everything has left."""
    start = monotonic()
    done = hanging.processor.force_flush(int(seconds * 1_000))
    took = monotonic() - start
    figures(f"asked for {seconds} s, took {took:.3f} s")
    assert not done
    assert took <= seconds + TOLERANCE_SECONDS


@pytest.mark.parametrize("seconds", [0.0, 0.5, 3.0])
def test_a_shutdown_ends_in_time(hanging: Road, seconds: float, spool: Path, figures: Callable[[str], None]) -> None:
    """What could not leave stays on disk; a second shutdown does nothing."""
    start = monotonic()
    hanging.pipeline.shutdown(seconds)
    took = monotonic() - start
    start = monotonic()
    hanging.pipeline.shutdown(seconds)
    again = monotonic() - start
    figures(f"asked for {seconds} s, took {took:.3f} s, a second time {again:.3f} s")
    assert took <= seconds + TOLERANCE_SECONDS
    assert again <= TOLERANCE_SECONDS
    assert check_books(spool, waiting=EVENTS).delivered == 0


def test_the_door_ends_in_time(hanging: Road, spool: Path, figures: Callable[[str], None]) -> None:
    """OpenTelemetry's own shutdown gives us no time of its own; we take three seconds at most."""
    start = monotonic()
    hanging.provider.shutdown()
    took = monotonic() - start
    figures(f"took {took:.3f} s")
    assert took <= 3.0 + TOLERANCE_SECONDS
    check_books(spool, waiting=EVENTS)


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_a_spool_that_another_process_holds_keeps_nobody_waiting(
    server: InboxServer, spool: Path, seconds: float, figures: Callable[[str], None]
) -> None:
    """Somebody is writing and does not let go: flush and shutdown end, at most one wait for the file later."""
    road = Road(spool, server.url, timing=Timing(), shutdown=False)
    road.record_many(1, range(EVENTS))
    assert road.pipeline.flush(30.0)
    with closing(sqlite3.connect(spool, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        road.record(1, EVENTS)
        start = monotonic()
        road.pipeline.flush(seconds)
        flushed = monotonic() - start
        start = monotonic()
        road.pipeline.shutdown(seconds)
        took = monotonic() - start
        other.execute("ROLLBACK")
    figures(f"asked for {seconds} s, flush took {flushed:.3f} s, shutdown {took:.3f} s")
    assert flushed <= seconds + BUSY_SECONDS + TOLERANCE_SECONDS
    assert took <= seconds + BUSY_SECONDS + TOLERANCE_SECONDS
