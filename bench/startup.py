"""What importing costs, and what a span costs when the exporter is switched off."""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any, Final

from bench.figures import median
from bench.running import PEERS_PYTHON, ROOT, environment

BASE: Final = "import opentelemetry.sdk.trace, opentelemetry.sdk.trace.export, httpx"
OURS: Final = f"{BASE}; import otel_umami_exporter"
ROAD: Final = f"{BASE}; from otel_umami_exporter import Pipeline, UmamiSpanProcessor"  # the module that builds the road
_TIMED: Final = "import time; t = time.process_time(); {}; print(time.process_time() - t)"
_SPANS: Final = 2_000
_NS: Final = 1e9


def imports(repeats: int) -> dict[str, Any]:
    """Return the seconds of CPU that the imports take, without and with this library; a process for each."""
    taken: dict[str, list[float]] = {BASE: [], OURS: [], ROAD: []}
    for number in range(repeats + 1):
        for code, seconds in taken.items():
            done = subprocess.run(
                [str(PEERS_PYTHON), "-c", _TIMED.format(code)],
                capture_output=True,
                text=True,
                check=True,
                cwd=ROOT,
                env={name: value for name, value in environment().items() if name != "PYTHONDONTWRITEBYTECODE"},
            )
            if number:  # the first one compiles
                seconds.append(float(done.stdout))
    return {
        "base_seconds": median(taken[BASE]),
        "ours_seconds": median(taken[OURS]),
        "road_seconds": median(taken[ROAD]),
        "ratio": median([ours / base for base, ours in zip(taken[BASE], taken[OURS], strict=True)]),
    }


def disabled(pieces: int) -> dict[str, float]:
    """Return what one span costs more, in nanoseconds, when the processor is there and analytics is switched off."""
    from opentelemetry.sdk.trace import TracerProvider

    from otel_umami_exporter import UmamiSpanProcessor

    os.environ["ANALYTICS_ENABLED"] = "false"
    without, with_it = TracerProvider(shutdown_on_exit=False), TracerProvider(shutdown_on_exit=False)
    with_it.add_span_processor(UmamiSpanProcessor())
    differences, plain = [], []
    for _ in range(pieces):
        first = _spans(without)
        differences.append(_spans(with_it) - first)
        plain.append(first)
    return {"span_ns": median(plain), "more_ns": median(differences)}


def _spans(provider: Any) -> float:
    tracer = provider.get_tracer("bench")
    start = time.thread_time()
    for _ in range(_SPANS):
        tracer.start_span("work").end()
    return (time.thread_time() - start) / _SPANS * _NS


def main() -> None:
    """Measure what a span costs, in the peers' environment, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=30)
    print(json.dumps(disabled(parser.parse_args().pieces)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
