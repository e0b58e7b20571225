# ruff: noqa: INP001  # tools are no package
"""
How much one bridge takes: requests of a Collector's size, over HTTP, until they are on disk.

    python tools/bench_bridge.py --seconds 20 --bridges 1

Half of the load is spans as they come (1 business event in 10 spans), then spans with an event each. The stand-in for
Umami behind it answers at once and stores nothing: measured is the bridge. Sender and bridge share the machine's cores.
Prints one JSON object: spans and events per second, the bridge's own processor time for a span (which other work on
the machine does not change), and its memory as it went.
"""

import argparse
import gzip
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WEBSITE: Final = "0b9b2a1e-7f6c-4a56-9d6a-1f2e3d4c5b6a"
BATCH: Final = 1_000
SHOWN: Final = 10  # readings of the memory
ROUNDS: Final = 40  # requests made beforehand; each time round, the ids are other ones
TAXONOMY: Final = {
    "version": 1,
    "operations": [],
    "events": [
        {
            "name": "order_placed",
            "doc": "Ordered.",
            "person": True,
            "properties": [
                {"name": "number", "kind": "integer", "doc": "Which", "privacy": "internal", "required": True},
                {"name": "office_id", "kind": "integer", "doc": "Where", "privacy": "public", "required": True},
                {"name": "status", "kind": "choice", "choices": ["success", "failure"], "doc": "How it ended",
                 "privacy": "public", "required": True},
            ],
        }
    ],
}  # fmt: skip


