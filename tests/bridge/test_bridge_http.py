"""What a sender of OTLP over HTTP is promised."""

import gzip
import json
import sqlite3
from pathlib import Path

import httpx
import pytest
from bridge_kit import (
    JSON,
    NOW_NS,
    PROTOBUF,
    TRACE_ID,
    WEBSITE,
    Sink,
    logs,
    numbers_of,
    post,
    road,
    serving,
    span_with,
    traces,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_umami_exporter.bridge import BridgeServer, Limits, Road
from otel_umami_exporter.spool import SpoolLimits


def test_an_event_over_the_wire_reaches_umami_as_from_the_library(server: BridgeServer, way: Road, sink: Sink) -> None:
    """Visitor, time, service, environment, trace and the measured duration are all there."""
    answer = post(server, traces(span_with(7)).SerializeToString())

    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, PROTOBUF, b"")
    assert way.flush(60)
    (body,) = sink.bodies
    assert {
        "type": "event",
        "payload": {
            "website": WEBSITE,
            "hostname": "shop",
            "tag": "test",
            "url": "/event/order_placed",
            "ip": "127.0.0.1",
            "timestamp": NOW_NS // 10**9 + 1,
            "name": "order_placed",
            "data": {"number": 7, "duration_ms": 1500, "trace_id": TRACE_ID.hex()},
            "id": "visitor-1",
        },
    } == json.loads(body)


def test_success_means_on_disk(server: BridgeServer, sink: Sink, tmp_path: Path) -> None:
    """When 200 is answered, another process finds the events in the file."""
    sink.away = True

    post(server, traces(span_with(1, 2, 3)).SerializeToString())

    with sqlite3.connect(tmp_path / "spool.db") as database:
        assert database.execute("SELECT count(*) FROM events").fetchone() == (3,)
    database.close()


def test_an_operation_of_a_known_visitor_is_a_page_view(server: BridgeServer, way: Road, sink: Sink) -> None:
    """A root span of kind SERVER is one; the same span inside the program is none."""
    root = Span(
        trace_id=TRACE_ID,
        span_id=b"12345678",
        name="order /new",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=NOW_NS,
    )
    root.attributes.add(key="enduser.pseudo.id").value.string_value = "visitor-1"
    inner, remote = Span(), Span()
    for span, number, flags in ((inner, b"2", 0x100), (remote, b"3", 0x300)):
        span.CopyFrom(root)
        span.span_id, span.parent_span_id, span.flags = number * 8, b"87654321", flags

    post(server, traces(root, inner, remote).SerializeToString())

    assert way.flush(60)
    assert [json.loads(body)["payload"]["url"] for body in sink.bodies] == ["/order/new", "/order/new"]


def test_json_is_understood(server: BridgeServer, way: Road, sink: Sink) -> None:
    """Hexadecimal ids and numbers as text, as OTLP's JSON has them; the answer is JSON as well."""
    event = {
        "name": "order_placed",
        "timeUnixNano": str(NOW_NS),
        "attributes": [{"key": "number", "value": {"intValue": "9"}}],
    }
    span = {
        "traceId": TRACE_ID.hex(),
        "spanId": "00f067aa0ba902b7",
        "name": "work",
        "kind": 1,
        "startTimeUnixNano": str(NOW_NS),
        "events": [event],
        "aFieldOfTheFuture": {"deep": [1]},
    }
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}

    answer = post(server, json.dumps(document).encode(), content_type=f"{JSON}; charset=utf-8")

    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (200, JSON, {})
    assert way.flush(60)
    (body,) = sink.bodies
    assert {"number": 9, "duration_ms": 0, "trace_id": TRACE_ID.hex()} == json.loads(body)["payload"]["data"]


def test_events_in_the_log_are_understood(server: BridgeServer, way: Road, sink: Sink) -> None:
    """A log record with an event name is an event, one without is passed over."""
    answer = post(server, logs("order_placed", "", "order_placed").SerializeToString(), "/v1/logs")

    assert answer.status_code == 200
    assert way.flush(60)
    assert numbers_of(sink.bodies) == [0, 2]


