"""The appointments that a person booked here: how they stand, their calendar file, and giving them back."""

from dataclasses import dataclass
from typing import Final

from termin_bot.munich import BookingGateway, MunichError, MunichRefused, ReservationExpired
from termin_bot.services.activating import State, calendar_file, note, opening_of
from termin_bot.services.catalogue import CatalogueShelf, office_label, service_name
from termin_bot.services.clock import Clock
from termin_bot.services.notices import Attachment
from termin_bot.services.patience import Patience
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.storage import PRECONFIRMED, Appointment
from termin_bot.tracing import traced

MAX_QUESTIONS: Final = 3
"""How many appointments the city is asked about for one look at the list, the soonest first."""
UNCANCELLABLE: Final = "appointmentCanNotBeCanceled"


@dataclass(frozen=True, kw_only=True)
class AppointmentView:
    """An appointment as its owner sees it; *activate_by* is set while the link in the mail is still to be opened."""

    id: int
    service_name: str
    office: str
    start: int
    state: str
    activate_by: float | None
    can_be_cancelled: bool


@dataclass(frozen=True)
class NoAppointment:
    """There is no such appointment, or it is over."""


@dataclass(frozen=True)
class NoFileYet:
    """The city has a calendar file only once the link in its mail was opened."""


@dataclass(frozen=True)
class CancelledAtCity:
    """The appointment is free for others."""

    service_name: str


@dataclass(frozen=True)
class TooLateToCancel:
    """The city does not take it back any more."""

    service_name: str


class Appointments:
    """Shows and cancels what was booked here."""

    def __init__(
        self, *, work: Work, city: BookingGateway, shelf: CatalogueShelf, patience: Patience, clock: Clock
    ) -> None:
        self._work = work
        self._patience = patience
        self._city = city
        self._shelf = shelf
        self._clock = clock

    @traced("service appointments.mine")
    async def mine(self, visit: Visit) -> tuple[AppointmentView, ...]:
        """Return the appointments to come, as the city sees them now (as we last saw them, if it does not answer)."""
        now = self._clock()
        async with self._work() as work:
            rows = await work.appointments.of(visit.person_id, since=now)
        for row in [each for each in rows if opening_of(each) is not None][:MAX_QUESTIONS]:
            await self._refresh(row)
        catalogue = await self._shelf.current_or_empty()
        return tuple(
            AppointmentView(
                id=row.id,
                service_name=service_name(catalogue, row.service_id),
                office=office_label(catalogue, row.office_id),
                start=row.start,
                state=row.state,
                activate_by=row.activate_by if row.state == PRECONFIRMED else None,
                can_be_cancelled=opening_of(row) is not None,
            )
            for row in rows
        )

    @traced("service appointments.calendar_file")
    async def calendar_file(self, visit: Visit, appointment_id: int) -> Attachment | NoFileYet | NoAppointment:
        """Return the city's calendar file; raises MunichError when the city does not answer."""
        row = await self._own(visit, appointment_id)
        opening = None if row is None else opening_of(row)
        if opening is None:
            return NoAppointment()
        try:
            return calendar_file(await self._city.appointment(opening)) or NoFileYet()
        except ReservationExpired:
            await self._note(appointment_id, "cancelled")
            return NoAppointment()

    @traced("service appointments.of")
    async def of(self, visit: Visit, appointment_id: int) -> AppointmentView | NoAppointment:
        """Return one appointment that can still be cancelled."""
        row = await self._own(visit, appointment_id)
        if row is None or opening_of(row) is None:
            return NoAppointment()
        catalogue = await self._shelf.current_or_empty()
        return AppointmentView(
            id=row.id,
            service_name=service_name(catalogue, row.service_id),
            office=office_label(catalogue, row.office_id),
            start=row.start,
            state=row.state,
            activate_by=row.activate_by,
            can_be_cancelled=True,
        )

    @traced("service appointments.cancel")
    async def cancel(self, visit: Visit, appointment_id: int) -> CancelledAtCity | TooLateToCancel | NoAppointment:
        """Give an appointment back; raises MunichError when the city does not answer, and it stays."""
        row = await self._own(visit, appointment_id)
        opening = None if row is None else opening_of(row)
        if row is None or opening is None:
            return NoAppointment()
        name = service_name(await self._shelf.current_or_empty(), row.service_id)
        try:
            await self._city.cancel(opening)
        except ReservationExpired:
            await self._note(appointment_id, "cancelled")
            return NoAppointment()
        except MunichRefused as refusal:
            if refusal.error_code == UNCANCELLABLE:
                return TooLateToCancel(name)
            raise
        await self._note(appointment_id, "cancelled")
        return CancelledAtCity(name)

    async def _refresh(self, row: Appointment) -> None:
        opening = opening_of(row)
        assert opening is not None, "only rows with credentials are refreshed"
        state: State
        try:
            status = (await self._city.appointment(opening)).status
            state = PRECONFIRMED if status in ("reserved", PRECONFIRMED) else "confirmed"
            state = "cancelled" if status == "deleted" else state
        except ReservationExpired:
            state = "cancelled"
        except MunichError:
            return
        if state in (PRECONFIRMED, row.state):
            return
        if row.state != PRECONFIRMED:  # else `Activating` is about to find it, and to say so
            await self._note(row.id, state)
        row.state = state

    async def _own(self, visit: Visit, appointment_id: int) -> Appointment | None:
        async with self._work() as work:
            return await work.appointments.own(visit.person_id, appointment_id)

    async def _note(self, appointment_id: int, state: State) -> None:
        await self._patience.insist(lambda: self._write(appointment_id, state))  # the city has said so

    async def _write(self, appointment_id: int, state: State) -> None:
        async with self._work() as work:
            found = await work.appointments.get(appointment_id)
            if found is not None:
                note(found, state)
                await work.commit()
