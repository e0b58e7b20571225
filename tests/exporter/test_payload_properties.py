"""
Any span event with any attributes leaves as something that Umami stores whole, or stays by reason.

Nobody sees an exception, and nothing undeclared leaves.

A few examples, because each is a request over HTTP; HYPOTHESIS_PROFILE=ci and search try 10,000. CI tries as many in
test_any_span_inbox.py, which asks the stand-in's judgement without HTTP.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_values import DATE_LIKE, NUMBER, TEXT, TIME, VALUE
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind
from road import QUICK, WEBSITE

from otel_umami_exporter import Event, Form, Pipeline, Privacy, Prop, Taxonomy, UmamiSpanProcessor
from otel_umami_exporter.gate import AUTOMATIC_EVENTS
from otel_umami_exporter.inbox import Inbox, StoredEvent
from otel_umami_exporter.payload import Site
from otel_umami_exporter.record import VISITOR

PROFILE: Final = settings(
    max_examples=settings().max_examples if os.environ.get("HYPOTHESIS_PROFILE") in ("ci", "search") else 60,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, kw_only=True)
class AnythingDone(Event):
    """Something was done."""

    name: ClassVar[str] = "anything_done"

    whole: Annotated[int | None, Prop("A number", Privacy.PUBLIC)] = None
    part: Annotated[float | None, Prop("A number", Privacy.PUBLIC)] = None
    flag: Annotated[bool | None, Prop("A flag", Privacy.PUBLIC)] = None
    choice: Annotated[Literal["a", "b", 1] | None, Prop("A choice", Privacy.PUBLIC)] = None
    words: Annotated[str | None, Prop("Words", Privacy.INTERNAL, source="a catalogue")] = None
    clock: Annotated[str | None, Prop("A time", Privacy.PUBLIC, form=Form.TIME_OF_DAY)] = None
    moment: Annotated[str | None, Prop("A moment", Privacy.PUBLIC, form=Form.TIMESTAMP)] = None
    remark: Annotated[str | None, Prop("Stays", Privacy.LOCAL)] = None
    revenue: Annotated[float | None, Prop("Money", Privacy.INTERNAL)] = None
    currency: Annotated[str | None, Prop("Whose", Privacy.INTERNAL, source="a catalogue")] = None
    took_ms: Annotated[int | None, Prop("How long", Privacy.PUBLIC, measured="since_span_start_ms")] = None


@dataclass(frozen=True, kw_only=True)
class NightFell(Event):
    """It is night; nobody did it."""

    name: ClassVar[str] = "night_fell"
    person: ClassVar[bool] = False


TAXONOMY: Final = Taxonomy([AnythingDone, NightFell], operations=["command /do"])
DECLARED: Final = {each.name: set(each.properties) - {"remark"} for each in TAXONOMY.events}
SECRET: Final = "canary"

# --- what may come ----------------------------------------------------------------------------------------------------

ATTRIBUTES: Final = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(DECLARED["anything_done"], VALUE),
        "whole": NUMBER | VALUE,
        "part": NUMBER | VALUE,
        "revenue": NUMBER | VALUE,
        "words": TEXT,
        "currency": TEXT,
        "moment": DATE_LIKE | TEXT,
        "remark": st.just(SECRET),
        "email": st.just(SECRET),
        VISITOR: TEXT | VALUE,
        "trace_id": st.just(SECRET),
        "name": st.just(SECRET),
        "__proto__": st.just(SECRET),
        "\x00": st.just(SECRET),
        "\ud800": st.just(SECRET),
    },
)
NAME: Final = st.sampled_from(
    ["anything_done"] * 6 + ["night_fell", "exception", "order_lost", "", "\ud800", "anything_done\x00", "x" * 10_000]
)
EVENT: Final = st.builds(SpanEvent, NAME, ATTRIBUTES, TIME)


@st.composite
def spans(draw: st.DrawFn) -> ReadableSpan:
    """Return a span as no program should write it, with up to four events."""
    context = draw(st.sampled_from([None, SpanContext(0, 0, is_remote=False), SpanContext(7, 8, is_remote=False)]))
    return ReadableSpan(
        draw(st.sampled_from(["command /do"] * 3 + ["command /do canary", "", "\ud800"])),
        context=context,
        resource=Resource({"service.name": draw(TEXT), "deployment.environment.name": draw(TEXT)}),
        attributes=draw(st.fixed_dictionaries({}, optional={VISITOR: TEXT | VALUE, "text": st.just(SECRET)})),
        events=draw(st.lists(EVENT, max_size=4)),
        kind=draw(st.just(SpanKind.CONSUMER) | st.sampled_from(SpanKind)),
        start_time=draw(st.none() | TIME),
    )


# --- the road ---------------------------------------------------------------------------------------------------------


class Road:
    """The whole road to a stand-in for Umami, and what it says about the last span."""

    def __init__(self, inbox: Inbox, pipeline: Pipeline) -> None:
        self._inbox = inbox
        self._pipeline = pipeline
        self._processor = UmamiSpanProcessor(pipeline=pipeline)

    def take(self, span: ReadableSpan) -> tuple[list[StoredEvent], dict[str, int]]:
        """Return what of *span* is stored, and how many of its parts stayed behind, by reason."""
        self._inbox.clear()
        before = self._pipeline.status()
        self._processor.on_end(span)
        assert self._pipeline.flush(60)
        after = self._pipeline.status()

        assert after.books.balanced
        assert (after.books.refused, after.books.dropped, after.books.waiting) == ({}, {}, 0)
        stored = self._inbox.events()
        assert len(stored) == after.books.delivered - before.books.delivered
        assert [each for each in self._inbox.problems() if each.severity != "changed"] == []
        # The server cuts nothing; it says of U+FFFD that it stands for a broken character, and of times that they
        # are far away, which they are.
        changes = {each.reason for each in self._inbox.problems()}
        assert changes <= {"replaced-characters", "future", "milliseconds"}
        assert SECRET not in self._sent()
        behind = {name: each - before.stayed_behind.get(name, 0) for name, each in after.stayed_behind.items()}
        return stored, {name: each for name, each in behind.items() if each}

    def _sent(self) -> str:
        return json.dumps([each.body.decode() for each in self._inbox.requests()])


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    inbox = Inbox(websites=[WEBSITE], any_website=False)
    with inbox.serve() as server:
        pipeline = Pipeline(taxonomy=TAXONOMY, site=Site(WEBSITE), spool=":memory:", connect=server.url, timing=QUICK)
        yield Road(inbox, pipeline)
        pipeline.shutdown(1)
    inbox.close()


@PROFILE
@given(span=spans())
def test_any_event_is_stored_whole_or_stays_by_reason(road: Road, span: ReadableSpan) -> None:
    """Each declared event of the span is stored once and in order, each other one is counted; so is a page view."""
    stored, behind = road.take(span)
    assert [(each.url_path, dict(each.data)) for each in stored if each.name is None] == _views(span)
    events = [each for each in stored if each.name is not None]
    names = [each.name for each in span.events]

    assert [each.name for each in events] == [name for name in names if name in DECLARED]
    assert behind.get("automatic_event", 0) == len([name for name in names if name in AUTOMATIC_EVENTS])
    assert behind.get("undeclared_event", 0) == len(
        [name for name in names if name not in DECLARED and name not in AUTOMATIC_EVENTS]
    )
    for event, of_span in zip(events, (each for each in span.events if each.name in DECLARED), strict=True):
        _holds_only_what_is_declared(event, of_span)
    left_out = sum(behind.get(reason, 0) for reason in ("undeclared_property", "wrong_value", "local_property"))
    assert left_out == sum(_left_out(each) for each in span.events if each.name in DECLARED)


def _views(span: ReadableSpan) -> list[tuple[str, dict[str, Any]]]:
    """Return path and data of the page view that *span* is: a declared operation of somebody, or none."""
    said = (span.attributes or {}).get(VISITOR)
    is_operation = span.kind in (SpanKind.SERVER, SpanKind.CONSUMER) and span.name == "command /do"
    is_of_somebody = isinstance(said, str) and bool(said) and span.start_time is not None
    return [("/command/do", {})] if is_operation and is_of_somebody else []


def _accepted(event: SpanEvent) -> set[str]:
    """Return the properties of *event* that its declaration accepts."""
    declaration = TAXONOMY.get(event.name)
    assert declaration is not None
    attributes = event.attributes or {}
    return {
        name
        for name, each in declaration.properties.items()
        if name in attributes and each.privacy is not Privacy.LOCAL and each.accepts(attributes[name])
    }


def _left_out(event: SpanEvent) -> int:
    return len(set(event.attributes or {}) - {VISITOR} - _accepted(event))


def _holds_only_what_is_declared(stored: StoredEvent, event: SpanEvent) -> None:
    assert stored.name is not None
    assert set(stored.data) - {"trace_id", "took_ms"} == _accepted(event) - {"took_ms"}
    assert set(stored.data) <= DECLARED[stored.name] | {"trace_id"}
    assert all(len(value) <= 500 for value in stored.data.values() if isinstance(value, str))
    if stored.name == "night_fell":
        assert stored.visitor is None


def test_thousands_of_attributes_and_ten_megabytes_are_no_trouble(road: Road) -> None:
    """What is declared leaves, cut; all the rest is counted."""
    attributes: dict[str, Any] = {f"undeclared_{number}": SECRET for number in range(5_000)}
    event = SpanEvent("anything_done", attributes | {"words": "\U0001f37a" * 2_500_000, "whole": 2**70}, 1)
    stored, behind = road.take(ReadableSpan("work", events=[event], resource=Resource({})))

    assert [dict(each.data) for each in stored] == [{"words": "\U0001f37a" * 500, "whole": str(2**70)}]
    assert behind == {"undeclared_property": 5_000}


def test_a_span_that_is_none_raises_nothing(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    """What no rule foresaw is logged by its kind only: its text may hold what people typed."""
    broken = ReadableSpan(SECRET, events=[SECRET], resource=Resource({}))  # type: ignore[list-item]  # no event
    caplog.set_level(logging.DEBUG, "otel_umami_exporter")
    stored, _ = road.take(broken)

    assert stored == []
    ours = [
        each for each in caplog.records if each.name.startswith("otel_umami_exporter") and each.levelno == logging.ERROR
    ]
    assert len(ours) == 1
    assert SECRET not in caplog.text
