"""Every word the bot says, in English. Parameters are escaped here, so callers pass plain text."""

from datetime import date, datetime
from html import escape
from typing import Final, Literal

from termin_bot.events import BookingFailure, Step
from termin_bot.munich import BERLIN, Reason

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NAME_LIMIT: Final = 60

WELCOME = (
    "Hello! I watch the City of Munich's appointment calendar and tell you as soon as something becomes free. "
    "I can book it for you, too. It is free of charge, like the appointments themselves.\n\n"
    "What would you like to do? /help explains everything."
)
WELCOME_BACK = "Welcome back! What would you like to do?"
STRANGER = "We have not met yet. Send /start, and we can begin."
HELP = (
    "<b>What I can do</b>\n"
    "/subscribe - watch a service, at one office or any\n"
    "/myservices - what you watch, and end it\n"
    "/setdates - which days suit you\n"
    "/appointments - what you booked here, its calendar file, and cancelling it\n"
    "/cancel - end what you are doing, give a reserved appointment back\n"
    "/stop - delete everything I know about you\n\n"
    "When something becomes free I write to you. Press <b>Book</b>, choose a time, and the city reserves it for a few "
    "minutes while you type your name and e-mail address. The city then sends you a mail: open the link in it, and the "
    "appointment is yours.\n\n"
    "<b>Privacy, honestly</b>\n"
    "I count what people do with me: which commands and buttons, which services, whether a booking worked and how long "
    "it took. These counts are pseudonymous, not anonymous: they carry a random number that stands for you, never your "
    "Telegram account, your name, what you type, or the day of your appointment. To write to you I keep your Telegram "
    "id, your services and your dates. Your name, e-mail address and telephone number go to the city when you book, "
    "are kept encrypted meanwhile, and I forget them as soon as the booking has ended. What opens your appointment at "
    "the city I keep, encrypted, until the appointment. /stop deletes everything I keep about you, that number "
    "included, and nothing that was counted leads back to you."
)
UNKNOWN_COMMAND = "I do not know this command. /help shows what I can do."
UNKNOWN_TEXT = "I did not expect a message now. /subscribe watches a service for you, /help explains the rest."
STALE_BUTTON = "This button is out of date. /help shows what I can do."
TROUBLE = "Sorry, something went wrong on my side. Please try again in a moment."
CITY_AWAY = "The city's calendar does not answer at the moment. Please try again in a few minutes."

CHOOSE_SERVICE = "Which service shall I watch?"
NO_SUBSCRIPTIONS = "You do not watch any service yet. /subscribe begins."
NOT_OFFERED = "No office offers this service online at the moment."
LIMIT = "You watch as many services as I can take. End one with /myservices first."
MY_SERVICES = "<b>What you watch</b>"
CHOOSE_TARGET = "Which service shall I set the dates for?"
DATES_INVALID = (
    "I did not understand these dates. Please write two days to come, at most a year ahead, like this: "
    "<code>24.11.2026-15.12.2026</code>"
)
STOP_ASK = (
    "Shall I delete everything I know about you? What you watch ends, and an appointment that is only reserved is "
    "given back. An appointment that the city has accepted stays yours."
)
STOPPED = "Everything about you is deleted. Take care! /start begins anew."
STOP_KEPT = "Nothing is deleted."
NO_APPOINTMENTS = "You have booked nothing here that is still to come."
NO_APPOINTMENT = "This appointment is over or cancelled."
NO_FILE_YET = "The city has the calendar file as soon as you have opened the link in its mail."
CALENDAR_FILE = "Here is the city's entry for your calendar:"
APPOINTMENT_KEPT = "The appointment stays yours."
MY_APPOINTMENTS = "<b>What you booked here</b>"
CANCELLED = "The booking is cancelled, and the appointment is free for others again."
DATES_CANCELLED = "All right, the dates stay as they are."
NOTHING_TO_CANCEL = "There is nothing to cancel."
NO_BOOKING = "This booking is over. When something becomes free, I write to you again."
SLOT_UNAVAILABLE = "This appointment is no longer free. I keep looking for you."

