"""Many threads at the door of one road."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest
from fast_sink import FastSink
from numbered import Road
from world import check_arrivals, check_books, doubled

from otel_umami_exporter.delivery import Timing

pytestmark = pytest.mark.endurance

THREADS = 16
EVENTS = 5_000


def test_sixteen_threads_lose_nothing(spool: Path, figures: Callable[[str], None]) -> None:
    """Each records five thousand events at full speed, while batches leave; all arrive, each once."""
    sink, start = FastSink(), monotonic()
    with Road(spool, lambda: sink, timing=Timing()) as road:
        with ThreadPoolExecutor(THREADS) as threads:
            done = list(threads.map(lambda run: road.record_many(run, range(EVENTS)), range(THREADS)))
        recorded = monotonic() - start
        assert road.pipeline.flush(300.0)
    acknowledged = [each for part in done for each in part]
    figures(
        f"{len(acknowledged)} acknowledged in {recorded:.1f} s, {len(sink.arrived)} arrived after"
        f" {monotonic() - start:.1f} s, {doubled(sink.arrived)} of them twice"
    )
    assert len(acknowledged) == THREADS * EVENTS
    check_arrivals(acknowledged, sink.arrived)
    books = check_books(spool)
    assert (books.accepted, books.delivered) == (THREADS * EVENTS, THREADS * EVENTS)
