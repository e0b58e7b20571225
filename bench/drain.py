"""
How fast a backlog leaves towards a server as slow as a real Umami: this library, and the best that can be done by hand.

    python -m bench.drain hand  --url http://127.0.0.1:1234 --batch 50 --connections 2 --seconds 5
    python -m bench.drain ours  --url http://127.0.0.1:1234 --control 1235 --folder FOLDER --backlog 3600 --live 2

By hand: bodies made beforehand, plain sockets, nothing on disk, nothing read of the answers but their end. Ours: the
backlog of an outage is on disk when the program starts, and live events are recorded while it drains.
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from bench.load import VISITOR, properties
from bench.ours import OrderPlaced, body, fill, pipeline
from bench.sinks import Orders
from otel_umami_exporter import record

_BACKLOG_RUN: Final = 501
_LIVE_RUN: Final = 502
_HOUR: Final = 3_600.0
_LOOK_SECONDS: Final = 0.05
_US: Final = 1_000_000


def by_hand(port: int, batch: int, connections: int, seconds: float) -> dict[str, Any]:
    """Send batches on so many connections; return the events a second that the server took."""
    bodies = b"[" + b",".join(body(0, number) for number in range(batch)) + b"]"
    head = f"POST /api/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(bodies)}\r\n"
    request = head.encode() + b"\r\n" + bodies
    done = [0] * connections
    start = time.perf_counter()

    def work(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.perf_counter() - start < seconds:
                connection.sendall(request)
                answer = b""
                while b"}" not in answer:
                    answer += connection.recv(65_536)
                done[number] += batch

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"events_per_second": sum(done) / (time.perf_counter() - start)}


def ours(arguments: argparse.Namespace) -> dict[str, Any]:
    """Drain a backlog while live events are recorded; return the rate, and how old live events were when they came."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    from otel_umami_exporter import UmamiSpanProcessor

    path = arguments.folder / "spool.db"
    fill(path, _BACKLOG_RUN, arguments.backlog, accepted_at=time.time() - _HOUR)
    orders = Orders(arguments.control)
    orders.do("reset")
    orders.do("distinct")
    provider = TracerProvider(shutdown_on_exit=False)
    start = time.perf_counter()
    provider.add_span_processor(UmamiSpanProcessor(pipeline=pipeline(arguments.url, path)))
    trace.set_tracer_provider(provider)
    recorded, drained = 0, 0
    while drained < arguments.backlog:
        if recorded < (time.perf_counter() - start) * arguments.live:
            record(_live(), visitor=VISITOR)
            recorded += 1
        time.sleep(_LOOK_SECONDS)
        drained = orders.do("count", run=_BACKLOG_RUN)["distinct"]
    seconds, arrived = time.perf_counter() - start, orders.events()
    ages = orders.do("count", run=_LIVE_RUN)["ages"]
    return {
        "events_per_second": arrived / seconds,
        "seconds": seconds,
        "backlog": arguments.backlog,
        "live_recorded": recorded,
        "live_arrived": len(ages),
        "live_oldest_seconds": max(ages, default=None),
    }


def _live() -> OrderPlaced:
    return OrderPlaced(**properties(_LIVE_RUN, int(time.time() * _US)))  # type: ignore[arg-type]


def main() -> None:
    """Measure one of the two and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("who", choices=["hand", "ours"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--control", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--backlog", type=int, default=0)
    parser.add_argument("--live", type=float, default=2.0)
    arguments = parser.parse_args()
    if arguments.who == "hand":
        port = int(arguments.url.rsplit(":", 1)[1])
        found = by_hand(port, arguments.batch, arguments.connections, arguments.seconds)
    else:
        found = ours(arguments)
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