LABEL_SUBSCRIBE = "Watch a service"
LABEL_MY_SERVICES = "My services"
LABEL_SET_DATES = "Set dates"
LABEL_HELP = "Help"
LABEL_STOP = "Delete my data"
LABEL_ANY_OFFICE = "Any office"
LABEL_BACK = "« Back"
LABEL_MORE = "More »"
LABEL_ALL_SERVICES = "All services"
LABEL_DELETE = "Yes, delete everything"
LABEL_KEEP = "No, keep it"
LABEL_CITY_PAGE = "Open on muenchen.de"
LABEL_CONFIRM = "Confirm booking"
LABEL_CANCEL_BOOKING = "Cancel booking"
LABEL_SKIP = "Skip"
LABEL_CHANGE_NAME = "Change name"
LABEL_CHANGE_EMAIL = "Change e-mail"
LABEL_CHANGE_TIME = "Change time"
LABEL_KEEP_TIME = "Keep this time"
LABEL_CALENDAR_FILE = "Calendar file"
LABEL_CANCEL_APPOINTMENT = "Cancel appointment"
LABEL_CONFIRM_CANCEL = "Yes, cancel it"
LABEL_KEEP_APPOINTMENT = "No, keep the appointment"
LABEL_CANCEL = "Cancel"
PRESET_LABELS: Final = {
    "7": "Next 7 days",
    "14": "Next 2 weeks",
    "28": "Next 4 weeks",
    "90": "Next 3 months",
    "any": "Any date",
}
COMMAND_DESCRIPTIONS: Final = {
    "subscribe": "Watch a service",
    "myservices": "What I watch",
    "setdates": "Which days suit me",
    "appointments": "What I booked here",
    "help": "How it works, and privacy",
    "cancel": "End what I am doing",
    "stop": "Delete everything about me",
}

_QUESTIONS: Final[dict[Step, str]] = {
    "time_selection": "Please press one of the times above.",
    "name_entry": "Please type your <b>first and last name</b>, as in your passport.",
    "email_entry": "Please type your <b>e-mail address</b>. The city sends the confirmation there.",
    "telephone_entry": "Please type your <b>telephone number</b>.",
    "text_entry": "The office asks:",
    "confirmation": "Please press one of the buttons above.",
}
_STATES: Final = {
    "preconfirmed": "waits for you: open the link in the city's mail",
    "confirmed": "is yours",
    "expired": "is lost: the link in the city's mail was not opened in time",
    "cancelled": "is cancelled",
}
_REASONS: Final[dict[tuple[Step, Reason], str]] = {
    ("email_entry", "plus_address"): (
        "The city's system refuses addresses with a plus sign, although they are valid. Please type another one."
    ),
    ("email_entry", "malformed"): "This does not look like an e-mail address.",
    ("telephone_entry", "malformed"): "This does not look like a telephone number: 7 to 15 digits are needed.",
}
_DIGESTS: Final = {
    "abundance": "There is plenty: I sum it up, at most once an hour.",
    "daily": "That is enough for today: I keep this message up to date without a sound.",
}
_GENERAL_REASONS: Final[dict[Reason, str]] = {
    "empty": "The city needs an answer here.",
    "too_long": "This is too long for the city's form.",
    "plus_address": "A plus sign is not allowed here.",
    "malformed": "This has characters that the city's form refuses.",
}
_FAILURES: Final[dict[BookingFailure, str]] = {
    "slot_gone": "somebody else was faster",
    "reservation_expired": "the reservation had run out",
    "too_many_appointments": "the city allows no more appointments with this e-mail address",
    "captcha": "the city's protection against robots did not let me through",
    "invalid_details": "the city did not accept the details you gave",
    "refused": "the city refused it",
    "rate_limited": "the city lets me ask no more at the moment",
    "city_unavailable": "the city's system did not answer",
    "error": "something went wrong on my side",
}


def short(name: str) -> str:
    """Return *name* cut to what fits on a button."""
    return name if len(name) <= _NAME_LIMIT else name[: _NAME_LIMIT - 1].rstrip() + "…"


def day(moment: date) -> str:
    """Return a day as people here write it."""
    return f"{_WEEKDAYS[moment.weekday()]} {moment:%d.%m.%Y}"


def slot(start: int) -> str:
    """Return the day and time of an appointment."""
    moment = datetime.fromtimestamp(start, BERLIN)
    return f"{_WEEKDAYS[moment.weekday()]} {moment:%d.%m. %H:%M}"


