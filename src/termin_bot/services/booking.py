"""
The booking, from "Book" to the summary. One at a time per person; its state is a row, so a restart loses nothing.

    time_selection ──reserve──► name_entry ► email_entry ► (telephone_entry) ► (text_entry) ► confirmation ► submitting
"""

import secrets
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import SpanContext

from termin_bot.events import BookingConfirmed, BookingStarted, LeadTime, SlotSelected
from termin_bot.munich import BookingGateway, Catalogue, Reservation, Slot, SlotGone
from termin_bot.recording import record
from termin_bot.services.booking_results import (
    AlreadyBooking,
    NoBooking,
    NoOtherTime,
    OtherTimes,
    Prompt,
    SlotUnavailable,
    Taken,
    TimesOffered,
)
from termin_bot.services.catalogue import CatalogueShelf, service_name
from termin_bot.services.changing import Changing
from termin_bot.services.clock import NS, Clock, day_of, time_of_day, today
from termin_bot.services.endings import Endings
from termin_bot.services.patience import Patience
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.services.prompting import held_for, hold, offers, prompt, scope_of, suitable
from termin_bot.services.questions import Answered, Invalid, answer, keep_step, question_of, skip_question
from termin_bot.services.sharing import Instance
from termin_bot.services.submitting import Booked, Refused, Submitting
from termin_bot.storage import SUBMITTING, BookingSession, SlotRow, UnitOfWork
from termin_bot.tracing import span, traced

ALIAS_BYTES: Final = 18
_LEAD_TIMES: Final[tuple[tuple[int, LeadTime], ...]] = ((1, "0-1"), (3, "2-3"), (7, "4-7"), (14, "8-14"), (30, "15-30"))

Chosen = Prompt | Taken | NoBooking | SlotUnavailable | Refused | OtherTimes | NoOtherTime


