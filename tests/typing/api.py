"""Checked by mypy, never run: right use passes, wrong use fails. An ignore that is not needed is an error."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from otel_umami_exporter import (
    Event,
    Pipeline,
    Privacy,
    Prop,
    Taxonomy,
    UmamiLogRecordExporter,
    UmamiSpanExporter,
    UmamiSpanProcessor,
    record,
    use_visitor,
)


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """A guest placed an order."""

    name: ClassVar[str] = "order_placed"

    number: Annotated[int, Prop("Number", Privacy.INTERNAL)]
    size: Annotated[Literal["small", "large"] | None, Prop("Size", Privacy.PUBLIC)] = None


TAXONOMY = Taxonomy([OrderPlaced], operations=["GET /menu"])

OrderPlaced(number=1)
OrderPlaced(number=1, size="small")
OrderPlaced()  # type: ignore[call-arg]
OrderPlaced(number="1")  # type: ignore[arg-type]
OrderPlaced(number=1, size="medium")  # type: ignore[arg-type]
OrderPlaced(number=1, guest="Anna")  # type: ignore[call-arg]
OrderPlaced(1)  # type: ignore[call-arg]
OrderPlaced(number=1).number = 2  # type: ignore[misc]

record(OrderPlaced(number=1))
record(OrderPlaced(number=1), visitor="v", time_ns=5)
record("order_placed")  # type: ignore[arg-type]
record(OrderPlaced)  # type: ignore[arg-type]
record(OrderPlaced(number=1), "v")  # type: ignore[call-arg]

with use_visitor("v"), use_visitor(None):
    pass
use_visitor(5)  # type: ignore[arg-type]

Prop("What", "public")  # type: ignore[arg-type]
Taxonomy([OrderPlaced(number=1)])  # type: ignore[list-item]
Taxonomy([], operations=5)  # type: ignore[arg-type]

pipeline: Pipeline | None = UmamiSpanProcessor(taxonomy=TAXONOMY, endpoint="http://umami.example").pipeline
UmamiSpanExporter(pipeline=pipeline)
UmamiLogRecordExporter(spool="spool.db")
UmamiSpanExporter("http://umami.example")  # type: ignore[call-arg, arg-type]
UmamiSpanExporter(url="http://umami.example")  # type: ignore[call-arg]
