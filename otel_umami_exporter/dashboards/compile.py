"""Declarations as Umami's JSON: websites, boards, reports. Pure functions; the same declaration gives the same JSON."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from otel_umami_exporter.dashboards.declare import (
    Audience,
    Board,
    Chart,
    Dashboards,
    Funnel,
    Goal,
    Metric,
    Range,
    Table,
    Text,
    Widget,
    events_of,
)
from otel_umami_exporter.projection import Projection

RANGE_WORDS: Final[dict[Range, str]] = {
    "24hour": "last 24 hours",
    "7day": "last 7 days",
    "30day": "last 30 days",
    "90day": "last 90 days",
}
_METRIC_ROWS: Final = 5  # the shortest table that Umami has


@dataclass(frozen=True)
class WebsiteSpec:
    """A website that has to be there."""

    id: str
    name: str
    domain: str


@dataclass(frozen=True)
class BoardSpec:
    """A board that has to be there, and the slug of its share page when it is public."""

    name: str
    description: str
    parameters: dict[str, Any]
    share: str | None


@dataclass(frozen=True)
class ReportSpec:
    """A funnel or a goal that has to be there."""

    website_id: str
    type: str
    name: str
    description: str
    parameters: dict[str, Any]


def mark(main: str, key: str) -> str:
    """Return what stands in a description, so that we know again what we made for the website *main*."""
    return f"[otel-umami {uuid5(UUID(main), f'otel-umami mark {key}').hex[:12]}]"


def marks(dashboards: Dashboards, main: str) -> frozenset[str]:
    """Return the marks of everything that *dashboards* declare."""
    return frozenset(mark(main, board.slug) for board in dashboards.boards)


def projection_domain(main: str, key: str = "") -> str:
    """Return the domain of a projection's website; without *key*, what those of one main website have in common."""
    return f"{key}.{main}.projection" if key else f".{main}.projection"


def website_specs(dashboards: Dashboards, main: str) -> list[WebsiteSpec]:
    """Return the websites of the projections beside the website *main*."""
    return [
        WebsiteSpec(each.site_id(main), f"{dashboards.name}: {each.title}", projection_domain(main, each.key))
        for each in dashboards.projections
    ]


def board_spec(board: Board, main: str) -> BoardSpec:
    """Return *board* as Umami stores it."""
    rows = [
        {
            "id": f"r{number}",
            "columns": [
                {"id": f"r{number}c{column}", "size": 1, "component": _component(widget, main)}
                for column, widget in enumerate(row)
            ],
        }
        for number, row in enumerate(board.rows, start=1)
    ]
    description = f"{board.description} {mark(main, board.slug)}".strip()
    share = board.slug if board.audience is Audience.PUBLIC else None
    return BoardSpec(board.name, description, {"rows": rows}, share)


def report_specs(board: Board, main: str) -> list[ReportSpec]:
    """Return the funnels and goals of *board* as Umami stores them."""
    found = []
    for widget in board.widgets:
        if isinstance(widget, Funnel):
            found.append(ReportSpec(main, "funnel", widget.title, mark(main, board.slug), funnel_parameters(widget)))
        elif isinstance(widget, Goal):
            found.append(ReportSpec(main, "goal", widget.title, mark(main, board.slug), goal_parameters(widget)))
    return found


def funnel_parameters(funnel: Funnel) -> dict[str, Any]:
    """Return the parameters of a funnel, without a range."""
    steps: list[dict[str, Any]] = []
    for step in funnel.steps:
        entry: dict[str, Any] = {"type": "event", "value": step.event.name}
        if step.where:
            entry["filters"] = [
                {"property": name, "operator": "eq", "value": _as_stored(value)} for name, value in step.where
            ]
        steps.append(entry)
    return {"window": int(funnel.within.total_seconds() // 60), "steps": steps}


def goal_parameters(goal: Goal) -> dict[str, Any]:
    """Return the parameters of a goal, without a range."""
    return {"type": "event", "value": goal.of.name}


def _component(widget: Widget, main: str) -> dict[str, Any]:
    props: dict[str, Any] = {}
    match widget:
        case Text():
            return {"type": "TextBlock", "title": widget.title, "description": "", "props": {"text": widget.text}}
        case Funnel():
            return _pointer(widget, "a funnel", "funnels")
        case Goal():
            return _pointer(widget, "a goal", "goals")
        case Metric(of=Projection(source="views")):
            kind = "WebsiteMetricsBar"
        case Chart(of=Projection(source="views")):
            kind = "WebsiteChart"
        case Chart():
            kind = "EventsChart"
        case Metric():
            kind, props = "MetricsTable", _table(widget, _METRIC_ROWS)
        case Table():
            kind, props = "MetricsTable", _table(widget, widget.limit)
    site = widget.of.site_id(main) if isinstance(widget.of, Projection) else main
    return {
        "type": kind,
        "title": widget.title,
        "description": f"Meant for the {RANGE_WORDS[widget.over]}",
        "entityType": "website",
        "entityId": site,
        "props": props,
    }


def _table(widget: Metric | Table, limit: int) -> dict[str, Any]:
    props: dict[str, Any] = {"type": "event", "limit": limit}
    names = [event.name for event in events_of(widget)]
    # Umami spreads props into its component: this is a filter of one widget, which its own editor has not.
    return props | ({"params": {"event": f"eq.{','.join(names)}"}} if names else {})


def _pointer(widget: Funnel | Goal, what: str, menu: str) -> dict[str, Any]:
    text = f"Umami's boards have no place for {what}: see {menu.capitalize()} in the menu of the website, for the "
    return {
        "type": "TextBlock",
        "title": widget.title,
        "description": "",
        "props": {"text": f"{text}{RANGE_WORDS[widget.over]}."},
    }


def _as_stored(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
