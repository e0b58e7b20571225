"""The words of a booking, and of the appointments that come of one; parameters are escaped here."""

from html import escape
from typing import Final

from termin_bot.events import BookingFailure, Step
from termin_bot.languages import Phrase, phrase, tr, trn
from termin_bot.munich import Reason
from termin_bot.texts import clock, slot

NO_APPOINTMENTS = phrase("You have booked nothing here that is still to come.")
NO_APPOINTMENT = phrase("This appointment is over or cancelled.")
NO_FILE_YET = phrase("The city has the calendar file as soon as you have opened the link in its mail.")
CALENDAR_FILE = phrase("Here is the city's entry for your calendar:")
APPOINTMENT_KEPT = phrase("The appointment stays yours.")
MY_APPOINTMENTS = phrase("<b>What you booked here</b>")
CANCELLED = phrase("The booking is cancelled, and the appointment is free for others again.")
NO_BOOKING = phrase("This booking is over. When something becomes free, I write to you again.")
SLOT_UNAVAILABLE = phrase("This appointment is no longer free. I keep looking for you.")
LABEL_CONFIRM = phrase("Confirm booking")
LABEL_GO_ON = phrase("Go on with it")
LABEL_CANCEL_BOOKING = phrase("Cancel booking")
LABEL_SKIP = phrase("Skip")
LABEL_CHANGE_NAME = phrase("Change name")
LABEL_CHANGE_EMAIL = phrase("Change e-mail")
LABEL_CHANGE_TIME = phrase("Change time")
LABEL_KEEP_TIME = phrase("Keep this time")
LABEL_CALENDAR_FILE = phrase("Calendar file")
LABEL_CANCEL_APPOINTMENT = phrase("Cancel appointment")
LABEL_CONFIRM_CANCEL = phrase("Yes, cancel it")
LABEL_KEEP_APPOINTMENT = phrase("No, keep the appointment")
_QUESTIONS: Final[dict[Step, Phrase]] = {
    "time_selection": phrase("Please press one of the times above."),
    "name_entry": phrase("Please type your <b>first and last name</b>, as in your passport."),
    "email_entry": phrase("Please type your <b>e-mail address</b>. The city sends the confirmation there."),
    "telephone_entry": phrase("Please type your <b>telephone number</b>."),
    "text_entry": phrase("The office asks:"),
    "confirmation": phrase("Please press one of the buttons above."),
}
_STATES: Final = {
    "preconfirmed": phrase("waits for you: open the link in the city's mail"),
    "confirmed": phrase("is yours"),
    "expired": phrase("is lost: the link in the city's mail was not opened in time"),
    "cancelled": phrase("is cancelled"),
}
_REASONS: Final[dict[tuple[Step, Reason], Phrase]] = {
    ("email_entry", "plus_address"): phrase(
        "The city's system refuses addresses with a plus sign, although they are valid. Please type another one."
    ),
    ("email_entry", "malformed"): phrase("This does not look like an e-mail address."),
    ("telephone_entry", "malformed"): phrase("This does not look like a telephone number: 7 to 15 digits are needed."),
}
_GENERAL_REASONS: Final[dict[Reason, Phrase]] = {
    "empty": phrase("The city needs an answer here."),
    "too_long": phrase("This is too long for the city's form."),
    "plus_address": phrase("A plus sign is not allowed here."),
    "malformed": phrase("This has characters that the city's form refuses."),
}
_FAILURES: Final[dict[BookingFailure, Phrase]] = {
    "slot_gone": phrase("somebody else was faster"),
    "reservation_expired": phrase("the reservation had run out"),
    "too_many_appointments": phrase("the city allows no more appointments with this e-mail address"),
    "captcha": phrase("the city's protection against robots did not let me through"),
    "invalid_details": phrase("the city did not accept the details you gave"),
    "refused": phrase("the city refused it"),
    "rate_limited": phrase("the city lets me ask no more at the moment"),
    "city_unavailable": phrase("the city's system did not answer"),
    "error": phrase("something went wrong on my side"),
}


def label_book(start: int) -> str:
    """Return the button that begins a booking."""
    return tr("Book {slot}", slot=slot(start))


def time_running_out(service: str, held_until: float, minutes: int) -> str:
    """Warn that a reservation ends."""
    return tr(
        "<b>{service}</b>: {minutes} left. The appointment is held for you until {time}, and goes back to others "
        "after that.",
        service=escape(service),
        minutes=_minutes(minutes),
        time=clock(held_until),
    )


def activation_due(service: str, minutes: int) -> str:
    """Warn that the link in the mail must be opened."""
    return tr(
        "<b>{service}</b>: {minutes} left. Open the link in the city's mail now, or the appointment is lost.",
        service=escape(service),
        minutes=_minutes(minutes),
    )


def activated(service: str, office: str, start: int) -> str:
    """Say that the appointment is definite."""
    return _head(service, office, start) + tr("Activated: the appointment is yours.")


