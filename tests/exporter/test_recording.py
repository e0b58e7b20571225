"""`record()`: one call, on whatever span is current, and no event is lost."""

import asyncio
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Tracer
from road import TAXONOMY, Catcher, KitchenClosed, OrderPlaced, provider, road

from otel_umami_exporter import AlwaysRecord, UmamiSpanProcessor, record, use_visitor
from otel_umami_exporter.record import VISITOR
from otel_umami_exporter.testing import FakeConnection, capture_events

ORDER = OrderPlaced(number=7, size="large")


@pytest.fixture
def catcher() -> Catcher:
    return Catcher()


@pytest.fixture
def tracer(catcher: Catcher) -> Tracer:
    return provider(catcher).get_tracer("test")


def told(spans: list[ReadableSpan]) -> list[tuple[str, str, object]]:
    """Return span, event and visitor of everything on *spans*."""
    return [(span.name, event.name, (event.attributes or {}).get(VISITOR)) for span in spans for event in span.events]


# --- where ------------------------------------------------------------------------------------------------------------


def test_an_event_is_recorded_on_the_current_span(tracer: Tracer, catcher: Catcher) -> None:
    """With its properties, and without those that have no value."""
    with tracer.start_as_current_span("command"):
        record(ORDER)

    [span] = catcher.spans
    [event] = span.events
    assert (event.name, dict(event.attributes or {})) == ("order_placed", {"number": 7, "size": "large"})


def test_in_a_child_span_the_child_carries_the_event(tracer: Tracer, catcher: Catcher) -> None:
    """And the visitor that was said outside of it."""
    with use_visitor("anna"), tracer.start_as_current_span("command"), tracer.start_as_current_span("query"):
        record(ORDER)

    assert told(catcher.spans) == [("query", "order_placed", "anna")]


def test_another_span_can_be_named(tracer: Tracer, catcher: Catcher) -> None:
    """The current one gets nothing."""
    other = tracer.start_span("other")
    with tracer.start_as_current_span("command"):
        record(ORDER, span=other)
    other.end()

    assert told(catcher.spans) == [("other", "order_placed", None)]


def test_a_time_can_be_named(tracer: Tracer, catcher: Catcher) -> None:
    """An event of the past is told at its own time."""
    with tracer.start_as_current_span("command"):
        record(ORDER, time_ns=1_700_000_000_000_000_000)

    [span] = catcher.spans
    assert span.events[0].timestamp == 1_700_000_000_000_000_000


def test_outside_any_span_an_event_gets_one_of_its_own() -> None:
    """It is told when the call returns."""
    with capture_events(TAXONOMY) as captured:
        record(ORDER, visitor="anna", time_ns=1_700_000_000_000_000_000)
        assert [(each.name, each.visitor, each.time_ns) for each in captured] == [
            ("order_placed", "anna", 1_700_000_000_000_000_000)
        ]


def test_on_a_span_that_has_ended_an_event_gets_one_of_its_own(tracer: Tracer, catcher: Catcher) -> None:
    """An event that comes too late for its span is not lost."""
    late = tracer.start_span("command")
    late.end()
    with capture_events(TAXONOMY) as captured:
        record(ORDER, span=late)

    assert captured.names == ["order_placed"]
    assert told(catcher.spans) == []


def test_an_unsampled_span_that_is_recorded_carries_its_events() -> None:
    """`AlwaysRecord` and `UmamiSpanProcessor`: sampling is for traces."""
    connection = FakeConnection()
    with road(":memory:", connection) as pipeline:
        tracer = provider(UmamiSpanProcessor(pipeline=pipeline), sampler=AlwaysRecord(ALWAYS_OFF)).get_tracer("test")
        with tracer.start_as_current_span("command"):
            record(ORDER)
        assert pipeline.flush(60.0)
        books = pipeline.status().books

    assert (books.accepted, books.delivered) == (1, 1)


def test_an_event_outside_any_span_is_spooled_when_the_call_returns() -> None:
    """The promise of `record()`, with the real road behind it."""
    installed = trace.get_tracer_provider()
    with capture_events(TAXONOMY):  # installs a provider, if there is none
        installed = trace.get_tracer_provider()
    assert isinstance(installed, TracerProvider)
    with road(":memory:") as pipeline:
        processor = UmamiSpanProcessor(pipeline=pipeline)
        installed.add_span_processor(processor)
        record(ORDER)
        accepted = pipeline.status().books.accepted
        processor.shutdown()

    assert accepted == 1


