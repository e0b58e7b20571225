"""The doors: span processor, span exporter, log record exporter, record(), sampler."""

import logging
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, TraceIdRatioBased
from opentelemetry.trace import SpanKind, use_span
from road import TAXONOMY, WEBSITE, KitchenClosed, OrderPlaced, ended, numbers, payload, provider, road

from otel_umami_exporter import (
    AlwaysRecord,
    SettingsError,
    Taxonomy,
    UmamiLogRecordExporter,
    UmamiSpanExporter,
    UmamiSpanProcessor,
    record,
    use_visitor,
)
from otel_umami_exporter.books import Books
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.outcome import Delivered, Outcome, Unavailable
from otel_umami_exporter.sampler import always_record_from_environment
from otel_umami_exporter.spool import Spool
from otel_umami_exporter.testing import FakeConnection

STILL = Timing(linger_seconds=1e6)  # nothing is sent by itself


def test_an_event_is_on_disk_when_its_span_has_ended(tmp_path: Path) -> None:
    """Readable by any other process, before anything was sent."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        tracer = provider(UmamiSpanProcessor(pipeline=pipeline)).get_tracer("test")
        with tracer.start_as_current_span("command /order", kind=SpanKind.CONSUMER):
            record(OrderPlaced(number=7, dish="soup"), visitor="anna")

        [body] = Spool(tmp_path / "spool").bodies()

    sent = payload(body)
    assert (sent["name"], sent["id"], sent["hostname"]) == ("order_placed", "anna", "diner")
    assert {"number": 7, "dish": "soup"}.items() <= sent["data"].items()
    assert {"trace_id", "duration_ms"} <= sent["data"].keys()


def test_a_view_and_its_events_leave_in_order(tmp_path: Path) -> None:
    """First the view, which makes the visitor count."""
    connection = FakeConnection()
    with road(tmp_path / "spool", connection) as pipeline:
        assert (
            UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1), KitchenClosed())])
            == SpanExportResult.SUCCESS
        )
        assert pipeline.flush(60.0)

    view, order, closed = [payload(body) for body in connection.bodies]
    assert (view["url"], view.get("name"), view["id"]) == ("/command/order", None, "anna")
    assert (order["name"], order["id"]) == ("order_placed", "anna")
    assert closed["name"] == "kitchen_closed"
    assert "id" not in closed


def test_an_unsampled_span_loses_no_event(tmp_path: Path) -> None:
    """Sampling is for traces: the processor sees what AlwaysRecord records."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        tracer = provider(UmamiSpanProcessor(pipeline=pipeline), sampler=AlwaysRecord(ALWAYS_OFF)).get_tracer("test")
        with tracer.start_as_current_span("command /order") as span:
            record(OrderPlaced(number=1))

        assert not span.get_span_context().trace_flags.sampled
        assert pipeline.status().books.accepted == 1


@pytest.mark.parametrize("ratio", [None, "0", "0.25", "1"])
def test_always_record_is_a_sampler_by_name(ratio: str | None) -> None:
    """OTEL_TRACES_SAMPLER=always_record, with the share of traces that is kept."""
    sampler = always_record_from_environment(ratio)

    assert sampler.get_description().startswith("AlwaysRecord{ParentBased{")
    assert sampler.should_sample(None, 2**64 - 1, "x").decision is not Decision.DROP


@pytest.mark.parametrize("ratio", ["2", "-1", "half"])
def test_a_share_is_a_number_from_0_to_1(ratio: str) -> None:
    """A mistake names the variable."""
    with pytest.raises(SettingsError, match="OTEL_TRACES_SAMPLER_ARG"):
        always_record_from_environment(ratio)


def test_always_record_keeps_what_the_inner_sampler_samples() -> None:
    """It changes nothing but drops."""
    sampler = AlwaysRecord(TraceIdRatioBased(0.5))

    assert sampler.should_sample(None, 1, "x").decision is Decision.RECORD_AND_SAMPLE
    assert sampler.should_sample(None, 2**64 - 1, "x").decision is Decision.RECORD_ONLY
    assert AlwaysRecord(ALWAYS_ON).should_sample(None, 1, "x").decision is Decision.RECORD_AND_SAMPLE


