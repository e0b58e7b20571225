"""The Bot API's methods: what each call does to the world, and what Telegram would refuse."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from .telegram_chat import Chat, ChatMessage, Document, Keyboard, Notice, Standing, read_keyboard
from .telegram_html import parse_html, trimmed
from .telegram_webhook import DEFAULT_CONNECTIONS, Hook, hook_as_json
from .telegram_wire import ApiError, JsonDict, Params, bad_request
from .telegram_world import MAX_TEXT, World, chat_key, menu_key, press_key

MAX_CAPTION = 1024
MAX_NOTICE = 200
MAX_DELETABLE_SECONDS = 48 * 3600
MAX_COMMANDS = 100
MAX_CONNECTIONS = 100

_CHAT_ID = re.compile(r"-?[0-9]{1,20}")
_HOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_COMMAND_NAME = re.compile(r"[a-z0-9_]{1,32}")
_MAX_COMMAND_DESCRIPTION = 256
_MAX_LONG_POLL_SECONDS = 50
_CHAT_ACTIONS = frozenset(
    {
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)
_FORBIDDEN = {
    Standing.STRANGER: "Forbidden: bot can't initiate conversation with a user",
    Standing.BLOCKED: "Forbidden: bot was blocked by the user",
    Standing.DEACTIVATED: "Forbidden: user is deactivated",
}

Method = Callable[[Params], Awaitable[Any]]


class BotApi:
    """The methods this Telegram knows, by lower-case name, as Telegram looks them up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.methods: dict[str, Method] = {
            "getme": self._get_me,
            "setwebhook": self._set_webhook,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._get_webhook_info,
            "getupdates": self._get_updates,
            "sendmessage": self._send_message,
            "editmessagetext": self._edit_message_text,
            "editmessagereplymarkup": self._edit_message_reply_markup,
            "deletemessage": self._delete_message,
            "senddocument": self._send_document,
            "sendchataction": self._send_chat_action,
            "answercallbackquery": self._answer_callback_query,
            "setmycommands": self._set_my_commands,
            "getmycommands": self._get_my_commands,
        }

    async def call(self, name: str, params: Params) -> Any:
        """Return the method's result; ApiError where Telegram refuses, 404 for a method it does not know."""
        method = self.methods.get(name.lower())
        if method is None:
            raise ApiError(404, "Not Found")
        return await method(params)

    async def _get_me(self, _params: Params) -> JsonDict:
        return self._world.bot.as_json() | {
            "can_join_groups": False,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    async def _set_webhook(self, params: Params) -> bool:
        url, secret = params.text("url"), params.text("secret_token")
        # Plain HTTP on loopback is what a Bot API server of one's own takes.
        if url and not url.startswith(("https://", "http://127.0.0.1:")):
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if secret and not _HOOK_SECRET.fullmatch(secret):
            raise bad_request("secret token contains unallowed characters")
        connections = params.integer("max_connections") or DEFAULT_CONNECTIONS
        if not 1 <= connections <= MAX_CONNECTIONS:
            raise bad_request("max_connections must be between 1 and 100")
        return self._hang(Hook(url, secret, connections) if url else None, params)

    async def _delete_webhook(self, params: Params) -> bool:
        return self._hang(None, params)

    def _hang(self, hook: Hook | None, params: Params) -> bool:
        self._world.updates.hang(hook)
        self._world.updates.allow(params.json("allowed_updates"))
        if params.flag("drop_pending_updates"):
            self._world.updates.discard()
        return True

    async def _get_webhook_info(self, _params: Params) -> JsonDict:
        updates = self._world.updates
        hook = updates.hook if isinstance(updates.hook, Hook) else None
        return hook_as_json(hook, updates.allowed, updates.pending)

    async def _get_updates(self, params: Params) -> list[JsonDict]:
        updates = self._world.updates
        updates.allow(params.json("allowed_updates"))
        return await updates.poll(
            offset=params.integer("offset") or 0,
            limit=params.integer("limit") or 100,
            seconds=min(params.integer("timeout") or 0, _MAX_LONG_POLL_SECONDS),
        )

    async def _send_message(self, params: Params) -> JsonDict:
        chat = self._chat(params)
        text, entities = _content(params, "text", "entities")
        if not text:
            raise bad_request("message text is empty")
        if len(text) > MAX_TEXT:
            raise bad_request("message is too long")
        return self._deliver(chat, params, text, entities)

    async def _send_document(self, params: Params) -> JsonDict:
        chat = self._chat(params)
        caption, entities = _content(params, "caption", "caption_entities")
        if len(caption) > MAX_CAPTION:
            raise bad_request("message caption is too long")
        return self._deliver(chat, params, caption, entities, self._document(params))

    def _document(self, params: Params) -> Document:
        upload = params.upload("document")
        if upload is None:
            known = self._world.documents.get(params.text("document"))
            if known is None:
                raise bad_request("there is no document in the request")
            return known
        if not upload.content:
            raise bad_request("file must be non-empty")
        file_id = f"document-{len(self._world.documents) + 1}"
        document = Document(upload.name, upload.mime_type, upload.content, file_id)
        self._world.documents[file_id] = document
        return document

    def _deliver(
        self,
        chat: Chat,
        params: Params,
        text: str,
        entities: list[JsonDict],
        document: Document | None = None,
    ) -> JsonDict:
        keyboard = read_keyboard(params.json("reply_markup"))
        message = chat.keep(
            ChatMessage(
                id=self._world.next_message_id(),
                by_bot=True,
                date=self._world.now(),
                text=text,
                entities=tuple(entities),
                keyboard=keyboard,
                document=document,
                silent=params.flag("disable_notification"),
                changed=chat.next_change(),
            )
        )
        return self._shown(chat, message)

    async def _edit_message_text(self, params: Params) -> JsonDict:
        chat, message = self._editable(params)
        text, entities = _content(params, "text", "entities")
        if message.document is not None:
            raise bad_request("there is no text in the message to edit")
        if not text:
            raise bad_request("message text is empty")
        if len(text) > MAX_TEXT:
            raise bad_request("MESSAGE_TOO_LONG")
        return self._edit(chat, message, text, tuple(entities), read_keyboard(params.json("reply_markup")))

    async def _edit_message_reply_markup(self, params: Params) -> JsonDict:
        chat, message = self._editable(params)
        return self._edit(chat, message, message.text, message.entities, read_keyboard(params.json("reply_markup")))

    def _edit(
        self,
        chat: Chat,
        message: ChatMessage,
        text: str,
        entities: tuple[JsonDict, ...],
        keyboard: Keyboard,
    ) -> JsonDict:
        if (text, entities, keyboard) == (message.text, message.entities, message.keyboard):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same "
                "as a current content and reply markup of the message"
            )
        edited = replace(
            message,
            text=text,
            entities=entities,
            keyboard=keyboard,
            edits=message.edits + 1,
            edit_date=self._world.now(),
            changed=chat.next_change(),
        )
        return self._shown(chat, chat.keep(edited))

    async def _delete_message(self, params: Params) -> bool:
        chat = self._chat(params)
        message = chat.messages.get(_message_id(params))
        if message is None:
            raise bad_request("message to delete not found")
        if self._world.now() - message.date > MAX_DELETABLE_SECONDS:
            raise bad_request("message can't be deleted")
        chat.drop(message.id)
        return True

    async def _send_chat_action(self, params: Params) -> bool:
        chat = self._chat(params)
        action = params.text("action")
        if action not in _CHAT_ACTIONS:
            raise bad_request("wrong parameter action in request")
        chat.actions.append(action)
        return True

    async def _answer_callback_query(self, params: Params) -> bool:
        press = self._world.presses.get(params.text("callback_query_id"))
        if press is None:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        notice = Notice(params.text("text"), alert=params.flag("show_alert"))
        if len(notice.text) > MAX_NOTICE:
            raise bad_request("MESSAGE_TOO_LONG")
        press.answer = notice
        if notice.text:
            press.chat.notices.append(notice)
        press.chat.bell.ring()
        self._world.updates.answered(press_key(press.id))
        return True

    async def _set_my_commands(self, params: Params) -> bool:
        commands = params.json("commands")
        if not _is_list_of_objects(commands) or len(commands) > MAX_COMMANDS:
            raise bad_request("can't parse commands: expected an Array of at most 100 BotCommand")
        for command in commands:
            if not _COMMAND_NAME.fullmatch(str(command.get("command", "")).removeprefix("/")):
                raise bad_request("BOT_COMMAND_INVALID")
            if not 1 <= len(str(command.get("description", ""))) <= _MAX_COMMAND_DESCRIPTION:
                raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        self._world.commands[_menu_key(params)] = commands
        return True

    async def _get_my_commands(self, params: Params) -> list[JsonDict]:
        return self._world.commands.get(_menu_key(params), [])

    def _chat(self, params: Params) -> Chat:
        """Return the chat the call is about, if the bot may write there."""
        raw = params.text("chat_id")
        if not raw:
            raise bad_request("chat_id is empty")
        self._world.updates.answered(chat_key(raw))  # An attempt is a reaction, even one in vain.
        chat = self._world.chats.get(int(raw)) if _CHAT_ID.fullmatch(raw) else None
        if chat is None:
            raise bad_request("chat not found")
        if chat.standing in _FORBIDDEN:
            raise ApiError(403, _FORBIDDEN[chat.standing])
        return chat

    def _editable(self, params: Params) -> tuple[Chat, ChatMessage]:
        chat = self._chat(params)
        message = chat.messages.get(_message_id(params))
        if message is None:
            raise bad_request("message to edit not found")
        if not message.by_bot:
            raise bad_request("message can't be edited")
        return chat, message

    def _shown(self, chat: Chat, message: ChatMessage) -> JsonDict:
        return chat.message_as_json(message, self._world.bot.as_json())


def _message_id(params: Params) -> int:
    message_id = params.integer("message_id")
    if message_id is None:
        raise bad_request("message identifier is not specified")
    return message_id


def _content(params: Params, name: str, entities_name: str) -> tuple[str, list[JsonDict]]:
    """Return text and entities as they will be shown."""
    mode = params.text("parse_mode").lower()
    if mode == "html":
        return parse_html(params.text(name))
    if mode:
        raise bad_request("unsupported parse_mode")
    return trimmed(params.text(name), params.json(entities_name) or [])


def _is_list_of_objects(decoded: object) -> bool:
    return isinstance(decoded, list) and all(isinstance(entry, dict) for entry in decoded)


def _menu_key(params: Params) -> str:
    return menu_key(params.json("scope"), params.text("language_code"))
