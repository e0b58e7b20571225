"""Messages that are no commands: answers to what was asked last."""

from termin_bot import keyboards, keyboards_settings, texts
from termin_bot.handlers import booking
from termin_bot.handlers.calls import Answer, Call
from termin_bot.screens import Screen
from termin_bot.services.kinds import search


async def typed(call: Call) -> Answer:
    """Take a typed message for what it answers."""
    if call.visit.asking is None:
        return Answer(keyboards.hint(texts.UNKNOWN_TEXT(), "subscribe", "help"))
    if not call.text:
        return Answer(Screen(texts.NOT_TEXT()))  # a picture or a sticker is no answer, not even an empty one
    if call.visit.asking == "dates":
        return await _dates(call)
    if call.visit.asking == "search":
        return await _search(call)
    return await booking.answer(call)


async def _search(call: Call) -> Answer:
    listed = (await call.services.shelf.current()).bookable_services
    found = search(listed, call.text)
    if not found:
        everything = keyboards_settings.services(listed, 0)
        return Answer(Screen(texts.NOT_FOUND(), everything.rows))
    return Answer(keyboards_settings.found(found))


async def _dates(call: Call) -> Answer:
    dates = call.services.subscriptions.typed_range(call.text)
    if dates is None:
        return Answer(keyboards.hint(texts.DATES_INVALID(), "cancel"))
    if not await call.services.subscriptions.set_dates(call.visit, dates):
        return Answer(keyboards.no_subscriptions())
    return Answer(keyboards.hint(texts.dates_set(dates.start, dates.end), "myservices"))
