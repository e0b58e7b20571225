"""The words about finding, pausing, quiet hours, languages, privacy, and how things stand; parameters are escaped."""

from datetime import date
from html import escape
from typing import Final

from termin_bot.languages import LANGUAGES, current_language, phrase, tr, trn
from termin_bot.services.kinds import Category
from termin_bot.services.reporting import Delivery, HealthReport, StatusReport, WatchReport
from termin_bot.texts import at_offices, clock, dates, day

_MINUTE: Final = 60
_HOUR: Final = 3600

PAUSED = phrase("All right: I say nothing until you send /resume. What you watch stays on the list.")
RESUMED = phrase("I am watching again.")
QUIET_INVALID = phrase("Please write two hours, like this: <code>/quiet 22-7</code>, or <code>/quiet off</code>.")
QUIET_OFF = phrase("No quiet hours: I write as soon as something becomes free.")
LANGUAGE_ASK = phrase("Which language shall I speak?")
LANGUAGE_SET = phrase("All right, English it is.")
LANGUAGE_UNKNOWN = phrase("I speak these languages only:")
ANALYTICS_OFF = phrase(
    "You are not counted any more. What was counted until now points at nobody; everything else works as before."
)
ANALYTICS_ON = phrase("You are counted again, with a new random number. /privacy says what that means.")
EXPORTED = phrase("This is all I keep about you. What opens your appointments at the city is left out, for safety.")
SEARCH_CANCELLED = phrase("All right.")
CALENDAR_FIRST = phrase("Press the first day that suits you.")

LABEL_PAUSE_ALL = phrase("Pause")
LABEL_RESUME_ALL = phrase("Resume")
LABEL_IS_PAUSED = phrase("paused")
LABEL_STATUS = phrase("Status")
LABEL_QUIET = phrase("Quiet hours")
LABEL_LANGUAGE = phrase("Language")
LABEL_PRIVACY = phrase("Privacy")
LABEL_ANALYTICS = phrase("Counting")
LABEL_EXPORT = phrase("My data as a file")
LABEL_HEALTH = phrase("How are you?")
LABEL_APPOINTMENTS = phrase("My appointments")
LABEL_CANCEL_ALL = phrase("End what I am doing")
LABEL_QUIET_OFF = phrase("No quiet hours")
LABEL_COUNT = phrase("Count me")
LABEL_DO_NOT_COUNT = phrase("Do not count me")
_CATEGORIES: Final = {
    "residence": phrase("Residence and citizenship"),
    "identity": phrase("Passports and identity cards"),
    "registration": phrase("Registration"),
    "driving": phrase("Driving"),
    "family": phrase("Family"),
    "business": phrase("Business"),
    "other": phrase("Everything else"),
}
_MONTHS: Final = (
    phrase("January"),
    phrase("February"),
    phrase("March"),
    phrase("April"),
    phrase("May"),
    phrase("June"),
    phrase("July"),
    phrase("August"),
    phrase("September"),
    phrase("October"),
    phrase("November"),
    phrase("December"),
)


def category(which: Category) -> str:
    """Return what a kind of services is called."""
    return _CATEGORIES[which]()


def month(first: date) -> str:
    """Return a month and its year."""
    return f"{_MONTHS[first.month - 1]()} {first.year}"


def found_more(count: int) -> str:
    """Say that a search found more than is shown."""
    return tr("{count} more have this in their names: type more of the name to see them.", count=count)


def calendar_last(start: date) -> str:
    """Ask for the second day."""
    return tr("From {day}. Now press the last day that suits you.", day=day(start))


def label_pause(service: str) -> str:
    """Return the button that pauses one subscription."""
    return tr("Pause {service}", service=service)


def label_resume(service: str) -> str:
    """Return the button that goes on with one subscription."""
    return tr("Resume {service}", service=service)


def quiet_hours(hours: tuple[int, int] | None) -> str:
    """Say which hours are quiet, and ask for others."""
    now = tr("There are no quiet hours.") if hours is None else tr("Quiet is from {start} to {end}.", **_hours(hours))
    return (
        now + " " + tr("Choose hours in which I shall not make your telephone ring, or write <code>/quiet 22-7</code>.")
    )


