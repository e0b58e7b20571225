"""What Telegram's servers know: chats, presses, updates under way, and the bot itself."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .telegram_bell import Bell
from .telegram_chat import Chat, ChatMessage, Document, Press, Standing
from .telegram_html import utf16_length
from .telegram_updates import UpdateQueue
from .telegram_wire import JsonDict

MAX_TEXT = 4096
_FIRST_UPDATE = 700_000_001
_COMMAND = re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]+)?(?![\w/@])")


@dataclass(frozen=True)
class BotIdentity:
    """The bot as Telegram knows it."""

    id: int
    name: str
    username: str

    def as_json(self) -> JsonDict:
        """Return the bot as a user."""
        return {"id": self.id, "is_bot": True, "first_name": self.name, "username": self.username}


class World:
    """The state behind both sides: the bot's calls change it, and so do the people."""

    def __init__(self, bot: BotIdentity, clock: Callable[[], float]) -> None:
        self.bot = bot
        self.clock = clock
        self.bell = Bell()
        self.updates = UpdateQueue(self.bell, first_id=_FIRST_UPDATE, clock=clock)
        self.chats: dict[int, Chat] = {}
        self.presses: dict[str, Press] = {}
        self.documents: dict[str, Document] = {}
        self.commands: dict[str, list[JsonDict]] = {}
        self._messages = 0

    def now(self) -> int:
        """Return the date Telegram would write now, in whole seconds."""
        return int(self.clock())

    def next_message_id(self) -> int:
        """Return an id no other message of the bot has."""
        self._messages += 1
        return self._messages

    def said(self, chat: Chat, text: str) -> ChatMessage:
        """Take in what a person wrote, and queue it for the bot."""
        chat.standing = Standing.OPEN
        message = chat.keep(
            ChatMessage(
                id=self.next_message_id(),
                by_bot=False,
                date=self.now(),
                text=text,
                entities=_command_entities(text),
                changed=chat.next_change(),
            )
        )
        self.updates.put("message", chat.message_as_json(message, self.bot.as_json()), answer_key=chat_key(chat.id))
        return message

    def pressed(self, chat: Chat, message: ChatMessage, data: str) -> Press:
        """Take in a press on a button of *message*, and queue it for the bot."""
        press = Press(id=str(4_400_000_000_000_000 + len(self.presses)), chat=chat, data=data, message_id=message.id)
        self.presses[press.id] = press
        chat.next_change()
        query = {
            "id": press.id,
            "from": chat.user_as_json(),
            "message": chat.message_as_json(message, self.bot.as_json()),
            "chat_instance": f"-{chat.id}",
            "data": data,
        }
        self.updates.put("callback_query", query, answer_key=press_key(press.id))
        return press

    def turned(self, chat: Chat, standing: Standing) -> None:
        """Note that a person blocked or unblocked the bot, and tell the bot."""
        bot = self.bot.as_json()
        member: JsonDict = {"user": bot, "status": "member"}
        kicked: JsonDict = {"user": bot, "status": "kicked", "until_date": 0}
        old, new = (member, kicked) if standing is Standing.BLOCKED else (kicked, member)
        chat.standing = standing
        change = {
            "chat": chat.as_json(),
            "from": chat.user_as_json(),
            "date": self.now(),
            "old_chat_member": old,
            "new_chat_member": new,
        }
        self.updates.put("my_chat_member", change)


def chat_key(chat_id: int | str) -> str:
    """Return the name under which a chat waits for an answer."""
    return f"chat {chat_id}"


def press_key(press_id: str) -> str:
    """Return the name under which a press waits for an answer."""
    return f"press {press_id}"


def menu_key(scope: JsonDict | None, language_code: str) -> str:
    """Return the name under which the commands of that scope and language are kept."""
    return f"{sorted((scope or {'type': 'default'}).items())} {language_code}"


def _command_entities(text: str) -> tuple[JsonDict, ...]:
    return tuple(
        {
            "type": "bot_command",
            "offset": utf16_length(text[: match.start()]),
            "length": utf16_length(match[0]),
        }
        for match in _COMMAND.finditer(text)
    )
