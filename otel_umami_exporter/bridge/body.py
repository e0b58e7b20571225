"""
From the bytes of a request to the bytes of a protobuf message: unpacked, and JSON translated, inside the limits.

OTLP's JSON is protobuf's JSON but for ids, which are hexadecimal. Only what `reading.py` looks at is translated.
"""

import json
import zlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final, Literal

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_umami_exporter.bridge.errors import Malformed, TooLarge, WrongType
from otel_umami_exporter.bridge.settings import Limits

Signal = Literal["traces", "logs"]
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_SPAN_FIELDS: Final = ("name", "kind", "flags", "startTimeUnixNano", "endTimeUnixNano", "attributes")
_SPAN_IDS: Final = ("traceId", "spanId", "parentSpanId")
_EVENT_FIELDS: Final = ("name", "timeUnixNano", "attributes")
_LOG_FIELDS: Final = ("timeUnixNano", "observedTimeUnixNano", "eventName", "attributes")
_LOG_IDS: Final = ("traceId", "spanId")


def content_type(header: str | None) -> str:
    """
    Return `PROTOBUF` or `JSON`.

    Raises:
        WrongType: it is neither.
    """
    kind = (header or "").partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, JSON):
        raise WrongType(f"the content type must be {PROTOBUF} or {JSON}")
    return kind


def unpack(body: bytes, encoding: str | None, most: int) -> bytes:
    """
    Undo the content encoding; never more than *most* bytes are made.

    Raises:
        WrongType: the encoding is neither gzip nor none.
        Malformed: it is no gzip.
        TooLarge: there is more in it.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    if name != "gzip":
        raise WrongType("the content encoding must be gzip or identity")
    out = bytearray()
    while body:
        stream = zlib.decompressobj(_GZIP_WINDOW)
        try:
            out += stream.decompress(body, most + 1 - len(out))
        except zlib.error:
            raise Malformed("the body is no gzip") from None
        if len(out) > most:
            raise TooLarge(f"the body is more than {most} bytes when unpacked")
        if not stream.eof:
            raise Malformed("the gzip is cut off")
        body = stream.unused_data  # gzip files may be joined
    return bytes(out)


def message(body: bytes, kind: str, signal: Signal) -> bytes:
    """
    Return *body* as a serialized request of *signal*.

    Raises:
        Malformed: it is no JSON, or not OTLP's.
    """
    if kind == PROTOBUF:
        return body
    try:
        document = json.loads(body)
        if signal == "traces":
            pruned = _entries(document, "resourceSpans", "scopeSpans", "spans", _span)
            return _serialized(ParseDict(pruned, ExportTraceServiceRequest(), ignore_unknown_fields=True))
        pruned = _entries(document, "resourceLogs", "scopeLogs", "logRecords", _log)
        return _serialized(ParseDict(pruned, ExportLogsServiceRequest(), ignore_unknown_fields=True))
    except Malformed:
        raise
    except Exception as error:  # noqa: BLE001  # whatever protobuf's own JSON parser raises, the input is at fault
        raise Malformed(f"no JSON that OTLP knows: {type(error).__name__}") from None


def _serialized(request: Any) -> bytes:
    data: bytes = request.SerializeToString()
    return data


def _entries(document: Any, entries: str, scopes: str, items: str, item: Callable[[Any], dict[str, Any]]) -> Any:
    return {
        entries: [
            {
                "resource": {"attributes": _list(_dict(_dict(entry).get("resource")).get("attributes"))},
                scopes: [
                    {items: [item(each) for each in _list(_dict(scope).get(items))]}
                    for scope in _list(entry.get(scopes))
                ],
            }
            for entry in _list(_dict(document).get(entries))
        ]
    }


def _span(span: Any) -> dict[str, Any]:
    pruned = _picked(_dict(span), _SPAN_FIELDS, _SPAN_IDS)
    pruned["events"] = [_picked(_dict(each), _EVENT_FIELDS, ()) for each in _list(span.get("events"))]
    return pruned


def _log(log: Any) -> dict[str, Any]:
    return _picked(_dict(log), _LOG_FIELDS, _LOG_IDS)


def _picked(source: dict[str, Any], names: tuple[str, ...], ids: tuple[str, ...]) -> dict[str, Any]:
    picked = {name: source[name] for name in names if source.get(name) is not None}
    for name in ids:
        if source.get(name):
            picked[name] = b64encode(bytes.fromhex(source[name])).decode()
    return picked


def _dict(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed("no JSON that OTLP knows: an object is missing")
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed("no JSON that OTLP knows: a list is missing")
    return value


def limit(kind: str, limits: Limits) -> int:
    """Return how large a body of this kind may be, in bytes."""
    return limits.body if kind == PROTOBUF else limits.json_body