def test_events_in_json_logs_are_understood(server: BridgeServer, way: Road, sink: Sink) -> None:
    """Also by the attribute that came before the field."""
    number = {"key": "number", "value": {"intValue": "5"}}
    old = {"key": "event.name", "value": {"stringValue": "order_placed"}}
    records = [{"eventName": "order_placed", "attributes": [number]}, {"attributes": [number, old]}]
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}

    post(server, json.dumps(document).encode(), "/v1/logs", content_type=JSON)

    assert way.flush(60)
    assert numbers_of(sink.bodies) == [5, 5]
    assert way.stayed_behind() == {}


def test_gzip_is_unpacked(server: BridgeServer, way: Road, sink: Sink) -> None:
    """As a Collector sends by default; members may be joined."""
    body = traces(span_with(1)).SerializeToString()

    answer = post(server, gzip.compress(body[:10]) + gzip.compress(body[10:]), content_encoding="gzip")

    assert answer.status_code == 200
    assert way.flush(60)
    assert numbers_of(sink.bodies) == [1]


def test_refused_events_are_counted_in_partial_success(server: BridgeServer, way: Road, sink: Sink) -> None:
    """The rest is stored; events that instrumentations write by themselves are nothing to report."""
    spans = [span_with(1), span_with(2, 3, name="undeclared"), span_with(4, name="exception")]

    response = ExportTraceServiceResponse.FromString(post(server, traces(*spans).SerializeToString()).content)

    assert response.partial_success.rejected_spans == 1
    assert response.partial_success.error_message == "events refused: 2 not in the taxonomy"
    assert way.flush(60)
    assert numbers_of(sink.bodies) == [1]


def test_refused_log_events_are_counted_in_partial_success(server: BridgeServer) -> None:
    """The same for logs."""
    answer = post(server, logs("undeclared", "undeclared", "order_placed").SerializeToString(), "/v1/logs")

    response = ExportLogsServiceResponse.FromString(answer.content)
    assert response.partial_success.rejected_log_records == 2


@pytest.mark.parametrize("body", [b"\x0a\x05abc", b"\xff" * 20, b"\x0a\x04\x12\x02\x12\x00\x03", b"\x00"])
def test_what_is_no_protobuf_is_a_400_with_a_status(server: BridgeServer, body: bytes) -> None:
    """A sender drops it: sending it again would not help."""
    answer = post(server, body)

    assert answer.status_code == 400
    status = Status.FromString(answer.content)
    assert status.code == 3
    assert status.message.startswith("no protobuf message: ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"resourceSpans": 5}',
        b"[" * 200_000,
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"\\ud800"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":' + b"9" * 5_000 + b"}]}]}]}",
    ],
    ids=["empty", "list", "cut", "number", "deep", "no-hex", "surrogate", "huge-number"],
)
def test_what_is_no_otlp_json_is_a_400_with_a_status(server: BridgeServer, body: bytes) -> None:
    """The same, said in JSON."""
    answer = post(server, body, content_type=JSON)

    assert answer.status_code == 400
    assert answer.json()["code"] == 3


def test_one_broken_span_spoils_the_request(server: BridgeServer, way: Road) -> None:
    """All or nothing: what was read before it is not stored."""
    good = traces(span_with(1)).SerializeToString()
    broken = b"\x12\x06\x12\x04\x5a\x02\xff\xff"

    answer = post(server, good + b"\x0a" + bytes([len(broken)]) + broken)

    assert answer.status_code == 400
    assert way.books().accepted == 0