def test_events_that_the_sdk_dropped_are_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A span holds 128 events; the oldest go before any exporter sees them."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        tracer = provider(UmamiSpanProcessor(pipeline=pipeline), span_limits=SpanLimits(max_events=128)).get_tracer("x")
        for _ in range(2):
            with tracer.start_as_current_span("command /order"):
                for number in range(130):
                    record(OrderPlaced(number=number))
        status = pipeline.status()

    assert (status.books.accepted, status.stayed_behind) == (256, {"span_event_limit": 4})
    assert caplog.text.count("OTEL_SPAN_EVENT_COUNT_LIMIT") == 1


def test_properties_that_the_sdk_dropped_are_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An event, and a log record, hold so many attributes; the event itself leaves."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        limits = SpanLimits(max_event_attributes=2)
        tracer = provider(UmamiSpanProcessor(pipeline=pipeline), span_limits=limits).get_tracer("x")
        with tracer.start_as_current_span("command /order"):
            record(OrderPlaced(number=1, dish="soup", size="small", paid=True))
            record(OrderPlaced(number=2, dish="soup", size="small"))
        door = UmamiLogRecordExporter(pipeline=pipeline)
        with warnings.catch_warnings(action="ignore"):  # newer SDKs warn of it themselves
            emit(door, timestamp=1, event_name="order_placed", attributes={f"key_{each}": each for each in range(130)})
        status = pipeline.status()

    assert (status.books.accepted, status.stayed_behind["attribute_limit"]) == (3, 2 + 1 + 2)
    assert caplog.text.count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT") == 1


def test_what_stays_behind_is_counted_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By reason, without the value."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        door = UmamiSpanProcessor(pipeline=pipeline)
        tracer = provider(door).get_tracer("x")
        for _ in range(2):
            with tracer.start_as_current_span("command /other") as span:
                span.add_event("canary_event", {"canary_key": "canary value"})
                span.add_event("order_placed", {"number": 1, "dish": 5, "canary_key": "canary value"})
                span.record_exception(ValueError("canary value"))
        status = pipeline.status()

    assert status.books.accepted == 2
    assert status.stayed_behind == {
        "undeclared_event": 2,
        "undeclared_property": 2,
        "wrong_value": 2,
        "automatic_event": 2,
    }
    assert len(caplog.records) == 3
    assert "canary" not in caplog.text


def test_without_a_taxonomy_nothing_leaves_and_one_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no error: a bridge may be waiting for its file."""
    with road(tmp_path / "spool", taxonomy=Taxonomy(()), timing=STILL) as pipeline:
        UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1))])
        assert pipeline.status().books.accepted == 0

    assert caplog.text.count("there is no taxonomy") == 1


# --- the log door -----------------------------------------------------------------------------------------------------


def emit(door: UmamiLogRecordExporter, **arguments: Any) -> None:
    """Emit one log record through the SDK."""
    logs = LoggerProvider(resource=Resource({"service.name": "diner"}), shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(door))
    logs.get_logger("test").emit(**arguments)


def test_an_event_that_was_emitted_as_a_log_record_leaves(tmp_path: Path) -> None:
    """OpenTelemetry's successor of span events."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        door = UmamiLogRecordExporter(pipeline=pipeline)
        emit(
            door,
            timestamp=5_000_000_000,
            event_name="order_placed",
            attributes={"number": 3, "enduser.pseudo.id": "anna", "canary": "x"},
        )
        emit(door, body="a plain log line with a canary", attributes={"number": 3})
        [body] = Spool(tmp_path / "spool").bodies()

    expected = {"name": "order_placed", "id": "anna", "timestamp": 5, "hostname": "diner", "data": {"number": 3}}
    assert expected.items() <= payload(body).items()


