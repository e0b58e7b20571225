"""
Fails when a ratio has fallen by more than 30 % against the committed one: what CI asks.

Ratios only, of figures of one and the same run, never a time: a slow machine is slow for both. All of them are said so
that more is better. Rounds are interleaved, a ratio is the median over rounds, and one that has fallen is measured once
more before it fails.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench import road
from bench.ratios import by_round
from bench.running import run
from bench.sinks import SinkProcess
from bench.startup import imports

REFERENCE: Final = Path(__file__).with_name("reference.json")
FALL: Final = 0.30
_PEERS: Final = ("ours", "otlp", "bare")


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """Measure the ratios, in about half a minute."""
    with SinkProcess() as sink:
        found: dict[str, Any] = {
            "road": road.measure(sink, _PEERS, rounds=3, paced=0, burst=1_500, events=4_000, say=say)
        }
    switched_off = run("bench.startup", "--pieces", 20)
    return {
        "burst: a bare span beside record()": 1 / by_round(found, "burst_mean_us", "ours", "bare"),
        "burst: OTLP/HTTP beside record()": 1 / by_round(found, "burst_mean_us", "ours", "otlp"),
        "delivered/s beside OTLP/HTTP": by_round(found, "delivered_per_second", "ours", "otlp"),
        "CPU: OTLP/HTTP beside ours": 1 / by_round(found, "cpu_per_10k", "ours", "otlp"),
        "memory: OTLP/HTTP beside ours": 1 / by_round(found, "peak_rss_mb", "ours", "otlp"),
        "import: SDK and httpx beside ours": 1 / imports(5)["ratio"],
        "switched off: a span beside itself": switched_off["span_ns"]
        / (switched_off["span_ns"] + max(0.0, switched_off["more_ns"])),
    }


def fallen(measured: dict[str, float], reference: dict[str, float]) -> dict[str, float]:
    """Return the ratios that lie more than 30 % below their reference."""
    return {name: value for name, value in measured.items() if value < reference[name] * (1 - FALL)}


def guard(say: Callable[[str], None]) -> int:
    """Measure, and once more if something has fallen; return the exit status."""
    reference: dict[str, float] = json.loads(REFERENCE.read_text(encoding="utf-8"))
    measured = measure(say)
    if fallen(measured, reference):
        say("a ratio has fallen: once more")
        again = measure(say)
        measured = {name: max(value, again[name]) for name, value in measured.items()}
    bad = fallen(measured, reference)
    for name, value in measured.items():
        say(f"{'FELL' if name in bad else 'ok':4}  {name}: {value:.2f}, committed {reference[name]:.2f}")
    return 1 if bad else 0


def commit(say: Callable[[str], None]) -> int:
    """Measure three times, and write the lowest as the reference: every machine has worse moments."""
    runs = [measure(say) for _ in range(3)]
    measured = {name: round(min(each[name] for each in runs), 3) for name in runs[0]}
    REFERENCE.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    say(f"{REFERENCE.name} written")
    return 0
