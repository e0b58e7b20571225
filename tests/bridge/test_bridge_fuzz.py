"""Hostile input: no 500, no growth, and the quick reader finds what a full parse finds."""

import gzip
import json
import resource
import tracemalloc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from bridge_kit import JSON, NOW_NS, PROTOBUF, Sink, post, road, serving, span_with, traces
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from otel_umami_exporter.bridge import BridgeServer, Limits, Road, body, reading
from otel_umami_exporter.bridge.errors import Answered, Malformed

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits(items=2_000)
TEXT = st.text(max_size=20) | st.sampled_from(["order_placed", "number", "enduser.pseudo.id", "service.name", "Z\x00"])
SCALAR = st.one_of(
    st.builds(lambda value: AnyValue(string_value=value), TEXT),
    st.builds(lambda value: AnyValue(int_value=value), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda value: AnyValue(double_value=value), st.floats()),
    st.builds(lambda value: AnyValue(bool_value=value), st.booleans()),
    st.builds(lambda value: AnyValue(bytes_value=value), st.binary(max_size=5)),
    st.just(AnyValue()),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.builds(
        lambda values: AnyValue(array_value=ArrayValue(values=values)), st.lists(inner, max_size=3)
    ),
    max_leaves=5,
)
PAIRS = st.lists(st.builds(lambda key, value: KeyValue(key=key, value=value), TEXT, VALUE), max_size=4)
TIME = st.integers(0, 2**64 - 1)
EVENT = st.builds(lambda *it: Span.Event(name=it[0], time_unix_nano=it[1], attributes=it[2]), TEXT, TIME, PAIRS)
SPAN = st.builds(
    lambda *it: Span(
        trace_id=it[0],
        span_id=it[1],
        parent_span_id=it[2],
        flags=it[3],
        name=it[4],
        kind=it[5],
        start_time_unix_nano=it[6],
        attributes=it[7],
        events=it[8],
    ),
    st.binary(max_size=20),
    st.binary(max_size=9),
    st.binary(max_size=8),
    st.sampled_from([0, 0x100, 0x300, 0xFFFFFFFF]),
    TEXT,
    st.integers(0, 6),
    TIME,
    PAIRS,
    st.lists(EVENT, max_size=4),
)
REQUEST = st.builds(
    lambda entries: ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=Resource(attributes=pairs), scope_spans=[ScopeSpans(spans=each) for each in scopes])
            for pairs, scopes in entries
        ]
    ),
    st.lists(st.tuples(PAIRS, st.lists(st.lists(SPAN, max_size=3), max_size=2)), max_size=3),
)
JSON_VALUE: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted({
        "resourceSpans", "scopeSpans", "spans", "resource", "attributes", "events", "name", "kind", "traceId", "spanId",
        "key", "value", "stringValue", "intValue", "arrayValue", "values", "timeUnixNano", "resourceLogs", "scopeLogs",
        "logRecords", "eventName",
    })), inner, max_size=5),
    max_leaves=30,
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BridgeServer, Road]]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    way = road(folder / "spool.db", Sink())
    with serving(way, limits=LIMITS) as server:
        yield server, way


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30) as opened:
        yield opened


def test_the_quick_reader_finds_what_a_full_parse_finds() -> None:
    """Every record of every span, whatever is passed over unparsed; also when fields come in another order."""

    @given(request=REQUEST, extra=REQUEST)
    @settings(max_examples=80)
    def check(request: ExportTraceServiceRequest, extra: ExportTraceServiceRequest) -> None:
        data = request.SerializeToString() + extra.SerializeToString()
        found = [item.records for item in reading.spans(data, LIMITS, NOW_NS) if item is not None and item.records]
        whole = ExportTraceServiceRequest.FromString(data)
        spans = [(e.resource, span) for e in whole.resource_spans for s in e.scope_spans for span in s.spans]
        alone = []
        for owner, span in spans:  # each span in a request of its own, with a letter in it that forbids passing over
            span.trace_state = "Z"
            single = ExportTraceServiceRequest(
                resource_spans=[ResourceSpans(resource=owner, scope_spans=[ScopeSpans(spans=[span])])]
            )
            alone += [i.records for i in reading.spans(single.SerializeToString(), LIMITS, NOW_NS) if i and i.records]
        assert repr(alone) == repr(found)
        expected = sum(len(span.events) for _, span in spans)
        assert expected == sum(not record.is_view for records in found for record, _ in records)

    check()


def test_any_spans_are_answered_with_200(fuzzed: tuple[BridgeServer, Road], client: httpx.Client) -> None:
    """Whatever well-formed spans hold: stored, or refused by count."""
    server, way = fuzzed

    @given(request=REQUEST)
    @settings(max_examples=40)
    def check(request: ExportTraceServiceRequest) -> None:
        content = request.SerializeToString()
        answer = client.post(f"{server.url}/v1/traces", content=content, headers={"content-type": PROTOBUF})
        assert answer.status_code == 200

    check()
    assert way.books().balanced