@pytest.mark.parametrize("first", ["span", "log"])
def test_an_event_that_comes_by_both_doors_is_stored_once(tmp_path: Path, first: str) -> None:
    """A bridge copies log events onto the span, with the same time; whichever comes first stays."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        spans = UmamiSpanProcessor(pipeline=pipeline)
        logs = UmamiLogRecordExporter(pipeline=pipeline)
        span = provider(spans).get_tracer("x").start_span("command /order")
        for number in range(3):
            span.add_event("order_placed", {"number": number}, timestamp=5_000_000_000 + number)

        def by_log() -> None:
            with use_span(span):
                for number in range(3):
                    emit(
                        logs,
                        timestamp=5_000_000_000 + number,
                        event_name="order_placed",
                        attributes={"number": number},
                    )

        for step in (span.end, by_log) if first == "span" else (by_log, span.end):
            step()

        assert numbers(list(Spool(tmp_path / "spool").bodies())) == [0, 1, 2]
        assert pipeline.status().stayed_behind == {"doubled": 3}


# --- the road behind --------------------------------------------------------------------------------------------------


def test_flush_says_whether_everything_has_left(tmp_path: Path) -> None:
    """True within the time, else False at the deadline."""
    away = FakeConnection(answer=lambda bodies: [Unavailable("connection_refused")] * len(bodies))
    with road(tmp_path / "spool", away) as pipeline:
        door = UmamiSpanProcessor(pipeline=pipeline)
        assert door.force_flush(60_000)
        provider(door).get_tracer("x").start_span("command /order").end()
        assert door.force_flush(60_000)
        assert away.batches == []
        UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1))])

        start = time.monotonic()
        assert not door.force_flush(200)
        assert time.monotonic() - start >= 0.2

        away.answer = None
        assert door.force_flush(60_000)


class Hanging:
    """A server that accepts and never answers, until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.taken = threading.Event()
        self.closed = threading.Event()
        self._sending: int | None = None

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Wait."""
        self._sending = threading.get_ident()
        self.taken.set()
        self.released.wait(60.0)
        return [Delivered()] * len(bodies)

    def close(self) -> None:
        """Say so, if it is the thread that sent: what it was told is written down then. The other has sent nothing."""
        if threading.get_ident() == self._sending:
            self.closed.set()


def test_flush_and_shutdown_end_before_a_server_that_never_answers(tmp_path: Path) -> None:
    """An answer that comes late is still written down. How punctual they are is measured in tests/endurance."""
    hanging = Hanging()
    with road(tmp_path / "spool", hanging, timing=Timing(linger_seconds=0.0)) as pipeline:  # type: ignore[arg-type]
        UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1))])
        assert hanging.taken.wait(60.0)

        assert not pipeline.flush(0.3)
        pipeline.shutdown(0.3)

    hanging.released.set()
    assert hanging.closed.wait(60.0)
    assert Books(2, 2, 0, {}, {}) == Spool(tmp_path / "spool").books()


def test_a_second_shutdown_and_what_comes_after_it_hurt_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenTelemetry's providers shut down once more at exit."""
    with road(tmp_path / "spool") as pipeline:
        door = UmamiSpanExporter(pipeline=pipeline)
        door.shutdown()
        door.shutdown()
        pipeline.shutdown()

        assert door.force_flush(100)
        assert door.export([ended(OrderPlaced(number=1))]) == SpanExportResult.FAILURE
        assert not pipeline.flush(0.1)

    assert [each.levelname for each in caplog.records] == ["ERROR", "WARNING"]


def test_an_earlier_runs_events_leave_without_a_new_one(tmp_path: Path) -> None:
    """At the start."""
    away = FakeConnection(answer=lambda bodies: [Unavailable("connection_refused")] * len(bodies))
    with road(tmp_path / "spool", away) as pipeline:
        UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1))])

    arrived = threading.Event()

    def answer(bodies: Sequence[bytes]) -> list[Outcome]:
        arrived.set()
        return [Delivered()] * len(bodies)

    with road(tmp_path / "spool", FakeConnection(answer=answer)):
        assert arrived.wait(60.0)


def test_two_batches_are_in_flight(tmp_path: Path) -> None:
    """Measured best against a real Umami; a backlog is not sent one after the other."""
    both = threading.Barrier(2)

    def answer(bodies: Sequence[bytes]) -> list[Outcome]:
        both.wait(60.0)
        return [Delivered()] * len(bodies)

    with road(tmp_path / "spool", FakeConnection(answer=answer)) as pipeline:
        UmamiSpanExporter(pipeline=pipeline).export(
            [ended(OrderPlaced(number=each), visitor=None) for each in range(200)]
        )
        assert pipeline.flush(60.0)


