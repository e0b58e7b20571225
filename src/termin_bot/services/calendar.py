"""
Choosing a range of days on a calendar, in two presses.

What is pressed is a number, counted from a day that only the database knows (the person's first one here): no date
travels in a button, and one that was sent long ago still means the same day, or says that it is out of date.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from termin_bot.services.clock import Clock, today
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.services.subscriptions import ALL, MAX_AHEAD_DAYS, DateRange, Subscriptions
from termin_bot.storage import Person
from termin_bot.tracing import traced

MONTHS: Final = 12
_YEAR_MONTHS: Final = 12
_WEEK: Final = 7


@dataclass(frozen=True, kw_only=True)
class Month:
    """One month to choose from; *weeks* hold the numbers of the days to press, None where there is none."""

    subscription_id: int
    page: int
    first: date
    start: date | None
    weeks: tuple[tuple[tuple[int, int] | None, ...], ...]
    """Monday to Sunday: the day of the month, and its number."""

    @property
    def is_last(self) -> bool:
        """Whether there is no month after it."""
        return self.page >= MONTHS


class Calendars:
    """Shows months and takes what is pressed on them."""

    def __init__(self, work: Work, subscriptions: Subscriptions, clock: Clock) -> None:
        self._work = work
        self._subscriptions = subscriptions
        self._clock = clock

    @traced("service calendar.turn")
    async def turn(self, visit: Visit, subscription_id: int, page: int) -> Month | None:
        """Show a month, 0 is this one and begins anew. None when there is no such subscription any more."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            own = await work.subscriptions.of(visit.person_id)
            if person is None or not any(subscription_id in (ALL, each.id) for each in own):
                return None
            person.asked_dates_for = subscription_id  # a range can still be typed
            person.asked_search = False
            if page == 0:
                person.calendar_start = None
            await work.commit()
        return self._month(person, subscription_id, page)

    @traced("service calendar.press")
    async def press(self, visit: Visit, subscription_id: int, number: int) -> Month | DateRange | None:
        """Take a day: the first, then the last of the range, which is set with that. None: out of date."""
        now = today(self._clock())
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is None:
                return None
            ahead = number - (now - _anchor(person)).days
            if not 0 <= ahead <= MAX_AHEAD_DAYS:
                return None
            day = now + timedelta(days=ahead)
            start = person.calendar_start
            is_complete = start is not None and start <= day
            person.calendar_start = None if is_complete else day
            await work.commit()
        if start is not None and is_complete:
            dates = DateRange(max(start, now), day)
            return dates if await self._subscriptions.set_dates(visit, dates, subscription_id) else None
        return self._month(person, subscription_id, (day.year - now.year) * _YEAR_MONTHS + day.month - now.month)

    def _month(self, person: Person, subscription_id: int, page: int) -> Month:
        page = max(0, min(page, MONTHS))
        now = today(self._clock())
        weeks = layout(now, page, _anchor(person))
        first = _month_after(now, page)
        return Month(subscription_id=subscription_id, page=page, first=first, start=person.calendar_start, weeks=weeks)


def _anchor(person: Person) -> date:
    return today(person.registered_at)


def _month_after(now: date, page: int) -> date:
    index = now.month - 1 + page
    return date(now.year + index // _YEAR_MONTHS, index % _YEAR_MONTHS + 1, 1)


def layout(now: date, page: int, anchor: date) -> tuple[tuple[tuple[int, int] | None, ...], ...]:
    """Lay out the weeks of the month that is *page* months after *now*, with the days that can still be chosen."""
    first = _month_after(now, page)
    cells: list[tuple[int, int] | None] = [None] * first.weekday()
    day = first
    while day.month == first.month:
        can_be_chosen = 0 <= (day - now).days <= MAX_AHEAD_DAYS
        cells.append((day.day, (day - anchor).days) if can_be_chosen else None)
        day += timedelta(days=1)
    cells += [None] * (-len(cells) % _WEEK)
    weeks = (tuple(cells[at : at + _WEEK]) for at in range(0, len(cells), _WEEK))
    return tuple(week for week in weeks if any(week))
