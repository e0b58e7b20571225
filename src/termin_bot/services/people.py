"""Who is here: arriving, blocking, leaving."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from termin_bot.events import (
    Step,
    UserBlockedBot,
    UserReengaged,
    UserRegistered,
    UserStopped,
    UserUnblocked,
)
from termin_bot.languages import Language, language_of
from termin_bot.recording import record
from termin_bot.services.clock import Clock, timestamp, whole_days
from termin_bot.services.ports import Work
from termin_bot.storage import BookingSession, Person
from termin_bot.tracing import traced

REENGAGED_AFTER_DAYS: Final = 30
_VISITOR_BYTES: Final = 18  # 24 characters

Asking = Step | Literal["dates", "search", "submitting"]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A person's update being handled: who they are to us, and what we asked them last."""

    person_id: int
    telegram_id: int = field(repr=False)
    visitor: str | None
    """Their pseudonym; None when they do not want to be counted."""
    language: Language
    previous_seen_at: float
    asking: Asking | None = None


@dataclass(frozen=True, kw_only=True)
class Farewell:
    """What was deleted, as far as others still need to know it."""

    booking: BookingSession | None


class People:
    """Registers, recognises and forgets people."""

    def __init__(
        self, work: Work, clock: Clock, new_visitor: Callable[[], str] = lambda: secrets.token_urlsafe(_VISITOR_BYTES)
    ) -> None:
        self._work = work
        self._clock = clock
        self._new_visitor = new_visitor

    async def find(self, telegram_id: int) -> Visit | None:
        """Return who this is, without taking it for a sign of life."""
        async with self._work() as work:
            found = await work.people.visiting(telegram_id)
            return None if found is None else _visit(*found)

    async def arrive(self, telegram_id: int, *, with_command: bool) -> Visit | None:
        """Return who this is, None for a stranger, and note that they are here: a block is over with that."""
        async with self._work() as work:
            found = await work.people.visiting(telegram_id)
            if found is None:
                return None
            visit, person = _visit(*found), found[0]
            now = self._clock()
            blocked_at, person.blocked_at = person.blocked_at, None
            person.last_seen_at = now
            if with_command:
                person.last_command_at = now
                _ask_nothing(person)  # they want something else now
            await work.commit()
        if blocked_at is not None:
            record(UserUnblocked(days_blocked=whole_days(now - blocked_at)), visitor=visit.visitor)
        return visit

    @traced("service people.register")
    async def register(self, telegram_id: int, *, language: str, has_username: bool) -> Visit:
        """Welcome a stranger, and record that they are one no more; to be called again until it returns."""
        now = self._clock()
        async with self._work() as work:
            found = await work.people.visiting(telegram_id)
            if found is None:
                stranger = Person(
                    telegram_id=telegram_id,
                    pseudonym=self._new_visitor(),
                    language=language,
                    registered_at=now,
                    last_seen_at=now,
                    last_command_at=now,
                )
                found = await work.people.add(stranger), None
            await work.commit()
        visit = _visit(*found)
        record(UserRegistered(username="set" if has_username else "anonymous"), visitor=visit.visitor)
        return visit

    def returned(self, visit: Visit) -> None:
        """Record the return of somebody who was long away."""
        days = whole_days(self._clock() - visit.previous_seen_at)
        if days > REENGAGED_AFTER_DAYS:
            record(UserReengaged(days_inactive=days), visitor=visit.visitor)

    async def blocked(self, telegram_id: int) -> None:
        """Note that this person blocked the bot; once per block, whoever says it first."""
        async with self._work() as work:
            person = await work.people.by_telegram_id(telegram_id)
            if person is None or person.blocked_at is not None:
                return
            person.blocked_at = self._clock()
            last, visitor = person.last_command_at, person.visitor
            await work.commit()
        record(
            UserBlockedBot(last_command_timestamp=None if last is None else timestamp(last)),
            visitor=visitor,
        )

    async def ask_no_more(self, visit: Visit) -> bool:
        """Wait no longer for dates or a name to be typed; False when nobody did."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is None or (person.asked_dates_for is None and not person.asked_search):
                return False
            _ask_nothing(person)
            await work.commit()
            return True

    @traced("service people.await_search")
    async def await_search(self, visit: Visit) -> None:
        """Take the next typed message for a part of a service's name."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is not None and await work.bookings.of(person.id) is None:
                _ask_nothing(person)
                person.asked_search = True
                await work.commit()

    @traced("service people.set_language")
    async def set_language(self, visit: Visit, language: Language) -> None:
        """Speak this language from now on."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is not None:
                person.language = language
                await work.commit()

    @traced("service people.quiet_hours")
    async def quiet_hours(self, visit: Visit) -> tuple[int, int] | None:
        """Return the hours (from, until) that this person keeps quiet."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
        if person is None or person.quiet_from is None or person.quiet_until is None:
            return None
        return person.quiet_from, person.quiet_until

    @traced("service people.set_quiet")
    async def set_quiet(self, visit: Visit, hours: tuple[int, int] | None) -> None:
        """Keep these hours quiet (from, until), or none."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is not None:
                person.quiet_from, person.quiet_until = (None, None) if hours is None else hours
                await work.subscriptions.stir_person(person.id)  # what waits for the old hours to end
                await work.commit()

    @traced("service people.count")
    async def count(self, visit: Visit) -> str | None:
        """Count this person from now on, and return their pseudonym."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is not None:
                person.analytics = True
                await work.commit()
        return None if person is None else person.visitor

    @traced("service people.count_no_more")
    async def count_no_more(self, visit: Visit) -> None:
        """
        Record nothing of this person any more.

        The pseudonym is thrown away: what was counted until now points at nobody, also if they change their mind.
        """
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is not None:
                person.analytics = False
                person.pseudonym = self._new_visitor()
                await work.commit()

    @traced("service people.stop")
    async def stop(self, visit: Visit) -> Farewell:
        """Delete everything about a person; what their booking held is for the caller to give back."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            if person is None:
                return Farewell(booking=None)
            subscriptions = await work.subscriptions.of(person.id)
            booking = await work.bookings.of(person.id)
            days = whole_days(self._clock() - person.registered_at)
            await work.people.delete(person.id)
            await work.commit()
        record(
            UserStopped(days_since_registration=days, total_subscriptions_at_stop=len(subscriptions)),
            visitor=visit.visitor,
        )
        return Farewell(booking=booking)


def _ask_nothing(person: Person) -> None:
    person.asked_dates_for = person.calendar_start = None
    person.asked_search = False


def _visit(person: Person, step: str | None) -> Visit:
    asking: Asking | None = None
    if person.asked_search:
        asking = "search"
    elif person.asked_dates_for is not None:
        asking = "dates"
    else:
        asking = step  # type: ignore[assignment]  # only booking services write it, from the same list
    return Visit(
        person_id=person.id,
        telegram_id=person.telegram_id,
        visitor=person.visitor,
        language=language_of(person.language),
        previous_seen_at=person.last_seen_at,
        asking=asking,
    )
