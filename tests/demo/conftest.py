"""The demo, run a few times for all tests, some at once: what is counted may not depend on how busy the machine is."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from demo_runs import WEBSITE, Run, start, start_python

from otel_umami_exporter.inbox import Inbox, InboxServer

AT_ONCE = 3


@pytest.fixture(scope="session")
def named_umami() -> Iterator[tuple[Inbox, InboxServer]]:
    """Return an Umami that is not the demo's own."""
    inbox = Inbox(websites=[WEBSITE])
    with inbox.serve() as server:
        yield inbox, server
    inbox.close()


class _Collector(BaseHTTPRequestHandler):
    """Takes traces over OTLP/HTTP as a Collector does, and keeps the bodies."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        if self.path == "/v1/traces":
            body = self.rfile.read(int(self.headers["content-length"]))
            self.bodies.append(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Return the address of a Collector, and what it was sent."""
    bodies = list[bytes]()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Collector", (_Collector,), {"bodies": bodies}))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
    named_umami: tuple[Inbox, InboxServer],
    collector: tuple[str, list[bytes]],
) -> Iterator[dict[str, Run]]:
    """Return the runs by name, a few at the same time: more would only keep simulated people from being in time."""

    def folder(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    def start_canary(folder: Path) -> Run:
        return start_python(folder, str(Path(__file__).with_name("canary_run.py")), str(folder))

    there = {
        "UMAMI_ENDPOINT": named_umami[1].url,
        "UMAMI_WEBSITE_ID": WEBSITE,
        "OTEL_TRACES_EXPORTER": "umami,otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector[0],
    }
    unsampled = {"OTEL_TRACES_SAMPLER": "always_off"}
    plans: dict[str, Callable[[], Run]] = {
        "plain": lambda: start(folder("plain")),
        "outage": lambda: start(folder("outage"), "--outage"),
        "other seed": lambda: start(folder("other"), "--seed", "2"),
        "canary": lambda: start_canary(folder("canary")),
        "lossy": lambda: start(
            folder("lossy"), "--citizens", "5", "--outage", environment={"UMAMI_SPOOL_MAX_EVENTS": "5"}
        ),
        "unsampled": lambda: start(folder("unsampled"), "--citizens", "2", environment=unsampled),
        "switched off": lambda: start(folder("off"), "--citizens", "2", environment={"ANALYTICS_ENABLED": "false"}),
        "named": lambda: start(folder("named"), "--citizens", "2", environment=there),
    }
    started = dict[str, Run]()
    for name, plan in plans.items():
        playing = [run for run in started.values() if run.process.poll() is None]
        if len(playing) >= AT_ONCE:
            playing[0].finished()
        started[name] = plan()
    yield started
    for run in started.values():
        if run.process.poll() is None:
            run.process.kill()
        run.finished()
