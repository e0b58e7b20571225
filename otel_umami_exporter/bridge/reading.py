"""
From OTLP messages to `Record`: what `record.py` does for the SDK's spans, for spans that came over the wire.

A span without events and without a visitor has nothing to tell, and is passed over without being parsed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_umami_exporter.bridge.errors import Malformed, TooLarge
from otel_umami_exporter.bridge.settings import Limits
from otel_umami_exporter.bridge.wire import items
from otel_umami_exporter.record import ENVIRONMENT, SERVICE_NAME, VISITOR, Record

_VISITOR_BYTES: Final = VISITOR.encode()
_EVENTS_TAG: Final = b"\x5a"  # Span.events as it begins on the wire; also the letter Z, which costs one parse in vain
_EVENT_NAME_TAG: Final = b"\x62"  # LogRecord.event_name
_OLD_EVENT_NAME: Final = "event.name"  # an attribute, before log records had a field for it
_OPERATION_KINDS: Final = frozenset({Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER})
_KNOWS_REMOTE: Final = 0x100  # Span.flags: whether the next bit says something
_IS_REMOTE: Final = 0x200  # Span.flags: the parent is in another process
_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Item:
    """What one span or log record has to tell; *refused* counts what is beyond the limits."""

    records: list[tuple[Record, bytes | None]]
    refused: int = 0


def spans(body: bytes, limits: Limits, now_ns: int) -> Iterator[Item | None]:
    """
    Yield an item for each span in a serialized ExportTraceServiceRequest; None for one with nothing to tell.

    Each record comes with a key that is the same when the same span is sent again, or None without a span id.

    Raises:
        Malformed: the body is not well-formed.
        TooLarge: there are more spans than *limits* allow.
    """
    origins = _Origins(limits)
    for resource, begin, end in items(body, limits.items):
        if body.find(_EVENTS_TAG, begin, end) < 0 and body.find(_VISITOR_BYTES, begin, end) < 0:
            yield None
        elif end - begin > limits.item_bytes:
            yield Item([], refused=1)
        else:
            yield _span_item(_parse(Span, body[begin:end]), origins.of(resource), limits, now_ns)


def log_records(body: bytes, limits: Limits, now_ns: int) -> Iterator[Item | None]:
    """
    Yield an item for each log record in a serialized ExportLogsServiceRequest; None for a plain log line.

    Raises: as `spans`.
    """
    origins = _Origins(limits)
    for resource, begin, end in items(body, limits.items):
        old = body.find(_OLD_EVENT_NAME.encode(), begin, end) >= 0
        if not old and body.find(_EVENT_NAME_TAG, begin, end) < 0:
            yield None
        elif end - begin > limits.item_bytes:
            yield Item([], refused=1)
        else:
            yield _log_item(_parse(LogRecord, body[begin:end]), origins.of(resource), now_ns)


def _span_item(span: Span, origin: tuple[str | None, str | None], limits: Limits, now_ns: int) -> Item | None:
    is_operation = _is_operation(span)
    if not is_operation and not span.events:
        return None
    visitor = _text(_find(span.attributes, VISITOR))
    start = span.start_time_unix_nano or None
    trace_id = _hexadecimal(span.trace_id, _TRACE_ID_BYTES)
    span_id = _hexadecimal(span.span_id, _SPAN_ID_BYTES)
    service, environment = origin
    records: list[tuple[Record, bytes | None]] = []
    if is_operation and visitor and start is not None:
        view = Record(
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
        records.append((view, _key(view, -1)))
    for number, event in enumerate(span.events):
        if number >= limits.events:
            return Item(records, refused=len(span.events) - number)
        own = _attributes(event.attributes)
        said = own.get(VISITOR)
        record = Record(
            name=event.name,
            time_ns=event.time_unix_nano or span.end_time_unix_nano or now_ns,
            visitor=_text(said) if said is not None else visitor,
            attributes=own,
            span_start_ns=start,
            trace_id=trace_id,
            span_id=span_id,
            service=service,
            environment=environment,
        )
        records.append((record, _key(record, number)))
    return Item(records)


def _log_item(log: LogRecord, origin: tuple[str | None, str | None], now_ns: int) -> Item | None:
    attributes = _attributes(log.attributes)
    old_name = _text(attributes.pop(_OLD_EVENT_NAME, None))
    name = log.event_name or old_name
    if not name:
        return None
    service, environment = origin
    record = Record(
        name=name,
        time_ns=log.time_unix_nano or log.observed_time_unix_nano or now_ns,
        visitor=_text(attributes.get(VISITOR)),
        attributes=attributes,
        trace_id=_hexadecimal(log.trace_id, _TRACE_ID_BYTES),
        span_id=_hexadecimal(log.span_id, _SPAN_ID_BYTES),
        service=service,
        environment=environment,
    )
    return Item([(record, None)])  # two equal log records in one millisecond are two: nothing tells them from one twice


def _is_operation(span: Span) -> bool:
    """As `record.py`; a sender that does not say where the parent is means another process: so SERVER spans mostly."""
    if span.kind not in _OPERATION_KINDS:
        return False
    return not span.parent_span_id or not span.flags & _KNOWS_REMOTE or bool(span.flags & _IS_REMOTE)


def _key(record: Record, number: int) -> bytes | None:
    if record.trace_id is None or record.span_id is None:
        return None
    text = f"{record.trace_id} {record.span_id} {number} {record.time_ns} {record.name}"
    return blake2b(text.encode(), digest_size=16).digest()


class _Origins:
    """Who sent it, parsed once for each resource."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.item_bytes
        self._resource: bytes | None = None
        self._origin: tuple[str | None, str | None] = (None, None)

    def of(self, resource: bytes) -> tuple[str | None, str | None]:
        """Return service name and environment of *resource*."""
        if resource is not self._resource:
            if len(resource) > self._most:
                raise TooLarge(f"a resource of more than {self._most} bytes")
            attributes = _parse(Resource, resource).attributes
            self._resource = resource
            self._origin = _text(_find(attributes, SERVICE_NAME)), _text(_find(attributes, ENVIRONMENT))
        return self._origin


def _parse(message: Any, data: bytes) -> Any:
    try:
        return message.FromString(data)
    except DecodeError:
        raise Malformed(f"no protobuf message: a {message.DESCRIPTOR.name} cannot be read") from None


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: _value(each) for each in pairs}


def _value(pair: KeyValue) -> Any:
    """Return a scalar; lists, maps and bytes become None, which no declared property accepts."""
    value = pair.value
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            return value.double_value
        case _:
            return None


def _find(pairs: Iterable[KeyValue], key: str) -> Any:
    return next((_value(each) for each in pairs if each.key == key), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _hexadecimal(number: bytes, size: int) -> str | None:
    return number.hex() if len(number) == size and any(number) else None
