"""
How late an event loop is on which events are recorded at a steady rate: while Umami hangs, or while it takes them.

    python -m bench.lag ours --url http://127.0.0.1:1234 --folder FOLDER --seconds 10
"""

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Final

from bench.figures import median, percentile
from bench.peers import PEERS, Peer, Setting

_TICK: Final = 0.002
_BEAT: Final = 0.005
_MS: Final = 1_000.0


async def measure(peer: Peer, seconds: float, rate: float) -> dict[str, float]:
    """Record at *rate* for *seconds*, and return how late a heartbeat on the same loop was, in milliseconds."""
    late: list[float] = []
    start = time.perf_counter()
    end = start + seconds
    recorded = 0

    async def beat() -> None:
        while (now := time.perf_counter()) < end:
            await asyncio.sleep(_BEAT)
            late.append((time.perf_counter() - now - _BEAT) * _MS)

    async def work() -> None:
        nonlocal recorded
        while (now := time.perf_counter()) < end:
            while recorded < (now - start) * rate:
                peer.event(recorded)
                recorded += 1
            await asyncio.sleep(_TICK)

    await asyncio.gather(beat(), work())
    return {"events": recorded, "p50_ms": median(late), "p99_ms": percentile(late, 0.99), "max_ms": max(late)}


def main() -> None:
    """Measure and print JSON; end without waiting for what hangs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=1_000.0)
    arguments = parser.parse_args()
    peer = PEERS[arguments.peer].make(Setting(url=arguments.url, folder=arguments.folder))
    print(json.dumps(asyncio.run(measure(peer, arguments.seconds, arguments.rate))))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
