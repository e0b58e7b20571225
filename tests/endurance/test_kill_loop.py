"""The promise, checked by killing: what is on disk when `record()` returns arrives, whenever the process dies."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from time import monotonic

import pytest
from numbered import IN_FLIGHT, Id
from world import Running, Sink, check_arrivals, check_books, doubled

from otel_umami_exporter.inbox import InboxServer

pytestmark = pytest.mark.endurance

ROUNDS = 30
SEED = 20_251_123
EVENTS_A_ROUND = 500


def live_and_die(program: Running, sink: Sink, chance: Random) -> bool:
    """Kill it at a random moment: while it starts, while it records, or while batches are on their way."""
    moment = chance.choice(["starting", "recording", "recording", "sending", "sending"])
    if moment == "starting":
        program.live(chance.uniform(0.0, 1.0))
    elif moment == "recording":
        program.wait_for(chance.randint(1, EVENTS_A_ROUND))
    else:
        sink.more_requests(chance.randint(1, 6))
        program.live(chance.uniform(0.0, 0.05))
    return program.kill()


def test_whatever_was_acknowledged_before_a_sigkill_arrives(
    spool: Path, server: InboxServer, sink: Sink, figures: Callable[[str], None]
) -> None:
    """Thirty lives and deaths on one spool; no acknowledged event is missing, and only batches in flight came twice."""
    chance = Random(SEED)  # noqa: S311 - repeatable, not secret
    acknowledged: list[Id] = []
    kills = 0
    start = monotonic()
    for each in range(ROUNDS):
        with Running("loop", spool=spool, endpoint=server.url, run=each, events=EVENTS_A_ROUND) as program:
            kills += live_and_die(program, sink, chance)
            acknowledged += program.acknowledged
            assert "Traceback" not in program.errors()
    with Running("once", spool=spool, endpoint=server.url, run=ROUNDS, events=1) as last:
        assert last.wait() == 0, last.errors()
        acknowledged += last.acknowledged

    arrived = sink.arrived()
    figures(
        f"{kills} kills, {len(acknowledged)} acknowledged, {len(arrived)} arrived, {doubled(arrived)} of them twice"
        f" (at most {IN_FLIGHT * kills}), lost {len(set(acknowledged) - set(arrived))}, {monotonic() - start:.0f} s"
    )
    assert kills == ROUNDS
    assert len(acknowledged) == len(set(acknowledged))
    check_arrivals(acknowledged, arrived, at_most_doubled=IN_FLIGHT * kills)
    assert len(arrived) - len(acknowledged) <= kills, "at most the one event whose receipt the kill cut off"
    assert check_books(spool).accepted == len(arrived)
