"""Every word the bot says, in English; `languages` has the others. Parameters are escaped here, callers pass text."""

from datetime import date, datetime
from html import escape
from typing import Final, Literal

from termin_bot.languages import phrase, tr
from termin_bot.munich import BERLIN

_WEEKDAYS: Final = (
    phrase("Mon"),
    phrase("Tue"),
    phrase("Wed"),
    phrase("Thu"),
    phrase("Fri"),
    phrase("Sat"),
    phrase("Sun"),
)
_NAME_LIMIT: Final = 60
_OFFICES_NAMED: Final = 4

WELCOME = phrase(
    "Hello! I watch the City of Munich's appointment calendar and tell you as soon as something becomes free. "
    "I can book it for you, too. It is free of charge, like the appointments themselves.\n\n"
    "What would you like to do? /help explains everything."
)
WELCOME_BACK = phrase("Welcome back! What would you like to do?")
STRANGER = phrase("We have not met yet. Send /start, and we can begin.")
HELP = phrase(
    "<b>What I can do</b>\n"
    "/subscribe - watch a service, at one office or any\n"
    "/myservices - what you watch: pause it, end it\n"
    "/setdates - which days suit you\n"
    "/status - when I looked last\n"
    "/pause, /resume - tell you nothing for a while\n"
    "/quiet - hours in which nothing rings\n"
    "/appointments - what you booked here, its calendar file, and cancelling it\n"
    "/language - Deutsch, English\n"
    "/health - how I am\n"
    "/privacy, /analytics, /export - what I know of you, and what is counted\n"
    "/cancel - end what you are doing, give a reserved appointment back\n"
    "/stop - delete everything I know about you\n\n"
    "When something becomes free I write to you. Press <b>Book</b>, choose a time, and the city reserves it for a few "
    "minutes while you type your name and e-mail address. The city then sends you a mail: open the link in it, and the "
    "appointment is yours."
)
PRIVACY = phrase(
    "<b>Privacy, honestly</b>\n"
    "I count what people do with me: which commands and buttons, which services, whether a booking worked, how long it "
    "took, and the time of day that was chosen. These counts are pseudonymous, not anonymous: they carry a random "
    "number that stands for you, never your Telegram account, your name, what you type, or the day of your "
    "appointment. Whoever runs me is to delete them after {days} days. /analytics off ends the counting for you, and "
    "everything else works as before.\n\n"
    "To write to you I keep your Telegram id, your language, your services, your dates and quiet hours, and what I "
    "told you of. Your name, e-mail address, telephone number and what else the office asks go to the city when you "
    "book, are kept encrypted meanwhile, and I forget them as soon as the booking has ended. What opens your "
    "appointment at the city I keep, encrypted, until the appointment.\n\n"
    "{days} days after an appointment I forget that it was; after {days} days in which you watch nothing and write "
    "nothing, or after blocking me for as long, I forget you altogether. /export shows all I keep. /stop deletes it at "
    "once, that number included, and nothing that was counted leads back to you."
)
UNKNOWN_COMMAND = phrase("I do not know this command. /help shows what I can do.")
UNKNOWN_TEXT = phrase("I did not expect a message now. /subscribe watches a service for you, /help explains the rest.")
NOT_TEXT = phrase("I can read text only. Please type it.")
STALE_BUTTON = phrase("This button is out of date. /help shows what I can do.")
TROUBLE = phrase("Sorry, something went wrong on my side. Please try again in a moment.")
HOLD_ON = phrase("One moment, please: I cannot reach my notes. Your message is not lost, I will answer it soon.")
CITY_AWAY = phrase("The city's calendar does not answer at the moment. Please try again in a few minutes.")