def clock(moment: float) -> str:
    """Return HH:MM in Munich."""
    return f"{datetime.fromtimestamp(moment, BERLIN):%H:%M}"


def dates(first: date | None, last: date | None) -> str:
    """Return a range of days in words."""
    return "any date" if first is None or last is None else f"{day(first)} to {day(last)}"


def choose_office(service: str) -> str:
    """Ask for the office."""
    return f"<b>{escape(service)}</b>\nAt which office?"


def subscribed(service: str, offices: tuple[str, ...]) -> str:
    """Say what is watched now."""
    return (
        f"I am watching <b>{escape(service)}</b> for you, {_at(offices)}. As soon as something becomes free, I write."
    )


def link_only(service: str) -> str:
    """Say that people have to look for themselves."""
    return (
        f"The city protects <b>{escape(service)}</b> against robots, and I respect that: I cannot watch it. "
        "You can look for yourself:"
    )


def watched(service: str, offices: tuple[str, ...], first: date | None, last: date | None) -> str:
    """Describe one subscription."""
    return f"• <b>{escape(service)}</b>\n   {_at(offices)}, {dates(first, last)}"


def removed(service: str) -> str:
    """Say that a service is watched no more."""
    return f"I no longer watch <b>{escape(service)}</b>."


def ask_dates(service: str | None) -> str:
    """Ask for the days that suit."""
    what = f"<b>{escape(service)}</b>" if service is not None else "all your services"
    return f"Which days suit you for {what}? Choose, or type a range like <code>24.11.2026-15.12.2026</code>."


def dates_set(first: date | None, last: date | None) -> str:
    """Say which days were set."""
    return f"All right: {dates(first, last)}."


def slots_free(
    service: str, listed: list[str], more: int, *, is_reminder: bool, digest: Literal["abundance", "daily"] | None
) -> str:
    """Tell about free appointments."""
    head = "Still free" if is_reminder else "Free now"
    lines = "\n".join(f"• {escape(each)}" for each in listed)
    rest = f"\n+{more} more" if more else ""
    note = "" if digest is None else f"\n\n{_DIGESTS[digest]}"
    return f"<b>{head}: {escape(service)}</b>\n{lines}{rest}{note}"


def slots_gone(service: str, at: float) -> str:
    """Tell that all of them are taken."""
    return f"<b>{escape(service)}</b>: gone at {clock(at)}. I keep looking."


def slots_booked(service: str) -> str:
    """Tell the one who took it that nothing else is left."""
    return f"<b>{escape(service)}</b>: you booked one of these, and the others are taken."


def time_running_out(service: str, held_until: float, minutes: int) -> str:
    """Warn that a reservation ends."""
    return (
        f"<b>{escape(service)}</b>: {_minutes(minutes)} left. The appointment is held for you until "
        f"{clock(held_until)}, and goes back to others after that."
    )


def activation_due(service: str, minutes: int) -> str:
    """Warn that the link in the mail must be opened."""
    return (
        f"<b>{escape(service)}</b>: {_minutes(minutes)} left. Open the link in the city's mail now, or the appointment "
        "is lost."
    )


def activated(service: str, office: str, start: int) -> str:
    """Say that the appointment is definite."""
    return f"<b>{escape(service)}</b>\n{slot(start)}\n{escape(office)}\n\nActivated: the appointment is yours."


def not_activated(service: str) -> str:
    """Say that the link was not opened in time."""
    return (
        f"<b>{escape(service)}</b>: the link in the city's mail was not opened in time, so the appointment went to "
        "others. I keep looking for you."
    )


def appointment_vanished(service: str, start: int) -> str:
    """Say that the city does not have it any more."""
    return f"<b>{escape(service)}</b>, {slot(start)}: the city no longer has this appointment. It was cancelled."


def city_blind(cycles: int, since: float) -> str:
    """Tell an operator that nothing can be seen."""
    return f"Blind since {clock(since)}: the city gave no usable answer in {cycles} check cycles in a row."


def city_back(since: float) -> str:
    """Tell an operator that it is over."""
    return f"The city answers again. I was blind since {clock(since)}."


def address_refused() -> str:
    """Tell an operator that only they can help."""
    return (
        "The city refuses this bot's address (IP_BLACKLISTED). I ask nothing more until you have cleared it up with "
        "the city and started me again."
    )


