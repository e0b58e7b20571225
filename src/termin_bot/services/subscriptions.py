"""What people watch, where, and on which days."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from termin_bot.events import DateRangeSet, RangeDirection, SubscriptionAdded, SubscriptionRemoved
from termin_bot.munich import CaptchaMode, Catalogue
from termin_bot.recording import record
from termin_bot.services.catalogue import CatalogueShelf, office_label, offices_of, page_of, service_name
from termin_bot.services.clock import Clock, today
from termin_bot.services.dates import read_range
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.storage import AT_ONCE, Subscription, joined
from termin_bot.tracing import traced

MAX_SUBSCRIPTIONS: Final = 5
HORIZON_DAYS: Final = 182
"""How far ahead the city shows appointments, and how long "any date" is."""
MAX_AHEAD_DAYS: Final = 365
ALL: Final = 0
"""In place of a subscription id: all of them."""


Unwatched = Literal["guarded", "not_offered"]
"""`guarded`: the city wants a captcha, and this bot solves none. `not_offered`: the city's catalogue has it no more."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A subscription with the names that people know."""

    id: int
    service_id: int
    service_name: str
    offices: tuple[str, ...]
    date_from: date | None
    date_to: date | None
    is_paused: bool
    office_ids: tuple[int, ...] = ()
    since: float = 0.0
    """When it was begun, in epoch seconds."""
    unwatched: Unwatched | None = None
    """Why nobody looks, besides a pause."""
    link: str = ""
    """The city's own page about it."""


@dataclass(frozen=True)
class Added:
    """The service is watched now (or already was, at these offices); *has_more* when other offices offer it, too."""

    watched: Watched
    has_more: bool = False


@dataclass(frozen=True)
class ChooseOffice:
    """Several offices offer this service: choose one after the other, or any. *chosen* are watched; ALL is any."""

    service_id: int
    service_name: str
    offices: tuple[tuple[int, str], ...]
    chosen: frozenset[int] = frozenset()


@dataclass(frozen=True)
class LimitReached:
    """Nobody watches more than MAX_SUBSCRIPTIONS services."""


@dataclass(frozen=True)
class NotOffered:
    """No office offers this service (any more)."""


@dataclass(frozen=True)
class LinkOnly:
    """The city guards this service, and this bot does not solve captchas: people look for themselves."""

    service_name: str
    link: str


@dataclass(frozen=True)
class DateRange:
    """The days that suit; both ends included, None is open."""

    start: date | None
    end: date | None

    @property
    def days(self) -> int:
        """How many days it spans; an open range spans what the city shows."""
        if self.start is None or self.end is None:
            return HORIZON_DAYS
        return (self.end - self.start).days + 1


