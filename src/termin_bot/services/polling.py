"""One look at the city for one service: which times are free, and what that changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from termin_bot.munich import AvailabilitySource, Calendar, MunichError, Slot
from termin_bot.services.clock import Clock, day_of, today
from termin_bot.services.ports import Work
from termin_bot.services.subscriptions import HORIZON_DAYS, MAX_AHEAD_DAYS
from termin_bot.storage import SlotRow, Wish

DAYS_PER_CYCLE: Final = 3
"""How many days without times are asked for in one cycle; the others have their turn in the next."""


@dataclass(frozen=True)
class Plan:
    """What one question to the city asks: however many people wait for the answer."""

    service_id: int
    office_ids: tuple[int, ...]


@dataclass
class View:
    """What the city showed: the days that may have something, and the times of those that were asked for."""

    listed: set[date] = field(default_factory=set)
    verified: dict[date, set[Slot]] = field(default_factory=dict)

    @property
    def slots(self) -> set[Slot]:
        """Every time that is free for certain."""
        return {slot for slots in self.verified.values() for slot in slots}

    def is_gone(self, slot: Slot) -> bool:
        """Whether the city no longer shows it; a day that was not asked for proves nothing."""
        day = day_of(slot.start)
        return day not in self.listed or (day in self.verified and slot not in self.verified[day])


@dataclass(frozen=True)
class Change:
    """What a look brought: the slots that were not free before, and those that are no longer."""

    appeared: tuple[Slot, ...]
    vanished: tuple[Slot, ...]


class Poller:
    """Asks the city and keeps the table of free slots true to its answers."""

    def __init__(self, city: AvailabilitySource, work: Work, clock: Clock) -> None:
        self._city = city
        self._work = work
        self._clock = clock
        self._asked: dict[tuple[Plan, date], float] = {}

    async def poll(self, plan: Plan, wishes: Sequence[Wish]) -> Change:
        """
        Look once, and store what changed: whoever may wait for it has their turn.

        Raises:
            MunichError: the city gave no usable answer; nothing is known, nothing is changed.
        """
        now = self._clock()
        start = today(now)
        end = start + timedelta(days=HORIZON_DAYS)
        wanted = max((each.date_to for each in wishes if each.date_to is not None), default=end)
        end = min(max(end, wanted), start + timedelta(days=MAX_AHEAD_DAYS))
        calendar = await self._city.calendar(plan.service_id, plan.office_ids, start, end)
        view = View(listed={day.date for day in calendar.days})
        _take_in(view, calendar)
        for day in self._days_to_ask(plan, view, wishes, now):
            try:
                _take_in(view, await self._city.calendar(plan.service_id, plan.office_ids, start, end, day=day))
            except MunichError:
                break  # what is known is still true; this day stays unknown, and has its turn again
            self._asked[plan, day] = now
            view.verified.setdefault(day, set())  # the city moved on to another day: this one has nothing
        return await self._store(plan, view, now)

    def _days_to_ask(self, plan: Plan, view: View, wishes: Sequence[Wish], now: float) -> Iterable[date]:
        self._asked = {key: at for key, at in self._asked.items() if key[1] >= today(now)}
        open_days = [
            day
            for day in sorted(view.listed - view.verified.keys())
            if any(each.suits(plan.service_id, office_id, day) for each in wishes for office_id in plan.office_ids)
        ]
        # Never asked first, then the longest unasked; sorted() keeps the earlier day first.
        return sorted(open_days, key=lambda day: self._asked.get((plan, day), 0.0))[:DAYS_PER_CYCLE]

    async def _store(self, plan: Plan, view: View, now: float) -> Change:
        async with self._work() as work:
            known = {_slot(row): row for row in await work.slots.free(plan.service_id, plan.office_ids)}
            seen = {slot for slot in view.slots if slot.start > now}
            appeared = sorted(seen - known.keys())
            vanished = sorted(slot for slot in known if slot.start <= now or view.is_gone(slot))
            work.slots.add(appeared, now)
            for slot in vanished:
                known[slot].gone_at = now
            for slot in seen & known.keys():
                known[slot].seen_at = now
            if changed := [*appeared, *vanished]:  # in one breath, so that no stop can part the news from its turn
                days = [day_of(slot.start) for slot in changed]
                await work.subscriptions.stir(
                    plan.service_id, {slot.office_id for slot in changed}, min(days), max(days)
                )
            await work.commit()
        return Change(tuple(appeared), tuple(vanished))


def _take_in(view: View, calendar: Calendar) -> None:
    for day in calendar.days:
        if day.verified:
            view.listed.add(day.date)
            view.verified[day.date] = set(day.slots)


def _slot(row: SlotRow) -> Slot:
    return Slot(row.service_id, row.office_id, row.start)
