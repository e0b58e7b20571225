"""What the library's tests share: a small taxonomy, spans, and the road with a fake at its end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Span, SpanKind

from otel_umami_exporter import Event, Form, Pipeline, Privacy, Prop, Taxonomy
from otel_umami_exporter.backoff import Backoff
from otel_umami_exporter.clock import Clock
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.payload import Site
from otel_umami_exporter.spool import SpoolLimits
from otel_umami_exporter.testing import FakeConnection

WEBSITE: Final = "6f2b1c1e-8f5b-4c7a-9d0e-1a2b3c4d5e6f"
QUICK: Final = Timing(linger_seconds=0.0, backoff=Backoff(first_seconds=0.01, cap_seconds=0.05))


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """A guest placed an order."""

    name: ClassVar[str] = "order_placed"

    number: Annotated[int, Prop("Number of the order", Privacy.INTERNAL)]
    dish: Annotated[str | None, Prop("What", Privacy.PUBLIC, source="the menu")] = None
    size: Annotated[Literal["small", "large"] | None, Prop("How large", Privacy.PUBLIC)] = None
    price: Annotated[float | None, Prop("Price", Privacy.INTERNAL)] = None
    paid: Annotated[bool | None, Prop("Whether it was paid", Privacy.INTERNAL)] = None
    at: Annotated[str | None, Prop("For when", Privacy.INTERNAL, form=Form.TIME_OF_DAY)] = None
    since: Annotated[str | None, Prop("Since when", Privacy.INTERNAL, form=Form.TIMESTAMP)] = None
    note: Annotated[str | None, Prop("What the kitchen said", Privacy.LOCAL)] = None
    duration_ms: Annotated[int | None, Prop("How long it took", Privacy.INTERNAL, measured="since_span_start_ms")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class KitchenClosed(Event):
    """The kitchen closed; nobody is behind it."""

    name: ClassVar[str] = "kitchen_closed"
    person: ClassVar[bool] = False


TAXONOMY: Final = Taxonomy([OrderPlaced, KitchenClosed], operations=["command /order"])


def payload(body: bytes) -> dict[str, Any]:
    """Return what is inside one item."""
    document: dict[str, Any] = json.loads(body)
    found: dict[str, Any] = document["payload"]
    return found


def numbers(bodies: Iterator[bytes] | list[bytes]) -> list[int]:
    """Return the `number` of each order among *bodies*."""
    return [found["data"]["number"] for body in bodies if "data" in (found := payload(body))]


@contextmanager
def road(
    spool: Path | str,
    connection: FakeConnection | None = None,
    *,
    taxonomy: Taxonomy = TAXONOMY,
    timing: Timing = QUICK,
    limits: SpoolLimits | None = None,
    clock: Clock | None = None,
) -> Iterator[Pipeline]:
    """Yield a pipeline with a fake Umami at its end."""
    end = connection or FakeConnection()
    pipeline = Pipeline(
        taxonomy=taxonomy,
        site=Site(WEBSITE),
        spool=spool,
        connect=lambda: end,
        timing=timing,
        limits=limits,
        clock=clock,
    )
    try:
        yield pipeline
    finally:
        pipeline.shutdown(0.5)


def provider(*processors: SpanProcessor, **arguments: Any) -> TracerProvider:
    """Return a tracer provider with these processors."""
    made = TracerProvider(resource=Resource({"service.name": "diner"}), shutdown_on_exit=False, **arguments)
    for each in processors:
        made.add_span_processor(each)
    return made


class Catcher(SpanProcessor):
    """Keeps the spans that have ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it."""
        self.spans.append(span)


def ended(*events: Event, name: str = "command /order", visitor: str | None = "anna", **arguments: Any) -> ReadableSpan:
    """Return a span with *events* that has ended."""
    catcher = Catcher()
    arguments.setdefault("kind", SpanKind.CONSUMER)
    attributes = {"enduser.pseudo.id": visitor} if visitor else {}
    span: Span = provider(catcher).get_tracer("test").start_span(name, attributes=attributes, **arguments)
    for event in events:
        span.add_event(event.name, event.attributes())
    span.end()
    [found] = catcher.spans
    return found