def quiet_set(hours: tuple[int, int]) -> str:
    """Say which hours are quiet now."""
    return tr("All right: quiet from {start} to {end}. What becomes free then, I tell you after it.", **_hours(hours))


def label_quiet(hours: tuple[int, int]) -> str:
    """Return the button of two hours."""
    return tr("{start} to {end}", **_hours(hours))


def languages() -> str:
    """Ask for the language, in the current one; every language says its own name on its button."""
    return f"{LANGUAGE_ASK()} ({LANGUAGES[current_language()]})"


def analytics(*, is_counted: bool) -> str:
    """Say whether the person is counted."""
    return tr("You are counted, under a random number.") if is_counted else tr("You are not counted.")


def status(report: StatusReport) -> str:
    """Say what is watched and when the city last answered about it."""
    lines = [_watched(each, report.now) for each in report.watching]
    if report.blind_since is not None:
        blind = tr("The city does not answer: I am blind since {time}.", time=clock(report.blind_since))
        lines.append(blind)
    return "\n".join(lines)


def health(report: HealthReport) -> str:
    """Say in one line how the bot is."""
    if report.blind_since is not None:
        return tr("I am awake, but the city does not answer: blind since {time}.", time=clock(report.blind_since))
    if not report.is_well:
        return tr("I am awake, but not well. My operator can see why.")
    if report.city_at is None:
        return tr("I am well, and have not had to ask the city anything yet.")
    return tr("I am well. The city last answered {ago}.", ago=ago(report.now - report.city_at))


def health_details(report: HealthReport) -> str:
    """Say everything an operator wants to know."""
    city = tr("never since the start") if report.city_at is None else ago(report.now - report.city_at)
    return "\n".join(
        [
            health(report),
            "",
            tr("City: last answer {ago}", ago=city),
            tr("Captcha: {state}", state=_captcha(report)),
            tr("Telegram: {state}", state=_ok(is_ok=report.telegram_ok)),
            tr("Database: {state}", state=_ok(is_ok=report.database_ok)),
            tr("Analytics: {state}", state=_delivery(report.delivery, report.delivered_at, report.now)),
        ]
    )


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    whole = max(0, round(seconds))
    if whole < 2 * _MINUTE:
        return trn("{count} s ago", "{count} s ago", whole)
    if whole < 2 * _HOUR:
        return trn("{count} min ago", "{count} min ago", whole // _MINUTE)
    return trn("{count} h ago", "{count} h ago", whole // _HOUR)


def _watched(each: WatchReport, now: float) -> str:
    watched = each.watched
    if watched.unwatched == "guarded":
        when = tr("not checked: the city protects it against robots. Please look at muenchen.de yourself.")
    elif watched.unwatched == "not_offered":
        when = tr("not checked: the city does not offer it online at the moment.")
    elif watched.is_paused:
        when = LABEL_IS_PAUSED()
    elif each.checked_at is None:
        when = tr("not checked yet")
    else:
        when = tr("checked {ago}", ago=ago(now - each.checked_at))
    place = f"{at_offices(watched.offices)}, {dates(watched.date_from, watched.date_to)}"
    return f"• <b>{escape(watched.service_name)}</b>\n   {place}\n   {when}"


def _captcha(report: HealthReport) -> str:
    if report.captcha is None:
        return tr("not needed yet")
    when = ago(report.now - report.captcha.at)
    if report.captcha.success:
        return tr("ok, {ago}", ago=when)
    return tr("failed {count} times in a row, {ago}", count=report.captcha.consecutive_failures, ago=when)


def _delivery(found: Delivery | None, delivered_at: float | None, now: float) -> str:
    if found is None:
        return tr("not sent from here")
    last = (
        tr("no delivery seen yet") if delivered_at is None else tr("last delivery {ago}", ago=ago(now - delivered_at))
    )
    return tr(
        "{waiting} waiting, {delivered} delivered, {lost} lost, {last}",
        waiting=found.waiting,
        delivered=found.delivered,
        lost=found.lost,
        last=last,
    )


def _ok(*, is_ok: bool) -> str:
    return tr("ok") if is_ok else tr("no answer")


def _hours(hours: tuple[int, int]) -> dict[str, str]:
    return {"start": f"{hours[0]:02d}:00", "end": f"{hours[1]:02d}:00"}
