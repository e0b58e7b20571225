"""Boards: what may be declared, and what Umami is told."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

import pytest

from otel_umami_exporter import Event, Privacy, Prop, Taxonomy, TaxonomyError
from otel_umami_exporter.dashboards import (
    Audience,
    Board,
    Chart,
    Dashboards,
    Funnel,
    Goal,
    Metric,
    Projection,
    Step,
    Table,
    Text,
)
from otel_umami_exporter.dashboards.compile import board_spec, report_specs, website_specs

MAIN: Final = "0d6bd0c8-9ef2-4a1e-8f4a-1f9f2b1c7a55"


@dataclass(frozen=True, kw_only=True)
class DoorOpened(Event):
    """Somebody came in."""

    name: ClassVar[str] = "door_opened"

    side: Annotated[Literal["front", "back"], Prop("Which", Privacy.PUBLIC)] = "front"
    reason: Annotated[Literal["work", "fun"], Prop("Why", Privacy.INTERNAL)] = "work"


@dataclass(frozen=True, kw_only=True)
class DoorClosed(Event):
    """Somebody left."""

    name: ClassVar[str] = "door_closed"


@dataclass(frozen=True, kw_only=True)
class BellRang(Event):
    """The bell rang, and nobody is said to have rung it."""

    name: ClassVar[str] = "bell_rang"
    person: ClassVar[bool] = False


TAXONOMY: Final = Taxonomy([DoorOpened, DoorClosed, BellRang])
DOORS: Final = Projection.counting(DoorOpened, key="doors", title="Doors")
SIDES: Final = Projection.naming(DoorOpened, "side", key="sides", title="Sides")
REASONS: Final = Projection.naming(DoorOpened, "reason", key="reasons", title="Reasons")
PEOPLE: Final = Projection.active_visitors(key="people", title="People")
MINUTES: Final = timedelta(minutes=5)


def board(*widgets: Any, audience: Audience = Audience.INTERNAL, slug: str = "doors") -> Board:
    return Board("Doors", slug=slug, audience=audience, rows=[[widget] for widget in widgets])


def components(one: Board) -> list[dict[str, Any]]:
    return [
        column["component"] for row in board_spec(one, MAIN).parameters["rows"] for column in row["columns"]
    ]  # fmt: skip


def test_every_widget_becomes_a_component_that_umami_has() -> None:
    """The types and props of Umami 3.1; an event of the main site is a filter of its widget."""
    found = components(
        board(
            Metric("People", of=PEOPLE),
            Metric("Opened", of=DoorOpened),
            Metric("Doors", of=DOORS),
            Chart("Trend", of=DOORS),
            Chart("Coming", of=PEOPLE),
            Table("Both", of=[DoorOpened, DoorClosed], limit=20),
            Table("Sides", of=SIDES),
            Text("Hello", "World"),
        )
    )

    main = {"entityType": "website", "entityId": MAIN}
    doors = {"entityType": "website", "entityId": DOORS.site_id(MAIN)}
    people = {"entityType": "website", "entityId": PEOPLE.site_id(MAIN)}
    sides = {"entityType": "website", "entityId": SIDES.site_id(MAIN)}
    day, week, month = (f"Meant for the last {words}" for words in ("24 hours", "7 days", "30 days"))
    both = {"type": "event", "limit": 20, "params": {"event": "eq.door_opened,door_closed"}}
    opened = {"type": "event", "limit": 5, "params": {"event": "eq.door_opened"}}
    assert found == [
        {"type": "WebsiteMetricsBar", "title": "People", "description": day, "props": {}} | people,
        {"type": "MetricsTable", "title": "Opened", "description": day, "props": opened} | main,
        {"type": "MetricsTable", "title": "Doors", "description": day, "props": {"type": "event", "limit": 5}} | doors,
        {"type": "EventsChart", "title": "Trend", "description": week, "props": {}} | doors,
        {"type": "WebsiteChart", "title": "Coming", "description": week, "props": {}} | people,
        {"type": "MetricsTable", "title": "Both", "description": month, "props": both} | main,
        {"type": "MetricsTable", "title": "Sides", "description": month, "props": {"type": "event", "limit": 10}}
        | sides,
        {"type": "TextBlock", "title": "Hello", "description": "", "props": {"text": "World"}},
    ]


def test_funnels_and_goals_become_reports_and_a_word_on_the_board() -> None:
    """Umami's boards have no place for them."""
    one = board(
        Funnel("In and out", steps=[Step(DoorOpened, (("side", "front"),)), Step(DoorClosed)], within=MINUTES),
        Goal("Leaves", of=DoorClosed),
    )

    steps = [
        {
            "type": "event",
            "value": "door_opened",
            "filters": [{"property": "side", "operator": "eq", "value": "front"}],
        },
        {"type": "event", "value": "door_closed"},
    ]
    assert [(spec.type, spec.name, spec.parameters) for spec in report_specs(one, MAIN)] == [
        ("funnel", "In and out", {"window": 5, "steps": steps}),
        ("goal", "Leaves", {"type": "event", "value": "door_closed"}),
    ]
    assert [component["type"] for component in components(one)] == ["TextBlock", "TextBlock"]


