"""The stack as objects: each starts a process of its own on free ports of this machine, and ends only that."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from ports import free_ports

from otel_umami_exporter.inbox import Inbox

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".tools"
WEBSITE: Final = "0b9b2a1e-7f6c-4a56-9d6a-1f2e3d4c5b6a"
TOKEN: Final = "a-token-for-tests"
PATIENCE_SECONDS: Final = 90.0  # for what takes a second on a quiet machine
PROTOBUF: Final = {"content-type": "application/x-protobuf"}


def until(done: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask *done* again and again; return its first true answer. Another process cannot be waited for otherwise."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (answer := done()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds:.0f} s: {what}")
        pause.wait(0.05)
    return answer


def answers(url: str) -> bool:
    """Whether *url* answers with 200."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


class Process:
    """A program of the stack, its output in a file."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, command: Sequence[str | Path], env: Mapping[str, str], ready: Callable[[], Any]) -> None:
        """Start it, and return when *ready* says yes."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "UMAMI_"))}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # ours
                [str(each) for each in command], env={**clean, **env}, cwd=ROOT, stdout=log, stderr=log
            )
        process = self._process

        def check() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {process.returncode}: {self.output()[-2000:]}")
            return bool(ready())

        until(check, f"{self.name} is ready")

    def output(self) -> str:
        """Return what it printed so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        """SIGTERM, if it still runs; SIGKILL if it does not end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; again after `stop` or `kill` is a restart on the same ports and files."""
        raise NotImplementedError


class Umami:
    """The stand-in for Umami, in this process; `stop` and `start` are an outage."""

    def __init__(self) -> None:
        self.inbox = Inbox(any_website=True)
        self.server = self.inbox.serve()

    @property
    def url(self) -> str:
        """Its address."""
        return self.server.url

    def numbers(self, name: str = "order_placed") -> list[int]:
        """Return the property `number` of every event of that name that is wholly stored, sorted."""
        # An event's properties are stored after the event itself.
        stored = [event.data for event in self.inbox.events() if event.name == name]
        return sorted(
            int(str(data["number"])) for data in stored if "number" in data
        )  # properties come after their event

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.server.stop()
        self.inbox.close()


class Bridge(Process):
    """`otel-umami bridge`, as a user starts it."""

    def __init__(
        self, folder: Path, umami: str, *, port: int, taxonomy: Path, spool: str = "bridge.db", number: int = 0
    ) -> None:
        super().__init__(f"bridge-{number}", folder)
        self.url = f"http://127.0.0.1:{port}"
        self.spool = folder / spool
        self._port = port
        self._taxonomy = taxonomy
        self._umami = umami

    def start(self) -> None:
        """Start it, with a token."""
        env = {
            "UMAMI_ENDPOINT": self._umami,
            "UMAMI_WEBSITE_ID": WEBSITE,
            "UMAMI_SPOOL": str(self.spool),
            "UMAMI_BRIDGE_TOKEN": TOKEN,
            "UMAMI_LINGER_SECONDS": "0.05",
        }
        command: list[str | Path] = [Path(sys.executable).with_name("otel-umami"), "bridge", "--port", str(self._port)]
        self.launch([*command, "--taxonomy", self._taxonomy], env, lambda: answers(f"{self.url}/readyz"))


class Collector(Process):
    """The real Collector with the project's own otel-collector.yaml."""

    def __init__(self, folder: Path, *, bridge: str, jaeger: str = "127.0.0.1:1", **env: str) -> None:
        super().__init__("collector", folder)
        http, grpc, health, metrics = free_ports(4)
        (folder / "token").write_text(TOKEN)
        self.http = f"http://127.0.0.1:{http}"
        self.grpc = f"http://127.0.0.1:{grpc}"
        self._health = f"http://127.0.0.1:{health}"
        self.env = {
            "COLLECTOR_HTTP_PORT": str(http),
            "COLLECTOR_GRPC_PORT": str(grpc),
            "COLLECTOR_HEALTH_PORT": str(health),
            "COLLECTOR_METRICS_PORT": str(metrics),
            "COLLECTOR_STORAGE": str(folder / "queue"),
            "JAEGER_OTLP_ENDPOINT": jaeger,
            "UMAMI_BRIDGE_ENDPOINT": bridge,
            "UMAMI_BRIDGE_TOKEN": f"${{file:{folder / 'token'}}}",  # as compose.yaml gives it
            "SAMPLING_WAIT": "1s",
            **env,
        }

    def start(self) -> None:
        """Start it."""
        command: list[str | Path] = [TOOLS / "bin" / "otelcol-umami", "--config", ROOT / "otel-collector.yaml"]
        self.launch(command, self.env, lambda: answers(self._health))

    def post(self, request: ExportTraceServiceRequest) -> bool:
        """Send traces over HTTP; return whether the Collector said that it has them."""
        try:
            answer = httpx.post(
                f"{self.http}/v1/traces", content=request.SerializeToString(), headers=PROTOBUF, timeout=30
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200


class Jaeger(Process):
    """The real Jaeger v2, all in one."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        super().__init__("jaeger", folder)
        otlp, query, health = ports
        self.otlp = f"127.0.0.1:{otlp}"
        self.url = f"http://127.0.0.1:{query}"
        self._env = {
            "JAEGER_OTLP_PORT": str(otlp),
            "JAEGER_QUERY_PORT": str(query),
            "JAEGER_HEALTH_PORT": str(health),
        }

    def start(self) -> None:
        """Start it."""
        command: list[str | Path] = [TOOLS / "bin" / "jaeger", "--config", Path(__file__).with_name("jaeger.yaml")]
        self.launch(command, self._env, lambda: answers(f"{self.url}/api/services"))

    def stop(self) -> None:
        """SIGKILL: there is nothing to save, and an orderly end takes it 20 seconds."""
        self.kill()

    def traces(self, service: str, **query: Any) -> list[dict[str, Any]]:
        """Return the traces of *service* as Jaeger's query API gives them."""
        answer = httpx.get(f"{self.url}/api/traces", params={"service": service, "limit": 1500, **query}, timeout=30)
        return list(answer.json().get("data") or []) if answer.status_code == 200 else []

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Return one trace, or None while Jaeger does not know it."""
        answer = httpx.get(f"{self.url}/api/traces/{trace_id}", timeout=30)
        found = answer.json().get("data") if answer.status_code == 200 else None
        return found[0] if found else None


def tags(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tags of a span or process in Jaeger's JSON, or the fields of a log line."""
    return {each["key"]: each["value"] for each in thing.get("tags", thing.get("fields", []))}


def event_names(span: Mapping[str, Any]) -> list[str]:
    """Return the names of the events on a span in Jaeger's JSON."""
    return [str(tags(log).get("event")) for log in span["logs"]]


def order(number: int, *, name: str = "order", failed: bool = False, said: Mapping[str, str] | None = None) -> Span:
    """Return the only span of a trace, with one business event; ids come from the number."""
    now = time.time_ns()
    span = Span(
        trace_id=number.to_bytes(15, "big") + b"\x01",
        span_id=(number + 1).to_bytes(8, "big"),
        name=name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=now - 50_000_000,
        end_time_unix_nano=now,
    )
    if failed:
        span.status.code = Status.STATUS_CODE_ERROR
    event = span.events.add(name="order_placed", time_unix_nano=now)
    event.attributes.add(key="number").value.int_value = number
    event.attributes.add(key="enduser.pseudo.id").value.string_value = f"visitor-{number % 7}"
    for key, value in (said or {}).items():
        event.attributes.add(key=key).value.string_value = value
        span.attributes.add(key=key).value.string_value = value
    return span


def request(service: str, *spans: Span) -> ExportTraceServiceRequest:
    """Return a request of *service*."""
    message = ExportTraceServiceRequest()
    entry = message.resource_spans.add()
    entry.resource.attributes.add(key="service.name").value.string_value = service
    entry.scope_spans.add().spans.extend(spans)
    return message


def write_taxonomy(folder: Path) -> Path:
    """Write the closed list of these tests: one event."""
    path = folder / "taxonomy.json"
    number = '{"name": "number", "kind": "integer", "doc": "Which", "privacy": "internal", "required": true}'
    event = f'{{"name": "order_placed", "doc": "Ordered.", "person": true, "properties": [{number}]}}'
    path.write_text(f'{{"version": 1, "operations": [], "events": [{event}]}}')
    return path


def port_of(url: str) -> int:
    """Return the port in an address."""
    return int(re.findall(r":(\d+)", url)[-1])


class Silence:
    """A server that takes requests and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._asked = threading.Event()
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def asked(self) -> bool:
        """Whether a request has come."""
        return self._asked.is_set()

    def wait_for_a_request(self) -> None:
        """Return when a request has come."""
        assert self._asked.wait(PATIENCE_SECONDS), "nobody has asked"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._listener.close()
        for each in self._held:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._held.append(connection)
            threading.Thread(target=self._hear, args=(connection,), daemon=True).start()

    def _hear(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(65_536):
                self._asked.set()


class RoundRobin:
    """What stands before several bridges: each new connection goes to the next one that answers."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._turn = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        for _ in self._ports:
            self._turn += 1
            try:
                bridge = socket.create_connection(("127.0.0.1", self._ports[self._turn % len(self._ports)]), 5)
            except OSError:
                continue
            bridge.settimeout(None)
            back = threading.Thread(target=_pump, args=(bridge, client), daemon=True)
            back.start()
            _pump(client, bridge)
            back.join()
            bridge.close()
            break
        client.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        pass  # one side has gone: so has the connection
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