def not_activated(service: str) -> str:
    """Say that the link was not opened in time."""
    return tr(
        "<b>{service}</b>: the link in the city's mail was not opened in time, so the appointment went to others. "
        "I keep looking for you.",
        service=escape(service),
    )


def appointment_vanished(service: str, start: int) -> str:
    """Say that the city does not have it any more."""
    return tr(
        "<b>{service}</b>, {slot}: the city no longer has this appointment. It was cancelled.",
        service=escape(service),
        slot=slot(start),
    )


def appointment(service: str, office: str, start: int, state: str, activate_by: float | None) -> str:
    """Describe one booked appointment."""
    standing = _STATES[state]() if state in _STATES else tr("see the city's mail")
    if activate_by is not None:
        standing = tr("{standing} by {time}", standing=standing, time=clock(activate_by))
    return f"• <b>{escape(service)}</b>\n   {slot(start)}, {escape(office)}\n   {standing}"


def ask_cancel(service: str, start: int) -> str:
    """Ask before an appointment is cancelled."""
    return tr(
        "Shall I cancel <b>{service}</b>, {slot}? Others can then book it.", service=escape(service), slot=slot(start)
    )


def appointment_cancelled(service: str) -> str:
    """Say that it is done."""
    return tr("<b>{service}</b>: the appointment is cancelled, and free for others.", service=escape(service))


def too_late_to_cancel(service: str) -> str:
    """Say that the city does not take it back."""
    return tr(
        "<b>{service}</b>: the city does not let this appointment be cancelled any more.", service=escape(service)
    )


def offered_slot(start: int, office: str) -> str:
    """Return one line of a list of appointments (not escaped)."""
    return f"{slot(start)}, {office}"


def choose_time(service: str) -> str:
    """Begin a booking."""
    return tr(
        "<b>Booking: {service}</b>\n"
        "Choose a time, and the city reserves it at once. I then ask for your name and e-mail address, pass them on to "
        "the city and forget them afterwards.",
        service=escape(service),
    )


def taken() -> str:
    """Say that somebody was faster."""
    return tr("Somebody was faster. These are still free:")


def other_times(service: str) -> str:
    """Offer other times while one is held."""
    return tr(
        "<b>{service}</b>\nChoose another time. The one you have is held until the new one is reserved.",
        service=escape(service),
    )


def no_other_time() -> str:
    """Say that nothing else is free."""
    return tr("Nothing else is free at the moment.")


def question(step: Step, label: str, held_until: float, minutes: int, reason: Reason | None) -> str:
    """Ask for the next detail."""
    problem = "" if reason is None else _REASONS.get((step, reason), _GENERAL_REASONS[reason])() + "\n\n"
    asked = _QUESTIONS[step]() + (f" <b>{escape(label)}</b>" if label else "")
    if step == "time_selection":
        return asked
    held = tr(
        "The appointment is held for you until {time} ({minutes} min). /cancel gives it back.",
        time=clock(held_until),
        minutes=minutes,
    )
    return f"{problem}{asked}\n\n{held}"


def summary(service: str, office: str, start: int, details: tuple[str, ...], held_until: float, minutes: int) -> str:
    """Show everything before the city is asked."""
    lines = "\n".join(escape(each) for each in details)
    asked = tr(
        "Is this right? The appointment is held for you until {time} ({minutes} min).",
        time=clock(held_until),
        minutes=minutes,
    )
    return f"{_head(service, office, start)}{lines}\n\n{asked}"


def booked(service: str, office: str, start: int, minutes: int) -> str:
    """Say that one step is left, and whose it is."""
    return _head(service, office, start) + tr(
        "Almost done: the city is sending you a mail. <b>Open the link in it within {minutes} minutes</b>, or the "
        "appointment is lost.",
        minutes=minutes,
    )


def booked_meanwhile(service: str, minutes: int) -> str:
    """Say that a booking worked although the bot was restarted."""
    return tr(
        "<b>{service}</b>: the city accepted your booking. <b>Open the link in its mail within {minutes} minutes</b>, "
        "or the appointment is lost.",
        service=escape(service),
        minutes=minutes,
    )


def booking_failed(service: str, reason: BookingFailure) -> str:
    """Say that it did not work, and why."""
    return tr(
        "<b>{service}</b>: the booking did not work, {reason}. I keep looking for you.",
        service=escape(service),
        reason=_FAILURES[reason](),
    )


def booking_expired(service: str) -> str:
    """Say that time ran out."""
    return tr(
        "<b>{service}</b>: time ran out, so the booking is cancelled. I keep looking for you.", service=escape(service)
    )


def already_booking(service: str) -> str:
    """Say that one booking at a time is enough."""
    return tr(
        "You are in the middle of booking <b>{service}</b>. Finish it first, or cancel it.", service=escape(service)
    )


def _head(service: str, office: str, start: int) -> str:
    return f"<b>{escape(service)}</b>\n{slot(start)}\n{escape(office)}\n\n"


def _minutes(count: int) -> str:
    return trn("{count} minute", "{count} minutes", count)