CHOOSE_SERVICE = phrase("Which service shall I watch?")
TYPE_TO_SEARCH = phrase("Choose, or type a part of its name.")
NOT_FOUND = phrase("I found no such service. Type a shorter part of its name, or choose from the list:")
NO_SUBSCRIPTIONS = phrase("You do not watch any service yet. /subscribe begins.")
NOT_OFFERED = phrase("No office offers this service online at the moment.")
LIMIT = phrase("You watch as many services as I can take. End one with /myservices first.")
MY_SERVICES = phrase("<b>What you watch</b>")
CHOOSE_TARGET = phrase("Which service shall I set the dates for?")
DATES_INVALID = phrase(
    "I did not understand these dates. Please write two days to come, at most a year ahead, like this: "
    "<code>24.11.2026-15.12.2026</code>"
)
STOP_ASK = phrase(
    "Shall I delete everything I know about you? What you watch ends, and an appointment that is only reserved is "
    "given back. An appointment that the city has accepted stays yours."
)
STOPPED = phrase("Everything about you is deleted. Take care! /start begins anew.")
STOP_KEPT = phrase("Nothing is deleted.")
DATES_CANCELLED = phrase("All right, the dates stay as they are.")
NOTHING_TO_CANCEL = phrase("There is nothing to cancel.")

LABEL_SUBSCRIBE = phrase("Watch a service")
LABEL_MY_SERVICES = phrase("My services")
LABEL_SET_DATES = phrase("Set dates")
LABEL_HELP = phrase("Help")
LABEL_STOP = phrase("Delete my data")
LABEL_ANY_OFFICE = phrase("Any office")
LABEL_ANOTHER_OFFICE = phrase("Another office, too")
LABEL_BACK = phrase("« Back")
LABEL_MORE = phrase("More »")
LABEL_ALL_SERVICES = phrase("All services")
LABEL_DELETE = phrase("Yes, delete everything")
LABEL_KEEP = phrase("No, keep it")
LABEL_CITY_PAGE = phrase("Open on muenchen.de")
LABEL_CANCEL = phrase("Cancel")
LABEL_CALENDAR = phrase("Calendar")
PRESET_LABELS: Final = {
    "7": phrase("Next 7 days"),
    "14": phrase("Next 2 weeks"),
    "28": phrase("Next 4 weeks"),
    "90": phrase("Next 3 months"),
    "any": phrase("Any date"),
}
COMMAND_DESCRIPTIONS: Final = {
    "subscribe": phrase("Watch a service"),
    "myservices": phrase("What I watch"),
    "setdates": phrase("Which days suit me"),
    "appointments": phrase("What I booked here"),
    "status": phrase("When you looked last"),
    "pause": phrase("Tell me nothing for now"),
    "resume": phrase("Watch again"),
    "quiet": phrase("Hours in which nothing rings"),
    "language": phrase("Deutsch, English"),
    "help": phrase("How it works"),
    "privacy": phrase("What you know of me"),
    "analytics": phrase("Whether I am counted"),
    "export": phrase("My data as a file"),
    "health": phrase("How the bot is"),
    "cancel": phrase("End what I am doing"),
    "stop": phrase("Delete everything about me"),
}

_DIGESTS: Final = {
    "abundance": phrase("There is plenty: I sum it up, at most once an hour."),
    "daily": phrase("That is enough for today: I keep this message up to date without a sound."),
}


def short(name: str) -> str:
    """Return *name* cut to what fits on a button."""
    return name if len(name) <= _NAME_LIMIT else name[: _NAME_LIMIT - 1].rstrip() + "…"


def day(moment: date) -> str:
    """Return a day as people here write it."""
    return f"{_WEEKDAYS[moment.weekday()]()} {moment:%d.%m.%Y}"


def slot(start: int) -> str:
    """Return the day and time of an appointment."""
    moment = datetime.fromtimestamp(start, BERLIN)
    return f"{_WEEKDAYS[moment.weekday()]()} {moment:%d.%m. %H:%M}"


def clock(moment: float) -> str:
    """Return HH:MM in Munich."""
    return f"{datetime.fromtimestamp(moment, BERLIN):%H:%M}"


def weekdays() -> tuple[str, ...]:
    """Return the days of the week, Monday first."""
    return tuple(each() for each in _WEEKDAYS)


def dates(first: date | None, last: date | None) -> str:
    """Return a range of days in words."""
    if first is None or last is None:
        return tr("any date")
    return tr("{first} to {last}", first=day(first), last=day(last))


