"""
One peer at work, in a process of its own and in the peers' environment; prints one line of JSON.

    python -m bench.worker ours road --url http://127.0.0.1:1234 --control 1235 --folder FOLDER ...
"""

import argparse
import asyncio
import gc
import json
import re
import sys
import time
from array import array
from pathlib import Path
from typing import Any, Final

from bench.figures import median, percentile
from bench.peers import PEERS, Peer, Setting
from bench.sinks import Orders

_US: Final = 1e6
_PAUSE_SECONDS: Final = 0.01  # between two paced events
_WARM_UP: Final = 50
_SETTLE_SECONDS: Final = 0.2


def peak_rss_mb() -> float:
    """Return the most memory that this process ever had resident, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


async def _one(peer: Peer, number: int) -> None:
    waiting = peer.event(number)
    if waiting is not None:
        await waiting


async def _timed(peer: Peer, first: int, events: int, pause: float) -> "array[float]":
    """Record so many events and return the microseconds that each took its caller."""
    took = array("d", bytes(8 * events))
    for position in range(events):
        start = time.perf_counter()
        waiting = peer.event(first + position)
        if waiting is not None:
            await waiting
        took[position] = (time.perf_counter() - start) * _US
        if pause:
            await asyncio.sleep(pause)
    return took


async def _load(peer: Peer, first: int, events: int) -> None:
    for position in range(events):
        waiting = peer.event(first + position)
        if waiting is not None:
            await waiting


async def road(peer: Peer, orders: Orders, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure what the caller pays, paced and in a burst; then how fast a large load is delivered, and at what cost."""
    number = 0
    await _load(peer, number, _WARM_UP)
    peer.flush()
    number += _WARM_UP
    paced = await _timed(peer, number, arguments.paced, _PAUSE_SECONDS)
    number += arguments.paced
    peer.flush()
    burst = await _timed(peer, number, arguments.burst, 0.0)
    number += arguments.burst
    peer.flush()
    await asyncio.sleep(_SETTLE_SECONDS)
    orders.do("reset")
    gc.collect()
    start, cpu = time.perf_counter(), time.process_time()
    await _load(peer, number, arguments.events)
    recorded = time.perf_counter() - start
    peer.flush()
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    return {
        "paced_us": median(paced) if paced else None,
        "burst_us": median(burst) if burst else None,
        "burst_mean_us": sum(burst) / len(burst) if burst else None,
        "burst_p99_us": percentile(burst, 0.99) if burst else None,
        "seconds": seconds,
        "recorded_seconds": recorded,
        "sent": arguments.events,
        "delivered": orders.events(),
        "cpu_seconds": used,
        "peak_rss_mb": peak_rss_mb(),
    }


async def pace(peer: Peer, orders: Orders, arguments: argparse.Namespace) -> dict[str, Any]:
    """Record at a steady pace from a given moment on, and give everything that waits a chance to leave."""
    del orders
    await asyncio.sleep(max(0.0, arguments.at - time.time()))
    start = time.perf_counter()
    for number in range(arguments.events):
        await asyncio.sleep(max(0.0, start + number / arguments.rate - time.perf_counter()))
        await _one(peer, number)
    peer.flush()
    return {"sent": arguments.events}


async def leave(peer: Peer, orders: Orders, arguments: argparse.Namespace) -> dict[str, Any]:
    """Record, say so, and wait to be killed."""
    del orders
    await _load(peer, 0, arguments.events)
    print(json.dumps({"recorded": arguments.events}), flush=True)
    await asyncio.sleep(3600)
    return {}


async def resume(peer: Peer, orders: Orders, arguments: argparse.Namespace) -> dict[str, Any]:
    """Start again after a kill, with nothing new to say, and deliver what there is."""
    del orders
    await asyncio.sleep(arguments.seconds)
    peer.flush()
    return {}


TASKS: Final = {"road": road, "pace": pace, "leave": leave, "resume": resume}


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--run", type=int, default=0)
    parser.add_argument("--as-shipped", action="store_true")
    parser.add_argument("--paced", type=int, default=0)
    parser.add_argument("--burst", type=int, default=0)
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--at", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=0.0)
    arguments = parser.parse_args()
    orders = Orders(arguments.control)
    setting = Setting(url=arguments.url, folder=arguments.folder, run=arguments.run, as_shipped=arguments.as_shipped)
    peer = PEERS[arguments.peer].make(setting)
    print(json.dumps(asyncio.run(TASKS[arguments.task](peer, orders, arguments))), flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
