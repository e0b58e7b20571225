"""
What the inline buttons say: typed values, written into Telegram's callback data and read back.

Callback data is at most 64 bytes and holds row ids and catalogue ids only: never a date, never anything about a person.
"""

from dataclasses import dataclass, fields
from typing import Final, Literal, get_args

from termin_bot.events import ButtonContext
from termin_bot.languages import Language
from termin_bot.operations import ButtonId
from termin_bot.services.kinds import Category

LIMIT_BYTES: Final = 64
Detail = Literal["name", "email"]
Preset = Literal["7", "14", "28", "90", "any"]
MenuCommand = Literal["help", "subscribe", "myservices", "setdates", "stop"]
ShortcutCommand = Literal[
    "help",
    "subscribe",
    "myservices",
    "setdates",
    "cancel",
    "appointments",
    "status",
    "pause",
    "resume",
    "quiet",
    "language",
    "privacy",
    "analytics",
    "export",
    "health",
    "stop",
]
Choice = Literal["on", "off"]


@dataclass(frozen=True)
class Menu:
    """A command, chosen from the menu under /start."""

    command: MenuCommand

    @property
    def route(self) -> ButtonId:
        """The button's name in analytics."""
        return _MENU[self.command]


@dataclass(frozen=True)
class Shortcut:
    """A command, offered under another message."""

    command: ShortcutCommand

    @property
    def route(self) -> ButtonId:
        """The button's name in analytics."""
        return _SHORTCUT[self.command]


@dataclass(frozen=True)
class ServicePage:
    """Turn to a page of the list of services."""

    page: int
    route: ButtonId = "subscribe.page"


@dataclass(frozen=True)
class CategoryPage:
    """Turn to a page of the services of one kind."""

    category: Category
    page: int
    route: ButtonId = "subscribe.category"


@dataclass(frozen=True)
class PickService:
    """Watch this service."""

    service_id: int
    route: ButtonId = "subscribe.service"


@dataclass(frozen=True)
class PickOffice:
    """Watch this service at this office; 0 is any office."""

    service_id: int
    office_id: int
    route: ButtonId = "subscribe.office"


@dataclass(frozen=True)
class RemoveSubscription:
    """Watch this no longer."""

    subscription_id: int
    route: ButtonId = "myservices.remove"


@dataclass(frozen=True)
class PauseSubscription:
    """Say nothing about this for now."""

    subscription_id: int
    route: ButtonId = "myservices.pause"


@dataclass(frozen=True)
class ResumeSubscription:
    """Watch this again."""

    subscription_id: int
    route: ButtonId = "myservices.resume"


@dataclass(frozen=True)
class DatesTarget:
    """Set the dates of this subscription; 0 is all."""

    subscription_id: int
    route: ButtonId = "setdates.target"


@dataclass(frozen=True)
class DatesPreset:
    """Set the dates of this subscription (0 is all) to a usual range."""

    subscription_id: int
    preset: Preset
    route: ButtonId = "setdates.preset"


@dataclass(frozen=True)
class CalendarPage:
    """Turn to a month, counted from the one in which the calendar was opened."""

    subscription_id: int
    page: int
    route: ButtonId = "setdates.calendar"


@dataclass(frozen=True)
class CalendarDay:
    """Choose a day, counted from the one that the database knows: what is pressed says no date."""

    subscription_id: int
    number: int
    route: ButtonId = "setdates.day"


@dataclass(frozen=True)
class QuietHours:
    """Keep these hours quiet."""

    start: int
    end: int
    route: ButtonId = "quiet.set"


@dataclass(frozen=True)
class QuietOff:
    """Keep no hours quiet."""

    route: ButtonId = "quiet.off"


@dataclass(frozen=True)
class PickLanguage:
    """Speak this language."""

    language: Language
    route: ButtonId = "language.set"


@dataclass(frozen=True)
class Counting:
    """Count me, or do not."""

    choice: Choice

    @property
    def route(self) -> ButtonId:
        """The button's name in analytics."""
        return _COUNTING[self.choice]


@dataclass(frozen=True)
class StopConfirm:
    """Delete everything about me."""

    route: ButtonId = "stop.confirm"


@dataclass(frozen=True)
class StopKeep:
    """Do not delete anything."""

    route: ButtonId = "stop.keep"


@dataclass(frozen=True)
class Book:
    """Book: begin with this free appointment."""

    slot_id: int
    route: ButtonId = "book.start"


@dataclass(frozen=True)
class PickTime:
    """Reserve this free appointment."""

    slot_id: int
    route: ButtonId = "book.time"


@dataclass(frozen=True)
class SkipQuestion:
    """Leave an optional question of the booking unanswered."""

    session_id: int
    route: ButtonId = "book.skip"


@dataclass(frozen=True)
class ConfirmBooking:
    """Book what the summary shows."""

    session_id: int
    route: ButtonId = "book.confirm"


@dataclass(frozen=True)
class ChangeDetail:
    """Type this detail of the booking again."""

    session_id: int
    detail: Detail

    @property
    def route(self) -> ButtonId:
        """The button's name in analytics."""
        return _CHANGE[self.detail]


@dataclass(frozen=True)
class ChangeTime:
    """Look for another time; the one that is reserved stays so until then."""

    session_id: int
    route: ButtonId = "book.change_time"