def label_watch(service: str) -> str:
    """Return the button of a service that a deep link named."""
    return tr("Watch: {service}", service=short(service))


def label_end(service: str) -> str:
    """Return the button that ends a subscription."""
    return tr("Stop watching {service}", service=short(service))


def choose_office(service: str) -> str:
    """Ask for the office."""
    return tr("<b>{service}</b>\nAt which office?", service=escape(service))


def subscribed(service: str, offices: tuple[str, ...]) -> str:
    """Say what is watched now."""
    return tr(
        "I am watching <b>{service}</b> for you, {offices}. As soon as something becomes free, I write.",
        service=escape(service),
        offices=at_offices(offices),
    )


def link_only(service: str) -> str:
    """Say that people have to look for themselves."""
    return tr(
        "The city protects <b>{service}</b> against robots, and I respect that: I cannot watch it. "
        "You can look for yourself:",
        service=escape(service),
    )


def removed(service: str) -> str:
    """Say that a service is watched no more."""
    return tr("I no longer watch <b>{service}</b>.", service=escape(service))


def ask_dates(service: str | None) -> str:
    """Ask for the days that suit."""
    what = f"<b>{escape(service)}</b>" if service is not None else tr("all your services")
    return tr(
        "Which days suit you for {what}? Choose, or type a range like <code>24.11.2026-15.12.2026</code>.", what=what
    )


def dates_set(first: date | None, last: date | None) -> str:
    """Say which days were set."""
    return tr("All right: {dates}.", dates=dates(first, last))


def slots_free(
    service: str, listed: list[str], more: int, *, is_reminder: bool, digest: Literal["abundance", "daily"] | None
) -> str:
    """Tell about free appointments."""
    name = escape(service)
    head = tr("Still free: {service}", service=name) if is_reminder else tr("Free now: {service}", service=name)
    lines = "\n".join(f"• {escape(each)}" for each in listed)
    rest = "\n" + tr("+{count} more", count=more) if more else ""
    note = "" if digest is None else f"\n\n{_DIGESTS[digest]()}"
    return f"<b>{head}</b>\n{lines}{rest}{note}"


def slots_gone(service: str, at: float) -> str:
    """Tell that all of them are taken."""
    return tr("<b>{service}</b>: gone at {time}. I keep looking.", service=escape(service), time=clock(at))


def slots_booked(service: str) -> str:
    """Tell the one who took it that nothing else is left."""
    return tr("<b>{service}</b>: you booked one of these, and the others are taken.", service=escape(service))


def city_blind(cycles: int, since: float) -> str:
    """Tell an operator that nothing can be seen."""
    return tr(
        "Blind since {time}: the city gave no usable answer in {cycles} check cycles in a row.",
        time=clock(since),
        cycles=cycles,
    )


def city_back(since: float) -> str:
    """Tell an operator that it is over."""
    return tr("The city answers again. I was blind since {time}.", time=clock(since))


def address_refused() -> str:
    """Tell an operator that only they can help."""
    return tr(
        "The city refuses this bot's address (IP_BLACKLISTED). I ask nothing more until you have cleared it up with "
        "the city and started me again."
    )


def dates_over(service: str) -> str:
    """Say that the last suitable day has passed."""
    return tr(
        "<b>{service}</b>: your dates have passed, so I stopped looking. /subscribe begins anew.",
        service=escape(service),
    )


def service_left(service: str) -> str:
    """Say that there is nothing to watch any more."""
    return tr(
        "<b>{service}</b>: the city no longer offers this online where you watched it, so I stopped looking. If it "
        "comes back, /myservices watches it again.",
        service=escape(service),
    )


def at_offices(offices: tuple[str, ...]) -> str:
    """Say where; no offices are any office. A message has room for so many only."""
    if not offices:
        return tr("at any office")
    named = tr("at {offices}", offices=escape(", ".join(offices[:_OFFICES_NAMED])))
    left = len(offices) - _OFFICES_NAMED
    return f"{named} {tr('+{count} more', count=left)}" if left > 0 else named
