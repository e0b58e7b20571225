"""
Buttons as Telegram's callback data, and back.

Callback data is at most 64 bytes and holds row ids and catalogue ids only: never a date, never anything about a person.
"""

from dataclasses import fields
from typing import Final, get_args

from termin_bot import buttons, buttons_booking
from termin_bot.buttons import Button, Choice, MenuCommand, Preset, ShortcutCommand
from termin_bot.buttons_booking import Detail
from termin_bot.languages import Language
from termin_bot.services.kinds import Category

LIMIT_BYTES: Final = 64
_PREFIXES: Final[dict[str, type[Button]]] = {
    "m": buttons.Menu,
    "g": buttons.Shortcut,
    "p": buttons.ServicePage,
    "s": buttons.PickService,
    "o": buttons.PickOffice,
    "r": buttons.RemoveSubscription,
    "dt": buttons.DatesTarget,
    "dp": buttons.DatesPreset,
    "sy": buttons.StopConfirm,
    "sn": buttons.StopKeep,
    "b": buttons_booking.Book,
    "t": buttons_booking.PickTime,
    "k": buttons_booking.SkipQuestion,
    "c": buttons_booking.ConfirmBooking,
    "x": buttons_booking.CancelBooking,
    "cd": buttons_booking.ChangeDetail,
    "ct": buttons_booking.ChangeTime,
    "kt": buttons_booking.KeepTime,
    "af": buttons_booking.CalendarFile,
    "ac": buttons_booking.CancelAppointment,
    "ay": buttons_booking.ConfirmCancel,
    "ak": buttons_booking.KeepAppointment,
    "sc": buttons.CategoryPage,
    "mp": buttons.PauseSubscription,
    "mr": buttons.ResumeSubscription,
    "dc": buttons.CalendarPage,
    "dd": buttons.CalendarDay,
    "q": buttons.QuietHours,
    "qn": buttons.QuietOff,
    "l": buttons.PickLanguage,
    "a": buttons.Counting,
}
_PREFIX_OF: Final = {button: prefix for prefix, button in _PREFIXES.items()}
_WORDS: Final = {
    "category": frozenset(get_args(Category)),
    "language": frozenset(get_args(Language)),
    "choice": frozenset(get_args(Choice)),
    "command": frozenset({*get_args(MenuCommand), *get_args(ShortcutCommand)}),
    "preset": frozenset(get_args(Preset)),
    "detail": frozenset(get_args(Detail)),
}
_NUMBER_LIMIT: Final = 2**63


def encode(button: Button) -> str:
    """Return the callback data of *button*: at most 64 bytes of ASCII."""
    values = [str(getattr(button, each.name)) for each in fields(button) if each.name != "route"]
    data = ":".join([_PREFIX_OF[type(button)], *values])
    assert len(data) <= LIMIT_BYTES, "numbers and closed lists cannot be longer"
    return data


def parse(data: str) -> Button | None:
    """Return the button that wrote *data*, or None: old and foreign data are no error, people keep old messages."""
    prefix, *values = data.split(":")
    kind = _PREFIXES.get(prefix)
    if kind is None:
        return None
    names = [each.name for each in fields(kind) if each.name != "route"]
    if len(names) != len(values):
        return None
    arguments: dict[str, int | str] = {}
    for name, value in zip(names, values, strict=True):
        if name in _WORDS:
            if value not in _WORDS[name]:
                return None
            arguments[name] = value
        elif value.isascii() and value.isdigit() and int(value) < _NUMBER_LIMIT:
            arguments[name] = int(value)
        else:
            return None
    if (kind is buttons.Menu and arguments["command"] not in get_args(MenuCommand)) or (
        kind is buttons.Shortcut and arguments["command"] not in get_args(ShortcutCommand)
    ):
        return None
    return kind(**arguments)  # type: ignore[arg-type]  # checked against the fields just above
