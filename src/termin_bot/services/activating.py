"""
After the booking: whether the citizen opened the link in the city's mail. Opening it is theirs alone, never ours.

The city is asked a few times only: 1, 3, 7 and 15 minutes after the booking, 3 and 2 minutes before the time is up,
and once when it is.
"""

import logging
from dataclasses import dataclass
from typing import Final, Literal

from termin_bot.munich import BookingGateway, Catalogue, Credentials, MunichError, Reservation, ReservationExpired
from termin_bot.recording import on_behalf_of
from termin_bot.services.catalogue import CatalogueShelf, office_label, service_name
from termin_bot.services.clock import Clock
from termin_bot.services.notices import (
    Activated,
    ActivationDue,
    AppointmentVanished,
    Attachment,
    NotActivated,
    Notice,
)
from termin_bot.services.people import People
from termin_bot.services.ports import Accepted, Blocked, Messenger, Outcome, Work
from termin_bot.storage import PRECONFIRMED, Appointment, Person
from termin_bot.tracing import carrying_on, root_span, say_who

_log: Final = logging.getLogger(__name__)
_MINUTE: Final = 60.0
LOOK_AFTER_MINUTES: Final = (1, 3, 7, 15)
LOOK_BEFORE_END_MINUTES: Final = (3, 2)
WARN_SECONDS: Final = 120.0
END_GRACE: Final = 10.0
"""Seconds that the city may need for deleting what was not activated."""
GIVE_UP_AFTER: Final = 600.0
"""Seconds after the deadline for which an unanswered question is asked again, once a minute."""
CALENDAR_FILE: Final = "appointment.ics"

State = Literal["preconfirmed", "confirmed", "expired", "cancelled"]


def next_look(booked_at: float, activate_by: float, now: float) -> float | None:
    """Return when the city is to be asked next; None when it has been asked often enough."""
    after = {booked_at + minutes * _MINUTE for minutes in LOOK_AFTER_MINUTES}
    before = {activate_by - minutes * _MINUTE for minutes in LOOK_BEFORE_END_MINUTES}
    moments = sorted(each for each in after | before if booked_at < each < activate_by)
    end = activate_by + END_GRACE
    upcoming = next((each for each in (*moments, end) if each > now), None)
    if upcoming is None and now < activate_by + GIVE_UP_AFTER:
        return now + _MINUTE
    return upcoming


@dataclass(frozen=True)
class _Finding:
    state: State
    notice: Notice | None = None
    attachment: Attachment | None = None


