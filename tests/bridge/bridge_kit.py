"""What the bridge's tests share: a taxonomy, a Umami that takes everything, requests as they come over the wire."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_umami_exporter import Event, Privacy, Prop, Taxonomy
from otel_umami_exporter.bridge import Bridge, BridgeServer, Limits, Road, Security
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.outcome import Delivered, Outcome, Unavailable
from otel_umami_exporter.payload import Site
from otel_umami_exporter.spool import SpoolLimits

WEBSITE = "0b9b2a1e-7f6c-4a56-9d6a-1f2e3d4c5b6a"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
NOW_NS = 1_780_000_000_000_000_000
TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """Somebody ordered something."""

    name: ClassVar[str] = "order_placed"

    number: Annotated[int, Prop("Which", Privacy.INTERNAL)]
    colour: Annotated[Literal["red", "green"] | None, Prop("The colour", Privacy.PUBLIC)] = None
    duration_ms: Annotated[int | None, Prop("How long", Privacy.PUBLIC, measured="since_span_start_ms")] = None


TAXONOMY = Taxonomy([OrderPlaced], operations=["order /new"])


@dataclass
class Sink:
    """A Umami that takes everything, or nothing while *away*."""

    away: bool = False
    bodies: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Take a batch."""
        if self.away:
            return [Unavailable("away")] * len(bodies)
        with self.lock:
            self.bodies += bodies
        return [Delivered()] * len(bodies)

    def close(self) -> None:
        """Nothing to let go of."""


def road(spool: Path, sink: Sink, limits: SpoolLimits | None = None) -> Road:
    """Return a road to *sink*."""
    return Road(
        taxonomy=TAXONOMY,
        site=Site(WEBSITE),
        spool=spool,
        connect=lambda: sink,
        limits=limits,
        timing=Timing(linger_seconds=0.01),
    )


@contextmanager
def serving(
    way: Road, *, token: str | None = None, limits: Limits | None = None, security: Security | None = None
) -> Iterator[BridgeServer]:
    """Serve a bridge on a free port of this machine; the road is closed at the end."""
    security = security or Security(token=token)
    bridge = Bridge(way, security=security, limits=limits)
    try:
        with BridgeServer(bridge, security=security) as server:
            yield server
    finally:
        bridge.close()
        way.close()


def span_with(*numbers: int, name: str = "order_placed", trace_id: bytes = TRACE_ID) -> Span:
    """Return a span with one event for each number; the first number makes the span id."""
    span = Span(
        trace_id=trace_id,
        span_id=(numbers[0] + 1 if numbers else 1).to_bytes(8, "big"),
        name="work",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=NOW_NS,
        end_time_unix_nano=NOW_NS + 2_000_000_000,
    )
    for number in numbers:
        event = span.events.add(name=name, time_unix_nano=NOW_NS + 1_500_000_000)
        event.attributes.add(key="number").value.int_value = number
        event.attributes.add(key="enduser.pseudo.id").value.string_value = "visitor-1"
    return span


def traces(*spans: Span) -> ExportTraceServiceRequest:
    """Return a request of one service."""
    request = ExportTraceServiceRequest()
    entry = request.resource_spans.add()
    entry.resource.attributes.add(key="service.name").value.string_value = "shop"
    entry.resource.attributes.add(key="deployment.environment.name").value.string_value = "test"
    entry.scope_spans.add().spans.extend(spans)
    return request


def logs(*names: str) -> ExportLogsServiceRequest:
    """Return a request with one log record for each event name; an empty name is a plain log line."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number, name in enumerate(names):
        record = scope.log_records.add(event_name=name, time_unix_nano=NOW_NS, trace_id=TRACE_ID)
        record.attributes.add(key="number").value.int_value = number
    return request


def post(server: BridgeServer, content: bytes, path: str = "/v1/traces", **headers: str) -> httpx.Response:
    """Send a request; underscores in header names are hyphens."""
    named = {"content-type": PROTOBUF} | {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{server.url}{path}", content=content, headers=named, timeout=30)


def numbers_of(bodies: Sequence[bytes]) -> list[Any]:
    """Return the property `number` of every delivered event, sorted."""
    import json  # noqa: PLC0415

    return sorted(json.loads(body)["payload"]["data"]["number"] for body in bodies)
