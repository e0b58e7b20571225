"""
One business event or page view on its way: who, what, when, which trace.

Every door (spans, log records, the bridge) turns what it gets into `Record`, and the road differs in nothing after it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, format_trace_id

VISITOR: Final = "enduser.pseudo.id"  # OpenTelemetry's name for a pseudonymous person
NOBODY: Final = ""  # as a visitor: explicitly nobody, whatever the span says
SERVICE_NAME: Final = "service.name"
ENVIRONMENT: Final = "deployment.environment.name"
_OPERATION_KINDS: Final = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    A business event, or with *is_view* an operation that a person asked for.

    *time_ns* and *span_start_ns* are nanoseconds since 1970, *trace_id* is 32 hexadecimal digits.
    """

    name: str
    time_ns: int
    is_view: bool = False
    visitor: str | None = None
    attributes: Mapping[str, Any]
    span_start_ns: int | None = None
    trace_id: str | None = None
    service: str | None = None
    environment: str | None = None


def records_from_span(span: ReadableSpan) -> Iterator[Record]:
    """
    Yield what *span* may have to tell: first the operation as a page view, then its events in order.

    An event belongs to the visitor it names itself, or else to the one of its span.
    """
    is_operation = _is_operation(span)
    if not is_operation and not span.events:
        return
    attributes = span.attributes or {}
    resource = span.resource.attributes
    visitor = _text(attributes.get(VISITOR))
    context = span.get_span_context()
    trace_id = format_trace_id(context.trace_id) if context is not None and context.is_valid else None
    service, environment = _text(resource.get(SERVICE_NAME)), _text(resource.get(ENVIRONMENT))
    if is_operation and visitor and span.start_time is not None:
        yield Record(
            name=span.name,
            time_ns=span.start_time,
            is_view=True,
            visitor=visitor,
            attributes={},
            trace_id=trace_id,
            service=service,
            environment=environment,
        )
    for event in span.events:
        own = event.attributes or {}
        said = own.get(VISITOR)
        yield Record(
            name=event.name,
            time_ns=event.timestamp,
            visitor=_text(said) if said is not None else visitor,
            attributes=own,
            span_start_ns=span.start_time,
            trace_id=trace_id,
            service=service,
            environment=environment,
        )


def _is_operation(span: ReadableSpan) -> bool:
    """Whether this span is where a request entered this program; a remote caller's span does not change that."""
    return span.kind in _OPERATION_KINDS and (span.parent is None or span.parent.is_remote)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
