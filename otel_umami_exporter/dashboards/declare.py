"""
Boards, declared over event classes: what a product owner sees, and who else may.

A wrong name fails when the declaring module is imported, and so does a property that is not public on a public board.
"""

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, Literal

from otel_umami_exporter.errors import TaxonomyError
from otel_umami_exporter.projection import Projection, check_projections
from otel_umami_exporter.taxonomy import Event, Privacy, Scalar, Taxonomy, declare

Range = Literal["24hour", "7day", "30day", "90day"]
Source = type[Event] | Sequence[type[Event]] | Projection

ROW_LIMIT: Final = 3  # a fourth widget is cut off beside Umami's menu
STEPS: Final = (2, 8)  # what a funnel of Umami's takes
NAME_LIMIT: Final = 100
_SLUG: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Audience(Enum):
    """Who sees a board."""

    PUBLIC = "public"  # anybody who has the link; it stands on projections only
    INTERNAL = "internal"  # who may log in to Umami


@dataclass(frozen=True)
class Metric:
    """A number: how often, or (of active visitors) how many. *over* is the range that it is meant for."""

    title: str
    _: KW_ONLY
    of: Source
    over: Range = "24hour"


@dataclass(frozen=True)
class Chart:
    """Bars over time: by hour for a day, by day for more. Umami's charts have no filter, so of a projection."""

    title: str
    _: KW_ONLY
    of: Projection
    over: Range = "7day"


@dataclass(frozen=True)
class Table:
    """Names with their counts, most frequent first."""

    title: str
    _: KW_ONLY
    of: Source
    over: Range = "30day"
    limit: Literal[5, 10, 20] = 10


@dataclass(frozen=True)
class Step:
    """A step of a funnel; with *where*, only events whose properties have these values."""

    event: type[Event]
    where: tuple[tuple[str, Scalar], ...] = ()


@dataclass(frozen=True)
class Funnel:
    """How many visitors went from step to step, each within *within* of the one before. A report beside the board."""

    title: str
    _: KW_ONLY
    steps: Sequence[Step]
    within: timedelta
    over: Range = "30day"


@dataclass(frozen=True)
class Goal:
    """Which share of the visitors an event happened to. A report beside the board."""

    title: str
    _: KW_ONLY
    of: type[Event]
    over: Range = "30day"


@dataclass(frozen=True)
class Text:
    """Words on the board."""

    title: str
    text: str


Widget = Metric | Chart | Table | Funnel | Goal | Text


@dataclass(frozen=True)
class Board:
    """
    Rows of widgets, three to a row at most.

    Args:
        name: as Umami shows it.
        slug: the end of its address when it is public; the key of a board for ever.
        audience: who sees it.
        rows: the widgets.
    Raises:
        TaxonomyError: it could not be shown, or would show more than its audience may see.
    """

    name: str
    _: KW_ONLY
    slug: str
    audience: Audience
    rows: Sequence[Sequence[Widget]]
    description: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= NAME_LIMIT:
            raise TaxonomyError(f"board {self.name!r}: a name of 1 to {NAME_LIMIT} characters is needed")
        if not 0 < len(self.slug) <= NAME_LIMIT or not _SLUG.issuperset(self.slug):
            raise TaxonomyError(f"board {self.name}: {self.slug!r} is no slug of small letters, digits and hyphens")
        for row in self.rows:
            if not 0 < len(row) <= ROW_LIMIT:
                raise TaxonomyError(f"board {self.name}: a row has 1 to {ROW_LIMIT} widgets")
        for widget in self.widgets:
            _check(widget, f"board {self.name}: {widget.title}")
            if self.audience is Audience.PUBLIC:
                _check_public(widget, f"board {self.name}: {widget.title}")

    @property
    def widgets(self) -> tuple[Widget, ...]:
        """Every widget, row by row."""
        return tuple(widget for row in self.rows for widget in row)

    @property
    def projections(self) -> tuple[Projection, ...]:
        """Every projection that a widget stands on."""
        return tuple(found for widget in self.widgets if isinstance(found := _source(widget), Projection))