def test_the_same_declaration_gives_the_same_json() -> None:
    """Else a second run would change something."""
    assert board_spec(board(Metric("Doors", of=DOORS)), MAIN) == board_spec(board(Metric("Doors", of=DOORS)), MAIN)


def test_each_projection_gets_one_website() -> None:
    """Also when two boards and three widgets stand on it."""
    one = board(Chart("Trend", of=DOORS), Metric("Doors", of=DOORS))
    two = board(Metric("Doors", of=DOORS), Table("Sides", of=SIDES), slug="other")

    specs = website_specs(Dashboards("House", TAXONOMY, [one, two]), MAIN)

    assert [(spec.id, spec.name) for spec in specs] == [
        (DOORS.site_id(MAIN), "House: Doors"),
        (SIDES.site_id(MAIN), "House: Sides"),
    ]


def test_the_documentation_can_ask_which_widgets_show_an_event() -> None:
    """Directly, through a projection, or as a step of a funnel."""
    one = board(
        Metric("Doors", of=DOORS),
        Table("Closings", of=[DoorClosed]),
        Funnel("In and out", steps=[Step(DoorOpened), Step(DoorClosed)], within=MINUTES),
    )

    dashboards = Dashboards("House", TAXONOMY, [one])

    assert dashboards.widgets_of("door_opened") == ("Doors", "In and out")
    assert dashboards.widgets_of("door_closed") == ("Closings", "In and out")
    assert dashboards.widgets_of("bell_rang") == ()


PUBLIC: Final = Audience.PUBLIC


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: board(Metric("Doors", of=DoorOpened), audience=PUBLIC), "every raw row"),
        (lambda: board(Table("Reasons", of=REASONS), audience=PUBLIC), "door_opened.reason is not public"),
        (
            lambda: board(
                Metric("Work", of=Projection.counting(DoorOpened, key="w", title="W", where={"reason": "work"})),
                audience=PUBLIC,
            ),
            "door_opened.reason is not public",
        ),
        (
            lambda: board(
                Table("S", of=Projection.naming(DoorOpened, "side", key="s", title="S", at_least=1)), audience=PUBLIC
            ),
            "at_least 2",
        ),
        (lambda: board(Goal("Leaves", of=DoorClosed), audience=PUBLIC), "every raw row"),
        (lambda: board(Funnel("F", steps=[Step(DoorOpened)], within=MINUTES)), "2 to 8 steps"),
        (lambda: board(Funnel("F", steps=[Step(DoorOpened), Step(BellRang)], within=MINUTES)), "nobody behind it"),
        (
            lambda: board(Funnel("F", steps=[Step(DoorOpened, (("side", "up"),)), Step(DoorClosed)], within=MINUTES)),
            "never 'up'",
        ),
        (
            lambda: board(Funnel("F", steps=[Step(DoorOpened), Step(DoorClosed)], within=timedelta(seconds=90))),
            "whole minutes",
        ),
        (lambda: board(Table("People", of=PEOPLE)), "no names"),
        (lambda: board(Chart("Doors", of=DoorOpened)), "cannot filter"),  # type: ignore[arg-type]
        (
            lambda: board(
                Metric("D", of=Projection(key="d", title="D", source="events", events=("door_opened",), by="side")),
                audience=PUBLIC,
            ),
            "class methods",
        ),
        (lambda: board(Metric("", of=DOORS)), "title"),
        (lambda: board(Metric("Doors", of=DOORS), slug="No Slug"), "no slug"),
        (lambda: Board("", slug="x", audience=PUBLIC, rows=[]), "a name"),
        (
            lambda: Board("D", slug="x", audience=PUBLIC, rows=[[Metric("Doors", of=DOORS)] * 4]),
            "1 to 3 widgets",
        ),
        (lambda: Dashboards("House", Taxonomy([BellRang]), [board(Metric("D", of=DoorOpened))]), "not in the taxonomy"),
        (lambda: Dashboards("House", Taxonomy([BellRang]), [board(Metric("D", of=DOORS))]), "not in the taxonomy"),
        (lambda: Dashboards("House", TAXONOMY, [board(), board()]), "share a slug"),
        (lambda: Dashboards("", TAXONOMY, []), "a name"),
    ],
)
def test_a_wrong_declaration_fails_at_import(wrong: Any, said: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(TaxonomyError, match=said):
        wrong()