def test_any_bytes_are_answered_without_a_500(fuzzed: tuple[BridgeServer, Road], client: httpx.Client) -> None:
    """Random bytes, valid requests with flipped bytes, JSON of any shape; with any type, encoding and path."""
    server, way = fuzzed
    valid = traces(span_with(1, 2), span_with(3)).SerializeToString()
    flipped = st.builds(
        lambda place, byte: valid[:place] + bytes([byte]) + valid[place + 1 :],
        st.integers(0, len(valid) - 1),
        st.integers(0, 255),
    )
    text = JSON_VALUE.map(lambda value: json.dumps(value).encode())
    wrapped = JSON_VALUE.map(lambda value: json.dumps({"resourceSpans": value, "resourceLogs": value}).encode())

    @given(
        content=st.one_of(st.binary(max_size=200), flipped, text, wrapped),
        kind=st.sampled_from([PROTOBUF, JSON]),
        encoding=st.sampled_from(["identity", "identity", "gzip", "packed", "deflate"]),
        path=st.sampled_from(["/v1/traces", "/v1/logs"]),
    )
    @settings(max_examples=150)
    def check(content: bytes, kind: str, encoding: str, path: str) -> None:
        if encoding == "packed":
            content, encoding = gzip.compress(content), "gzip"
        headers = {"content-type": kind, "content-encoding": encoding}
        answer = client.post(f"{server.url}{path}", content=content, headers=headers)
        assert answer.status_code in (200, 400, 413, 415)

    check()
    assert way.books().balanced


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_the_translators_refuse_by_name(kind: str) -> None:
    """Whatever a body holds, what is raised is an answer."""

    @given(content=st.binary(max_size=300))
    @settings(max_examples=200)
    def check(content: bytes) -> None:
        try:
            for _ in reading.spans(body.message(content, kind, "traces"), LIMITS, NOW_NS):
                pass
        except Answered:
            pass

    check()


HOSTILE = {
    "two-byte entries": b"\x0a\x00" * 400_000,
    "two-byte scopes": b"\x0a\xc0\x9a\x0c" + b"\x12\x00" * 100_000,
    "two-byte events": None,
    "nested values": None,
    "unknown fields": b"\x7a\x00" * 400_000,
}


def _hostile(name: str) -> bytes:
    given_body = HOSTILE[name]
    if given_body is not None:
        return given_body
    if name == "two-byte events":
        inner = b"\x5a\x00" * 500_000
    else:
        value = b""
        for _ in range(5_000):
            value = b"\x2a" + _length(len(value) + 1 + len(_length(len(value)))) + b"\x0a" + _length(len(value)) + value
        inner = b"\x5a" + _length(len(value) + 4) + b"\x1a\x02\x0a\x00" + value
    for tag in (b"\x12", b"\x12", b"\x0a"):
        inner = tag + _length(len(inner)) + inner
    return inner


def _length(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_shapes_cost_no_memory(name: str) -> None:
    """Millions of empty messages, or deep ones, are refused or read in a few megabytes beyond their own size."""
    data = _hostile(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        for _ in reading.spans(data, Limits(), NOW_NS):
            pass
    except Answered:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 8 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 80 << 10  # KiB; protobuf's own objects


def test_a_gzip_bomb_is_not_unpacked() -> None:
    """No more than the limit is ever made of it."""
    bomb = gzip.compress(bytes(200 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(Answered):
            body.unpack(bomb, "gzip", 4 << 20)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 16 << 20


def test_many_small_gzip_members_cost_no_time() -> None:
    """Joined members are unpacked one after the other, each byte once."""
    member = gzip.compress(b"")
    with pytest.raises(Malformed):
        body.unpack(member * 20_000 + b"x", "gzip", 1 << 20)


def test_memory_stays_flat_under_hostile_requests(fuzzed: tuple[BridgeServer, Road]) -> None:
    """After the first rounds, hundreds more of every kind of bad request add nothing."""
    server, _ = fuzzed
    bad: list[tuple[bytes, dict[str, str]]] = [
        (b"\xff" * 100_000, {}),
        (gzip.compress(bytes(30 << 20)), {"content_encoding": "gzip"}),
        (b"[" * 100_000, {"content_type": JSON}),
        (b"\x0a\x00" * 100_000, {}),
    ]

    def rounds(number: int) -> int:
        for _ in range(number):
            for content, headers in bad:
                assert post(server, content, **headers).status_code in (400, 413)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    warm = rounds(5)

    assert rounds(10) - warm < 16 << 10  # KiB
