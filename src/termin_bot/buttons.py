"""What the inline buttons say, as typed values; `callback_data` writes them into Telegram's callback data."""

from dataclasses import dataclass
from typing import Final, Literal

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
from termin_bot.events import ButtonContext
from termin_bot.languages import Language
from termin_bot.operations import ButtonId
from termin_bot.services.kinds import Category

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
_COUNTING: Final[dict[Choice, ButtonId]] = {"on": "analytics.on", "off": "analytics.off"}


def context_of(button: Button) -> ButtonContext:
    """Return the kind of message that *button* hangs under."""
    if isinstance(button, Book):
        return "notification_message"
    return _CONTEXTS[button.route.partition(".")[0]]
