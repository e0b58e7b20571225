"""A program that configures nothing: `opentelemetry-instrument` does, from the environment."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from opentelemetry import _logs, trace

from otel_umami_exporter import Event, Privacy, Prop, Taxonomy, record


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """The shop has accepted an order."""

    name: ClassVar[str] = "order_placed"
    items: Annotated[int, Prop("How many", Privacy.INTERNAL)]


TAXONOMY = Taxonomy([OrderPlaced])

if __name__ == "__main__":
    with trace.get_tracer("shop").start_as_current_span("POST /orders"):
        record(OrderPlaced(items=3))
    _logs.get_logger("shop").emit(event_name="order_placed", attributes={"items": 4})
