"""A person on the simulated Telegram: writes, presses, blocks, and sees what a screen would show."""

from collections.abc import Callable

from .telegram_bell import PATIENCE_SECONDS
from .telegram_chat import Button, Chat, ChatMessage, Document, Notice, Press, Standing
from .telegram_world import MAX_TEXT, World

Wanted = str | Callable[[ChatMessage], bool] | None
"""A piece of text, a question to a message, or None for any message."""


class NoSuchButton(LookupError):  # noqa: N818  named for what the person finds
    """No visible message has the button that should be pressed."""


class CannotWrite(RuntimeError):  # noqa: N818  named for what the person finds
    """The person has blocked the bot or is gone, so the app would not let them write or press."""


class Person:
    """
    One person's private chat with the bot, from the person's side.

    Actions only queue updates; the bot reacts when it polls. Wait for reactions with `wait_for` and `answer`.
    """

    def __init__(self, world: World, chat: Chat) -> None:
        self._world = world
        self._chat = chat
        self._acted_at = 0

    def __repr__(self) -> str:
        return f"Person(standing={self._chat.standing.name}, inbox={len(self.inbox)})"

    @property
    def id(self) -> int:
        """The person's Telegram id, and their chat's."""
        return self._chat.id

    @property
    def first_name(self) -> str:
        """The name the bot sees."""
        return self._chat.first_name

    @property
    def username(self) -> str | None:
        """The public name, if the person has one."""
        return self._chat.username

    @property
    def language_code(self) -> str | None:
        """The language of the person's app."""
        return self._chat.language_code

    @property
    def has_blocked(self) -> bool:
        """Whether the person blocks the bot."""
        return self._chat.standing is Standing.BLOCKED

    @property
    def inbox(self) -> tuple[ChatMessage, ...]:
        """The bot's messages as the person sees them now, oldest first."""
        return tuple(message for message in self._chat.messages.values() if message.by_bot)

    @property
    def outbox(self) -> tuple[ChatMessage, ...]:
        """The person's own messages that the bot has not deleted, oldest first."""
        return tuple(message for message in self._chat.messages.values() if not message.by_bot)

    @property
    def last(self) -> ChatMessage:
        """The newest message of the bot; LookupError if there is none."""
        if not self.inbox:
            raise LookupError("the bot has not written, or deleted what it wrote")
        return self.inbox[-1]

    @property
    def documents(self) -> tuple[Document, ...]:
        """The files the person can open now, oldest first."""
        return tuple(message.document for message in self.inbox if message.document)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The lines and alerts shown after presses, oldest first."""
        return tuple(self._chat.notices)

    @property
    def chat_actions(self) -> tuple[str, ...]:
        """The activities the bot showed ("typing"), oldest first."""
        return tuple(self._chat.actions)

    async def send(self, text: str) -> ChatMessage:
        """Write to the bot. Raises ValueError for what an app would split or not send, CannotWrite while blocked."""
        self._require_open()
        if not text.strip() or len(text) > MAX_TEXT:
            raise ValueError(f"a message has 1 to {MAX_TEXT} characters")
        message = self._world.said(self._chat, text.strip())
        self._acted_at = self._chat.changes
        return message

    async def press(self, wanted: str | Callable[[Button], bool]) -> Press:
        """
        Press the button with that label, or the first that fits, on the newest message that has one.

        Raises NoSuchButton, which lists what could be pressed.
        """
        self._require_open()
        for message in reversed(self.inbox):
            if button := message.button(wanted):
                assert button.data is not None
                return self._press(message, button.data)
        sought = f"labelled {wanted!r}" if isinstance(wanted, str) else "that fits"
        raise NoSuchButton(f"no button {sought}; visible, newest message first: {self._visible_buttons()}")

    async def press_data(self, data: str, message: ChatMessage | None = None) -> Press:
        """
        Press a button that sends *data*, whether it is still shown or not, as a stale screen would.

        It counts as a button of *message*, or else of the bot's newest message with buttons, or else of the newest.
        """
        self._require_open()
        if message is None:
            if not self.inbox:
                raise NoSuchButton("the bot has written nothing that could have had a button")
            message = next((seen for seen in reversed(self.inbox) if seen.keyboard), self.last)
        return self._press(message, data)

    async def block(self) -> None:
        """Block the bot: it is told, and may no longer write. Once is enough."""
        if self._chat.standing not in (Standing.BLOCKED, Standing.DEACTIVATED):
            self._world.turned(self._chat, Standing.BLOCKED)

    async def unblock(self) -> None:
        """Let the bot write again; it is told."""
        if self._chat.standing is Standing.BLOCKED:
            self._world.turned(self._chat, Standing.OPEN)

    async def deactivate(self) -> None:
        """Delete the account: the bot is not told, and may no longer write."""
        self._chat.standing = Standing.DEACTIVATED

    async def meet(self) -> None:
        """Count as someone who pressed Start long ago: the bot may write, and there is no update."""
        if self._chat.standing is Standing.STRANGER:
            self._chat.standing = Standing.OPEN

    async def wait_for(self, wanted: Wanted = None, timeout: float = PATIENCE_SECONDS) -> ChatMessage:  # noqa: ASYNC109  kept by Bell
        """
        Return the newest visible message of the bot that fits, as soon as there is one; old ones count.

        Raises TimeoutError after *timeout* seconds, with the texts that are visible.
        """
        return await self._await_message(wanted, since=0, seconds=timeout)

    async def answer(self, wanted: Wanted = None, timeout: float = PATIENCE_SECONDS) -> ChatMessage:  # noqa: ASYNC109  kept by Bell
        """
        Return the newest message of the bot that fits and came, or was edited, after this person's last action.

        Raises TimeoutError after *timeout* seconds, with the texts that are visible.
        """
        return await self._await_message(wanted, since=self._acted_at, seconds=timeout)

    async def until(self, condition: Callable[[], bool], timeout: float = PATIENCE_SECONDS) -> None:  # noqa: ASYNC109  kept by Bell
        """Wait until *condition* holds; asked again at every change in this chat. TimeoutError after *timeout*."""
        await self._chat.bell.until(condition, timeout)

    async def _await_message(self, wanted: Wanted, *, since: int, seconds: float) -> ChatMessage:
        def look() -> ChatMessage | None:
            fitting = (
                message for message in reversed(self.inbox) if message.changed > since and _fits(message, wanted)
            )
            return next(fitting, None)

        try:
            return await self._chat.bell.until(look, seconds)
        except TimeoutError:
            sought = f"with {wanted!r}" if isinstance(wanted, str) else "that fits"
            seen = [message.text for message in reversed(self.inbox)]
            raise TimeoutError(f"no message {sought} within {seconds} s; visible, newest first: {seen}") from None

    def _press(self, message: ChatMessage, data: str) -> Press:
        press = self._world.pressed(self._chat, message, data)
        self._acted_at = self._chat.changes
        return press

    def _visible_buttons(self) -> list[list[str]]:
        return [
            [f"{button.label} (link)" if button.url else button.label for button in message.buttons]
            for message in reversed(self.inbox)
            if message.keyboard
        ]

    def _require_open(self) -> None:
        if self._chat.standing is Standing.BLOCKED:
            raise CannotWrite("this person blocks the bot: unblock() first")
        if self._chat.standing is Standing.DEACTIVATED:
            raise CannotWrite("this account is deactivated")


def _fits(message: ChatMessage, wanted: Wanted) -> bool:
    if wanted is None:
        return True
    return wanted in message.text if isinstance(wanted, str) else wanted(message)
