"""The screens with buttons: which button hangs under what."""

from collections.abc import Sequence
from typing import get_args

from termin_bot import texts, texts_booking, texts_settings
from termin_bot.buttons import (
    CalendarPage,
    DatesPreset,
    DatesTarget,
    Menu,
    PauseSubscription,
    PickOffice,
    PickService,
    Preset,
    RemoveSubscription,
    ResumeSubscription,
    Shortcut,
    StopConfirm,
    StopKeep,
)
from termin_bot.buttons_booking import (
    Book,
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
from termin_bot.munich import Service
from termin_bot.screens import Key, Screen
from termin_bot.services.appointments import AppointmentView
from termin_bot.services.booking_results import OtherTimes, Prompt, Question, Summary
from termin_bot.services.notices import (
    Activated,
    ActivationDue,
    AddressRefused,
    AppointmentVanished,
    BookingExpired,
    BookingFailed,
    BookingSucceeded,
    CityBack,
    CityBlind,
    DatesOver,
    NotActivated,
    Notice,
    Offer,
    SlotsBooked,
    SlotsFree,
    SlotsGone,
    TimeRunningOut,
)
from termin_bot.services.subscriptions import ALL, ChooseOffice, LinkOnly, Watched


def _shortcuts() -> tuple[Key, Key]:
    return (Key(texts.LABEL_SET_DATES(), Shortcut("setdates")), Key(texts.LABEL_MY_SERVICES(), Shortcut("myservices")))


def menu(text: str, offered: Service | None = None) -> Screen:
    """Show what there is to do; *offered* is the service a deep link named."""
    first = () if offered is None else ((Key(texts.label_watch(offered.name), PickService(offered.id)),),)
    return Screen(
        text,
        (
            *first,
            (Key(texts.LABEL_SUBSCRIBE(), Menu("subscribe")), Key(texts.LABEL_MY_SERVICES(), Menu("myservices"))),
            (Key(texts.LABEL_SET_DATES(), Menu("setdates")), Key(texts.LABEL_HELP(), Menu("help"))),
            (Key(texts.LABEL_STOP(), Menu("stop")),),
        ),
    )


def offices(choice: ChooseOffice) -> Screen:
    """Show the offices that offer a service."""
    rows = [(Key(texts.short(label), PickOffice(choice.service_id, office_id)),) for office_id, label in choice.offices]
    anywhere = (Key(texts.LABEL_ANY_OFFICE(), PickOffice(choice.service_id, ALL)),)
    return Screen(texts.choose_office(choice.service_name), (anywhere, *rows))


def subscribed(watched: Watched) -> Screen:
    """Say what is watched now."""
    return Screen(texts.subscribed(watched.service_name, watched.offices), (_shortcuts(),))


def link_only(result: LinkOnly) -> Screen:
    """Give the link to the city's own page."""
    return Screen(texts.link_only(result.service_name), ((Key(texts.LABEL_CITY_PAGE(), opens=result.link),),))


def my_services(mine: Sequence[Watched]) -> Screen:
    """List what a person watches."""
    lines = [texts.watched(each.service_name, each.offices, each.date_from, each.date_to) for each in mine]
    lines = [
        f"{line}\n   {texts_settings.LABEL_IS_PAUSED()}" if each.is_paused else line
        for line, each in zip(lines, mine, strict=True)
    ]
    rows = [
        (Key(texts.label_end(each.service_name), RemoveSubscription(each.id)), _pause_or_resume(each)) for each in mine
    ]
    return Screen("\n".join([texts.MY_SERVICES(), *lines]), (*rows, _shortcuts()[:1]))


def _pause_or_resume(watched: Watched) -> Key:
    name = texts.short(watched.service_name)
    if watched.is_paused:
        return Key(texts_settings.label_resume(name), ResumeSubscription(watched.id))
    return Key(texts_settings.label_pause(name), PauseSubscription(watched.id))


def targets(mine: Sequence[Watched]) -> Screen:
    """Ask which subscription the dates are for."""
    rows = [(Key(texts.short(each.service_name), DatesTarget(each.id)),) for each in mine]
    return Screen(texts.CHOOSE_TARGET(), ((Key(texts.LABEL_ALL_SERVICES(), DatesTarget(ALL)),), *rows))


def dates(subscription_id: int, service_name: str | None) -> Screen:
    """Ask for the days that suit."""
    presets: tuple[Preset, ...] = get_args(Preset)
    keys = [Key(texts.PRESET_LABELS[each](), DatesPreset(subscription_id, each)) for each in presets]
    return Screen(
        texts.ask_dates(service_name),
        (
            tuple(keys[:2]),
            tuple(keys[2:4]),
            (*keys[4:], Key(texts.LABEL_CALENDAR(), CalendarPage(subscription_id, 0))),
            (Key(texts.LABEL_CANCEL(), Shortcut("cancel")),),
        ),
    )


def stop() -> Screen:
    """Ask once more before everything is deleted."""
    return Screen(
        texts.STOP_ASK(), ((Key(texts.LABEL_DELETE(), StopConfirm()),), (Key(texts.LABEL_KEEP(), StopKeep()),))
    )


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


def already_booking(booking_id: int, service_name: str) -> Screen:
    """Say that one booking at a time is enough."""
    return Screen(
        texts_booking.already_booking(service_name),
        ((Key(texts_booking.LABEL_CANCEL_BOOKING(), CancelBooking(booking_id)),),),
    )


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


def notice(told: Notice) -> Screen:
    """Give words to what the bot tells of its own accord."""
    match told:
        case SlotsFree():
            return _slots_free(told)
        case SlotsGone():
            return Screen(texts.slots_gone(told.service_name, told.at))
        case BookingExpired():
            return Screen(texts_booking.booking_expired(told.service_name))
        case BookingSucceeded():
            return Screen(texts_booking.booked_meanwhile(told.service_name, told.activation_minutes))
        case BookingFailed():
            return Screen(texts_booking.booking_failed(told.service_name, told.reason))
        case DatesOver():
            return Screen(texts.dates_over(told.service_name))
        case SlotsBooked():
            return Screen(texts.slots_booked(told.service_name))
        case CityBlind() | CityBack() | AddressRefused():
            return _for_operators(told)
        case _:
            return _deadline(told)


def _deadline(told: TimeRunningOut | ActivationDue | Activated | NotActivated | AppointmentVanished) -> Screen:
    match told:
        case TimeRunningOut():
            return Screen(texts_booking.time_running_out(told.service_name, told.held_until, told.minutes))
        case ActivationDue():
            return Screen(texts_booking.activation_due(told.service_name, told.minutes))
        case Activated():
            return Screen(texts_booking.activated(told.service_name, told.office, told.start))
        case NotActivated():
            return Screen(texts_booking.not_activated(told.service_name))
        case AppointmentVanished():
            return Screen(texts_booking.appointment_vanished(told.service_name, told.start))


def _for_operators(told: CityBlind | CityBack | AddressRefused) -> Screen:
    match told:
        case CityBlind():
            return Screen(texts.city_blind(told.cycles, told.since))
        case CityBack():
            return Screen(texts.city_back(told.since))
        case AddressRefused():
            return Screen(texts.address_refused())


def _slots_free(told: SlotsFree) -> Screen:
    listed = [texts_booking.offered_slot(each.start, each.office) for each in told.offers]
    text = texts.slots_free(
        told.service_name,
        listed,
        told.total - len(told.offers),
        is_reminder=told.kind == "reminder",
        digest=told.digest,
    )
    keys = [Key(texts_booking.label_book(each.start), Book(each.slot_id)) for each in told.offers]
    pairs = [tuple(keys[at : at + 2]) for at in range(0, len(keys), 2)]
    more = (Key(texts.LABEL_CITY_PAGE(), opens=told.link), Key(texts.LABEL_MY_SERVICES(), Shortcut("myservices")))
    return Screen(text, (*pairs, more))