class Subscriptions:
    """Adds, shows, dates and removes subscriptions."""

    def __init__(self, work: Work, shelf: CatalogueShelf, clock: Clock, captcha_mode: CaptchaMode) -> None:
        self._work = work
        self._shelf = shelf
        self._clock = clock
        self._captcha_mode = captcha_mode

    @traced("service subscriptions.offer")
    async def offer(self, visit: Visit, service_id: int) -> Added | ChooseOffice | LimitReached | NotOffered | LinkOnly:
        """Watch a service, unless an office has to be chosen first; raises MunichError without a catalogue."""
        catalogue = await self._shelf.current()
        offices = catalogue.offices_for(service_id)
        if len(offices) > 1:
            labels = tuple((each.id, each.label) for each in offices)
            name = service_name(catalogue, service_id)
            return ChooseOffice(service_id, name, labels, await self._offices_watched(visit, service_id))
        return await self.add(visit, service_id, offices[0].id if offices else ALL)

    @traced("service subscriptions.add")
    async def add(self, visit: Visit, service_id: int, office_id: int) -> Added | LimitReached | NotOffered | LinkOnly:
        """Watch a service at one office, or at any (0); what is watched already is widened, never doubled."""
        catalogue = await self._shelf.current()
        asked = offices_of(catalogue, service_id, (office_id,) if office_id else ())
        if not asked:
            return NotOffered()
        name = service_name(catalogue, service_id)
        if self._captcha_mode == "link_only" and catalogue.captcha_required(each.id for each in asked):
            return LinkOnly(name, page_of(service_id, office_id or None))
        async with self._work() as work:
            own = await work.subscriptions.of(visit.person_id)
            found = next((each for each in own if each.service_id == service_id), None)
            if found is None and len(own) >= MAX_SUBSCRIPTIONS:
                return LimitReached()
            before = None if found is None else found.offices
            if found is None:
                found = await work.subscriptions.add(
                    Subscription(person_id=visit.person_id, service_id=service_id, created_at=self._clock())
                )
                found.offices = joined({office_id} - {ALL})
            elif found.offices:
                found.offices = joined({*found.office_ids, office_id}) if office_id else ""
            changed = before != found.offices
            found.look_at = AT_ONCE
            person = await work.people.get(visit.person_id)
            if person is not None:
                person.asked_search = False  # found
            await work.commit()
        if changed:
            record(
                SubscriptionAdded(service_id=service_id, service_name=name, office_id=office_id or None),
            )
        has_more = bool(found.offices) and len(found.office_ids) < len(catalogue.offices_for(service_id))
        return Added(self._watched(catalogue, found), has_more)

    async def _offices_watched(self, visit: Visit, service_id: int) -> frozenset[int]:
        async with self._work() as work:
            own = await work.subscriptions.of(visit.person_id)
        found = next((each for each in own if each.service_id == service_id), None)
        return frozenset() if found is None else frozenset(found.office_ids or (ALL,))

    @traced("service subscriptions.mine")
    async def mine(self, visit: Visit) -> tuple[Watched, ...]:
        """Return what a person watches; with neutral names while there is no catalogue."""
        async with self._work() as work:
            own = await work.subscriptions.of(visit.person_id)
        if not own:
            return ()
        catalogue = await self._shelf.current_or_empty()
        return tuple(self._watched(catalogue, each) for each in own)

    @traced("service subscriptions.remove")
    async def remove(self, visit: Visit, subscription_id: int) -> str | None:
        """End a subscription, and return the service's name; None when it is not theirs, or gone."""
        catalogue = await self._shelf.current_or_empty()
        async with self._work() as work:
            found = await work.subscriptions.own(visit.person_id, subscription_id)
            if found is None or not await work.subscriptions.delete(found.id):
                return None
            await work.commit()
        name = service_name(catalogue, found.service_id)
        record(
            SubscriptionRemoved(
                service_id=found.service_id,
                service_name=name,
                office_id=found.single_office_id,
                reason="user_initiated",
            )
        )
        return name

    @traced("service subscriptions.pause")
    async def pause(self, visit: Visit, *, paused: bool, subscription_id: int = ALL) -> bool:
        """Pause a subscription, or all (0), or watch again; False when there is no such one."""
        async with self._work() as work:
            own = await work.subscriptions.of(visit.person_id)
            chosen = [each for each in own if subscription_id in (ALL, each.id)]
            for each in chosen:
                each.paused, each.look_at = paused, AT_ONCE
            await work.commit()
        return bool(chosen)

    @traced("service subscriptions.await_dates")
    async def await_dates(self, visit: Visit, subscription_id: int) -> Watched | None:
        """Take the next typed message for the dates of a subscription (0 is all); None when there is none such."""
        mine = await self.mine(visit)
        target = next((each for each in mine if subscription_id in (ALL, each.id)), None)
        if target is None:
            return None
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is None:
                return None
            person.asked_dates_for, person.asked_search, person.calendar_start = subscription_id, False, None
            await work.commit()
        return target

    @traced("service subscriptions.set_dates")
    async def set_dates(self, visit: Visit, dates: DateRange, subscription_id: int | None = None) -> bool:
        """Set the dates of a subscription, of all (0), or (None) of what was asked for; False when it is gone."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is None:
                return False
            wanted = person.asked_dates_for if subscription_id is None else subscription_id
            own = await work.subscriptions.of(person.id)
            chosen = [each for each in own if wanted in (ALL, each.id)]
            person.asked_dates_for = person.calendar_start = None
            direction = _direction([DateRange(each.date_from, each.date_to) for each in chosen], dates)
            for each in chosen:
                each.date_from, each.date_to, each.look_at = dates.start, dates.end, AT_ONCE
            await work.commit()
        if chosen:
            record(DateRangeSet(range_days=dates.days, range_direction=direction))
        return bool(chosen)

    def _watched(self, catalogue: Catalogue, subscription: Subscription) -> Watched:
        service_id = subscription.service_id
        return Watched(
            id=subscription.id,
            service_id=service_id,
            service_name=service_name(catalogue, service_id),
            offices=tuple(sorted(office_label(catalogue, each) for each in subscription.office_ids)),
            date_from=subscription.date_from,
            date_to=subscription.date_to,
            is_paused=subscription.paused,
            office_ids=subscription.office_ids,
            since=subscription.created_at,
            unwatched=self._unwatched(catalogue, subscription),
            link=page_of(service_id, subscription.single_office_id),
        )

    def _unwatched(self, catalogue: Catalogue, subscription: Subscription) -> Unwatched | None:
        if not catalogue.relations:
            return None  # there is no catalogue, which says nothing of what is in it
        asked = offices_of(catalogue, subscription.service_id, subscription.office_ids)
        if not asked:
            return "not_offered"
        is_guarded = catalogue.captcha_required(each.id for each in asked)
        return "guarded" if self._captcha_mode == "link_only" and is_guarded else None

    def coming_days(self, days: int) -> DateRange:
        """Return the range of so many days, today included."""
        first = today(self._clock())
        return DateRange(first, first + timedelta(days=days - 1))

    def typed_range(self, text: str) -> DateRange | None:
        """Read `24.11.2026-15.12.2026`; None when it is no range of days to come, at most a year ahead."""
        first = today(self._clock())
        found = read_range(text, first)
        if found is None or found[1] < found[0] or found[1] < first:
            return None
        if found[1] > first + timedelta(days=MAX_AHEAD_DAYS):
            return None
        return DateRange(max(found[0], first), found[1])


def _direction(before: list[DateRange], after: DateRange) -> RangeDirection:
    limited = [each.days for each in before if each.start is not None]
    if not limited or max(limited) == after.days:
        return "set"
    return "expanded" if after.days > max(limited) else "narrowed"