@pytest.mark.parametrize(
    "headers",
    [{"content_type": "text/plain"}, {"content_type": ""}, {"content_encoding": "br"}, {"content_encoding": "zstd"}],
)
def test_an_unknown_type_or_encoding_is_a_415(server: BridgeServer, headers: dict[str, str]) -> None:
    """OTLP over HTTP knows two types and gzip."""
    answer = post(server, b"", **headers)

    assert answer.status_code == 415
    assert Status.FromString(answer.content).message


def test_a_broken_gzip_is_a_400(server: BridgeServer) -> None:
    """No gzip at all, and one that is cut off."""
    assert post(server, b"nothing", content_encoding="gzip").status_code == 400
    assert post(server, gzip.compress(b"x" * 500)[:-9], content_encoding="gzip").status_code == 400


def test_too_large_a_body_is_a_413(way: Road) -> None:
    """As sent, and unpacked: a gzip bomb is not made."""
    with serving(way, limits=Limits(body=10_000, json_body=1_000)) as server:
        assert post(server, b"x" * 10_001).status_code == 413
        assert post(server, gzip.compress(bytes(50_000_000)), content_encoding="gzip").status_code == 413
        assert post(server, b" " * 1_001, content_type=JSON).status_code == 413
        assert post(server, gzip.compress(b""), content_encoding="gzip").status_code == 200


def test_too_many_spans_are_a_413(way: Road) -> None:
    """A body of two-byte spans would be a hundred times its size in memory."""
    with serving(way, limits=Limits(items=100)) as server:
        assert post(server, b"\x0a\x00" * 101).status_code == 413
        assert post(server, traces(*[Span()] * 99).SerializeToString()).status_code == 413
        assert post(server, traces(*[Span()] * 98).SerializeToString()).status_code == 200


def test_a_span_beyond_the_limits_is_refused_by_count(way: Road) -> None:
    """Too many events on it, or too large: the rest of the request is stored."""
    with serving(way, limits=Limits(events=2, item_bytes=2_000)) as server:
        huge = span_with(9)
        huge.attributes.add(key="text").value.string_value = "x" * 2_000
        answer = post(server, traces(span_with(1, 2, 3, 4), huge, span_with(5)).SerializeToString())

        response = ExportTraceServiceResponse.FromString(answer.content)
        assert (
            response.partial_success.rejected_spans,
            response.partial_success.error_message,
        ) == (2, "events refused: 3 beyond the bridge's limits")
        assert way.books().accepted == 3


def test_a_full_spool_is_a_503_and_nothing_is_dropped(tmp_path: Path, sink: Sink) -> None:
    """The sender keeps what does not fit; readiness says so; the events that wait stay."""
    sink.away = True
    way = road(tmp_path / "spool.db", sink, SpoolLimits(max_events=5))
    with serving(way) as server:
        assert post(server, traces(span_with(1, 2, 3)).SerializeToString()).status_code == 200
        assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 200

        answer = post(server, traces(span_with(4, 5, 6)).SerializeToString())

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
        assert Status.FromString(answer.content).message == "the spool is full"
        assert post(server, traces(span_with(7, 8)).SerializeToString()).status_code == 200
        assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 503
        assert (way.books().accepted, way.books().waiting, way.books().dropped) == (5, 5, {})


def test_a_bad_disk_is_a_503_and_nothing_is_kept_in_memory(way: Road, server: BridgeServer, tmp_path: Path) -> None:
    """Another program holds the file: requests are put off, and taken when it lets go."""
    path = tmp_path / "spool.db"
    body = traces(span_with(1)).SerializeToString()
    with sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        answer = post(server, body)
        holder.execute("ROLLBACK")
    holder.close()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
    assert way.books().accepted == 0
    assert post(server, body).status_code == 200
    assert way.books().accepted == 1


