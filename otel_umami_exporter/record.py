"""
One business event or page view on its way: who, what, when, which trace.

Every door (spans, log records, the bridge) turns what it gets into `Record`, and the road differs in nothing after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

if TYPE_CHECKING:  # slow to import, and most programs record on spans
    from opentelemetry.sdk._logs import ReadableLogRecord

Door = Literal["span", "log"]
VISITOR: Final = "enduser.pseudo.id"  # OpenTelemetry's name for a pseudonymous person
NOBODY: Final = ""  # as a visitor: explicitly nobody, whatever the span says
SERVICE_NAME: Final = "service.name"
ENVIRONMENT: Final = "deployment.environment.name"
_OPERATION_KINDS: Final = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})


@dataclass(slots=True, kw_only=True)
class Record:
    """
    A business event, or with *is_view* an operation that a person asked for.

    *time_ns* and *span_start_ns* are nanoseconds since 1970, *trace_id* and *span_id* are hexadecimal digits.
    *dropped_attributes* is how many a limit of OpenTelemetry has cost.

    Nobody changes one; it is not frozen because a frozen one takes three times as long to make.
    """

    name: str
    time_ns: int
    is_view: bool = False
    visitor: str | None = None
    attributes: Mapping[str, Any]
    dropped_attributes: int = 0
    span_start_ns: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    service: str | None = None
    environment: str | None = None


def records_from_span(span: ReadableSpan) -> list[Record]:
    """
    Return what *span* may have to tell: first the operation as a page view, then its events in order.

    An event belongs to the visitor it names itself, or else to the one of its span.
    """
    entered = is_operation(span)
    events = span.events
    if not entered and not events:
        return []
    visitor = visitor_of(span)
    context = span.get_span_context()
    trace_id = span_id = None
    if context is not None and context.is_valid:
        trace_id, span_id = format_trace_id(context.trace_id), format_span_id(context.span_id)
    service, environment = whose(span.resource)
    start = span.start_time
    records = []
    if entered and visitor and start is not None:
        records.append(
            Record(
                name=span.name,
                time_ns=start,
                is_view=True,
                visitor=visitor,
                attributes={},
                trace_id=trace_id,
                span_id=span_id,
                service=service,
                environment=environment,
            )
        )
    for event in events:
        own = _plain(event.attributes)
        said = own.get(VISITOR)
        records.append(
            Record(
                name=event.name,
                time_ns=event.timestamp,
                visitor=_text(said) if said is not None else visitor,
                attributes=own,
                dropped_attributes=getattr(event.attributes, "dropped", 0),
                span_start_ns=start,
                trace_id=trace_id,
                span_id=span_id,
                service=service,
                environment=environment,
            )
        )
    return records


def visitor_of(span: ReadableSpan) -> str | None:
    """Return who is behind a span and, if they do not say another, behind its events."""
    return _text(_plain(span.attributes).get(VISITOR))


def _plain(attributes: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a plain dict: the SDK's own mapping takes a call in Python for each look."""
    if isinstance(attributes, BoundedAttributes | MappingProxyType):
        return attributes.copy()
    return attributes or {}


_latest: tuple[Resource | None, str | None, str | None] = (None, None, None)


def whose(resource: Resource) -> tuple[str | None, str | None]:
    """Return service and environment; nearly always of the resource that was asked for before."""
    global _latest  # noqa: PLW0603  # one tuple, so threads see it whole
    known, service, environment = _latest
    if known is not resource:
        found = resource.attributes
        service, environment = _text(found.get(SERVICE_NAME)), _text(found.get(ENVIRONMENT))
        _latest = (resource, service, environment)
    return service, environment


def record_from_log(entry: "ReadableLogRecord") -> Record | None:
    """Return the event in *entry*; None when it is a plain log line, which never leaves."""
    log = entry.log_record
    if not log.event_name:
        return None
    attributes = log.attributes or {}
    resource = entry.resource.attributes
    return Record(
        name=log.event_name,
        time_ns=log.timestamp or log.observed_timestamp or 0,
        visitor=_text(attributes.get(VISITOR)),
        attributes=attributes,
        dropped_attributes=getattr(attributes, "dropped", 0),
        trace_id=format_trace_id(log.trace_id) if log.trace_id else None,
        span_id=format_span_id(log.span_id) if log.span_id else None,
        service=_text(resource.get(SERVICE_NAME)),
        environment=_text(resource.get(ENVIRONMENT)),
    )


def key_of(record: Record) -> bytes | None:
    """
    Return what is equal in the two copies of an event that is recorded on a span and bridged into the log.

    None for what no bridge doubles: page views, and events outside any trace.
    """
    if record.is_view or record.trace_id is None:
        return None
    properties = sorted((str(name), _said(value)) for name, value in record.attributes.items())
    text = repr((record.trace_id, record.span_id, record.name, record.time_ns, properties))
    return blake2b(text.encode(errors="replace"), digest_size=16).digest()


def _said(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python refuses to write an integer of thousands of digits
        return type(value).__name__


def is_operation(span: ReadableSpan) -> bool:
    """Whether this span is where a request entered this program; a remote caller's span does not change that."""
    return span.kind in _OPERATION_KINDS and (span.parent is None or span.parent.is_remote)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
