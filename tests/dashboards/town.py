"""A month of a seeded bot: what happened, sent on the real road to an inbox that has the bot's boards."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args

import httpx
from house import MAIN, PASSWORD

from otel_umami_exporter import Event, Pipeline
from otel_umami_exporter.dashboards.journal import Result
from otel_umami_exporter.dashboards.provision import provision
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.inbox import Inbox
from otel_umami_exporter.payload import Site
from otel_umami_exporter.record import Record
from otel_umami_exporter.umami import UmamiClient
from termin_bot import events
from termin_bot.dashboards import DASHBOARDS
from termin_bot.events import TAXONOMY

HOUR: Final = 3_600
DAY: Final = 24 * HOUR
RANGES: Final = {"24hour": DAY, "7day": 7 * DAY, "30day": 30 * DAY}
SERVICES: Final = {
    "Personalausweis": 40,
    "Reisepass": 25,
    "Aufenthaltserlaubnis für Fachkräfte mit akademischer Ausbildung": 15,
    "Aufenthaltserlaubnis für Fachkräfte mit Berufsausbildung": 15,
    "Ehefähigkeitszeugnis": 3,
}
PEOPLE: Final = 60
FIRST_OF_FOUR, MOST_FAIL = 0.25, 0.2


@dataclass(frozen=True)
class Happening:
    """One event (or a page view, without one), whom it happened to and when, in seconds since 1970."""

    at: int
    event: Event | None
    visitor: str | None

    def record(self, number: int) -> Record:
        """Return it as the road takes it; *number* makes its trace."""
        return Record(
            name="command /start" if self.event is None else self.event.name,
            time_ns=self.at * 1_000_000_000,
            is_view=self.event is None,
            visitor=self.visitor,
            attributes={} if self.event is None else self.event.attributes(),
            trace_id=f"{number:032x}",
            service="munich-appointment-bot",
        )


@dataclass(frozen=True)
class Town:
    """What happened, where it arrived, and what was made there."""

    happenings: tuple[Happening, ...]
    now: float
    inbox: Inbox
    endpoint: str
    result: Result

    def recent(self, over: str, kind: type[Event], test: Callable[[Any], bool] = lambda _: True) -> int:
        """Return how many of *kind* happened in the range *over*."""
        return sum(1 for each in self.within(over) if isinstance(each.event, kind) and test(each.event))

    def within(self, over: str) -> list[Happening]:
        """Return what happened in the range *over*, without page views."""
        return [each for each in self.happenings if each.event is not None and each.at > self.now - RANGES[over]]

    def services(self, at_least: int) -> Counter[str]:
        """Return how often each service was added, if so many people did it."""
        added = [each for each in self.within("30day") if isinstance(each.event, events.SubscriptionAdded)]
        people: dict[str, set[str | None]] = {}
        for each in added:
            people.setdefault(_service(each), set()).add(each.visitor)
        return Counter(name for each in added if len(people[name := _service(each)]) >= at_least)

    def active(self) -> int:
        """Return how many people did anything in 30 days."""
        return len({each.visitor for each in self.happenings if each.event is None})

    def funnel(self) -> list[int]:
        """Return how many people reached each step of a booking, the last with success."""
        steps = (
            *(events.BookingStarted, events.SlotSelected, events.NameEntered),
            *(events.EmailEntered, events.BookingConfirmed, events.BookingCompleted),
        )
        return [
            len(
                {
                    each.visitor
                    for each in self.within("30day")
                    if isinstance(each.event, step) and getattr(each.event, "status", "success") == "success"
                }
            )
            for step in steps
        ]


def _service(each: Happening) -> str:
    return str(cast("events.SubscriptionAdded", each.event).service_name)


@contextmanager
def served_town(folder: Path, seed: int = 7) -> Iterator[Town]:
    """Let it happen, deliver all of it, and serve what has become of it."""
    now = time.time()
    happenings = tuple(happen(random.Random(seed), int(now) // HOUR * HOUR))  # noqa: S311  # the same town each time
    inbox = Inbox(any_website=False)
    with inbox.serve() as server:
        result = provision(server.url, DASHBOARDS, MAIN, password=PASSWORD)
        pipeline = Pipeline(
            taxonomy=TAXONOMY,
            site=Site(MAIN),
            spool=folder / "spool.db",
            connect=lambda: UmamiClient(server.url, timeout_seconds=60),  # a batch given up too early is stored twice
            timing=Timing(linger_seconds=0.0),
            projections=DASHBOARDS.projections,
        )
        assert pipeline.accept([each.record(number) for number, each in enumerate(happenings, start=1)])
        assert pipeline.flush(300)
        assert pipeline.status().books.balanced
        pipeline.shutdown()
        yield Town(happenings, now, inbox, server.url, result)
    inbox.close()


def happen(chance: random.Random, hour: int) -> Iterator[Happening]:
    """Yield a month: most of it in the last day, all of it clear of the ends of every range."""

    def moment() -> int:
        share = chance.random()
        if share < 0.6:  # most of it
            return hour - chance.randrange(HOUR, 20 * HOUR)
        days = chance.randrange(2, 6) if share < 0.8 else chance.randrange(10, 28)  # some of it
        return hour - days * DAY - chance.randrange(HOUR)

    for number in range(PEOPLE):
        yield from _person(chance, f"visitor-{number:04}", moment)
    for _ in range(120):
        yield Happening(moment(), _bot_event(chance), None)


def _person(chance: random.Random, visitor: str, moment: Callable[[], int]) -> Iterator[Happening]:
    came = moment()
    yield Happening(came, None, visitor)
    yield Happening(came + 1, events.UserRegistered(username="set"), visitor)
    for _ in range(chance.randrange(1, 4)):
        command = chance.choice(get_args(events.CommandName))
        at = moment()
        yield Happening(at, None, visitor)
        yield Happening(at + 1, events.CommandExecuted(command_name=command, source="typed", status="success"), visitor)
        [name] = chance.choices(list(SERVICES), list(SERVICES.values()))
        yield Happening(moment(), events.SubscriptionAdded(service_id=1, service_name=name), visitor)
    if chance.random() < FIRST_OF_FOUR:
        yield Happening(moment(), events.UserStopped(days_since_registration=1, total_subscriptions_at_stop=1), visitor)
    if chance.random() < FIRST_OF_FOUR:
        error = chance.choice(get_args(events.NotificationFailure))
        yield Happening(moment(), events.NotificationFailed(error_type=error, service_id=1), visitor)
        yield Happening(moment(), events.UserBlockedBot(), visitor)
    yield from _booking(chance, visitor, moment())


def _booking(chance: random.Random, visitor: str, at: int) -> Iterator[Happening]:
    steps: list[Event] = [
        events.BookingStarted(service_id=1, service_name="Reisepass", office_id=2, lead_time="2-3"),
        events.SlotSelected(service_id=1, selected_time="09:10"),
        events.NameEntered(service_id=1),
        events.EmailEntered(service_id=1),
        events.BookingConfirmed(service_id=1),
        events.BookingCompleted(
            service_id=1, service_name="Reisepass", status="success" if chance.random() > MOST_FAIL else "failure"
        ),
    ]
    for number, step in enumerate(steps[: chance.randrange(len(steps) + 1)]):
        yield Happening(at + 60 * number, step, visitor)


def _bot_event(chance: random.Random) -> Event:
    kind = chance.randrange(4)
    if kind == 0:
        error = chance.choice(["timeout", "network_error", "parsing_error"])
        return events.ApiError(endpoint="available-calendar", error_type=cast("Any", error), error_message="http_502")
    if kind == 1:
        return events.CaptchaSolved(success=chance.random() > FIRST_OF_FOUR, duration_ms=100)
    return events.AppointmentFound(
        service_id=1, service_name="Reisepass", office_id=2, slots_count=3, matched_users=chance.randrange(5)
    )


class Viewer:
    """Somebody who reads boards over Umami's calls: with the link of a share page, or logged in."""

    def __init__(self, town: Town, slug: str | None) -> None:
        self._http = httpx.Client(base_url=town.endpoint, verify=False, timeout=60)  # noqa: S501  # loopback, without TLS
        self._now = town.now
        if slug is None:
            answer = self._http.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})
            self._http.headers["authorization"] = f"Bearer {answer.json()['token']}"
            return
        share = self._http.get(f"/api/share/{slug}").json()
        self._http.headers.update({"x-umami-share-token": share["token"], "x-umami-share-context": "1"})
        self.board = share["boardId"]

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, over: str = "30day", **query: str) -> Any:
        """Return what a reading call answers for the range *over*."""
        end = int(self._now) // HOUR * HOUR + HOUR
        ends = {"startAt": str((end - RANGES[over]) * 1000), "endAt": str(end * 1000)}
        answer = self._http.get(f"/api{path}", params={**ends, **query})
        assert answer.status_code == httpx.codes.OK, (path, answer.status_code)
        return answer.json()

    def status(self, path: str) -> int:
        """Return how a call is answered."""
        return self._http.get(f"/api{path}", params={"startAt": 0, "endAt": 1}).status_code

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer of a call with a body."""
        return self._http.post(f"/api{path}", json=body).json()

    def components(self, board_id: str) -> dict[str, dict[str, Any]]:
        """Return the components of a board by title."""
        rows = self.get(f"/boards/{board_id}")["parameters"]["rows"]
        return {column["component"]["title"]: column["component"] for row in rows for column in row["columns"]}

    def numbers(self, component: dict[str, Any], over: str) -> dict[str, int]:
        """Return what Umami would draw in a component: names with their counts."""
        website = f"/websites/{component['entityId']}"
        if component["type"] == "WebsiteMetricsBar":
            return {"visitors": self.get(f"{website}/stats", over)["visitors"]}
        if component["type"] == "MetricsTable":
            props = component["props"]
            query = {"type": props["type"], "limit": props["limit"], **props.get("params", {})}
            return _counted(self.get(f"{website}/metrics", over, **query))
        return _counted(self.get(f"{website}/events/series", over, unit="hour", timezone="UTC"))


def _counted(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["x"]] += row["y"]
    return dict(counts)
