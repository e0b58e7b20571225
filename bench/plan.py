"""All measurements in their order, and how much of each: some ten minutes, or with --quick about five."""

import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench import losses, road
from bench.figures import median
from bench.peers import PEERS
from bench.running import ROOT, environment, last_line, run
from bench.sinks import SinkProcess
from bench.startup import imports

SLOW_SECONDS: Final = 0.007  # what a real Umami 3.1 takes of one core for each event
_HANDS: Final = ((50, 2), (50, 4), (100, 2), (200, 2))  # batch and connections of the load generator
_LARGE: Final = ("ours", "otlp", "segment")
_BUSY: Final = ("bare", *_LARGE)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of everything."""

    rounds: int = 5
    paced: int = 100
    burst: int = 4_000
    events: int = 20_000
    large: int = 200_000
    outage_seconds: float = 10.0
    waiting: int = 1_000
    lag_seconds: float = 10.0
    lag_rounds: int = 2
    busy_rate: int = 5_000
    depths: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    pieces: int = 12
    memory: tuple[int, ...] = (0, 1_000_000)
    hand_seconds: float = 4.0
    backlog: int = 3_600
    imports: int = 15
    disabled: int = 40
    bot: int = 25


QUICK: Final = Plan(
    rounds=2,
    paced=50,
    burst=2_000,
    events=5_000,
    large=20_000,
    outage_seconds=5.0,
    lag_seconds=4.0,
    lag_rounds=1,
    depths=(1_000, 100_000),
    pieces=6,
    memory=(0, 100_000),
    hand_seconds=3.0,
    backlog=800,
    imports=5,
    disabled=20,
    bot=8,
)


def carry_out(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything; return the figures as they go into the file."""
    everybody = [peer for peer in PEERS if peer != "bare"]
    start = time.time()
    found: dict[str, Any] = {"machine": machine(), "plan": plan.__dict__ | {}}
    with SinkProcess() as sink:
        found["road"] = road.measure(
            sink, PEERS, rounds=plan.rounds, paced=plan.paced, burst=plan.burst, events=plan.events, say=say
        )
        say("the large load")
        found["large"] = road.measure(sink, _LARGE, rounds=1, paced=0, burst=0, events=plan.large, say=say)
        say("an outage")
        found["outage"] = losses.outage(sink, everybody, seconds=plan.outage_seconds)
        say("a kill")
        found["kill"] = losses.kill(sink, everybody, events=plan.waiting)
        say("a server that hangs")
        sink.orders.do("hang")
        found["lag"] = _lag(sink, plan, ("bare", "ours"), rate=1_000)
        sink.orders.do("normal")
        say("a busy program")
        found["busy"] = _lag(sink, plan, _BUSY, rate=plan.busy_rate)
        say("many that wait")
        with _folder() as folder:
            found["depth"] = run(
                "bench.depth", "--url", sink.url, "--folder", folder, "--pieces", plan.pieces, "--depths", *plan.depths
            )
        found["memory"] = {str(events): _memory(sink, events) for events in plan.memory}
        say("a slow server")
        found["drain"] = _drain(sink, plan)
        say("starting")
        found["imports"] = imports(plan.imports)
        found["disabled"] = run("bench.startup", "--pieces", plan.disabled)
        say("the bot")
        found["bot"] = _bot(sink, plan)
    found["seconds"] = time.time() - start
    return found


def machine() -> dict[str, Any]:
    """Describe where the figures come from."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_average_before": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    """Return the versions of the peers, as the locked file has them."""
    lines = (ROOT / "requirements" / "bench.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split(" ")[0].split("==") for line in lines if "==" in line and not line.startswith(" "))
    names = {each.package for each in PEERS.values() if each.package}
    return {name: pinned[name] for name in sorted(names) if name in pinned} | {
        "otel-umami-exporter": version("otel-umami-exporter")
    }


@contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        yield folder


def _lag(sink: SinkProcess, plan: Plan, peers: Sequence[str], *, rate: int) -> dict[str, Any]:
    rounds: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    for _ in range(plan.lag_rounds):
        for peer, results in rounds.items():
            with _folder() as folder:
                pace = ("--seconds", plan.lag_seconds, "--rate", rate)
                results.append(run("bench.lag", peer, "--url", sink.url, "--folder", folder, *pace))
    return {
        peer: {name: median([each[name] for each in results]) for name in results[0]}
        for peer, results in rounds.items()
    }


def _memory(sink: SinkProcess, events: int) -> float:
    with _folder() as folder:
        run("bench.memory", "fill", "--folder", folder, "--events", events)
        done = run("bench.memory", "work", "--folder", folder, "--url", sink.url, "--seconds", 3)
        return float(done["peak_rss_mb"])


def _drain(sink: SinkProcess, plan: Plan) -> dict[str, Any]:
    sink.orders.do("slow", seconds=SLOW_SECONDS)
    hands = []
    for batch, connections in _HANDS:
        hands.append(_hand(sink, batch, connections, plan.hand_seconds))
    best = max(hands, key=lambda each: float(each["events_per_second"]))
    with _folder() as folder:
        ours = run(
            "bench.drain", "ours", "--url", sink.url, "--control", sink.control, "--folder", folder,
            "--backlog", plan.backlog,
        )  # fmt: skip
    again = _hand(sink, best["batch"], best["connections"], plan.hand_seconds)
    sink.orders.do("normal")
    # The same generator before and after: what the machine had to give meanwhile lies between.
    hand = {**best, "events_per_second": (best["events_per_second"] + again["events_per_second"]) / 2}
    return {"hands": [*hands, again], "hand": hand, "ours": ours}


def _hand(sink: SinkProcess, batch: int, connections: int, seconds: float) -> dict[str, Any]:
    done = run(
        "bench.drain", "hand", "--url", sink.url, "--batch", batch, "--connections", connections, "--seconds", seconds
    )
    return {"batch": batch, "connections": connections, **done}


def _bot(sink: SinkProcess, plan: Plan) -> dict[str, Any]:
    """Measure the bot, which is in this environment and not in the peers'."""
    with _folder() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench.bot", "--url", sink.url, "--folder", folder, "--rounds", str(plan.bot)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment(),
            check=False,
        )
    return last_line(done.stdout, done.stderr)
