"""
The booking, from "Book" to the summary. One at a time per person; its state is a row, so a restart loses nothing.

    time_selection ──reserve──► name_entry ► email_entry ► (telephone_entry) ► (text_entry) ► confirmation ► submitting
"""

from collections.abc import Sequence
from typing import Final

from opentelemetry import trace

from otel_umami_exporter import record
from termin_bot.events import BookingConfirmed, BookingStarted, LeadTime, SlotSelected
from termin_bot.munich import BookingGateway, Catalogue, Scope, Slot, SlotGone
from termin_bot.services.booking_results import (
    AlreadyBooking,
    NoBooking,
    Prompt,
    Question,
    SlotUnavailable,
    Summary,
    Taken,
    TimesOffered,
)
from termin_bot.services.catalogue import CatalogueShelf, office_label, service_name
from termin_bot.services.clock import NS, Clock, day_of, time_of_day, today
from termin_bot.services.endings import Endings
from termin_bot.services.notices import Offer
from termin_bot.services.notifying import MAX_OFFERS
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.services.questions import Answered, Invalid, answer, question_of, skip_question
from termin_bot.services.submitting import Booked, Refused, Submitting
from termin_bot.storage import SUBMITTING, BookingSession, SlotRow, UnitOfWork

_MINUTE: Final = 60
_LEAD_TIMES: Final[tuple[tuple[int, LeadTime], ...]] = ((1, "0-1"), (3, "2-3"), (7, "4-7"), (14, "8-14"), (30, "15-30"))


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
        clock: Clock,
        session_seconds: float,
    ) -> None:
        self._work = work
        self._city = city
        self._shelf = shelf
        self._endings = endings
        self._submitting = submitting
        self._clock = clock
        self._session_seconds = session_seconds

    async def start(self, visit: Visit, slot_id: int) -> TimesOffered | AlreadyBooking | SlotUnavailable:
        """Begin a booking with the appointment that was pressed, and offer others beside it."""
        catalogue = await self._shelf.current()
        now = self._clock()
        async with self._work() as work:
            running = await work.bookings.of(visit.person_id)
            if running is not None:
                return AlreadyBooking(running.id, service_name(catalogue, running.service_id))
            slot = await work.slots.get(slot_id)
            if slot is None or slot.gone_at is not None or slot.start <= now:
                return SlotUnavailable()
            press = trace.get_current_span().get_span_context()
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
                )
            )
            others = await self._suitable(work, visit, slot)
            person = await work.people.get(visit.person_id)
            if person is not None:
                person.asked_dates_for = None  # what is typed from now on is for the booking
            await work.commit()
        name = service_name(catalogue, slot.service_id)
        record(
            BookingStarted(
                service_id=slot.service_id,
                service_name=name,
                office_id=slot.office_id,
                lead_time=lead_time((day_of(slot.start) - today(now)).days),
            )
        )
        return TimesOffered(booking_id=booking.id, service_name=name, offers=_offers(catalogue, [slot, *others]))

    async def choose(self, visit: Visit, slot_id: int) -> Prompt | Taken | NoBooking | SlotUnavailable | Refused:
        """Reserve a time at once; raises MunichError when the city does not answer, and the choice stays open."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._running(work, visit)
            row = await work.slots.get(slot_id)
            if booking is None:
                return NoBooking()
            if booking.step != "time_selection":
                return _prompt(catalogue, booking)
            if row is None or row.service_id != booking.service_id:
                return SlotUnavailable()
            booking.office_id, booking.start = row.office_id, row.start
            await work.commit()
        record(SlotSelected(service_id=row.service_id, selected_time=time_of_day(row.start)))
        try:
            reservation = await self._city.reserve(Slot(row.service_id, row.office_id, row.start))
        except SlotGone:
            return await self._next_best(catalogue, visit, booking, row)
        async with self._work() as work:
            held = await work.bookings.of(visit.person_id)
            if held is not None and held.id == booking.id:
                held.process_id, held.auth_key = reservation.process_id, reservation.auth_key
                held.deadline = self._clock() + self._holds_for(_scope(catalogue, held.office_id))
                held.step = "name_entry"
                await work.commit()
                return _prompt(catalogue, held)
        # It ran out while the city was reserving: nobody else knows of this reservation.
        booking.process_id, booking.auth_key = reservation.process_id, reservation.auth_key
        await self._endings.give_back(booking)
        return NoBooking()

    async def answer(self, visit: Visit, text: str) -> Prompt | NoBooking:
        """Take what a person typed for the question they were asked last."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._running(work, visit)
            if booking is None or booking.step == SUBMITTING:
                return NoBooking()
            answered = answer(booking, text, _scope(catalogue, booking.office_id))
            if isinstance(answered, Answered):
                await work.commit()
        if isinstance(answered, Answered) and answered.event is not None:
            record(answered.event)
        return _prompt(catalogue, booking, answered if isinstance(answered, Invalid) else None)

    async def skip(self, visit: Visit, booking_id: int) -> Prompt | NoBooking:
        """Leave an optional question unanswered."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._running(work, visit)
            if booking is None or booking.id != booking_id or booking.step == SUBMITTING:
                return NoBooking()
            skip_question(booking, _scope(catalogue, booking.office_id))
            await work.commit()
        return _prompt(catalogue, booking)

    async def confirm(self, visit: Visit, booking_id: int) -> Booked | Refused | Prompt | NoBooking:
        """Have the city book what the summary shows."""
        catalogue = await self._shelf.current()
        async with self._work() as work:
            booking = await self._running(work, visit)
            if booking is None or booking.id != booking_id or booking.step in (SUBMITTING, "time_selection"):
                return NoBooking()
            if booking.step != "confirmation":
                return _prompt(catalogue, booking)
            booking.step = SUBMITTING
            await work.commit()
        record(BookingConfirmed(service_id=booking.service_id))
        return await self._submitting.submit(booking, visit.visitor)

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

    async def abandoned(self, booking: BookingSession, visitor: str) -> None:
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
            others = await self._suitable(work, visit, gone)
            ended = not others and await work.bookings.take(booking.id)
            await work.commit()
        if not ended:
            return Taken(booking_id=booking.id, offers=_offers(catalogue, others))
        name = service_name(catalogue, booking.service_id)
        self._endings.completed(booking, visit.visitor, name, "slot_gone")
        return Refused(service_name=name, reason="slot_gone")

    async def _suitable(self, work: UnitOfWork, visit: Visit, pressed: SlotRow) -> list[SlotRow]:
        """Return other free times that suit this person, soonest first."""
        watched = await work.subscriptions.of(visit.person_id)
        mine = next((each for each in watched if each.service_id == pressed.service_id), None)
        now = self._clock()
        return [
            each
            for each in await work.slots.free(pressed.service_id, () if mine else (pressed.office_id,))
            if each.id != pressed.id
            and each.start > now
            and (mine is None or mine.suits(each.service_id, each.office_id, day_of(each.start)))
        ]

    def _holds_for(self, scope: Scope | None) -> float:
        if scope is None:
            return self._session_seconds
        return min(scope.reservation_minutes * _MINUTE, self._session_seconds)


def lead_time(days: int) -> LeadTime:
    """Return the band of days between now and an appointment; the exact day is nobody's business."""
    return next((band for last, band in _LEAD_TIMES if days <= last), "31+")


def _scope(catalogue: Catalogue, office_id: int) -> Scope | None:
    office = catalogue.offices.get(office_id)
    return None if office is None else office.scope


def _offers(catalogue: Catalogue, rows: Sequence[SlotRow]) -> tuple[Offer, ...]:
    return tuple(
        Offer(slot_id=each.id, start=each.start, office=office_label(catalogue, each.office_id))
        for each in rows[:MAX_OFFERS]
    )


def _prompt(catalogue: Catalogue, booking: BookingSession, invalid: Invalid | None = None) -> Prompt:
    question = question_of(booking, _scope(catalogue, booking.office_id))
    if question.step != "confirmation":
        return Question(
            booking_id=booking.id,
            step=question.step,
            label=question.label,
            is_optional=question.is_optional,
            held_until=booking.deadline,
            invalid=invalid,
        )
    typed = (booking.name, booking.email, booking.telephone, booking.custom_text, booking.custom_text2)
    return Summary(
        booking_id=booking.id,
        service_name=service_name(catalogue, booking.service_id),
        office=office_label(catalogue, booking.office_id),
        start=booking.start,
        held_until=booking.deadline,
        details=tuple(each for each in typed if each),
    )
