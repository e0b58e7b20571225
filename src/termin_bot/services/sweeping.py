"""Bookings that ran out of time, and bookings that a stopped bot left behind."""

import logging
from typing import Final

from opentelemetry.trace import SpanKind

from termin_bot.recording import on_behalf_of
from termin_bot.services.catalogue import CatalogueShelf, service_name
from termin_bot.services.clock import Clock
from termin_bot.services.endings import Endings
from termin_bot.services.notices import BookingExpired, BookingFailed, BookingSucceeded, Notice, TimeRunningOut
from termin_bot.services.people import People
from termin_bot.services.ports import Blocked, Messenger, Work
from termin_bot.services.prompting import WARN_SECONDS
from termin_bot.services.sharing import Instance
from termin_bot.services.submitting import Booked, Submitting
from termin_bot.storage import BookingSession, Person
from termin_bot.tracing import carrying_on, root_span, say_who

_log: Final = logging.getLogger(__name__)
_MINUTE: Final = 60
RESUME_SECONDS: Final = 15.0
"""How long after an unanswered question to the city the next one comes."""


class Sweeper:
    """Looks at the deadlines in the database, so that a restart forgets none."""

    def __init__(
        self,
        *,
        work: Work,
        shelf: CatalogueShelf,
        endings: Endings,
        submitting: Submitting,
        people: People,
        messenger: Messenger,
        instance: Instance,
        clock: Clock,
    ) -> None:
        self._instance = instance
        self._work = work
        self._shelf = shelf
        self._endings = endings
        self._submitting = submitting
        self._people = people
        self._messenger = messenger
        self._clock = clock
        self._resume_at: dict[int, float] = {}

    async def sweep(self) -> None:
        """End what ran out, and take up what was left behind; each of them once."""
        await self._warn()
        async with self._work() as work:
            overdue = [
                (booking, person)
                for booking in await work.bookings.overdue(self._clock())
                if (person := await work.people.get(booking.person_id)) is not None
                and await work.bookings.take(booking.id)
            ]
            left_behind = [
                (booking, person)
                for booking in await work.bookings.submitting()
                if not self._submitting.is_under_way(booking.id)
                and not await self._instance.is_anothers(work, booking.submitter)
                and (person := await work.people.get(booking.person_id)) is not None
            ]
            for booking, _ in left_behind:
                booking.submitter = self._instance.holder
            await work.commit()
        for booking, person in overdue:  # all are taken: what goes wrong with one must not take the others
            with carrying_on(_log, "ending a booking"):
                await self._expire(booking, person)
        for booking, person in left_behind:
            if self._resume_at.get(booking.id, 0.0) <= self._clock():
                with carrying_on(_log, "taking up a booking"):
                    await self._take_up(booking, person)

    async def _warn(self) -> None:
        """Say once that time is running out, to everybody who holds an appointment."""
        now = self._clock()
        async with self._work() as work:
            ending = [
                (booking, person)
                for booking in await work.bookings.running_out(now + WARN_SECONDS)
                if booking.deadline > now and (person := await work.people.get(booking.person_id)) is not None
            ]
            for booking, _ in ending:
                booking.warned = True
            await work.commit()
        for booking, person in ending:
            with (
                carrying_on(_log, "warning of an end"),
                root_span("booking running out") as span,
                on_behalf_of(person),
            ):
                say_who(span, person.visitor)
                name = service_name(await self._shelf.current_or_empty(), booking.service_id)
                minutes = max(1, round((booking.deadline - now) / _MINUTE))
                notice = TimeRunningOut(service_name=name, held_until=booking.deadline, minutes=minutes)
                await self._tell(person, notice)

    async def _expire(self, booking: BookingSession, person: Person) -> None:
        with root_span("booking expired") as span, on_behalf_of(person):
            say_who(span, person.visitor)
            self._endings.expired(booking, person.visitor)
            await self._endings.give_back(booking)
            name = service_name(await self._shelf.current_or_empty(), booking.service_id)
            await self._tell(person, BookingExpired(service_name=name))

    async def _take_up(self, booking: BookingSession, person: Person) -> None:
        with root_span("booking resumed", kind=SpanKind.INTERNAL) as span, on_behalf_of(person):
            say_who(span, person.visitor)
            outcome = await self._submitting.take_up(booking, person.visitor)
            if outcome is None:
                self._resume_at[booking.id] = self._clock() + RESUME_SECONDS
                return
            self._resume_at.pop(booking.id, None)
            if isinstance(outcome, Booked):
                notice: Notice = BookingSucceeded(
                    service_name=outcome.service_name, activation_minutes=outcome.activation_minutes
                )
            else:
                notice = BookingFailed(service_name=outcome.service_name, reason=outcome.reason)
            await self._tell(person, notice)

    async def _tell(self, person: Person, notice: Notice) -> None:
        if isinstance(await self._messenger.send(person.telegram_id, notice), Blocked):
            await self._people.blocked(person.telegram_id)
