"""A program that OpenTelemetry configures from OTEL_CONFIG_FILE: one event on a span, and one in the log."""

import os
from dataclasses import dataclass
from typing import Annotated, ClassVar

from opentelemetry import _logs, trace
from opentelemetry.configuration import configure_sdk, load_config_file

from otel_umami_exporter import Event, Privacy, Prop, Taxonomy, record


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """The shop has accepted an order."""

    name: ClassVar[str] = "order_placed"
    items: Annotated[int, Prop("How many", Privacy.INTERNAL)]


TAXONOMY = Taxonomy([OrderPlaced])

if __name__ == "__main__":
    configure_sdk(load_config_file(os.environ["OTEL_CONFIG_FILE"]))
    with trace.get_tracer("shop").start_as_current_span("POST /orders"):
        record(OrderPlaced(items=3))
    _logs.get_logger("shop").emit(event_name="order_placed", attributes={"items": 4})
