"""A private chat as Telegram's servers keep it: who, what was said, what can be pressed."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from .telegram_bell import PATIENCE_SECONDS, Bell
from .telegram_wire import JsonDict, bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CALLBACK_DATA = 64
"""Bytes, by the Bot API."""

_LINKS = ("http://", "https://", "tg://")


class Standing(Enum):
    """Where the person stands with the bot."""

    STRANGER = auto()
    OPEN = auto()
    BLOCKED = auto()
    DEACTIVATED = auto()


@dataclass(frozen=True)
class Button:
    """One inline button: it sends *data* back, or opens *url*."""

    label: str
    data: str | None = None
    url: str | None = None

    def as_json(self) -> JsonDict:
        """Return the button as the Bot API shows it."""
        action = {"callback_data": self.data} if self.data is not None else {"url": self.url}
        return {"text": self.label} | action


Keyboard = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True)
class Document:
    """A file the bot sent."""

    name: str
    mime_type: str
    content: bytes = field(repr=False)
    file_id: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    """
    One message as it stands; an edit replaces it by another with the same id.

    *text* is the caption where there is a document; *changed* counts up through all changes in the chat.
    """

    id: int
    by_bot: bool
    date: int
    text: str
    entities: tuple[JsonDict, ...] = ()
    keyboard: Keyboard = ()
    document: Document | None = None
    silent: bool = False
    edits: int = 0
    edit_date: int | None = None
    changed: int = 0

    @property
    def buttons(self) -> tuple[Button, ...]:
        """All buttons, row by row."""
        return tuple(button for row in self.keyboard for button in row)

    @property
    def labels(self) -> list[str]:
        """The labels of all buttons, row by row."""
        return [button.label for button in self.buttons]

    def button(self, wanted: "str | Callable[[Button], bool]") -> Button | None:
        """Return the first button that sends data and is labelled, or described by, *wanted*."""
        for button in self.buttons:
            if button.data is not None and (button.label == wanted if isinstance(wanted, str) else wanted(button)):
                return button
        return None


@dataclass
class Chat:
    """One person's chat with the bot."""

    id: int
    first_name: str
    username: str | None
    language_code: str | None
    standing: Standing = Standing.STRANGER
    messages: dict[int, ChatMessage] = field(default_factory=dict, repr=False)
    notices: "list[Notice]" = field(default_factory=list, repr=False)
    actions: list[str] = field(default_factory=list, repr=False)
    changes: int = 0
    bell: Bell = field(default_factory=Bell, repr=False)

    def next_change(self) -> int:
        """Return the number of the change that is about to happen."""
        self.changes += 1
        return self.changes

    def keep(self, message: ChatMessage) -> ChatMessage:
        """Show *message*, in place of an earlier state of it if there is one."""
        self.messages[message.id] = message
        self.bell.ring()
        return message

    def drop(self, message_id: int) -> None:
        """Take a message out of the chat."""
        del self.messages[message_id]
        self.bell.ring()

    def as_json(self) -> JsonDict:
        """Return the chat as the Bot API shows it."""
        return {"id": self.id, "type": "private", "first_name": self.first_name} | self._username()

    def user_as_json(self) -> JsonDict:
        """Return the person as the Bot API shows them."""
        user: JsonDict = {"id": self.id, "is_bot": False, "first_name": self.first_name} | self._username()
        return user | ({"language_code": self.language_code} if self.language_code else {})

    def message_as_json(self, message: ChatMessage, bot: JsonDict) -> JsonDict:
        """Return one message of this chat as the Bot API shows it."""
        shown: JsonDict = {
            "message_id": message.id,
            "date": message.date,
            "chat": self.as_json(),
            "from": bot if message.by_bot else self.user_as_json(),
        }
        prefix = "caption_" if message.document else ""
        if message.text:
            shown["caption" if message.document else "text"] = message.text
        if message.entities:
            shown[f"{prefix}entities"] = list(message.entities)
        if message.document:
            shown["document"] = {
                "file_id": message.document.file_id,
                "file_unique_id": f"unique-{message.document.file_id}",
                "file_name": message.document.name,
                "mime_type": message.document.mime_type,
                "file_size": len(message.document.content),
            }
        if message.keyboard:
            rows = [[button.as_json() for button in row] for row in message.keyboard]
            shown["reply_markup"] = {"inline_keyboard": rows}
        if message.edit_date is not None:
            shown["edit_date"] = message.edit_date
        return shown

    def _username(self) -> JsonDict:
        return {"username": self.username} if self.username else {}


@dataclass(frozen=True)
class Notice:
    """What a person sees after a press: nothing, a short line, or an alert to close."""

    text: str = ""
    alert: bool = False


@dataclass
class Press:
    """A press on a button, and the bot's answer to it."""

    id: str
    chat: Chat = field(repr=False)
    data: str
    message_id: int
    answer: Notice | None = None

    async def answered(self, timeout: float = PATIENCE_SECONDS) -> Notice:  # noqa: ASYNC109  the caller's limit, kept by Bell
        """Return the answer as soon as the bot gives one; TimeoutError after *timeout* seconds."""
        return await self.chat.bell.until(lambda: self.answer, timeout)


def read_keyboard(markup: object) -> Keyboard:
    """
    Return the inline keyboard in a decoded reply_markup; other markups show no buttons.

    Raises ApiError where Telegram would refuse the buttons.
    """
    if markup is None:
        return ()
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    rows = markup.get("inline_keyboard", [])
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup should be an Array of Arrays')
    return tuple(tuple(_read_button(button) for button in row) for row in rows if row)


def _read_button(raw: object) -> Button:
    if not isinstance(raw, dict):
        raise bad_request("can't parse inline keyboard button: expected an Object")
    label, data, url = str(raw.get("text", "")), raw.get("callback_data"), raw.get("url")
    if not label:
        raise bad_request("can't parse inline keyboard button: can't find field \"text\"")
    if data is None and url is None:
        raise bad_request(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        )
    if url is not None:
        if not str(url).startswith(_LINKS):
            raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
        return Button(label, url=str(url))
    if not 1 <= len(str(data).encode()) <= MAX_CALLBACK_DATA:
        raise bad_request("BUTTON_DATA_INVALID")
    return Button(label, data=str(data))