def appointment(service: str, office: str, start: int, state: str, activate_by: float | None) -> str:
    """Describe one booked appointment."""
    by = "" if activate_by is None else f" by {clock(activate_by)}"
    standing = _STATES.get(state, "see the city's mail")
    return f"• <b>{escape(service)}</b>\n   {slot(start)}, {escape(office)}\n   {standing}{by}"


def ask_cancel(service: str, start: int) -> str:
    """Ask before an appointment is cancelled."""
    return f"Shall I cancel <b>{escape(service)}</b>, {slot(start)}? Others can then book it."


def appointment_cancelled(service: str) -> str:
    """Say that it is done."""
    return f"<b>{escape(service)}</b>: the appointment is cancelled, and free for others."


def too_late_to_cancel(service: str) -> str:
    """Say that the city does not take it back."""
    return f"<b>{escape(service)}</b>: the city does not let this appointment be cancelled any more."


def offered_slot(start: int, office: str) -> str:
    """Return one line of a list of appointments (not escaped)."""
    return f"{slot(start)}, {office}"


def choose_time(service: str) -> str:
    """Begin a booking."""
    return (
        f"<b>Booking: {escape(service)}</b>\n"
        "Choose a time, and the city reserves it at once. I then ask for your name and e-mail address, pass them on to "
        "the city and forget them afterwards."
    )


def taken() -> str:
    """Say that somebody was faster."""
    return "Somebody was faster. These are still free:"


def other_times(service: str) -> str:
    """Offer other times while one is held."""
    return f"<b>{escape(service)}</b>\nChoose another time. The one you have is held until the new one is reserved."


def no_other_time() -> str:
    """Say that nothing else is free."""
    return "Nothing else is free at the moment."


def question(step: Step, label: str, held_until: float, minutes: int, reason: Reason | None) -> str:
    """Ask for the next detail."""
    problem = "" if reason is None else _REASONS.get((step, reason), _GENERAL_REASONS[reason]) + "\n\n"
    asked = _QUESTIONS[step] + (f" <b>{escape(label)}</b>" if label else "")
    if step == "time_selection":
        return asked
    held = f"\n\nThe appointment is held for you until {clock(held_until)} ({minutes} min). /cancel gives it back."
    return problem + asked + held


def summary(service: str, office: str, start: int, details: tuple[str, ...], held_until: float, minutes: int) -> str:
    """Show everything before the city is asked."""
    lines = "\n".join(escape(each) for each in details)
    return (
        f"<b>{escape(service)}</b>\n{slot(start)}\n{escape(office)}\n\n{lines}\n\n"
        f"Is this right? The appointment is held for you until {clock(held_until)} ({minutes} min)."
    )


def booked(service: str, office: str, start: int, minutes: int) -> str:
    """Say that one step is left, and whose it is."""
    return (
        f"<b>{escape(service)}</b>\n{slot(start)}\n{escape(office)}\n\n"
        f"Almost done: the city is sending you a mail. <b>Open the link in it within {minutes} minutes</b>, or the "
        "appointment is lost."
    )


def booked_meanwhile(service: str, minutes: int) -> str:
    """Say that a booking worked although the bot was restarted."""
    return (
        f"<b>{escape(service)}</b>: the city accepted your booking. <b>Open the link in its mail within {minutes} "
        "minutes</b>, or the appointment is lost."
    )


def booking_failed(service: str, reason: BookingFailure) -> str:
    """Say that it did not work, and why."""
    return f"<b>{escape(service)}</b>: the booking did not work, {_FAILURES[reason]}. I keep looking for you."


def booking_expired(service: str) -> str:
    """Say that time ran out."""
    return f"<b>{escape(service)}</b>: time ran out, so the booking is cancelled. I keep looking for you."


def already_booking(service: str) -> str:
    """Say that one booking at a time is enough."""
    return f"You are in the middle of booking <b>{escape(service)}</b>. Finish it first, or cancel it."


def dates_over(service: str) -> str:
    """Say that the last suitable day has passed."""
    return f"<b>{escape(service)}</b>: your dates have passed, so I stopped looking. /subscribe begins anew."


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"


def _at(offices: tuple[str, ...]) -> str:
    return "at any office" if not offices else "at " + escape(", ".join(offices))