class Dashboards:
    """
    All boards of one program.

    Args:
        name: the program, for people; it stands before the titles of the projections' websites.
        taxonomy: what the boards are declared over.
        boards: the boards.
    Raises:
        TaxonomyError: a board shows an event that is not in the taxonomy, or two share a slug.
    """

    def __init__(self, name: str, taxonomy: Taxonomy, boards: Iterable[Board]) -> None:
        if not 0 < len(name) <= NAME_LIMIT // 3:
            raise TaxonomyError(f"dashboards {name!r}: a name of 1 to {NAME_LIMIT // 3} characters is needed")
        self.name: Final = name
        self.taxonomy: Final = taxonomy
        self.boards: Final = tuple(boards)
        if len({board.slug for board in self.boards}) != len(self.boards):
            raise TaxonomyError(f"dashboards {name}: two boards share a slug")
        for board in self.boards:
            for widget in board.widgets:
                for event in events_of(widget):
                    if taxonomy.get(event.name) is None:
                        raise TaxonomyError(f"board {board.name}: event {event.name} is not in the taxonomy")
        everywhere = [each for board in self.boards for each in board.projections]
        self.projections: Final = check_projections(everywhere, taxonomy)

    def widgets_of(self, event: str) -> tuple[str, ...]:
        """Return the titles of the widgets that show *event*, in order: what documentation says of it."""
        titles = [
            widget.title
            for board in self.boards
            for widget in board.widgets
            if event in _names(widget) or _shows_everything(widget)
        ]
        return tuple(dict.fromkeys(titles))


def events_of(widget: Widget) -> tuple[type[Event], ...]:
    """Return the event classes that a widget names itself, not through a projection."""
    match widget:
        case Text() | Chart():
            return ()
        case Funnel():
            return tuple(step.event for step in widget.steps)
        case Metric() | Table() | Goal():
            if isinstance(widget.of, Projection):
                return ()
            return (widget.of,) if isinstance(widget.of, type) else tuple(widget.of)


def _names(widget: Widget) -> frozenset[str]:
    source = _source(widget)
    if isinstance(source, Projection):
        return frozenset(source.events)
    return frozenset(event.name for event in events_of(widget))


def _shows_everything(widget: Widget) -> bool:
    source = _source(widget)
    return isinstance(source, Projection) and source.source == "everything"


def _source(widget: Widget) -> Source | None:
    return widget.of if isinstance(widget, Metric | Chart | Table | Goal) else None


def _check(widget: Widget, where: str) -> None:
    if not widget.title:
        raise TaxonomyError(f"{where}: a title is needed")
    for event in events_of(widget):
        declare(event)
    match widget:
        case Chart() if not isinstance(widget.of, Projection):
            raise TaxonomyError(f"{where}: Umami's charts cannot filter by event; chart a Projection")
        case Table(of=Projection(source="views")):
            raise TaxonomyError(f"{where}: page views have no names to list; use a Metric or a Chart")
        case Funnel():
            _check_funnel(widget, where)
        case _:
            pass


def _check_funnel(funnel: Funnel, where: str) -> None:
    fewest, most = STEPS
    if not fewest <= len(funnel.steps) <= most:
        raise TaxonomyError(f"{where}: a funnel has {fewest} to {most} steps")
    if funnel.within < timedelta(minutes=1) or funnel.within % timedelta(minutes=1):
        raise TaxonomyError(f"{where}: a funnel's time is whole minutes, from 1 on")
    for step in funnel.steps:
        if not step.event.person:
            raise TaxonomyError(f"{where}: a funnel counts visitors, and {step.event.name} has nobody behind it")
        properties = declare(step.event).properties
        for name, value in step.where:
            if name not in properties or not properties[name].accepts(value):
                raise TaxonomyError(f"{where}: {step.event.name}.{name} is never {value!r}")


def _check_public(widget: Widget, where: str) -> None:
    if isinstance(widget, Text):
        return
    source = _source(widget)
    if not isinstance(source, Projection):
        raise TaxonomyError(f"{where}: a share link opens every raw row, so a public widget stands on a Projection")
    if source.events and not source.declarations:
        raise TaxonomyError(f"{where}: make its Projection by one of the class methods: else nothing is known of it")
    for declaration, declared in source.properties:
        if declared.privacy is not Privacy.PUBLIC:
            raise TaxonomyError(f"{where}: {declaration.name}.{declared.name} is not public")
    if source.by is not None and source.at_least < 2:  # noqa: PLR2004 - one person alone is never shown
        raise TaxonomyError(f"{where}: a public name needs at_least 2 people")
