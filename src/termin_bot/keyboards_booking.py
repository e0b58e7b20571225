"""The screens of a booking, and of the appointments that come of one."""

from collections.abc import Sequence

from termin_bot import texts, texts_booking
from termin_bot.buttons_booking import (
    CalendarFile,
    CancelAppointment,
    CancelBooking,
    ChangeDetail,
    ChangeTime,
    ConfirmBooking,
    ConfirmCancel,
    KeepAppointment,
    KeepTime,
    PickTime,
    SkipQuestion,
)
from termin_bot.screens import Key, Screen
from termin_bot.services.appointments import AppointmentView
from termin_bot.services.booking_results import AlreadyBooking, OtherTimes, Prompt, Question, Summary
from termin_bot.services.notices import Offer


def times(booking_id: int, text: str, offers: Sequence[Offer]) -> Screen:
    """Offer times to reserve."""
    rows = [
        (Key(texts.short(texts_booking.offered_slot(each.start, each.office)), PickTime(each.slot_id)),)
        for each in offers
    ]
    return Screen(text, (*rows, (Key(texts_booking.LABEL_CANCEL_BOOKING(), CancelBooking(booking_id)),)))


def other_times(offered: OtherTimes) -> Screen:
    """Offer other times in place of the one that is held."""
    rows = [
        (Key(texts.short(texts_booking.offered_slot(each.start, each.office)), PickTime(each.slot_id)),)
        for each in offered.offers
    ]
    last = (
        Key(texts_booking.LABEL_KEEP_TIME(), KeepTime(offered.booking_id)),
        Key(texts_booking.LABEL_CANCEL_BOOKING(), CancelBooking(offered.booking_id)),
    )
    return Screen(texts_booking.other_times(offered.service_name), (*rows, last))


def prompt(asked: Prompt, before: str = "") -> Screen:
    """Show the next question or the summary, with a line before it."""
    shown = question(asked) if isinstance(asked, Question) else summary(asked)
    return Screen(f"{before}\n\n{shown.text}", shown.rows) if before else shown


def question(asked: Question) -> Screen:
    """Ask for the next detail of a booking."""
    reason = None if asked.invalid is None else asked.invalid.reason
    skip = ((Key(texts_booking.LABEL_SKIP(), SkipQuestion(asked.booking_id)),),) if asked.is_optional else ()
    return Screen(
        texts_booking.question(asked.step, asked.label, asked.held_until, asked.minutes_left, reason),
        (*skip, (Key(texts_booking.LABEL_CANCEL_BOOKING(), CancelBooking(asked.booking_id)),)),
    )


def summary(shown: Summary) -> Screen:
    """Show a booking before the city is asked."""
    return Screen(
        texts_booking.summary(
            shown.service_name, shown.office, shown.start, shown.details, shown.held_until, shown.minutes_left
        ),
        (
            (Key(texts_booking.LABEL_CONFIRM(), ConfirmBooking(shown.booking_id)),),
            (
                Key(texts_booking.LABEL_CHANGE_NAME(), ChangeDetail(shown.booking_id, "name")),
                Key(texts_booking.LABEL_CHANGE_EMAIL(), ChangeDetail(shown.booking_id, "email")),
                Key(texts_booking.LABEL_CHANGE_TIME(), ChangeTime(shown.booking_id)),
            ),
            (Key(texts_booking.LABEL_CANCEL_BOOKING(), CancelBooking(shown.booking_id)),),
        ),
    )


def already_booking(running: AlreadyBooking) -> Screen:
    """Say that one booking at a time is enough, and lead back to it."""
    go_on = (Key(texts_booking.LABEL_GO_ON(), KeepTime(running.booking_id)),) if running.is_holding else ()
    cancel = Key(texts_booking.LABEL_CANCEL_BOOKING(), CancelBooking(running.booking_id))
    return Screen(texts_booking.already_booking(running.service_name), ((*go_on, cancel),))


def my_appointments(mine: Sequence[AppointmentView]) -> Screen:
    """List what a person booked here, with what can be done about each."""
    lines = [
        texts_booking.appointment(each.service_name, each.office, each.start, each.state, each.activate_by)
        for each in mine
    ]
    rows = [
        (
            Key(f"{texts_booking.LABEL_CALENDAR_FILE()} {texts.slot(each.start)}", CalendarFile(each.id)),
            Key(f"{texts_booking.LABEL_CANCEL_APPOINTMENT()} {texts.slot(each.start)}", CancelAppointment(each.id)),
        )
        for each in mine
        if each.can_be_cancelled
    ]
    return Screen("\n".join([texts_booking.MY_APPOINTMENTS(), *lines]), tuple(rows))


def ask_cancel(shown: AppointmentView) -> Screen:
    """Ask before an appointment is cancelled."""
    return Screen(
        texts_booking.ask_cancel(shown.service_name, shown.start),
        (
            (Key(texts_booking.LABEL_CONFIRM_CANCEL(), ConfirmCancel(shown.id)),),
            (Key(texts_booking.LABEL_KEEP_APPOINTMENT(), KeepAppointment(shown.id)),),
        ),
    )
