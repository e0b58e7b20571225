"""Second thoughts at the summary: another name, another address, another time."""

from termin_bot.events import SlotSelected
from termin_bot.munich import BookingGateway, Catalogue, Reservation, Slot, SlotGone
from termin_bot.recording import record
from termin_bot.services.booking_results import NoBooking, NoOtherTime, OtherTimes, Prompt, SlotUnavailable
from termin_bot.services.catalogue import CatalogueShelf, service_name
from termin_bot.services.clock import Clock, time_of_day
from termin_bot.services.endings import Endings, credentials
from termin_bot.services.patience import Patience
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.services.prompting import held_for, hold, offers, prompt, scope_of, suitable
from termin_bot.services.questions import Detail, change, keep_step
from termin_bot.storage import SUBMITTING, BookingSession, SlotRow, UnitOfWork
from termin_bot.tracing import traced


class Changing:
    """Changes a booking that holds an appointment. The old time is given back only when the new one is reserved."""

    def __init__(
        self,
        *,
        work: Work,
        city: BookingGateway,
        shelf: CatalogueShelf,
        endings: Endings,
        patience: Patience,
        clock: Clock,
        session_seconds: float,
    ) -> None:
        self._patience = patience
        self._work = work
        self._city = city
        self._shelf = shelf
        self._endings = endings
        self._clock = clock
        self._session_seconds = session_seconds

    @traced("service booking.change")
    async def change(self, visit: Visit, booking_id: int, detail: Detail) -> Prompt | NoBooking:
        """Ask for a detail again."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._holding(work, visit, booking_id)
            if booking is None:
                return NoBooking()
            change(booking, detail, scope_of(catalogue, booking.office_id))
            await work.commit()
        return prompt(catalogue, booking, self._clock())

    @traced("service booking.other_times")
    async def other_times(self, visit: Visit, booking_id: int) -> OtherTimes | NoOtherTime | NoBooking:
        """Offer other times; what is held stays held."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._holding(work, visit, booking_id)
            if booking is None:
                return NoBooking()
            held = SlotRow(id=0, service_id=booking.service_id, office_id=booking.office_id, start=booking.start)
            others = [
                each for each in await suitable(work, visit.person_id, held, self._clock()) if not holds(booking, each)
            ]
            booking.step = "time_selection"
            if not others:
                keep_step(booking, scope_of(catalogue, booking.office_id))
            await work.commit()
        if not others:
            return NoOtherTime(prompt(catalogue, booking, self._clock()))
        name = service_name(catalogue, booking.service_id)
        return OtherTimes(booking_id=booking.id, service_name=name, offers=offers(catalogue, others))

    @traced("service booking.keep")
    async def keep(self, visit: Visit, booking_id: int) -> Prompt | NoBooking:
        """Keep the time that is held."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._holding(work, visit, booking_id)
            if booking is None:
                return NoBooking()
            keep_step(booking, scope_of(catalogue, booking.office_id))
            await work.commit()
        return prompt(catalogue, booking, self._clock())

    async def swap(
        self, visit: Visit, booking: BookingSession, row: SlotRow
    ) -> Prompt | NoBooking | NoOtherTime | OtherTimes | SlotUnavailable:
        """Reserve another time and give the old one back; raises MunichError, and the old one stays."""
        if row.service_id != booking.service_id:
            return SlotUnavailable()
        if holds(booking, row):
            return await self.keep(visit, booking.id)
        record(SlotSelected(service_id=row.service_id, selected_time=time_of_day(row.start)), alias=booking.alias)
        try:
            reservation = await self._city.reserve(Slot(row.service_id, row.office_id, row.start))
        except SlotGone:
            await self._note_gone(row.id)
            return await self.other_times(visit, booking.id)
        return await self._take_over(visit, booking, reservation)

    async def _take_over(self, visit: Visit, booking: BookingSession, new: Reservation) -> Prompt | NoBooking:
        catalogue = await self._shelf.current()
        held = await self._patience.insist(lambda: self._keep(catalogue, visit, booking, new))
        # The old one, unless the booking ran out while the city was reserving; as it was read before the exchange.
        await self._endings.hand_back(new.credentials if held is None else credentials(booking))
        return NoBooking() if held is None else prompt(catalogue, held, self._clock())

    async def _keep(
        self, catalogue: Catalogue, visit: Visit, booking: BookingSession, new: Reservation
    ) -> BookingSession | None:
        async with self._work() as work:
            held = await work.bookings.of(visit.person_id)
            if held is None or held.id != booking.id:
                return None
            scope = scope_of(catalogue, new.office_id)
            held.office_id, held.start = new.office_id, new.start
            held.process_id, held.auth_key = new.process_id, new.auth_key
            hold(held, held_for(scope, self._session_seconds), self._clock())
            keep_step(held, scope)
            await work.commit()
        return held

    async def _note_gone(self, slot_id: int) -> None:
        async with self._work() as work:
            row = await work.slots.get(slot_id)
            if row is not None and row.gone_at is None:
                row.gone_at = self._clock()
                await work.commit()

    async def _holding(self, work: UnitOfWork, visit: Visit, booking_id: int) -> BookingSession | None:
        booking = await work.bookings.of(visit.person_id)
        if booking is None or booking.id != booking_id or booking.deadline <= self._clock():
            return None
        return booking if booking.process_id is not None and booking.step != SUBMITTING else None


def holds(booking: BookingSession, row: SlotRow) -> bool:
    """Return whether *row* is the appointment that the booking holds."""
    return (row.service_id, row.office_id, row.start) == (booking.service_id, booking.office_id, booking.start)
