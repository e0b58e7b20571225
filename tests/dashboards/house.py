"""A small program with boards, and an inbox to put them on: what the tests of this folder share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal

from otel_umami_exporter import Event, Privacy, Prop, Taxonomy
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
from otel_umami_exporter.inbox import Inbox

MAIN: Final = "0d6bd0c8-9ef2-4a1e-8f4a-1f9f2b1c7a55"
PASSWORD: Final = "umami"


@dataclass(frozen=True, kw_only=True)
class DoorOpened(Event):
    """Somebody came in."""

    name: ClassVar[str] = "door_opened"

    side: Annotated[Literal["front", "back"], Prop("Which", Privacy.PUBLIC)] = "front"


@dataclass(frozen=True, kw_only=True)
class DoorClosed(Event):
    """Somebody left."""

    name: ClassVar[str] = "door_closed"


TAXONOMY: Final = Taxonomy([DoorOpened, DoorClosed])
DOORS: Final = Projection.counting(DoorOpened, key="doors", title="Doors")
SIDES: Final = Projection.naming(DoorOpened, "side", key="sides", title="Sides")
PUBLIC: Final = Board(
    "The house",
    slug="the-house",
    audience=Audience.PUBLIC,
    description="Who comes.",
    rows=[[Metric("Doors", of=DOORS), Chart("Trend", of=DOORS)], [Table("Sides", of=SIDES), Text("Hello", "World")]],
)
FUNNEL: Final = Funnel("In and out", steps=[Step(DoorOpened), Step(DoorClosed)], within=timedelta(hours=1))
INTERNAL: Final = Board(
    "The house, inside",
    slug="the-house-inside",
    audience=Audience.INTERNAL,
    rows=[[FUNNEL, Goal("Leaves", of=DoorClosed)], [Metric("Opened", of=DoorOpened)]],
)
HOUSE: Final = Dashboards("House", TAXONOMY, [PUBLIC, INTERNAL])


@contextmanager
def inbox_endpoint(*, any_website: bool = False) -> Iterator[tuple[Inbox, str]]:
    """Serve an inbox; yield it with its address."""
    inbox = Inbox(any_website=any_website)
    try:
        with inbox.serve() as server:
            yield inbox, server.url
    finally:
        inbox.close()
