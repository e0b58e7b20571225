"""Sampling is for traces: what a sampler drops is still recorded."""

from importlib.metadata import entry_points

import pytest
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanKind, TraceState

from otel_umami_exporter import AlwaysRecord, SettingsError
from otel_umami_exporter.sampler import always_record_from_environment


class Says(Sampler):
    """A sampler that says one thing and remembers what it was asked."""

    def __init__(self, decision: Decision) -> None:
        self.result = SamplingResult(decision, {"sampler": "says"}, TraceState([("a", "b")]))
        self.asked: list[object] = []

    def should_sample(self, *arguments: object, **more: object) -> SamplingResult:
        """Remember, and say it."""
        self.asked = [*arguments, *more.values()]
        return self.result

    def get_description(self) -> str:
        """Return its name."""
        return "Says"


class Ended(SpanProcessor):
    """Remembers the spans that ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: object = None) -> None:
        """Nothing to remember."""

    def on_end(self, span: ReadableSpan) -> None:
        """Remember it."""
        self.spans.append(span)


@pytest.mark.parametrize("decision", [Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE])
def test_what_is_recorded_anyway_is_left_alone(decision: Decision) -> None:
    """The inner sampler's answer itself."""
    inner = Says(decision)

    assert AlwaysRecord(inner).should_sample(None, 1, "span") is inner.result


def test_what_would_be_dropped_is_recorded_but_not_sampled() -> None:
    """With the attributes and the trace state that the inner sampler gave it."""
    result = AlwaysRecord(Says(Decision.DROP)).should_sample(None, 1, "span")

    assert result.decision is Decision.RECORD_ONLY
    assert result.attributes == {"sampler": "says"}
    assert result.trace_state == TraceState([("a", "b")])


def test_the_inner_sampler_is_asked_with_everything() -> None:
    """A rule on kinds or attributes keeps working."""
    inner = Says(Decision.DROP)
    state = TraceState()
    AlwaysRecord(inner).should_sample(None, 7, "span", SpanKind.SERVER, {"a": 1}, [], state)

    assert inner.asked == [None, 7, "span", SpanKind.SERVER, {"a": 1}, [], state]


def test_the_description_names_both() -> None:
    """It shows up in the SDK's own diagnostics."""
    assert AlwaysRecord(ALWAYS_OFF).get_description() == "AlwaysRecord{AlwaysOffSampler}"


def test_a_sampler_of_nothing_still_shows_every_event_to_processors() -> None:
    """Trace exporters see none of it."""
    ended, exported = Ended(), InMemorySpanExporter()
    provider = TracerProvider(sampler=AlwaysRecord(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(ended)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("parent") as parent, tracer.start_as_current_span("child") as child:
        parent.add_event("one")
        child.add_event("two")

    assert [event.name for span in ended.spans for event in span.events] == ["two", "one"]
    assert exported.get_finished_spans() == ()


# --- by name ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [None, ""])
def test_without_a_ratio_every_trace_is_kept(ratio: str | None) -> None:
    """OTEL_TRACES_SAMPLER_ARG may be missing or empty."""
    inner = ParentBased(ALWAYS_ON)

    assert always_record_from_environment(ratio).get_description() == AlwaysRecord(inner).get_description()


@pytest.mark.parametrize("ratio", ["0.01", "0", "1"])
def test_the_ratio_is_the_share_of_traces_that_are_kept(ratio: str) -> None:
    """As with OpenTelemetry's own parentbased_traceidratio."""
    inner = ParentBased(TraceIdRatioBased(float(ratio)))

    assert always_record_from_environment(ratio).get_description() == AlwaysRecord(inner).get_description()


@pytest.mark.parametrize("ratio", ["many", "1.5", "-0.1", "nan", "1e400"])
def test_a_ratio_that_is_none_names_its_variable(ratio: str) -> None:
    """And does not repeat what was typed."""
    with pytest.raises(SettingsError, match="OTEL_TRACES_SAMPLER_ARG") as caught:
        always_record_from_environment(ratio)

    assert ratio not in str(caught.value)


@pytest.mark.parametrize(("share", "sampled"), [("0", 0), ("1", 3)])
def test_the_sampler_by_name_records_all(share: str, sampled: int) -> None:
    """OTEL_TRACES_SAMPLER=always_record finds it by its entry point."""
    [entry] = entry_points(group="opentelemetry_traces_sampler", name="always_record")
    ended = Ended()
    provider = TracerProvider(sampler=entry.load()(share), shutdown_on_exit=False)
    provider.add_span_processor(ended)
    for _ in range(3):
        provider.get_tracer("test").start_span("span").end()

    assert len(ended.spans) == 3
    contexts = [span.get_span_context() for span in ended.spans]
    assert sum(context is not None and context.trace_flags.sampled for context in contexts) == sampled