# --- who --------------------------------------------------------------------------------------------------------------


def test_a_visitor_holds_for_the_block_only(tracer: Tracer, catcher: Catcher) -> None:
    """Blocks nest, and the inner one wins."""
    with tracer.start_as_current_span("command"):
        with use_visitor("anna"):
            record(ORDER)
            with use_visitor("ben"):
                record(ORDER)
            record(ORDER)
        record(ORDER)

    assert [visitor for _, _, visitor in told(catcher.spans)] == ["anna", "ben", "anna", None]


def test_the_visitor_that_the_call_says_wins(tracer: Tracer, catcher: Catcher) -> None:
    """Over the one of the block."""
    with tracer.start_as_current_span("command"), use_visitor("anna"):
        record(ORDER, visitor="ben")

    assert told(catcher.spans) == [("command", "order_placed", "ben")]


def test_nobody_can_be_said_inside_a_block_of_somebody() -> None:
    """Also on a span that names somebody: the event leaves without a visitor."""
    with capture_events(TAXONOMY) as captured:
        tracer = trace.get_tracer("test")
        with tracer.start_as_current_span("work", attributes={VISITOR: "anna"}), use_visitor("anna"):
            with use_visitor(None):
                record(ORDER)
            record(ORDER)

    assert [each.visitor for each in captured.named("order_placed")] == [None, "anna"]


def test_an_event_with_nobody_behind_it_says_nobody(tracer: Tracer, catcher: Catcher) -> None:
    """Whatever the block or the call say."""
    with tracer.start_as_current_span("command"), use_visitor("anna"):
        record(KitchenClosed(), visitor="ben")

    assert told(catcher.spans) == [("command", "kitchen_closed", None)]


async def test_a_visitor_and_a_span_hold_across_await(tracer: Tracer, catcher: Catcher) -> None:
    """Two conversations at once do not mix."""
    both = asyncio.Barrier(2)

    async def conversation(visitor: str) -> None:
        with use_visitor(visitor), tracer.start_as_current_span(f"of {visitor}"):
            await both.wait()
            record(ORDER)
            await both.wait()
            record(ORDER)

    await asyncio.gather(conversation("anna"), conversation("ben"))

    assert sorted(told(catcher.spans), key=str) == [
        ("of anna", "order_placed", "anna"),
        ("of anna", "order_placed", "anna"),
        ("of ben", "order_placed", "ben"),
        ("of ben", "order_placed", "ben"),
    ]


async def test_a_task_that_is_started_in_a_block_belongs_to_its_visitor(tracer: Tracer, catcher: Catcher) -> None:
    """Also when the block has ended before."""

    async def later() -> None:
        await asyncio.sleep(0)
        record(ORDER)

    with tracer.start_as_current_span("command") as span:
        with use_visitor("anna"):
            task = asyncio.create_task(later())
        await task
        assert span.is_recording()

    assert told(catcher.spans) == [("command", "order_placed", "anna")]


def test_an_exception_ends_the_block(tracer: Tracer, catcher: Catcher) -> None:
    """Nobody inherits a visitor from something that failed."""
    with pytest.raises(KeyError), use_visitor("anna"):
        raise KeyError
    with tracer.start_as_current_span("command"):
        record(ORDER)

    assert told(catcher.spans) == [("command", "order_placed", None)]


# --- without a sampler that records -----------------------------------------------------------------------------------

SAMPLED_AWAY = """
import logging
from dataclasses import dataclass
from typing import ClassVar
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from otel_umami_exporter import Event, record

@dataclass(frozen=True, kw_only=True)
class KitchenClosed(Event):
    '''The kitchen closed.'''
    name: ClassVar[str] = "kitchen_closed"

logging.basicConfig(format="%(levelname)s %(message)s")
record(KitchenClosed())  # no provider: nothing to warn of
trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
for _ in range(3):
    record(KitchenClosed())
"""


def test_a_sampler_that_drops_events_is_warned_of_once() -> None:
    """With the remedy; and a program without OpenTelemetry is told nothing."""
    # A process of its own has a provider of its own.
    done = subprocess.run([sys.executable, "-c", SAMPLED_AWAY], capture_output=True, text=True, check=True)  # noqa: S603

    assert done.stderr.splitlines() == ["WARNING a trace sampler drops business events; wrap it: AlwaysRecord(sampler)"]
