"""The buttons and the answers of a booking."""

from termin_bot import buttons_booking, keyboards, keyboards_booking, texts_booking
from termin_bot.handlers.calls import Answer, Call
from termin_bot.screens import Screen
from termin_bot.services.booking_results import (
    AlreadyBooking,
    NoBooking,
    NoOtherTime,
    OtherTimes,
    Question,
    SlotUnavailable,
    Summary,
    Taken,
    TimesOffered,
)
from termin_bot.services.submitting import Booked, Refused

Result = (
    TimesOffered
    | Taken
    | OtherTimes
    | NoOtherTime
    | Question
    | Summary
    | AlreadyBooking
    | NoBooking
    | SlotUnavailable
    | Booked
    | Refused
)


async def book(call: Call, button: buttons_booking.Book) -> Answer:
    """Begin a booking."""
    return show(await call.services.booking.start(call.visit, button.slot_id))


async def pick_time(call: Call, button: buttons_booking.PickTime) -> Answer:
    """Reserve a time."""
    return show(await call.services.booking.choose(call.visit, button.slot_id))


async def skip_question(call: Call, button: buttons_booking.SkipQuestion) -> Answer:
    """Leave an optional question unanswered."""
    return show(await call.services.booking.skip(call.visit, button.session_id))


async def confirm(call: Call, button: buttons_booking.ConfirmBooking) -> Answer:
    """Have the city book it."""
    return show(await call.services.booking.confirm(call.visit, button.session_id))


async def change_detail(call: Call, button: buttons_booking.ChangeDetail) -> Answer:
    """Ask for the name or the address again."""
    return show(await call.services.changing.change(call.visit, button.session_id, button.detail))


async def change_time(call: Call, button: buttons_booking.ChangeTime) -> Answer:
    """Offer other times."""
    return show(await call.services.changing.other_times(call.visit, button.session_id))


async def keep_time(call: Call, button: buttons_booking.KeepTime) -> Answer:
    """Keep the time that is reserved."""
    return show(await call.services.changing.keep(call.visit, button.session_id))


async def cancel(call: Call, button: buttons_booking.CancelBooking) -> Answer:
    """Give it back."""
    if await call.services.booking.cancel(call.visit, button.session_id):
        return Answer(Screen(texts_booking.CANCELLED()))
    return Answer(Screen(texts_booking.NO_BOOKING()), is_stale=True)


async def answer(call: Call) -> Answer:
    """Take what was typed for the question that was asked."""
    return show(await call.services.booking.answer(call.visit, call.text))


def show(result: Result) -> Answer:
    """Give words to what came of it."""
    match result:
        case TimesOffered() | Taken() | OtherTimes():
            return Answer(_times(result))
        case NoOtherTime():
            return Answer(keyboards_booking.prompt(result.summary, texts_booking.no_other_time()))
        case Question() | Summary():
            return Answer(keyboards_booking.prompt(result))
        case AlreadyBooking():
            return Answer(keyboards_booking.already_booking(result))
        case NoBooking():
            return Answer(Screen(texts_booking.NO_BOOKING()), is_stale=True)
        case SlotUnavailable():
            return Answer(Screen(texts_booking.SLOT_UNAVAILABLE()), is_stale=True)
        case Booked():
            text = texts_booking.booked(result.service_name, result.office, result.start, result.activation_minutes)
            return Answer(keyboards.hint(text, "appointments", "myservices"))
        case Refused():
            return Answer(Screen(texts_booking.booking_failed(result.service_name, result.reason)))


def _times(offered: TimesOffered | Taken | OtherTimes) -> Screen:
    match offered:
        case TimesOffered():
            text = texts_booking.choose_time(offered.service_name)
            return keyboards_booking.times(offered.booking_id, text, offered.offers)
        case Taken():
            return keyboards_booking.times(offered.booking_id, texts_booking.taken(), offered.offers)
        case OtherTimes():
            return keyboards_booking.other_times(offered)
