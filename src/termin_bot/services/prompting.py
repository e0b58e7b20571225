"""What a booking shows next, as values. Pure: rows and the catalogue in, questions and offers out."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from termin_bot.munich import Catalogue, Scope
from termin_bot.services.booking_results import Prompt, Question, Summary
from termin_bot.services.catalogue import office_label, service_name
from termin_bot.services.clock import day_of
from termin_bot.services.notices import Offer
from termin_bot.services.notifying import MAX_OFFERS
from termin_bot.services.questions import Invalid, question_of
from termin_bot.storage import BookingSession, SlotRow, UnitOfWork

_MINUTE: Final = 60
WARN_SECONDS: Final = 120.0
"""How long before the end of a reservation its owner is warned."""


def prompt(catalogue: Catalogue, booking: BookingSession, now: float, invalid: Invalid | None = None) -> Prompt:
    """Return the next question, or the summary when everything is there."""
    question = question_of(booking, scope_of(catalogue, booking.office_id))
    minutes_left = max(0, ceil((booking.deadline - now) / _MINUTE))
    if question.step != "confirmation":
        return Question(
            booking_id=booking.id,
            step=question.step,
            label=question.label,
            is_optional=question.is_optional,
            held_until=booking.deadline,
            minutes_left=minutes_left,
            invalid=invalid,
        )
    typed = (booking.name, booking.email, booking.telephone, booking.custom_text, booking.custom_text2)
    return Summary(
        booking_id=booking.id,
        service_name=service_name(catalogue, booking.service_id),
        office=office_label(catalogue, booking.office_id),
        start=booking.start,
        held_until=booking.deadline,
        minutes_left=minutes_left,
        details=tuple(each for each in typed if each),
    )


def offers(catalogue: Catalogue, rows: Sequence[SlotRow]) -> tuple[Offer, ...]:
    """Return the earliest of these appointments as they are offered."""
    return tuple(
        Offer(slot_id=each.id, start=each.start, office=office_label(catalogue, each.office_id))
        for each in rows[:MAX_OFFERS]
    )


def scope_of(catalogue: Catalogue, office_id: int) -> Scope | None:
    """Return what the office demands of a booking; None for one that left the catalogue."""
    office = catalogue.offices.get(office_id)
    return None if office is None else office.scope


def held_for(scope: Scope | None, session_seconds: float) -> float:
    """Return for how many seconds a reservation holds: the city's time, and never more than the operator's."""
    return session_seconds if scope is None else min(scope.reservation_minutes * _MINUTE, session_seconds)


def hold(booking: BookingSession, seconds: float, now: float) -> None:
    """Begin the countdown; who has hardly more than the warning's time from the start is not warned."""
    booking.deadline = now + seconds
    booking.warned = seconds <= WARN_SECONDS


async def suitable(work: UnitOfWork, person_id: int, pressed: SlotRow, now: float) -> list[SlotRow]:
    """Return other free times that suit this person, soonest first."""
    watched = await work.subscriptions.of(person_id)
    mine = next((each for each in watched if each.service_id == pressed.service_id), None)
    return [
        each
        for each in await work.slots.free(pressed.service_id, () if mine else (pressed.office_id,))
        if each.id != pressed.id
        and each.start > now
        and (mine is None or mine.wish.suits(each.service_id, each.office_id, day_of(each.start)))
    ]
