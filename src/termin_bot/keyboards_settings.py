"""The screens about finding, calendars, quiet hours, languages, privacy, and how things stand."""

from collections.abc import Callable, Sequence
from typing import Final

from termin_bot import texts, texts_settings
from termin_bot.buttons import (
    Button,
    CalendarDay,
    CalendarPage,
    CategoryPage,
    Counting,
    PickLanguage,
    PickService,
    QuietHours,
    QuietOff,
    ServicePage,
    Shortcut,
    ShortcutCommand,
)
from termin_bot.languages import LANGUAGES
from termin_bot.munich import Service
from termin_bot.screens import Key, Screen
from termin_bot.services.calendar import Month
from termin_bot.services.kinds import Category, kinds, of_kind
from termin_bot.services.reporting import StatusReport

PAGE_SIZE: Final = 8
FOUND_AT_MOST: Final = 20
_NO_DAY: Final = "·"
_STAR: Final = "★"
_HOURS: Final = ((22, 7), (21, 8), (20, 9), (23, 6))

Row = tuple[Key, ...]


def services(listed: Sequence[Service], page: int, favourites: Sequence[Service] = ()) -> Screen:
    """Show one page of the list of services; the first begins with favourites and ends with the kinds there are."""
    last = _last_page(listed)
    page = min(page, last)
    starred: list[Row] = []
    grouped: list[Row] = []
    if page == 0:
        starred = [(Key(f"{_STAR} {texts.short(each.name)}", PickService(each.id)),) for each in favourites]
        grouped = _kinds(listed) if last else []
    turn = _turn(page, last, ServicePage)
    text = f"{texts.CHOOSE_SERVICE()} {texts.TYPE_TO_SEARCH()}"
    return Screen(text, (*starred, *_page_of(listed, page), *turn, *grouped))


def services_of_kind(listed: Sequence[Service], category: Category, page: int) -> Screen:
    """Show one page of the services of a kind."""
    chosen = of_kind(listed, category)
    last = _last_page(chosen)
    page = min(page, last)
    turn = _turn(page, last, lambda to: CategoryPage(category, to))
    everything = (Key(texts.LABEL_ALL_SERVICES(), ServicePage(0)),)
    text = f"<b>{texts_settings.category(category)}</b>\n{texts.CHOOSE_SERVICE()}"
    return Screen(text, (*_page_of(chosen, page), *turn, everything))


def found(services_found: Sequence[Service]) -> Screen:
    """Show what a search found."""
    rows = [_pick(each) for each in services_found[:FOUND_AT_MOST]]
    left = len(services_found) - FOUND_AT_MOST
    more = f" {texts_settings.found_more(left)}" if left > 0 else ""
    return Screen(texts.CHOOSE_SERVICE() + more, (*rows, (Key(texts.LABEL_ALL_SERVICES(), ServicePage(0)),)))


def calendar(shown: Month) -> Screen:
    """Show a month to choose days from; buttons without a day change nothing."""
    ask = texts_settings.CALENDAR_FIRST() if shown.start is None else texts_settings.calendar_last(shown.start)
    here = CalendarPage(shown.subscription_id, shown.page)
    head = tuple(Key(each, here) for each in texts.weekdays())
    weeks = tuple(
        tuple(
            Key(_NO_DAY, here) if cell is None else Key(str(cell[0]), CalendarDay(shown.subscription_id, cell[1]))
            for cell in week
        )
        for week in shown.weeks
    )
    turn = []
    if shown.page > 0:
        turn.append(Key(texts.LABEL_BACK(), CalendarPage(shown.subscription_id, shown.page - 1)))
    if not shown.is_last:
        turn.append(Key(texts.LABEL_MORE(), CalendarPage(shown.subscription_id, shown.page + 1)))
    cancel = (Key(texts.LABEL_CANCEL(), Shortcut("cancel")),)
    return Screen(f"<b>{texts_settings.month(shown.first)}</b>\n{ask}", (head, *weeks, tuple(turn), cancel))


def quiet(hours: tuple[int, int] | None) -> Screen:
    """Show the quiet hours, and offer others."""
    return quiet_offers(texts_settings.quiet_hours(hours))