def test_a_full_disk_is_a_503_until_there_is_room(way: Road, server: BridgeServer) -> None:
    """SQLite says that the disk is full: nothing is stored, not even in memory; with room again all goes on."""
    body = traces(*(span_with(number) for number in range(200))).SerializeToString()
    database = way._spool._disk._database  # type: ignore[union-attr]
    assert database is not None
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    answer = post(server, body)
    ready = httpx.get(f"{server.url}/healthz", timeout=60).status_code
    database.execute("PRAGMA max_page_count = 1000000")

    assert (answer.status_code, answer.headers["retry-after"], ready) == (503, "15", 200)
    assert way.books().accepted == 0
    assert post(server, body).status_code == 200
    assert way.books().accepted == 200


def test_a_request_sent_again_is_stored_once(tmp_path: Path, sink: Sink) -> None:
    """Its answer got lost: the second copy is recognised, also by another bridge on the same spool."""
    body = traces(span_with(1, 2), span_with(3)).SerializeToString()
    with serving(road(tmp_path / "spool.db", sink)) as one:
        assert post(one, body).status_code == 200
        assert post(one, body).status_code == 200
    way = road(tmp_path / "spool.db", sink)
    with serving(way) as other:
        assert post(other, body).status_code == 200
        assert way.flush(60)

    assert numbers_of(sink.bodies) == [1, 2, 3]


def test_the_token_is_asked_for(way: Road) -> None:
    """Without it nothing is read; health and readiness need none."""
    body = traces(span_with(1)).SerializeToString()
    with serving(way, token="secret-canary") as server:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret-canary"}):
            answer = post(server, body, **headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert b"secret-canary" not in answer.content
        assert way.books().accepted == 0
        assert post(server, body, authorization="Bearer secret-canary").status_code == 200
        assert httpx.get(f"{server.url}/healthz", timeout=60).status_code == 200


def test_metrics_add_up(server: BridgeServer, way: Road) -> None:
    """Requests by status, spans, events by what became of them, and the books."""
    body = traces(span_with(1), span_with(2, name="undeclared"), Span()).SerializeToString()
    post(server, body)
    post(server, body)
    post(server, b"\xff")
    assert way.flush(60)

    lines = httpx.get(f"{server.url}/metrics", timeout=60).text.splitlines()

    for expected in (
        'otel_umami_bridge_requests_total{signal="traces",status="200"} 2',
        'otel_umami_bridge_requests_total{signal="traces",status="400"} 1',
        'otel_umami_bridge_items_total{signal="traces"} 6',
        'otel_umami_bridge_events_total{signal="traces",state="stored"} 1',
        'otel_umami_bridge_events_total{signal="traces",state="doubled"} 1',
        'otel_umami_bridge_events_total{signal="traces",state="refused_undeclared_event"} 2',
        'otel_umami_bridge_stayed_behind_total{reason="undeclared_event"} 2',
        "otel_umami_bridge_body_bytes_in_flight 0",
        'otel_umami_bridge_spool_events{state="delivered",reason=""} 1',
    ):
        assert expected in lines


def test_too_much_at_one_moment_is_a_503(way: Road) -> None:
    """All bodies that are being received share one bound."""
    with serving(way, limits=Limits(in_flight=1_000)) as server:
        answer = post(server, b"x" * 1_001)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert post(server, traces(span_with(1)).SerializeToString()).status_code == 200


def test_a_body_that_does_not_arrive_is_a_408(way: Road) -> None:
    """A slow sender holds nothing for long."""

    def slow() -> "object":
        yield b"x"
        httpx.get(f"{server.url}/healthz", timeout=60)  # as long as one request takes: longer than the limit

    with serving(way, limits=Limits(body_seconds=0.0)) as server:
        answer = httpx.post(f"{server.url}/v1/traces", content=slow(), headers={"content-type": PROTOBUF}, timeout=60)  # type: ignore[arg-type]
        assert answer.status_code == 408


def test_there_is_nothing_else(server: BridgeServer) -> None:
    """GET on an endpoint and other paths are refused."""
    assert httpx.get(f"{server.url}/v1/traces", timeout=60).status_code == 405
    assert post(server, b"", "/v1/metrics").status_code == 404
