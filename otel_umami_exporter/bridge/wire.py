"""
Just enough of protobuf's wire format to find spans and log records in a request without building all of it.

A request of two-byte messages would cost a hundred times its size as objects. So only the shell is walked here
(Resource ─ Scope ─ item, the same for traces and logs), and each item is parsed alone, if it is worth it.
"""

from collections.abc import Iterator
from typing import Final

from otel_umami_exporter.bridge.errors import Malformed, TooLarge

_VARINT: Final = 0  # wire types
_BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}  # the length of what is of one length
_VARINT_BYTES: Final = 10
_MORE: Final = 0x80
_ENTRIES: Final = 1  # ExportTraceServiceRequest.resource_spans, ExportLogsServiceRequest.resource_logs
_RESOURCE: Final = 1  # ResourceSpans.resource, ResourceLogs.resource
_SCOPES: Final = 2  # ResourceSpans.scope_spans, ResourceLogs.scope_logs
_ITEMS: Final = 2  # ScopeSpans.spans, ScopeLogs.log_records


def items(body: bytes, most: int) -> Iterator[tuple[bytes, int, int]]:
    """
    Yield each span or log record of *body*: the bytes of its resource, and where in *body* it begins and ends.

    Items of the same resource come with the same object.

    Raises:
        Malformed: the shell is not well-formed.
        TooLarge: resources, scopes and items are more than *most* together.
    """
    seen = 0
    for entry, begin, end in fields(body, 0, len(body)):
        if entry != _ENTRIES:
            continue
        seen = _counted(seen, most)
        resource = b"".join(body[start:stop] for number, start, stop in fields(body, begin, end) if number == _RESOURCE)
        for number, start, stop in fields(body, begin, end):
            if number != _SCOPES:
                continue
            seen = _counted(seen, most)
            for kind, first, last in fields(body, start, stop):
                if kind == _ITEMS:
                    seen = _counted(seen, most)
                    yield resource, first, last


def fields(body: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """
    Yield number, begin and end of each field with a length, between *position* and *end*; others are passed over.

    Raises:
        Malformed: a field does not end where it should.
    """
    while position < end:
        tag = body[position]
        position += 1
        if tag >= _MORE:
            tag, position = _varint(body, position - 1, end)
        if tag < 1 << 3:
            raise Malformed("no protobuf message: a field has the number 0")
        if tag & 7 != _BYTES:
            position = _behind(body, position, end, tag & 7)
            continue
        size = body[position] if position < end else _MORE
        position += 1
        if size >= _MORE:
            size, position = _varint(body, position - 1, end)
        begin, position = position, position + size
        if position > end:
            break
        yield tag >> 3, begin, position
    if position != end:
        raise Malformed("no protobuf message: it is cut off")


def _behind(body: bytes, position: int, end: int, kind: int) -> int:
    """Return where the value that begins at *position* ends."""
    if kind == _VARINT:
        return _varint(body, position, end)[1]
    if kind not in _FIXED:
        raise Malformed("no protobuf message: a field has no known wire type")
    return position + _FIXED[kind]


def _counted(seen: int, most: int) -> int:
    if seen >= most:
        raise TooLarge(f"more than {most} resources, scopes and items in one request")
    return seen + 1


def status(code: int, message: str) -> bytes:
    """Return a `google.rpc.Status`, the body of every refusal."""
    text = message.encode()
    return bytes((0x08, code, 0x12)) + _size(len(text)) + text


def _size(number: int) -> bytes:
    out = bytearray()
    while number >= _MORE:
        out.append(number & 0x7F | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varint(body: bytes, position: int, end: int) -> tuple[int, int]:
    number = 0
    for shift in range(_VARINT_BYTES):
        if position >= end:
            break
        byte = body[position]
        position += 1
        number |= (byte & 0x7F) << 7 * shift
        if byte < _MORE:
            return number, position
    raise Malformed("no protobuf message: a number does not end")
