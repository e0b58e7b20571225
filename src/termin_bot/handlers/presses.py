"""The inline buttons, except those of a booking."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from termin_bot import buttons, buttons_booking, keyboards, keyboards_settings, texts
from termin_bot.handlers import appointments, booking, settings
from termin_bot.handlers.calls import Answer, Call
from termin_bot.screens import Screen
from termin_bot.services.subscriptions import ALL, Added, ChooseOffice, DateRange, LimitReached, LinkOnly, NotOffered

PressHandler = Callable[[Call, Any], Awaitable[Answer]]


def stale() -> Answer:
    """Say that a button means nothing any more."""
    return Answer(Screen(texts.STALE_BUTTON()), is_stale=True)


async def service_page(call: Call, button: buttons.ServicePage) -> Answer:
    """Turn the page of the list of services."""
    catalogue = await call.services.shelf.current()
    favourites = await call.services.finding.favourites(call.visit, catalogue)
    return Answer(keyboards_settings.services(catalogue.bookable_services, button.page, favourites), in_place=True)


async def category_page(call: Call, button: buttons.CategoryPage) -> Answer:
    """Turn the page of the services of one kind."""
    catalogue = await call.services.shelf.current()
    shown = keyboards_settings.services_of_kind(catalogue.bookable_services, button.category, button.page)
    return Answer(shown, in_place=True)


async def pick_service(call: Call, button: buttons.PickService) -> Answer:
    """Watch a service, or ask for the office first."""
    return _subscribed(await call.services.subscriptions.offer(call.visit, button.service_id))


async def pick_office(call: Call, button: buttons.PickOffice) -> Answer:
    """Watch a service at this office."""
    return _subscribed(await call.services.subscriptions.add(call.visit, button.service_id, button.office_id))


def _subscribed(result: Added | ChooseOffice | LimitReached | NotOffered | LinkOnly) -> Answer:
    match result:
        case Added():
            return Answer(keyboards.subscribed(result), in_place=True)
        case ChooseOffice():
            return Answer(keyboards.offices(result), in_place=True)
        case LinkOnly():
            return Answer(keyboards.link_only(result), in_place=True)
        case LimitReached():
            return Answer(keyboards.hint(texts.LIMIT(), "myservices"), failure="limit_reached")
        case NotOffered():
            return Answer(keyboards.hint(texts.NOT_OFFERED(), "subscribe"))


async def remove_subscription(call: Call, button: buttons.RemoveSubscription) -> Answer:
    """Watch something no longer."""
    name = await call.services.subscriptions.remove(call.visit, button.subscription_id)
    if name is None:
        return stale()
    return Answer(keyboards.hint(texts.removed(name), "subscribe", "myservices"), in_place=True)


async def pause_subscription(call: Call, button: buttons.PauseSubscription) -> Answer:
    """Say nothing about this for now."""
    return await _paused(call, button.subscription_id, paused=True)


async def resume_subscription(call: Call, button: buttons.ResumeSubscription) -> Answer:
    """Watch this again."""
    return await _paused(call, button.subscription_id, paused=False)


async def _paused(call: Call, subscription_id: int, *, paused: bool) -> Answer:
    if not await call.services.subscriptions.pause(call.visit, paused=paused, subscription_id=subscription_id):
        return stale()
    return Answer(keyboards.my_services(await call.services.reporting.status(call.visit)), in_place=True)


async def calendar_page(call: Call, button: buttons.CalendarPage) -> Answer:
    """Show a month."""
    shown = await call.services.calendars.turn(call.visit, button.subscription_id, button.page)
    return stale() if shown is None else Answer(keyboards_settings.calendar(shown), in_place=True)


async def calendar_day(call: Call, button: buttons.CalendarDay) -> Answer:
    """Take the first day of a range, or the last."""
    match await call.services.calendars.press(call.visit, button.subscription_id, button.number):
        case None:
            return stale()
        case DateRange() as dates:
            return Answer(keyboards.hint(texts.dates_set(dates.start, dates.end), "myservices"), in_place=True)
        case shown:
            return Answer(keyboards_settings.calendar(shown), in_place=True)


async def dates_target(call: Call, button: buttons.DatesTarget) -> Answer:
    """Ask for the days that suit for this subscription, or for all."""
    target = await call.services.subscriptions.await_dates(call.visit, button.subscription_id)
    if target is None:
        return stale()
    name = None if button.subscription_id == ALL else target.service_name
    return Answer(keyboards.dates(button.subscription_id, name), in_place=True)


async def dates_preset(call: Call, button: buttons.DatesPreset) -> Answer:
    """Set one of the usual ranges."""
    subscriptions = call.services.subscriptions
    dates = DateRange(None, None) if button.preset == "any" else subscriptions.coming_days(int(button.preset))
    if not await subscriptions.set_dates(call.visit, dates, button.subscription_id):
        return stale()
    return Answer(keyboards.hint(texts.dates_set(dates.start, dates.end), "myservices"), in_place=True)


async def stop_confirm(call: Call, _button: buttons.StopConfirm) -> Answer:
    """Delete everything about this person, and give a reserved appointment back."""
    farewell = await call.services.people.stop(call.visit)
    if farewell.booking is not None:
        await call.services.booking.abandoned(farewell.booking, call.visit.visitor)
    return Answer(Screen(texts.STOPPED()), in_place=True)


async def stop_keep(_call: Call, _button: buttons.StopKeep) -> Answer:
    """Delete nothing."""
    return Answer(Screen(texts.STOP_KEPT()), in_place=True)


PRESSES: Final[Mapping[type[buttons.Button], PressHandler]] = {
    buttons.ServicePage: service_page,
    buttons.PickService: pick_service,
    buttons.PickOffice: pick_office,
    buttons.RemoveSubscription: remove_subscription,
    buttons.DatesTarget: dates_target,
    buttons.DatesPreset: dates_preset,
    buttons.StopConfirm: stop_confirm,
    buttons.StopKeep: stop_keep,
    buttons_booking.Book: booking.book,
    buttons_booking.PickTime: booking.pick_time,
    buttons_booking.SkipQuestion: booking.skip_question,
    buttons_booking.ConfirmBooking: booking.confirm,
    buttons_booking.CancelBooking: booking.cancel,
    buttons_booking.ChangeDetail: booking.change_detail,
    buttons_booking.ChangeTime: booking.change_time,
    buttons_booking.KeepTime: booking.keep_time,
    buttons_booking.CalendarFile: appointments.calendar_file,
    buttons_booking.CancelAppointment: appointments.ask_cancel,
    buttons_booking.ConfirmCancel: appointments.confirm_cancel,
    buttons_booking.KeepAppointment: appointments.keep,
    buttons.CategoryPage: category_page,
    buttons.PauseSubscription: pause_subscription,
    buttons.ResumeSubscription: resume_subscription,
    buttons.CalendarPage: calendar_page,
    buttons.CalendarDay: calendar_day,
    buttons.QuietHours: settings.quiet_hours,
    buttons.QuietOff: settings.quiet_off,
    buttons.PickLanguage: settings.pick_language,
    buttons.Counting: settings.counting,
}
