"""From spans and log records to `Record`: who, what, when, which trace."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from otel_umami_exporter.record import NOBODY, VISITOR, Record, key_of, record_from_log, records_from_span

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7
LOCAL = SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags.get_default())
REMOTE = SpanContext(TRACE, SPAN, is_remote=True, trace_flags=TraceFlags.get_default())
RESOURCE = Resource({"service.name": "shop", "deployment.environment.name": "test"})


def a_span(
    *events: Event,
    name: str = "command /start",
    kind: SpanKind = SpanKind.CONSUMER,
    attributes: Mapping[str, Any] | None = None,
    parent: SpanContext | None = None,
    start: int | None = 1_000,
    resource: Resource = RESOURCE,
    context: SpanContext | None = LOCAL,
) -> ReadableSpan:
    return ReadableSpan(
        name,
        context=context,
        parent=parent,
        resource=resource,
        attributes={VISITOR: "anna"} if attributes is None else attributes,
        events=events,
        kind=kind,
        start_time=start,
    )


def names(records: Sequence[Record]) -> list[str]:
    return [each.name for each in records]


# --- spans ------------------------------------------------------------------------------------------------------------


def test_an_event_on_a_span_knows_who_what_when_and_which_trace() -> None:
    """All that the road needs is in the record."""
    event = Event("order_paid", {"items": 2}, 5_000)

    assert records_from_span(a_span(event, kind=SpanKind.INTERNAL)) == [
        Record(
            name="order_paid",
            time_ns=5_000,
            visitor="anna",
            attributes={"items": 2},
            span_start_ns=1_000,
            trace_id="0af7651916cd43dd8448eb211c80319c",
            span_id="00f067aa0ba902b7",
            service="shop",
            environment="test",
        )
    ]


def test_the_operation_comes_first_then_its_events_in_order() -> None:
    """The page view has the time of the span's start, and no properties."""
    view, first, second = records_from_span(a_span(Event("one", {}, 3_000), Event("two", {}, 2_000)))

    assert (view.name, view.is_view, view.time_ns, view.visitor, dict(view.attributes)) == (
        "command /start",
        True,
        1_000,
        "anna",
        {},
    )
    assert (first.name, second.name, first.is_view, second.is_view) == ("one", "two", False, False)


@pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.CONSUMER])
@pytest.mark.parametrize("parent", [None, REMOTE], ids=["no parent", "a remote parent"])
def test_where_a_request_enters_the_program_is_a_page_view(kind: SpanKind, parent: SpanContext | None) -> None:
    """A caller that is traced too does not change that."""
    assert names(records_from_span(a_span(kind=kind, parent=parent))) == ["command /start"]


@pytest.mark.parametrize("kind", [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.PRODUCER])
def test_a_span_of_another_kind_is_no_page_view(kind: SpanKind) -> None:
    """It is work of the program, and nobody asked for it."""
    assert records_from_span(a_span(kind=kind)) == []


@pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.CONSUMER])
def test_a_span_inside_the_program_is_no_page_view(kind: SpanKind) -> None:
    """One request, one view."""
    assert records_from_span(a_span(kind=kind, parent=LOCAL)) == []


@pytest.mark.parametrize("attributes", [{}, {VISITOR: ""}, {VISITOR: 7}, {VISITOR: ("anna",)}])
def test_an_operation_without_a_visitor_is_no_page_view(attributes: dict[str, Any]) -> None:
    """A view of nobody would be a visitor for Umami; events still leave."""
    records = records_from_span(a_span(Event("order_paid", {}, 1), attributes=attributes))

    assert [(each.name, each.visitor) for each in records] == [("order_paid", None)]


def test_an_event_names_its_own_visitor_first() -> None:
    """A child span knows nothing of its parent's; `record()` puts the visitor on the event."""
    own = Event("one", {VISITOR: "ben"}, 1)
    of_span = Event("two", {}, 1)
    records = records_from_span(a_span(own, of_span, kind=SpanKind.INTERNAL))

    assert [each.visitor for each in records] == ["ben", "anna"]


def test_an_event_may_belong_to_nobody_on_a_span_of_somebody() -> None:
    """`NOBODY` is said on the event, and the span's visitor does not count."""
    [record] = records_from_span(a_span(Event("one", {VISITOR: NOBODY}, 1), kind=SpanKind.INTERNAL))

    assert record.visitor is None


