"""The gate: what is not declared does not leave, and an event leaves although something on it may not."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import pytest

from otel_umami_exporter import Event, Privacy, Prop, Taxonomy
from otel_umami_exporter.gate import AUTOMATIC_EVENTS, Admitted, Rejected, admit
from otel_umami_exporter.record import NOBODY, VISITOR, Record

SECOND = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class OrderPaid(Event):
    """An order was paid."""

    name: ClassVar[str] = "order_paid"

    items: Annotated[int, Prop("How many", Privacy.PUBLIC)]
    method: Annotated[Literal["card", "cash"], Prop("How", Privacy.INTERNAL)]
    remark: Annotated[str | None, Prop("What the till said", Privacy.LOCAL)] = None
    duration_ms: Annotated[int | None, Prop("How long", Privacy.PUBLIC, measured="since_span_start_ms")] = None


@dataclass(frozen=True, kw_only=True)
class CacheCleared(Event):
    """The cache was cleared."""

    name: ClassVar[str] = "cache_cleared"
    person: ClassVar[bool] = False


TAXONOMY = Taxonomy([OrderPaid, CacheCleared], operations=["command /start"])
PAID = Record(name="order_paid", time_ns=5 * SECOND, attributes={"items": 2, "method": "card"}, visitor="anna")


def admitted(record: Record) -> Admitted:
    decision = admit(record, TAXONOMY)
    assert isinstance(decision, Admitted)
    return decision


def test_a_declared_event_leaves_whole() -> None:
    """With its properties, its visitor and everything else about it."""
    assert admit(PAID, TAXONOMY) == Admitted(PAID, "anna", {"items": 2, "method": "card"})


@pytest.mark.parametrize("name", ["order_lost", "", "Order_paid", "order_paid\x00", "command /start"])
def test_an_undeclared_event_stays(name: str) -> None:
    """Also one that is called like an operation."""
    assert admit(replace(PAID, name=name), TAXONOMY) == Rejected("undeclared_event")


@pytest.mark.parametrize("name", sorted(AUTOMATIC_EVENTS))
def test_automatic_events_stay_under_a_name_of_their_own(name: str) -> None:
    """Nobody misses them, so they are no warning."""
    assert admit(replace(PAID, name=name), TAXONOMY) == Rejected("automatic_event")


def test_an_exception_event_is_among_the_automatic_ones() -> None:
    """OpenTelemetry writes it with what people typed."""
    assert "exception" in AUTOMATIC_EVENTS


def test_nothing_leaves_without_a_taxonomy() -> None:
    """Neither events nor views."""
    view = Record(name="command /start", time_ns=1, is_view=True, visitor="anna", attributes={})

    assert admit(PAID, Taxonomy(())) == Rejected("undeclared_event")
    assert admit(view, Taxonomy(())) == Rejected("undeclared_operation")


def test_a_declared_operation_leaves_as_a_view_without_properties() -> None:
    """A page view says who and where, nothing else."""
    view = Record(name="command /start", time_ns=1, is_view=True, visitor="anna", attributes={"text": "Anna"})

    assert admit(view, TAXONOMY) == Admitted(view, "anna", {})


@pytest.mark.parametrize("name", ["command /stop", "order_paid", "command /start anna", ""])
def test_an_undeclared_operation_stays(name: str) -> None:
    """Also one that begins like a declared one, or is called like an event."""
    view = Record(name=name, time_ns=1, is_view=True, visitor="anna", attributes={})

    assert admit(view, TAXONOMY) == Rejected("undeclared_operation")


def test_an_undeclared_property_stays_and_its_event_leaves() -> None:
    """A chart that counts the event must not miss it."""
    decision = admitted(replace(PAID, attributes={"items": 2, "email": "anna@example.org", "method": "card"}))

    assert decision.properties == {"items": 2, "method": "card"}
    assert decision.left_out == ("undeclared_property",)


def test_a_local_property_stays() -> None:
    """It is declared for traces and logs only."""
    decision = admitted(replace(PAID, attributes={"items": 2, "remark": "Anna was here"}))

    assert decision.properties == {"items": 2}
    assert decision.left_out == ("local_property",)


@pytest.mark.parametrize(
    "attributes",
    [
        {"items": "2"},
        {"items": True},
        {"items": 2.0},
        {"items": (2,)},
        {"items": None},
        {"method": "anna@example.org"},
        {"method": ("card",)},
        {"method": 1},
    ],
)
def test_a_value_of_another_type_stays_and_its_event_leaves(attributes: dict[str, Any]) -> None:
    """A bool is no integer, a sequence no choice."""
    decision = admitted(replace(PAID, attributes=attributes))

    assert decision.properties == {}
    assert decision.left_out == ("wrong_value",)


def test_every_property_that_stays_is_named_by_its_reason() -> None:
    """One reason for each, so that they can be counted."""
    attributes = {"a": 1, "b": 2, "items": "x", "remark": "y", "method": "cash"}
    decision = admitted(replace(PAID, attributes=attributes))

    assert decision.properties == {"method": "cash"}
    assert sorted(decision.left_out) == ["local_property", "undeclared_property", "undeclared_property", "wrong_value"]


def test_the_visitor_is_no_property() -> None:
    """`record()` puts it on the event: it is neither stored as a property nor counted as left out."""
    decision = admitted(replace(PAID, attributes={VISITOR: "anna", "items": 1}))

    assert decision.properties == {"items": 1}
    assert decision.left_out == ()


def test_a_missing_property_does_not_keep_its_event_back() -> None:
    """The event still counts."""
    assert admitted(replace(PAID, attributes={})).properties == {}


# --- what is measured -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "duration"),
    [(3 * SECOND, 2_000), (5 * SECOND - 1_999_999, 1), (5 * SECOND, 0), (6 * SECOND, 0)],
    ids=["two seconds", "whole milliseconds, rounded down", "at once", "before its span"],
)
def test_a_duration_is_measured_from_the_start_of_the_span(start: int, duration: int) -> None:
    """In whole milliseconds, and never below zero."""
    assert admitted(replace(PAID, span_start_ns=start)).properties["duration_ms"] == duration


def test_a_duration_that_the_program_says_wins() -> None:
    """Only what is missing is measured."""
    record = replace(PAID, span_start_ns=3 * SECOND, attributes={"duration_ms": 7})

    assert admitted(record).properties == {"duration_ms": 7}


def test_a_duration_of_a_wrong_type_is_measured_instead() -> None:
    """What the program said is counted as left out."""
    record = replace(PAID, span_start_ns=3 * SECOND, attributes={"duration_ms": "long"})
    decision = admitted(record)

    assert decision.properties == {"duration_ms": 2_000}
    assert decision.left_out == ("wrong_value",)


def test_nothing_is_measured_without_a_span() -> None:
    """An event from the log has no span start."""
    assert "duration_ms" not in admitted(replace(PAID, span_start_ns=None)).properties


# --- who --------------------------------------------------------------------------------------------------------------


def test_an_event_with_nobody_behind_it_leaves_without_a_visitor() -> None:
    """Whatever its span says."""
    assert admitted(Record(name="cache_cleared", time_ns=1, attributes={}, visitor="anna")).visitor is None


@pytest.mark.parametrize("visitor", [None, NOBODY])
def test_an_event_may_leave_without_a_visitor(visitor: str | None) -> None:
    """Nobody was said, or explicitly nobody: no visitor is made up."""
    assert not admitted(replace(PAID, visitor=visitor)).visitor