def test_a_thread_survives_a_defect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that died would stop delivery for good; a flush tries again at once."""
    failed = threading.Event()

    def answer(bodies: Sequence[bytes]) -> list[Outcome]:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("canary")
        return [Delivered()] * len(bodies)

    with road(tmp_path / "spool", FakeConnection(answer=answer), timing=Timing(linger_seconds=0.0)) as pipeline:
        UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1))])
        assert failed.wait(60.0)
        assert not pipeline.flush(0.1)  # that batch is leased
        UmamiSpanExporter(pipeline=pipeline).export([ended(KitchenClosed(), visitor=None)])
        for _ in range(60):
            if pipeline.status().books.delivered:
                break
            pipeline.flush(0.5)
        assert pipeline.status().books.delivered == 1

    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text


def test_metrics_tell_what_status_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the metrics API, with OpenTelemetry's names where it has them."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("otel_umami_exporter.telemetry.get_meter", meters.get_meter)
    with road(tmp_path / "spool") as pipeline:
        UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1, dish="soup"))])
        UmamiSpanExporter(pipeline=pipeline).export([ended()])
        assert pipeline.flush(60.0)
        data = reader.get_metrics_data()

    assert data is not None
    points = {
        (metric.name, point.attributes.get("state")): point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if point.attributes is not None
    }
    assert points["otel.sdk.exporter.span.exported", None].value == 2  # type: ignore[union-attr]
    assert points["otel_umami.events", "accepted"].value == 3  # type: ignore[union-attr]
    assert points["otel_umami.events", "delivered"].value == 3  # type: ignore[union-attr]
    assert points["otel_umami.events", "waiting"].value == 0  # type: ignore[union-attr]
    assert points["otel_umami.spool.oldest_age", None].value == 0  # type: ignore[union-attr]
    assert points["otel.sdk.exporter.operation.duration", None].count > 0  # type: ignore[union-attr]
    labels = points["otel.sdk.exporter.span.exported", None].attributes
    assert labels is not None
    assert labels["otel.component.type"] == "umami_exporter"


# --- record() ---------------------------------------------------------------------------------------------------------


def test_use_visitor_holds_inside_its_block() -> None:
    """Across child spans, and back out again."""
    from otel_umami_exporter.testing import capture_events  # noqa: PLC0415  # for this test alone

    with capture_events(TAXONOMY) as captured:
        with use_visitor("anna"):
            record(OrderPlaced(number=1))
            with use_visitor(None):
                record(OrderPlaced(number=2))
            record(OrderPlaced(number=3), visitor="berta")
            record(KitchenClosed())
        record(OrderPlaced(number=4))

    assert [(each.name, each.visitor) for each in captured[:3]] == [
        ("order_placed", "anna"),
        ("order_placed", None),
        ("order_placed", "berta"),
    ]
    assert [each.visitor for each in captured[3:]] == [None, None]


@pytest.mark.parametrize("hostile", [None, {}, {"number": float("nan")}, {"number": 1, "dish": "x\x00\ud800" * 500}])
def test_nothing_that_a_span_holds_raises(tmp_path: Path, hostile: dict[str, Any] | None) -> None:
    """The host never pays for our trouble."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        span = provider(UmamiSpanProcessor(pipeline=pipeline)).get_tracer("x").start_span("command /order")
        span.add_event("order_placed", hostile)
        span.end()

        assert pipeline.status().books.balanced


def test_a_defect_of_ours_is_logged_without_its_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And never reaches the program."""
    with road(tmp_path / "spool", timing=STILL) as pipeline:
        door: Any = UmamiSpanExporter(pipeline=pipeline)
        logs: Any = UmamiLogRecordExporter(pipeline=pipeline)
        processor: Any = UmamiSpanProcessor(pipeline=pipeline)

        assert door.export(["canary"]) == SpanExportResult.FAILURE
        assert logs.export(["canary"]) == LogRecordExportResult.FAILURE
        processor.on_end("canary")

    assert len(caplog.records) == 3
    assert "canary" not in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


def test_arguments_in_code_raise(tmp_path: Path) -> None:
    """A mistake in code is the programmer's to see."""
    with pytest.raises(SettingsError, match="UMAMI_ENDPOINT"):
        UmamiSpanExporter(taxonomy=TAXONOMY, endpoint="not an address", website_id=WEBSITE, spool=tmp_path / "spool")
