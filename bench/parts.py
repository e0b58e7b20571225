"""
What each part of the caller's way costs in the flow: measured by leaving them out, one after the other from the end.

    .cache/bench/bin/python -m bench.parts            in a burst, CPU time
    .cache/bench/bin/python -m bench.parts --paced    each 10 ms, as the caller sees it: nothing is in the caches any more

Each part called alone in a loop costs less than in a burst, and far less than paced.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.figures import median
from bench.load import VISITOR, properties
from bench.ours import OrderPlaced, Silence, pipeline

_EVENTS: Final = 2_000
_REPEATS: Final = 7
_US: Final = 1e6
_PACED: Final = 120
_PAUSE_SECONDS: Final = 0.01


def main() -> None:
    """Measure, and print one line for each part."""
    each = _paced if "--paced" in sys.argv[1:] else _each
    from opentelemetry.sdk.trace import TracerProvider

    from otel_umami_exporter import UmamiSpanProcessor, one_pass, record
    from otel_umami_exporter.overflow import OverflowingSpool

    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        road = pipeline(Silence, Path(folder) / "spool")
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(UmamiSpanProcessor(pipeline=road))
        tracer = provider.get_tracer("bench")

        def work(number: int) -> None:
            with tracer.start_as_current_span("order", attributes={"enduser.pseudo.id": VISITOR}):
                record(OrderPlaced(**properties(0, number)))  # type: ignore[arg-type]  # as in the load

        parts: list[tuple[str, object, str, Callable[..., Any]]] = [
            ("the system call", os, "write", lambda _, data: len(data)),
            ("frame, checksum, locks", OverflowingSpool, "put", lambda *_: None),
            ("from the span to its JSON", one_pass.OnePass, "bodies", lambda *_: []),
            ("what is left of on_end", UmamiSpanProcessor, "on_end", lambda *_: None),
        ]
        before = each(work)
        sys.stdout.write(f"{before:6.1f} µs  the span, record() and all that follows\n")
        for says, owner, name, nothing in parts:
            setattr(owner, name, nothing)
            after = each(work)
            sys.stdout.write(f"{before - after:6.1f} µs  {says}\n")
            before = after
        sys.stdout.write(f"{before:6.1f} µs  the span and record() alone\n")
        sys.stdout.flush()
        os._exit(0)  # the senders wait for an answer that never comes


def _each(work: Callable[[int], None]) -> float:
    """Return the median microseconds of this thread's CPU time for one event."""
    found = []
    for _ in range(_REPEATS):
        start = time.thread_time()
        for number in range(_EVENTS):
            work(number)
        found.append((time.thread_time() - start) / _EVENTS * _US)
    return median(found)


def _paced(work: Callable[[int], None]) -> float:
    """Return the median microseconds that one event takes its caller after a pause."""
    found = []
    for number in range(_PACED):
        time.sleep(_PAUSE_SECONDS)
        start = time.perf_counter()
        work(number)
        found.append((time.perf_counter() - start) * _US)
    return median(found)


if __name__ == "__main__":
    main()