class Booking:
    """Leads people through a booking."""

    def __init__(
        self,
        *,
        work: Work,
        city: BookingGateway,
        shelf: CatalogueShelf,
        endings: Endings,
        submitting: Submitting,
        changing: Changing,
        instance: Instance,
        patience: Patience,
        clock: Clock,
        session_seconds: float,
    ) -> None:
        self._work = work
        self._instance = instance
        self._patience = patience
        self._city = city
        self._shelf = shelf
        self._endings = endings
        self._submitting = submitting
        self._changing = changing
        self._clock = clock
        self._session_seconds = session_seconds

    async def start(self, visit: Visit, slot_id: int) -> TimesOffered | AlreadyBooking | SlotUnavailable:
        """Begin a booking with the appointment that was pressed, and offer others beside it."""
        press = trace.get_current_span().get_span_context()
        with span("service booking.start"):
            return await self._start(visit, slot_id, press)

    async def _start(
        self, visit: Visit, slot_id: int, press: SpanContext
    ) -> TimesOffered | AlreadyBooking | SlotUnavailable:
        catalogue = await self._shelf.current()
        now = self._clock()
        async with self._work() as work:
            running = await work.bookings.of(visit.person_id)
            if running is not None:
                is_holding = running.process_id is not None and running.step != SUBMITTING
                return AlreadyBooking(running.id, service_name(catalogue, running.service_id), is_holding)
            slot = await work.slots.get(slot_id)
            if slot is None or slot.gone_at is not None or slot.start <= now:
                return SlotUnavailable()
            booking = await work.bookings.add(
                BookingSession(
                    person_id=visit.person_id,
                    service_id=slot.service_id,
                    office_id=slot.office_id,
                    start=slot.start,
                    step="time_selection",
                    started_at_ns=int(now * NS),
                    deadline=now + self._session_seconds,
                    trace_id=trace.format_trace_id(press.trace_id),
                    span_id=trace.format_span_id(press.span_id),
                    alias=secrets.token_urlsafe(ALIAS_BYTES),
                )
            )
            others = await suitable(work, visit.person_id, slot, now)
            person = await work.people.get(visit.person_id)
            if person is not None:
                person.asked_search = False
                person.asked_dates_for = None  # what is typed from now on is for the booking
            await work.commit()
        name = service_name(catalogue, slot.service_id)
        record(
            BookingStarted(
                service_id=slot.service_id,
                service_name=name,
                office_id=slot.office_id,
                lead_time=lead_time((day_of(slot.start) - today(now)).days),
            ),
            alias=booking.alias,
        )
        return TimesOffered(booking_id=booking.id, service_name=name, offers=offers(catalogue, [slot, *others]))

    @traced("service booking.choose")
    async def choose(self, visit: Visit, slot_id: int) -> Chosen:
        """Reserve a time at once; raises MunichError when the city does not answer, and the choice stays open."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._running(work, visit)
            row = await work.slots.get(slot_id)
            if booking is None:
                return NoBooking()
            if booking.step != "time_selection":
                return prompt(catalogue, booking, self._clock())
            if row is None or row.service_id != booking.service_id:
                return SlotUnavailable()
            if booking.process_id is None:
                booking.office_id, booking.start = row.office_id, row.start
                await work.commit()
        if booking.process_id is not None:
            return await self._changing.swap(visit, booking, row)
        record(SlotSelected(service_id=row.service_id, selected_time=time_of_day(row.start)), alias=booking.alias)
        try:
            reservation = await self._city.reserve(Slot(row.service_id, row.office_id, row.start))
        except SlotGone:
            return await self._next_best(catalogue, visit, booking, row)
        kept = await self._patience.insist(lambda: self._keep(catalogue, booking, reservation))
        if kept is not None:
            return prompt(catalogue, kept, self._clock())
        # It ran out while the city was reserving: nobody else knows of this reservation.
        booking.process_id, booking.auth_key = reservation.process_id, reservation.auth_key
        await self._endings.give_back(booking)
        return NoBooking()

    async def _keep(
        self, catalogue: Catalogue, booking: BookingSession, reservation: Reservation
    ) -> BookingSession | None:
        """Write down what the city holds; None when the booking has ended meanwhile."""
        async with self._work() as work:
            held = await work.bookings.of(booking.person_id)
            if held is None or held.id != booking.id:
                return None
            held.process_id, held.auth_key = reservation.process_id, reservation.auth_key
            scope = scope_of(catalogue, held.office_id)
            hold(held, held_for(scope, self._session_seconds), self._clock())
            keep_step(held, scope)
            await work.commit()
            return held

    @traced("service booking.answer")
    async def answer(self, visit: Visit, text: str) -> Prompt | NoBooking:
        """Take what a person typed for the question they were asked last."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._running(work, visit)
            if booking is None or booking.step == SUBMITTING:
                return NoBooking()
            answered = answer(booking, text, scope_of(catalogue, booking.office_id))
            if isinstance(answered, Answered):
                await work.commit()
        if isinstance(answered, Answered) and answered.event is not None:
            record(answered.event, alias=booking.alias)
        return prompt(catalogue, booking, self._clock(), answered if isinstance(answered, Invalid) else None)

    @traced("service booking.skip")
    async def skip(self, visit: Visit, booking_id: int) -> Prompt | NoBooking:
        """Leave an optional question unanswered."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._running(work, visit)
            if booking is None or booking.id != booking_id or booking.step == SUBMITTING:
                return NoBooking()
            skip_question(booking, scope_of(catalogue, booking.office_id))
            await work.commit()
        return prompt(catalogue, booking, self._clock())

    @traced("service booking.confirm")
    async def confirm(self, visit: Visit, booking_id: int) -> Booked | Refused | Prompt | NoBooking:
        """Have the city book what the summary shows."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._running(work, visit)
            if booking is None or booking.id != booking_id or booking.step == SUBMITTING:
                return NoBooking()
            if question_of(booking, scope_of(catalogue, booking.office_id)).step != "confirmation":
                return prompt(catalogue, booking, self._clock())
            booking.step, booking.submitter = SUBMITTING, self._instance.holder
            await work.commit()
        record(BookingConfirmed(service_id=booking.service_id), alias=booking.alias)
        return await self._submitting.submit(booking, visit.visitor) or NoBooking()

    @traced("service booking.cancel")
    async def cancel(self, visit: Visit, booking_id: int | None = None) -> bool:
        """End the person's booking and give the appointment back; False when there is none (or not this one)."""
        async with self._work() as work:
            booking = await work.bookings.of(visit.person_id)
            if booking is None or booking.step == SUBMITTING or booking_id not in (None, booking.id):
                return False
            taken = await work.bookings.take(booking.id)
            await work.commit()
        if taken:
            await self.abandoned(booking, visit.visitor)
        return taken

    async def abandoned(self, booking: BookingSession, visitor: str | None) -> None:
        """Give back what a booking held whose row is gone already, and record that the person ended it."""
        await self._endings.give_back(booking)
        self._endings.cancelled(booking, visitor)

    async def _running(self, work: UnitOfWork, visit: Visit) -> BookingSession | None:
        booking = await work.bookings.of(visit.person_id)
        # One that ran out is the sweeper's: it tells the person, too.
        return booking if booking is not None and booking.deadline > self._clock() else None

    async def _next_best(
        self, catalogue: Catalogue, visit: Visit, booking: BookingSession, gone: SlotRow
    ) -> Taken | Refused:
        async with self._work() as work:
            row = await work.slots.get(gone.id)
            if row is not None and row.gone_at is None:
                row.gone_at = self._clock()
            others = await suitable(work, visit.person_id, gone, self._clock())
            ended = not others and await work.bookings.take(booking.id)
            await work.commit()
        if not ended:
            return Taken(booking_id=booking.id, offers=offers(catalogue, others))
        name = service_name(catalogue, booking.service_id)
        self._endings.completed(booking, visit.visitor, name, "slot_gone")
        return Refused(service_name=name, reason="slot_gone")


def lead_time(days: int) -> LeadTime:
    """Return the band of days between now and an appointment; the exact day is nobody's business."""
    return next((band for last, band in _LEAD_TIMES if days <= last), "31+")