def test_a_span_without_a_valid_context_has_no_trace() -> None:
    """Zeroes are no trace id."""
    nothing = SpanContext(0, 0, is_remote=False)

    for context in (None, nothing):
        [record] = records_from_span(a_span(Event("one", {}, 1), kind=SpanKind.INTERNAL, context=context))
        assert (record.trace_id, record.span_id) == (None, None)


def test_a_bare_span_is_read_as_well() -> None:
    """No resource, no attributes, no start: nothing is made up."""
    [record] = records_from_span(ReadableSpan("work", events=[Event("one", None, 1)], resource=Resource({})))

    assert record == Record(name="one", time_ns=1, attributes={})


# --- log records ------------------------------------------------------------------------------------------------------


def emitted(**arguments: Any) -> ReadableLogRecord:
    """Return a log record that went through the SDK."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK's own lack
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("test").emit(LogRecord(**arguments))
    [entry] = exporter.get_finished_logs()
    return entry


def test_an_event_in_the_log_is_a_record() -> None:
    """Its name, time, visitor, trace and service."""
    entry = emitted(
        timestamp=5_000, event_name="order_paid", attributes={VISITOR: "anna", "items": 2}, body="Anna paid"
    )

    assert record_from_log(entry) == Record(
        name="order_paid",
        time_ns=5_000,
        visitor="anna",
        attributes={VISITOR: "anna", "items": 2},
        service="shop",
        environment="test",
    )


def test_an_event_in_the_log_knows_its_trace() -> None:
    """From the log record itself: no span is asked."""
    log = LogRecord(timestamp=5_000, event_name="order_paid")
    log.trace_id, log.span_id = TRACE, SPAN
    record = record_from_log(ReadableLogRecord(log, RESOURCE, InstrumentationScope("test")))

    assert record is not None
    assert (record.trace_id, record.span_id) == ("0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7")


@pytest.mark.parametrize("event_name", [None, ""])
def test_a_plain_log_line_is_no_event(event_name: str | None) -> None:
    """What people typed stands in log lines: they never leave."""
    assert record_from_log(emitted(timestamp=1, body="Anna paid", event_name=event_name)) is None


def test_a_log_record_without_a_time_of_its_own_has_the_time_it_was_seen() -> None:
    """As OpenTelemetry says."""
    record = record_from_log(emitted(observed_timestamp=7_000, event_name="order_paid"))

    assert record is not None
    assert record.time_ns == 7_000


# --- the key of two copies --------------------------------------------------------------------------------------------

PAID = Record(name="order_paid", time_ns=5, attributes={"a": 1, "b": "x"}, trace_id="0a", span_id="0b", visitor="anna")


def changed(**arguments: Any) -> Record:
    fields = {name: getattr(PAID, name) for name in PAID.__slots__} | arguments
    return Record(**fields)


@pytest.mark.parametrize(
    "other",
    [
        changed(attributes={"b": "x", "a": 1}),
        changed(service="bridge", environment="other"),
        changed(span_start_ns=3),
    ],
    ids=["another order", "another resource", "the span's start is known"],
)
def test_the_two_copies_of_a_bridged_event_have_one_key(other: Record) -> None:
    """What only one of the doors knows does not count."""
    assert key_of(other) == key_of(PAID)


@pytest.mark.parametrize(
    "other",
    [
        changed(name="order_lost"),
        changed(time_ns=6),
        changed(trace_id="0c"),
        changed(span_id="0c"),
        changed(attributes={"a": 2, "b": "x"}),
        changed(attributes={"a": True, "b": "x"}),
        changed(attributes={"a": 1}),
    ],
    ids=["name", "time", "trace", "span", "value", "type of a value", "property"],
)
def test_two_events_have_two_keys(other: Record) -> None:
    """Whatever tells them apart."""
    assert key_of(other) != key_of(PAID)


def test_what_no_bridge_doubles_has_no_key() -> None:
    """Page views, and events outside any trace."""
    assert key_of(changed(is_view=True)) is None
    assert key_of(changed(trace_id=None)) is None


@pytest.mark.parametrize(
    "value",
    ["\ud800", "\x00", float("nan"), 2**70, 10**5_000, (1, "\udfff"), "x" * 100_000],
    ids=["a surrogate", "NUL", "NaN", "a large number", "thousands of digits", "a sequence", "a long text"],
)
def test_any_value_has_a_key(value: Any) -> None:
    """A key is asked for in the caller's thread: it must not raise."""
    assert key_of(changed(attributes={"a": value})) == key_of(changed(attributes={"a": value}))
