"""The road of one event, peer beside peer: what the caller pays, how fast it is delivered, CPU and memory."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from bench.figures import spread
from bench.peers import PEERS
from bench.running import run, worker
from bench.sinks import SinkProcess

_FEWEST: Final = 20
_PER: Final = 10_000
_FIGURES: Final = (
    "paced_us",
    "burst_us",
    "burst_mean_us",
    "burst_p99_us",
    "delivered_per_second",
    "cpu_per_10k",
    "peak_rss_mb",
)


def measure(
    sink: SinkProcess,
    peers: Iterable[str],
    *,
    rounds: int,
    paced: int,
    burst: int,
    events: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Let each of *peers* do the work, *rounds* times, one after the other; return their figures."""
    found: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    for number in range(rounds):
        for peer, results in found.items():
            share = PEERS[peer].share
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                work = worker(
                    peer,
                    "road",
                    sink,
                    Path(folder),
                    paced=paced if share > 0.05 else min(paced, _FEWEST),  # noqa: PLR2004  # 30 ms each
                    burst=burst if share > 0.05 else min(burst, _FEWEST),  # noqa: PLR2004
                    events=max(_FEWEST, int(events * share)),
                )
                results.append(_figures(run("bench.worker", *work)))
            say(f"round {number + 1}: {PEERS[peer].title}")
    return {peer: _together(results) for peer, results in found.items()}


def _figures(raw: dict[str, Any]) -> dict[str, Any]:
    return raw | {
        "delivered_per_second": raw["delivered"] / raw["seconds"],
        "cpu_per_10k": raw["cpu_seconds"] / raw["sent"] * _PER,
    }


def _together(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    together: dict[str, Any] = {
        name: spread([each[name] for each in rounds]) for name in _FIGURES if rounds[0][name] is not None
    }
    together["sent"] = rounds[0]["sent"]
    together["missing"] = max(each["sent"] - each["delivered"] for each in rounds)
    return together
