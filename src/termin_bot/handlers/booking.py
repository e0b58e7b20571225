"""The buttons and the answers of a booking."""

from termin_bot import buttons, keyboards, texts
from termin_bot.handlers.calls import Answer, Call
from termin_bot.screens import Screen
from termin_bot.services.booking_results import (
    AlreadyBooking,
    NoBooking,
    Question,
    SlotUnavailable,
    Summary,
    Taken,
    TimesOffered,
)
from termin_bot.services.submitting import Booked, Refused

Result = TimesOffered | Taken | Question | Summary | AlreadyBooking | NoBooking | SlotUnavailable | Booked | Refused


async def book(call: Call, button: buttons.Book) -> Answer:
    """Begin a booking."""
    return show(await call.services.booking.start(call.visit, button.slot_id))


async def pick_time(call: Call, button: buttons.PickTime) -> Answer:
    """Reserve a time."""
    return show(await call.services.booking.choose(call.visit, button.slot_id))


async def skip_question(call: Call, button: buttons.SkipQuestion) -> Answer:
    """Leave an optional question unanswered."""
    return show(await call.services.booking.skip(call.visit, button.session_id))


async def confirm(call: Call, button: buttons.ConfirmBooking) -> Answer:
    """Have the city book it."""
    return show(await call.services.booking.confirm(call.visit, button.session_id))


async def cancel(call: Call, button: buttons.CancelBooking) -> Answer:
    """Give it back."""
    if await call.services.booking.cancel(call.visit, button.session_id):
        return Answer(Screen(texts.CANCELLED))
    return Answer(Screen(texts.NO_BOOKING), is_stale=True)


async def answer(call: Call) -> Answer:
    """Take what was typed for the question that was asked."""
    return show(await call.services.booking.answer(call.visit, call.text))


def show(result: Result) -> Answer:
    """Give words to what came of it."""
    match result:
        case TimesOffered():
            return Answer(keyboards.times(result.booking_id, texts.choose_time(result.service_name), result.offers))
        case Taken():
            return Answer(keyboards.times(result.booking_id, texts.taken(), result.offers))
        case Question():
            return Answer(keyboards.question(result))
        case Summary():
            return Answer(keyboards.summary(result))
        case AlreadyBooking():
            return Answer(keyboards.already_booking(result.booking_id, result.service_name))
        case NoBooking():
            return Answer(Screen(texts.NO_BOOKING), is_stale=True)
        case SlotUnavailable():
            return Answer(Screen(texts.SLOT_UNAVAILABLE), is_stale=True)
        case Booked():
            text = texts.booked(result.service_name, result.office, result.start, result.activation_minutes)
            return Answer(Screen(text))
        case Refused():
            return Answer(Screen(texts.booking_failed(result.service_name, result.reason)))