def quiet_offers(text: str) -> Screen:
    """Offer quiet hours."""
    offered = [Key(texts_settings.label_quiet(each), QuietHours(*each)) for each in _HOURS]
    off = (Key(texts_settings.LABEL_QUIET_OFF(), QuietOff()),)
    return Screen(text, (tuple(offered[:2]), tuple(offered[2:]), off))


def languages(text: str) -> Screen:
    """Offer the languages."""
    return Screen(text, (tuple(Key(said, PickLanguage(each)) for each, said in LANGUAGES.items()),))


def privacy(days: int) -> Screen:
    """Say what is known and counted, and offer to change it."""
    return Screen(
        texts.PRIVACY(days=days),
        (
            (_shortcut(texts_settings.LABEL_ANALYTICS(), "analytics"), _export()),
            (Key(texts.LABEL_STOP(), Shortcut("stop")),),
        ),
    )


def analytics(*, is_counted: bool) -> Screen:
    """Say whether the person is counted, and offer the other."""
    other = (
        Key(texts_settings.LABEL_DO_NOT_COUNT(), Counting("off"))
        if is_counted
        else Key(texts_settings.LABEL_COUNT(), Counting("on"))
    )
    return Screen(texts_settings.analytics(is_counted=is_counted), ((other,),))


def show_help(days: int) -> Screen:
    """Explain everything, with every command as a button."""
    rows: tuple[Row, ...] = (
        (_shortcut(texts.LABEL_SUBSCRIBE(), "subscribe"), _shortcut(texts.LABEL_MY_SERVICES(), "myservices")),
        (_shortcut(texts.LABEL_SET_DATES(), "setdates"), _shortcut(texts_settings.LABEL_STATUS(), "status")),
        (_shortcut(texts_settings.LABEL_PAUSE_ALL(), "pause"), _shortcut(texts_settings.LABEL_RESUME_ALL(), "resume")),
        (_shortcut(texts_settings.LABEL_QUIET(), "quiet"), _shortcut(texts_settings.LABEL_LANGUAGE(), "language")),
        (
            _shortcut(texts_settings.LABEL_APPOINTMENTS(), "appointments"),
            _shortcut(texts_settings.LABEL_HEALTH(), "health"),
        ),
        (_shortcut(texts_settings.LABEL_PRIVACY(), "privacy"), _export()),
        (_shortcut(texts_settings.LABEL_CANCEL_ALL(), "cancel"), Key(texts.LABEL_STOP(), Shortcut("stop"))),
    )
    return Screen(f"{texts.HELP()}\n\n{texts.PRIVACY(days=days)}", rows)


def paused() -> Screen:
    """Say that nothing is said."""
    return Screen(texts_settings.PAUSED(), ((_shortcut(texts_settings.LABEL_RESUME_ALL(), "resume"),),))


def status(report: StatusReport) -> Screen:
    """Show what is watched, and since when."""
    pause = _shortcut(texts_settings.LABEL_PAUSE_ALL(), "pause")
    if all(each.watched.is_paused for each in report.watching):
        pause = _shortcut(texts_settings.LABEL_RESUME_ALL(), "resume")
    mine = _shortcut(texts.LABEL_MY_SERVICES(), "myservices")
    return Screen(texts_settings.status(report), ((pause, mine),))


def _export() -> Key:
    return Key(texts_settings.LABEL_EXPORT(), Shortcut("export"))


def _shortcut(label: str, command: ShortcutCommand) -> Key:
    return Key(label, Shortcut(command))


def _kinds(listed: Sequence[Service]) -> list[Row]:
    keys = [Key(texts_settings.category(each), CategoryPage(each, 0)) for each in kinds(listed)]
    return [tuple(keys[at : at + 2]) for at in range(0, len(keys), 2)]


def _page_of(listed: Sequence[Service], page: int) -> list[Row]:
    return [_pick(each) for each in listed[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]]


def _pick(service: Service) -> Row:
    return (Key(texts.short(service.name), PickService(service.id)),)


def _last_page(listed: Sequence[Service]) -> int:
    return max(0, (len(listed) - 1) // PAGE_SIZE)


def _turn(page: int, last: int, to: Callable[[int], Button]) -> list[Row]:
    keys = []
    if page > 0:
        keys.append(Key(texts.LABEL_BACK(), to(page - 1)))
    if page < last:
        keys.append(Key(texts.LABEL_MORE(), to(page + 1)))
    return [tuple(keys)] if keys else []
