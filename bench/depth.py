"""
What one more event costs when so many wait already: recorded, claimed, sent and settled.

    python -m bench.depth --url http://127.0.0.1:1234 --folder FOLDER --depths 1000 1000000

A spool for each depth; pieces of the work are done on one after the other, so that a noisy second hits all of them.
Measured is the CPU time of the whole process: this work waits for nothing but the sink.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import TracerProvider

from bench.figures import median
from bench.load import VISITOR, properties
from bench.ours import ROOMY, OrderPlaced, Silence, fill, pipeline
from otel_umami_exporter import UmamiSpanProcessor, record
from otel_umami_exporter.clock import SystemClock
from otel_umami_exporter.delivery import Delivery, Timing
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.umami import UmamiClient

_US: Final = 1e6
_PIECE: Final = 250


class Deep:
    """A spool in which *depth* events wait, a processor before it and a delivery behind it; no threads."""

    def __init__(self, folder: Path, url: str, depth: int) -> None:
        self.depth = depth
        path = folder / f"spool-{depth}.db"
        fill(path, 0, depth, accepted_at=time.time())
        clock = SystemClock()
        self._spool = OverflowingSpool(path, ROOMY, clock)
        self._delivery = Delivery(self._spool, Timing(), clock)
        self._client = UmamiClient(url)
        self._pipeline = pipeline(Silence, path, ROOMY)  # only its near side is used
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(UmamiSpanProcessor(pipeline=self._pipeline))
        self._tracer = self._provider.get_tracer("bench")

    def record(self, events: int) -> float:
        """Record so many; return the microseconds of CPU for each."""
        start = time.thread_time()
        for number in range(events):
            with self._tracer.start_as_current_span("work"):
                record(OrderPlaced(**properties(0, number)), visitor=VISITOR)  # type: ignore[arg-type]
        return (time.thread_time() - start) / events * _US

    def deliver(self, events: int) -> float:
        """Deliver so many; return the microseconds of CPU for each."""
        start, gone = time.thread_time(), 0
        self._spool.oldest()  # whoever asks takes the pipeline's journal in: behind a backlog that is the way
        while gone < events:
            gone += self._delivery.attempt(self._client, self._delivery.claim()).gone
        return (time.thread_time() - start) / gone * _US


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--depths", type=int, nargs="+", required=True)
    parser.add_argument("--pieces", type=int, default=12)
    arguments = parser.parse_args()
    spools = [Deep(arguments.folder, arguments.url, depth) for depth in arguments.depths]
    recorded: dict[int, list[float]] = {each.depth: [] for each in spools}
    delivered: dict[int, list[float]] = {each.depth: [] for each in spools}
    for _ in range(arguments.pieces):
        for each in spools:
            recorded[each.depth].append(each.record(_PIECE))
            delivered[each.depth].append(each.deliver(_PIECE))
    figures: dict[str, Any] = {
        str(depth): {
            "record_us": median(recorded[depth]),
            "deliver_us": median(delivered[depth]),
            "together_us": median([one + other for one, other in zip(recorded[depth], delivered[depth], strict=True)]),
        }
        for depth in recorded
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