@dataclass(frozen=True)
class KeepTime:
    """Keep the time that is reserved."""

    session_id: int
    route: ButtonId = "book.keep_time"


@dataclass(frozen=True)
class CalendarFile:
    """Send the calendar file of an appointment."""

    appointment_id: int
    route: ButtonId = "appointments.file"


@dataclass(frozen=True)
class CancelAppointment:
    """Ask whether this appointment is to be cancelled."""

    appointment_id: int
    route: ButtonId = "appointments.cancel"


@dataclass(frozen=True)
class ConfirmCancel:
    """Cancel this appointment at the city."""

    appointment_id: int
    route: ButtonId = "appointments.confirm"


@dataclass(frozen=True)
class KeepAppointment:
    """Keep this appointment."""

    appointment_id: int
    route: ButtonId = "appointments.keep"


@dataclass(frozen=True)
class CancelBooking:
    """End the booking and give the appointment back."""

    session_id: int
    route: ButtonId = "book.cancel"


Button = (
    Menu
    | Shortcut
    | ServicePage
    | PickService
    | PickOffice
    | RemoveSubscription
    | DatesTarget
    | DatesPreset
    | StopConfirm
    | StopKeep
    | Book
    | PickTime
    | SkipQuestion
    | ConfirmBooking
    | CancelBooking
    | ChangeDetail
    | ChangeTime
    | KeepTime
    | CalendarFile
    | CancelAppointment
    | ConfirmCancel
    | KeepAppointment
    | CategoryPage
    | PauseSubscription
    | ResumeSubscription
    | CalendarPage
    | CalendarDay
    | QuietHours
    | QuietOff
    | PickLanguage
    | Counting
)

_MENU: Final[dict[MenuCommand, ButtonId]] = {
    "help": "menu.help",
    "subscribe": "menu.subscribe",
    "myservices": "menu.myservices",
    "setdates": "menu.setdates",
    "stop": "menu.stop",
}
_SHORTCUT: Final[dict[ShortcutCommand, ButtonId]] = {
    "help": "shortcut.help",
    "subscribe": "shortcut.subscribe",
    "myservices": "shortcut.myservices",
    "setdates": "shortcut.setdates",
    "cancel": "shortcut.cancel",
    "appointments": "shortcut.appointments",
    "status": "shortcut.status",
    "pause": "shortcut.pause",
    "resume": "shortcut.resume",
    "quiet": "shortcut.quiet",
    "language": "shortcut.language",
    "privacy": "shortcut.privacy",
    "analytics": "shortcut.analytics",
    "export": "shortcut.export",
    "health": "shortcut.health",
    "stop": "shortcut.stop",
}
_PREFIXES: Final[dict[str, type[Button]]] = {
    "m": Menu,
    "g": Shortcut,
    "p": ServicePage,
    "s": PickService,
    "o": PickOffice,
    "r": RemoveSubscription,
    "dt": DatesTarget,
    "dp": DatesPreset,
    "sy": StopConfirm,
    "sn": StopKeep,
    "b": Book,
    "t": PickTime,
    "k": SkipQuestion,
    "c": ConfirmBooking,
    "x": CancelBooking,
    "cd": ChangeDetail,
    "ct": ChangeTime,
    "kt": KeepTime,
    "af": CalendarFile,
    "ac": CancelAppointment,
    "ay": ConfirmCancel,
    "ak": KeepAppointment,
    "sc": CategoryPage,
    "mp": PauseSubscription,
    "mr": ResumeSubscription,
    "dc": CalendarPage,
    "dd": CalendarDay,
    "q": QuietHours,
    "qn": QuietOff,
    "l": PickLanguage,
    "a": Counting,
}
_PREFIX_OF: Final = {button: prefix for prefix, button in _PREFIXES.items()}
_CONTEXTS: Final[dict[str, ButtonContext]] = {
    "menu": "menu_message",
    "shortcut": "settings_message",
    "subscribe": "subscription_message",
    "myservices": "subscription_message",
    "setdates": "settings_message",
    "stop": "settings_message",
    "book": "booking_message",
    "appointments": "appointment_message",
    "quiet": "settings_message",
    "language": "settings_message",
    "analytics": "settings_message",
}
_CHANGE: Final[dict[Detail, ButtonId]] = {"name": "book.change_name", "email": "book.change_email"}
_COUNTING: Final[dict[Choice, ButtonId]] = {"on": "analytics.on", "off": "analytics.off"}
_WORDS: Final = {
    "category": frozenset(get_args(Category)),
    "language": frozenset(get_args(Language)),
    "choice": frozenset(get_args(Choice)),
    "command": frozenset({*_MENU, *_SHORTCUT}),
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
    if (kind is Menu and arguments["command"] not in _MENU) or (
        kind is Shortcut and arguments["command"] not in _SHORTCUT
    ):
        return None
    return kind(**arguments)  # type: ignore[arg-type]  # checked against the fields just above


def context_of(button: Button) -> ButtonContext:
    """Return the kind of message that *button* hangs under."""
    if isinstance(button, Book):
        return "notification_message"
    return _CONTEXTS[button.route.partition(".")[0]]
