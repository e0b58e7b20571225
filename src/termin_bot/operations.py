"""
The names of the bot's operations: one CONSUMER root span per Telegram update, named here and nowhere else.

They are page views in Umami, so they are a closed list: what a person typed is never part of a name.
"""

from typing import Final, Literal, get_args

COMMANDS: Final = (
    "start",
    "help",
    "subscribe",
    "myservices",
    "setdates",
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
    "cancel",
)

ButtonId = Literal[
    "menu.help",
    "menu.subscribe",
    "menu.myservices",
    "menu.setdates",
    "menu.stop",
    "shortcut.help",
    "shortcut.subscribe",
    "shortcut.myservices",
    "shortcut.setdates",
    "shortcut.cancel",
    "shortcut.appointments",
    "shortcut.status",
    "shortcut.pause",
    "shortcut.resume",
    "shortcut.quiet",
    "shortcut.language",
    "shortcut.privacy",
    "shortcut.analytics",
    "shortcut.export",
    "shortcut.health",
    "shortcut.stop",
    "subscribe.page",
    "subscribe.service",
    "subscribe.office",
    "subscribe.category",
    "myservices.remove",
    "myservices.pause",
    "myservices.resume",
    "setdates.target",
    "setdates.preset",
    "setdates.calendar",
    "setdates.day",
    "quiet.set",
    "quiet.off",
    "language.set",
    "analytics.on",
    "analytics.off",
    "stop.confirm",
    "stop.keep",
    "book.start",
    "book.time",
    "book.skip",
    "book.confirm",
    "book.cancel",
    "book.change_name",
    "book.change_email",
    "book.change_time",
    "book.keep_time",
    "appointments.file",
    "appointments.cancel",
    "appointments.confirm",
    "appointments.keep",
    "unknown",
]
"""The routes of all inline buttons, also what button_clicked says of one."""

BUTTON_ROUTES: Final[tuple[ButtonId, ...]] = get_args(ButtonId)

CONVERSATIONS: Final = {
    "name_entry": "conversation booking.name",
    "email_entry": "conversation booking.email",
    "telephone_entry": "conversation booking.telephone",
    "text_entry": "conversation booking.text",
    "dates": "conversation setdates.range",
    "search": "conversation subscribe.search",
}
"""What a typed message is, by the question that the person was asked last."""

UNKNOWN_COMMAND: Final = "command unknown"
TEXT: Final = "message text"
BLOCKED: Final = "blocked"
UNBLOCKED: Final = "unblocked"
IGNORED: Final = "ignored"
"""An update that is none of the bot's business, such as one from a group: traced, never a page view."""


def command(name: str) -> str:
    """Return the operation of a command; typed names that we do not know share one."""
    return f"command /{name}" if name in COMMANDS else UNKNOWN_COMMAND


def button(route: str) -> str:
    """Return the operation of a button's route."""
    return f"button {route}"


OPERATIONS: Final = (
    *(command(name) for name in COMMANDS),
    UNKNOWN_COMMAND,
    *(button(route) for route in BUTTON_ROUTES),
    *CONVERSATIONS.values(),
    TEXT,
    BLOCKED,
    UNBLOCKED,
)