class Activating:
    """Asks after appointments that wait for their citizen, and says how it went."""

    def __init__(
        self,
        *,
        work: Work,
        city: BookingGateway,
        shelf: CatalogueShelf,
        people: People,
        messenger: Messenger,
        clock: Clock,
    ) -> None:
        self._work = work
        self._city = city
        self._shelf = shelf
        self._people = people
        self._messenger = messenger
        self._clock = clock

    async def look(self) -> None:
        """Ask after every appointment whose turn it is, and delete the credentials of those that have begun."""
        now = self._clock()
        async with self._work() as work:
            await work.appointments.forget_credentials(now)
            due = [
                (appointment, person)
                for appointment in await work.appointments.to_look_at(now)
                if (person := await work.people.get(appointment.person_id)) is not None
            ]
            await work.commit()
        for appointment, person in due:
            with carrying_on(_log, "asking after"), root_span("appointment check") as span, on_behalf_of(person):
                say_who(span, person.visitor)
                finding = await self._find(appointment)
                span.set_attribute("termin_bot.appointment.state", finding.state)
                is_told = await self._tell(person, finding)
                await self._keep(appointment.id, finding.state, is_told=is_told)

    async def _find(self, appointment: Appointment) -> _Finding:
        opening = opening_of(appointment)
        if opening is None:
            return _Finding("expired")
        catalogue = await self._shelf.current_or_empty()
        try:
            reservation = await self._city.appointment(opening)
        except ReservationExpired:
            return self._gone(appointment, catalogue)
        except MunichError as error:
            _log.warning("an appointment could not be asked after: %s", error)
            return _Finding(PRECONFIRMED, self._due(appointment, catalogue))
        match reservation.status:
            case "deleted":
                return self._gone(appointment, catalogue)
            case "reserved" | "preconfirmed":
                if self._clock() < _end_of(appointment) + END_GRACE:
                    return _Finding(PRECONFIRMED, self._due(appointment, catalogue))
                return _Finding("expired", NotActivated(service_name=service_name(catalogue, appointment.service_id)))
            case "confirmed" | "other":
                return _Finding("confirmed", _activated(appointment, catalogue), calendar_file(reservation))

    def _due(self, appointment: Appointment, catalogue: Catalogue) -> ActivationDue | None:
        left = _end_of(appointment) - self._clock()
        if not 0 < left <= WARN_SECONDS:
            return None
        name = service_name(catalogue, appointment.service_id)
        return ActivationDue(service_name=name, minutes=max(1, round(left / _MINUTE)))

    def _gone(self, appointment: Appointment, catalogue: Catalogue) -> _Finding:
        name = service_name(catalogue, appointment.service_id)
        if self._clock() >= _end_of(appointment):
            return _Finding("expired", NotActivated(service_name=name))
        return _Finding("cancelled", AppointmentVanished(service_name=name, start=appointment.start))

    async def _keep(self, appointment_id: int, state: State, *, is_told: bool) -> None:
        now = self._clock()
        async with self._work() as work:
            found = await work.appointments.get(appointment_id)
            if found is None:
                return  # the person left meanwhile
            if not is_told and now < _end_of(found) + GIVE_UP_AFTER:
                found.look_at = now + _MINUTE  # Telegram did not take it: they have to hear of it
            else:
                note(found, state)
                if state == PRECONFIRMED:
                    found.look_at = next_look(found.booked_at, _end_of(found), now)
            await work.commit()

    async def _tell(self, person: Person, finding: _Finding) -> bool:
        """Say what was found; False when Telegram had trouble and it has to be said again."""
        outcome: Outcome | None = None
        if finding.notice is not None:
            outcome = await self._messenger.send(person.telegram_id, finding.notice)
        if finding.attachment is not None and isinstance(outcome, Accepted):
            # The file can be had by a button as well: once the news is out, it is not repeated for the file's sake.
            file_outcome = await self._messenger.attach(person.telegram_id, finding.attachment)
            outcome = file_outcome if isinstance(file_outcome, Blocked) else outcome
        if isinstance(outcome, Blocked):
            await self._people.blocked(person.telegram_id)
        return outcome is None or isinstance(outcome, Accepted | Blocked)


def opening_of(appointment: Appointment) -> Credentials | None:
    """Return what opens the appointment at the city, while it is kept."""
    if appointment.process_id is None or appointment.auth_key is None:
        return None
    return Credentials(appointment.process_id, appointment.auth_key)


def note(appointment: Appointment, state: State) -> None:
    """Note how an appointment stands; what is over keeps no credentials, and only what is open is asked after."""
    appointment.state = state
    if state != PRECONFIRMED:
        appointment.look_at = None
    if state in ("expired", "cancelled"):
        appointment.process_id = appointment.auth_key = None


def calendar_file(reservation: Reservation) -> Attachment | None:
    """Return the city's calendar entry as a file, once there is one."""
    return None if reservation.ics is None else Attachment(name=CALENDAR_FILE, content=reservation.ics.encode())


def _end_of(appointment: Appointment) -> float:
    return appointment.booked_at if appointment.activate_by is None else appointment.activate_by


def _activated(appointment: Appointment, catalogue: Catalogue) -> Activated:
    return Activated(
        service_name=service_name(catalogue, appointment.service_id),
        office=office_label(catalogue, appointment.office_id),
        start=appointment.start,
    )
