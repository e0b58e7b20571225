"""The commands and buttons about a person's own wishes, and about how things stand."""

import re
from typing import Final

from termin_bot import buttons, keyboards, keyboards_settings, texts_settings
from termin_bot.handlers.calls import Answer, Call
from termin_bot.languages import LANGUAGES, language_of, use_language
from termin_bot.screens import Screen

_HOURS: Final = re.compile(r"(\d{1,2})(?::00)?\s*(?:-|–|—|to|bis)\s*(\d{1,2})(?::00)?(?:\s*(?:h|uhr))?", re.ASCII)  # noqa: RUF001  people type dashes
_DAY_HOURS: Final = 24
_OFF: Final = frozenset({"off", "aus", "nein", "no"})
_ON: Final = frozenset({"on", "an", "ein", "ja", "yes"})


async def status(call: Call) -> Answer:
    """Show what the person watches and when the city last answered about it."""
    report = await call.services.reporting.status(call.visit)
    if not report.watching:
        return Answer(keyboards.no_subscriptions(), failure="no_subscriptions")
    return Answer(keyboards_settings.status(report))


async def health(call: Call) -> Answer:
    """Say how the bot is: in one line, to operators in detail."""
    report = await call.services.reporting.health()
    is_operator = call.visit.telegram_id in call.services.operators
    return Answer(Screen(texts_settings.health_details(report) if is_operator else texts_settings.health(report)))


async def pause(call: Call) -> Answer:
    """Say nothing about anything for now."""
    if not await call.services.subscriptions.pause(call.visit, paused=True):
        return Answer(keyboards.no_subscriptions(), failure="no_subscriptions")
    return Answer(keyboards_settings.paused())


async def resume(call: Call) -> Answer:
    """Watch everything again."""
    if not await call.services.subscriptions.pause(call.visit, paused=False):
        return Answer(keyboards.no_subscriptions(), failure="no_subscriptions")
    return Answer(keyboards.hint(texts_settings.RESUMED(), "myservices"))


async def quiet(call: Call) -> Answer:
    """Set the hours in which nothing rings, or ask for them."""
    said = call.text.strip().lower()
    if not said:
        return Answer(keyboards_settings.quiet(await call.services.people.quiet_hours(call.visit)))
    if said in _OFF:
        return await _quiet(call, None)
    found = _HOURS.fullmatch(said)
    if found is None:
        return Answer(keyboards_settings.quiet_offers(texts_settings.QUIET_INVALID()), failure="invalid_input")
    start, end = int(found[1]), int(found[2])
    if start > _DAY_HOURS or end > _DAY_HOURS or start % _DAY_HOURS == end % _DAY_HOURS:
        return Answer(keyboards_settings.quiet_offers(texts_settings.QUIET_INVALID()), failure="invalid_input")
    return await _quiet(call, (start % _DAY_HOURS, end % _DAY_HOURS))


async def quiet_hours(call: Call, button: buttons.QuietHours) -> Answer:
    """Take the hours that were pressed."""
    return await _quiet(call, (button.start % _DAY_HOURS, button.end % _DAY_HOURS), in_place=True)


async def quiet_off(call: Call, _button: buttons.QuietOff) -> Answer:
    """Keep no hours quiet."""
    return await _quiet(call, None, in_place=True)


async def _quiet(call: Call, hours: tuple[int, int] | None, *, in_place: bool = False) -> Answer:
    await call.services.people.set_quiet(call.visit, hours)
    text = texts_settings.QUIET_OFF() if hours is None else texts_settings.quiet_set(hours)
    return Answer(Screen(text), in_place=in_place)


async def language(call: Call) -> Answer:
    """Change the language, or ask which."""
    said = call.text.strip().casefold()
    if not said:
        return Answer(keyboards_settings.languages(texts_settings.languages()))
    wanted = next((each for each, name in LANGUAGES.items() if said in (each, name.casefold())), None)
    if wanted is None:
        return Answer(keyboards_settings.languages(texts_settings.LANGUAGE_UNKNOWN()), failure="invalid_input")
    await call.services.people.set_language(call.visit, wanted)
    with use_language(wanted):
        return Answer(Screen(texts_settings.LANGUAGE_SET()))


async def pick_language(call: Call, button: buttons.PickLanguage) -> Answer:
    """Speak the language that was pressed."""
    await call.services.people.set_language(call.visit, button.language)
    with use_language(language_of(button.language)):
        return Answer(Screen(texts_settings.LANGUAGE_SET()), in_place=True)


async def privacy(call: Call) -> Answer:
    """Say what is kept and counted."""
    return Answer(keyboards_settings.privacy(call.services.retention_days))


async def analytics(call: Call) -> Answer:
    """Count this person, or do not; or say which it is."""
    said = call.text.strip().casefold()
    if said in _OFF:
        return await _counting(call, is_counted=False)
    if said in _ON:
        return await _counting(call, is_counted=True)
    shown = keyboards_settings.analytics(is_counted=call.visit.visitor is not None)
    return Answer(shown, failure="invalid_input" if said else None)


async def counting(call: Call, button: buttons.Counting) -> Answer:
    """Take the wish that was pressed."""
    return await _counting(call, is_counted=button.choice == "on", in_place=True)


async def _counting(call: Call, *, is_counted: bool, in_place: bool = False) -> Answer:
    if is_counted:
        visitor = await call.services.people.count(call.visit)
        return Answer(Screen(texts_settings.ANALYTICS_ON()), in_place=in_place, behind=visitor)
    await call.services.people.count_no_more(call.visit)
    return Answer(Screen(texts_settings.ANALYTICS_OFF()), in_place=in_place, behind=None)


async def export(call: Call) -> Answer:
    """Send everything that is kept about the person."""
    document = await call.services.exporting.document(call.visit)
    return Answer(Screen(texts_settings.EXPORTED()), attachment=document)
