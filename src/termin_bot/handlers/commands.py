"""The commands."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from termin_bot import keyboards, keyboards_settings, texts, texts_booking, texts_settings
from termin_bot.handlers import appointments, settings
from termin_bot.handlers.calls import Answer, Call
from termin_bot.munich import MunichError, Service
from termin_bot.screens import Screen
from termin_bot.services.subscriptions import ALL

CommandHandler = Callable[[Call], Awaitable[Answer]]
_DEEP_LINK: Final = re.compile(r"svc_(\d{1,12})", re.ASCII)


async def start(call: Call) -> Answer:
    """Welcome, with the menu; a deep link names a service to watch."""
    if not call.is_new:
        call.services.people.returned(call.visit)
    return Answer(keyboards.menu(texts.WELCOME() if call.is_new else texts.WELCOME_BACK(), await _deep_linked(call)))


async def show_help(call: Call) -> Answer:
    """Explain everything, privacy too."""
    return Answer(keyboards_settings.show_help(call.services.retention_days))


async def subscribe(call: Call) -> Answer:
    """Show the list of services; a part of a name can be typed as well."""
    catalogue = await call.services.shelf.current()
    favourites = await call.services.finding.favourites(call.visit, catalogue)
    await call.services.people.await_search(call.visit)
    return Answer(keyboards_settings.services(catalogue.bookable_services, 0, favourites))


async def my_services(call: Call) -> Answer:
    """Show what the person watches."""
    report = await call.services.reporting.status(call.visit)
    if not report.watching:
        return Answer(keyboards.no_subscriptions(), failure="no_subscriptions")
    return Answer(keyboards.my_services(report))


async def set_dates(call: Call) -> Answer:
    """Ask for the days that suit: for the one service, or first for which one."""
    mine = await call.services.subscriptions.mine(call.visit)
    if not mine:
        return Answer(keyboards.no_subscriptions(), failure="no_subscriptions")
    if len(mine) > 1:
        return Answer(keyboards.targets(mine))
    await call.services.subscriptions.await_dates(call.visit, ALL)
    return Answer(keyboards.dates(ALL, mine[0].service_name))


async def stop(_call: Call) -> Answer:
    """Ask before everything is deleted."""
    return Answer(keyboards.stop())


async def cancel(call: Call) -> Answer:
    """End what the person is doing: typing dates, or booking."""
    if await call.services.people.ask_no_more(call.visit) or call.visit.asking in ("dates", "search"):
        is_search = call.visit.asking == "search"
        return Answer(Screen(texts_settings.SEARCH_CANCELLED() if is_search else texts.DATES_CANCELLED()))
    if await call.services.booking.cancel(call.visit):
        return Answer(Screen(texts_booking.CANCELLED()))
    return Answer(Screen(texts.NOTHING_TO_CANCEL()), failure="nothing_to_cancel")


async def unknown(_call: Call) -> Answer:
    """Say that there is no such command."""
    return Answer(keyboards.hint(texts.UNKNOWN_COMMAND(), "help"), failure="unknown_command")


async def _deep_linked(call: Call) -> Service | None:
    found = _DEEP_LINK.fullmatch(call.text.strip())
    if found is None:
        return None
    try:
        catalogue = await call.services.shelf.current()
    except MunichError:
        return None  # a greeting does not depend on the city
    service_id = int(found.group(1))
    return catalogue.services.get(service_id) if catalogue.offices_for(service_id) else None


COMMANDS: Final[Mapping[str, CommandHandler]] = {
    "start": start,
    "help": show_help,
    "subscribe": subscribe,
    "myservices": my_services,
    "setdates": set_dates,
    "appointments": appointments.listed,
    "status": settings.status,
    "pause": settings.pause,
    "resume": settings.resume,
    "quiet": settings.quiet,
    "language": settings.language,
    "privacy": settings.privacy,
    "analytics": settings.analytics,
    "export": settings.export,
    "health": settings.health,
    "stop": stop,
    "cancel": cancel,
}