class _Umami(http.server.BaseHTTPRequestHandler):
    """Takes every batch at once."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the name is the base class's
        """Answer as Umami does when all went well."""
        batch = json.loads(self.rfile.read(int(self.headers["content-length"])))
        size = len(batch) if isinstance(batch, list) else 1
        body = json.dumps({"size": size, "processed": size, "errors": 0, "details": [], "cache": "x"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def request(number: int, every: int) -> bytes:
    """Return a request of BATCH spans with some fifteen attributes, and an event on one in *every*."""
    message = ExportTraceServiceRequest()
    entry = message.resource_spans.add()
    for key in ("service.name", "service.version", "deployment.environment.name", "host.name", "telemetry.sdk.name"):
        entry.resource.attributes.add(key=key).value.string_value = f"{key}-value"
    spans = entry.scope_spans.add().spans
    now = time.time_ns()
    for index in range(BATCH):
        ident = number * BATCH + index + 1
        span = spans.add(
            trace_id=os.urandom(12) + b"0123",
            span_id=ident.to_bytes(8, "big"),
            parent_span_id=b"87654321",
            name="SELECT appointments",
            kind=3,
            start_time_unix_nano=now,
            end_time_unix_nano=now + 1_000_000,
        )
        for key in ("db.system", "db.name", "db.statement", "net.peer.name", "thread.name", "code.function"):
            span.attributes.add(key=key).value.string_value = "some value of a usual length"
        for key in ("net.peer.port", "thread.id", "code.lineno"):
            span.attributes.add(key=key).value.int_value = ident
        if index % every == 0:
            event = span.events.add(name="order_placed", time_unix_nano=now + 500_000)
            event.attributes.add(key="number").value.int_value = ident
            event.attributes.add(key="office_id").value.int_value = 54
            event.attributes.add(key="status").value.string_value = "success"
            event.attributes.add(key="enduser.pseudo.id").value.string_value = f"visitor-{ident % 1_000}"
    return message.SerializeToString()


def start_bridge(folder: Path, umami: str, spool: str) -> tuple[subprocess.Popen[str], str]:
    """Start `otel-umami bridge` as a user would, and return it with its address."""
    code = (
        "import argparse, sys; from otel_umami_exporter.bridge.command import add_arguments, run;"
        "parser = argparse.ArgumentParser(); add_arguments(parser); sys.exit(run(parser.parse_args()))"
    )
    process = subprocess.Popen(  # noqa: S603  # ours
        [sys.executable, "-c", code, "--port", "0", "--taxonomy", str(folder / "taxonomy.json")],
        env=os.environ | {
            "UMAMI_ENDPOINT": umami, "UMAMI_WEBSITE_ID": WEBSITE, "UMAMI_SPOOL": str(folder / spool),
            "UMAMI_SPOOL_MAX_EVENTS": "100000000", "UMAMI_SPOOL_MAX_BYTES": str(50 << 30),
        },
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, re.findall(r"http\S+", line)[0]


def memory(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024


def processor_seconds(pid: int) -> float:
    """Return how much processor time a process has had, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    """Sends from some threads, each request with span ids of its own, and counts what was answered with 200."""

    def __init__(self, urls: list[str], every: int, threads: int, rate: float | None) -> None:
        self.bodies = [request(number, every) for number in range(ROUNDS)]
        self.urls, self.threads, self.rate = urls, threads, rate
        self.taken = 0
        self.others: dict[int, int] = {}
        self._lock = threading.Lock()

    def run(self, seconds: float) -> float:
        """Send for *seconds*; return the spans taken in each second."""
        self.taken = 0
        start = time.monotonic()
        workers = [threading.Thread(target=self._work, args=(n, start + seconds)) for n in range(self.threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return self.taken / (time.monotonic() - start)

    def _work(self, number: int, deadline: float) -> None:
        url = f"{self.urls[number % len(self.urls)]}/v1/traces"
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        round_ = 0
        with httpx.Client(timeout=60) as client:
            while (now := time.monotonic()) < deadline:
                body = self.bodies[round_ % ROUNDS]
                round_ += 1
                # other span ids each time, of the same length: \x12\x08 is the field before each of them
                mark = b"\x12\x08" + (number * 1_000_000 + round_).to_bytes(4, "big")
                fresh = body.replace(b"\x12\x08\x00\x00\x00\x00", mark)
                answer = client.post(url, content=gzip.compress(fresh, 1), headers=headers)
                with self._lock:
                    if answer.status_code == httpx.codes.OK:
                        self.taken += BATCH
                    else:
                        self.others[answer.status_code] = self.others.get(answer.status_code, 0) + 1
                if self.rate is not None:
                    time.sleep(max(0.0, BATCH * self.threads / self.rate - (time.monotonic() - now)))


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--bridges", type=int, default=1)
    parser.add_argument("--own-spools", action="store_true", help="one spool for each bridge, not one for all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rate", type=float, help="spans per second in all; default: as many as go")
    parser.add_argument("--every", type=int, nargs="*", default=[10, 1], help="an event on one span in so many")
    args = parser.parse_args()
    umami = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Umami)
    threading.Thread(target=umami.serve_forever, daemon=True).start()
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load_average_before": os.getloadavg()[0], "batch": BATCH}
    for every in args.every:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "taxonomy.json").write_text(json.dumps(TAXONOMY))
            address = f"http://127.0.0.1:{umami.server_address[1]}"
            spools = [f"spool-{n if args.own_spools else 0}.db" for n in range(args.bridges)]
            started = [start_bridge(folder, address, spool) for spool in spools]
            try:
                load = Load([url for _, url in started], every, args.threads, args.rate)
                load.run(min(3.0, args.seconds))
                parts, sizes = max(1, int(args.seconds // 10)), []
                rates, spans = [], 0
                before = sum(processor_seconds(process.pid) for process, _ in started)
                for _ in range(parts):
                    rates.append(load.run(args.seconds / parts))
                    spans += load.taken
                    sizes.append(round(sum(memory(process.pid) for process, _ in started), 1))
                spent = sum(processor_seconds(process.pid) for process, _ in started) - before
                rate = sum(rates) / len(rates)
                figures[f"1 event in {every} spans"] = {
                    "spans_per_second": round(rate),
                    "events_on_disk_per_second": round(rate / every),
                    "processor_microseconds_per_span": round(1e6 * spent / max(1, spans), 1),
                    "memory_mib": sizes[:: max(1, len(sizes) // SHOWN)],
                    "not_200": load.others,
                }
            finally:
                for process, _ in started:
                    process.terminate()
                for process, _ in started:
                    process.wait(30)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
