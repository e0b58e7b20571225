"""The screens with buttons: which button hangs under what."""

from collections.abc import Sequence
from typing import Final, get_args

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
    ShortcutCommand,
    StopConfirm,
    StopKeep,
)
from termin_bot.buttons_booking import (
    Book,
)
from termin_bot.languages import Phrase
from termin_bot.munich import Service
from termin_bot.screens import Key, Screen
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
    ServiceLeft,
    SlotsBooked,
    SlotsFree,
    SlotsGone,
    TimeRunningOut,
)
from termin_bot.services.reporting import StatusReport, WatchReport
from termin_bot.services.subscriptions import ALL, Added, ChooseOffice, LinkOnly, Watched

_CHOSEN: Final = "✓ "
_UNDER_NEWS: Final[tuple[ShortcutCommand, ...]] = ("myservices", "pause")
_LABELS: Final[dict[ShortcutCommand, Phrase]] = {
    "subscribe": texts.LABEL_SUBSCRIBE,
    "myservices": texts.LABEL_MY_SERVICES,
    "setdates": texts.LABEL_SET_DATES,
    "help": texts.LABEL_HELP,
    "cancel": texts.LABEL_CANCEL,
    "pause": texts_settings.LABEL_PAUSE_ALL,
    "appointments": texts_settings.LABEL_APPOINTMENTS,
}


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
    listed = ((ALL, texts.LABEL_ANY_OFFICE()), *choice.offices)
    rows = [
        (
            Key(
                f"{_CHOSEN * (office_id in choice.chosen)}{texts.short(label)}",
                PickOffice(choice.service_id, office_id),
            ),
        )
        for office_id, label in listed
    ]
    return Screen(texts.choose_office(choice.service_name), tuple(rows))


def subscribed(added: Added) -> Screen:
    """Say what is watched now, and offer the service's other offices."""
    watched = added.watched
    more = ((Key(texts.LABEL_ANOTHER_OFFICE(), PickService(watched.service_id)),),) if added.has_more else ()
    return Screen(texts.subscribed(watched.service_name, watched.offices), (*more, _shortcuts()))


def hint(text: str, *commands: ShortcutCommand) -> Screen:
    """Say something short, with the way on as buttons."""
    return Screen(text, (tuple(Key(_LABELS[each](), Shortcut(each)) for each in commands),))


def no_subscriptions() -> Screen:
    """Say that nothing is watched."""
    return hint(texts.NO_SUBSCRIPTIONS(), "subscribe")


def link_only(result: LinkOnly) -> Screen:
    """Give the link to the city's own page."""
    return Screen(texts.link_only(result.service_name), ((Key(texts.LABEL_CITY_PAGE(), opens=result.link),),))


def my_services(report: StatusReport) -> Screen:
    """List what a person watches, and how it stands."""
    rows = [
        (Key(texts.label_end(each.watched.service_name), RemoveSubscription(each.watched.id)), _pause_or_resume(each))
        for each in report.watching
    ]
    return Screen(f"{texts.MY_SERVICES()}\n{texts_settings.status(report)}", (*rows, _shortcuts()[:1]))


def _pause_or_resume(each: WatchReport) -> Key:
    watched = each.watched
    name = texts.short(watched.service_name)
    if watched.unwatched == "guarded":
        return Key(texts.LABEL_CITY_PAGE(), opens=watched.link)
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
        case ServiceLeft():
            return hint(texts.service_left(told.service_name), "subscribe", "myservices")
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
            text = texts_booking.activated(told.service_name, told.office, told.start)
            return hint(text, "appointments", "myservices")
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
    page = (Key(texts.LABEL_CITY_PAGE(), opens=told.link),)
    more = tuple(Key(_LABELS[each](), Shortcut(each)) for each in _UNDER_NEWS)
    return Screen(text, (*pairs, page, more))
