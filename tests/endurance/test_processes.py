"""One spool and many processes: forked, started side by side, ended in every way a process can end."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
from numbered import IN_FLIGHT, Id
from world import Running, Sink, check_arrivals, check_books, doubled

from otel_umami_exporter.inbox import Answer, InboxServer
from otel_umami_exporter.spool import Spool

pytestmark = pytest.mark.endurance

Figures = Callable[[str], None]


def say(figures: Figures, acknowledged: list[Id], sink: Sink, start: float) -> None:
    arrived = sink.arrived()
    figures(
        f"{len(acknowledged)} acknowledged, {len(arrived)} arrived, {doubled(arrived)} of them twice,"
        f" lost {len(set(acknowledged) - set(arrived))}, {monotonic() - start:.1f} s"
    )


@pytest.mark.parametrize("way", ["fork", "prefork"])
def test_forked_children_and_their_parent_lose_nothing(
    way: str, spool: Path, server: InboxServer, sink: Sink, figures: Figures
) -> None:
    """Each child has its own connection and threads; nothing comes twice, and nobody waits for a lock of the dead."""
    workers, events, start = 3, 150, monotonic()
    with Running(way, spool=spool, endpoint=server.url, events=events, workers=workers) as program:
        assert program.wait() == 0, program.errors()
    say(figures, program.acknowledged, sink, start)
    runs = workers + (2 if way == "fork" else 1)
    assert sorted(program.acknowledged) == [(1 + run, number) for run in range(runs) for number in range(events)]
    check_arrivals(program.acknowledged, sink.arrived())
    assert check_books(spool).delivered == len(program.acknowledged)
    assert "Traceback" not in program.errors()


def test_workers_that_are_forked_again_and_again(
    spool: Path, server: InboxServer, sink: Sink, figures: Figures
) -> None:
    """A fork may find a thread of the parent anywhere, also in the middle of a write; no child hangs or loses one."""
    times, workers, events, start = 5, 3, 50, monotonic()
    acknowledged: list[Id] = []
    for each in range(times):
        with Running("prefork", spool=spool, endpoint=server.url, run=10 * each, events=events) as program:
            assert program.wait() == 0, program.errors()
            assert program.errors() == ""
        acknowledged += program.acknowledged
    say(figures, acknowledged, sink, start)
    assert len(acknowledged) == times * (workers + 1) * events
    check_arrivals(acknowledged, sink.arrived())
    assert check_books(spool).delivered == len(acknowledged)


def test_a_child_that_outlives_its_parent(spool: Path, server: InboxServer, sink: Sink, figures: Figures) -> None:
    """A program that goes into the background: others may open and close the spool, and the child's events stay."""
    events, start = 50, monotonic()
    sink.inbox.faults.always(Answer(status=503))
    with Running("daemon", spool=spool, endpoint=server.url, events=events) as program:
        program.wait_for(events)
        program.go_on()
        program.wait_for(2 * events)
        assert program.parent_has_ended() == 0, program.errors()
        with Running("exit", spool=spool, endpoint=server.url, run=9, events=1) as other:
            assert other.wait() == 0, other.errors()
        assert _waiting(spool) == 2 * events + 1
        program.go_on()
        program.wait_for(3 * events)
    sink.inbox.faults.clear()
    with Running("once", spool=spool, endpoint=server.url, run=10, events=1) as last:
        assert last.wait() == 0, last.errors()
    acknowledged = program.acknowledged + other.acknowledged + last.acknowledged
    say(figures, acknowledged, sink, start)
    assert len(acknowledged) == 3 * events + 2
    check_arrivals(acknowledged, sink.arrived(), at_most_doubled=2 * IN_FLIGHT)
    check_books(spool)


def test_two_programs_share_one_spool(spool: Path, server: InboxServer, sink: Sink, figures: Figures) -> None:
    """Started at the same moment on a file that is not there yet; each event is sent by one of them."""
    events, start = 400, monotonic()
    with (
        Running("once", spool=spool, endpoint=server.url, run=1, events=events) as one,
        Running("once", spool=spool, endpoint=server.url, run=2, events=events) as other,
    ):
        assert one.wait() == 0, one.errors()
        assert other.wait() == 0, other.errors()
    acknowledged = one.acknowledged + other.acknowledged
    say(figures, acknowledged, sink, start)
    assert len(acknowledged) == 2 * events
    check_arrivals(acknowledged, sink.arrived())
    assert check_books(spool).delivered == 2 * events


def test_tasks_that_take_turns(spool: Path, server: InboxServer, sink: Sink, figures: Figures) -> None:
    """A hundred asyncio tasks on one event loop."""
    tasks, events, start = 100, 8, monotonic()
    with Running("asyncio", spool=spool, endpoint=server.url, events=events, workers=tasks) as program:
        assert program.wait() == 0, program.errors()
    say(figures, program.acknowledged, sink, start)
    assert len(program.acknowledged) == tasks * events
    check_arrivals(program.acknowledged, sink.arrived())
    assert check_books(spool).delivered == tasks * events


def test_sigterm_whose_handler_shuts_down(spool: Path, server: InboxServer, sink: Sink, figures: Figures) -> None:
    """The program ends well and soon; what it could not deliver in time is delivered by the next one."""
    start = monotonic()
    with Running("sigterm", spool=spool, endpoint=server.url, events=100_000) as program:
        program.wait_for(300)
        program.terminate()
        assert program.wait() == 0, program.errors()
    left = _waiting(spool)
    with Running("once", spool=spool, endpoint=server.url, run=2, events=1) as following:
        assert following.wait() == 0, following.errors()
    acknowledged = program.acknowledged + following.acknowledged
    say(lambda line: figures(f"{line}, {left} waited for the next start"), acknowledged, sink, start)
    check_arrivals(acknowledged, sink.arrived(), at_most_doubled=IN_FLIGHT)
    check_books(spool)


def test_an_end_without_shutdown(spool: Path, server: InboxServer, sink: Sink, figures: Figures) -> None:
    """The interpreter ends while events wait: they are on disk, and the next start delivers them."""
    events, start = 300, monotonic()
    with Running("exit", spool=spool, endpoint=server.url, events=events) as program:
        assert program.wait() == 0, program.errors()
    left = _waiting(spool)
    with Running("once", spool=spool, endpoint=server.url, run=2, events=1) as following:
        assert following.wait() == 0, following.errors()
    acknowledged = program.acknowledged + following.acknowledged
    say(lambda line: figures(f"{line}, {left} waited for the next start"), acknowledged, sink, start)
    assert len(acknowledged) == events + 1
    check_arrivals(acknowledged, sink.arrived(), at_most_doubled=IN_FLIGHT)
    check_books(spool)
    assert "Traceback" not in program.errors()


def _waiting(spool: Path) -> int:
    file = Spool(spool)
    books = file.books()
    file.close()
    assert books.balanced, books
    assert not books.dropped
    return books.waiting
