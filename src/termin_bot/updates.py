"""
One CONSUMER span per Telegram update, around everything; in order per person, side by side across people.

The name of the span is decided here, from the update and from what the person was asked last: never from typed words.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast
from weakref import WeakValueDictionary

from opentelemetry import metrics
from opentelemetry.trace import Span, SpanKind
from telegram import ChatMember, Update
from telegram.constants import ChatType
from telegram.ext import BaseUpdateProcessor

from termin_bot import buttons, callback_data, operations
from termin_bot.arrivals import Arrivals
from termin_bot.languages import Language, language_of, use_language
from termin_bot.recording import Behind, unlink_services, use_visitor
from termin_bot.services.clock import Clock
from termin_bot.services.patience import Patience
from termin_bot.services.people import People, Visit
from termin_bot.storage import StorageError
from termin_bot.tracing import mark_failed, place, root_span, say_who

_log: Final = logging.getLogger(__name__)
_MS: Final = 1000
MAX_CONCURRENT: Final = 256
MAX_WAITING: Final = 1_000_000
_lag: Final = metrics.get_meter("termin_bot").create_histogram(
    "termin_bot.update.lag",
    unit="s",
    description="From sending a message to the bot until it is handled",
    explicit_bucket_boundaries_advisory=[1, 2, 3, 5, 10, 30, 60, 300, 3600],  # Telegram's dates are whole seconds
)


@dataclass(frozen=True)
class CommandGiven:
    """A typed command; *argument* is what stands behind it."""

    name: str
    argument: str = field(repr=False)


@dataclass(frozen=True)
class ButtonPressed:
    """An inline button; None is one that we no longer understand."""

    button: buttons.Button | None


@dataclass(frozen=True)
class TextTyped:
    """A message that is no command."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class WasBlocked:
    """The person blocked the bot."""


@dataclass(frozen=True)
class WasUnblocked:
    """The person let the bot in again."""


@dataclass(frozen=True)
class NotOurs:
    """Not from a private chat, or nothing we asked Telegram for."""


Route = CommandGiven | ButtonPressed | TextTyped | WasBlocked | WasUnblocked | NotOurs


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """An update on its way to its handler."""

    route: Route
    telegram_id: int = field(repr=False)
    visit: Visit | None = None
    trouble: Exception | None = None


_current: ContextVar[Incoming] = ContextVar("termin-bot-incoming")


def current() -> Incoming:
    """Return the update that is being processed in this task."""
    return _current.get()


def route_of(update: Update) -> Route:
    """Return what *update* is to us."""
    chat, user = update.effective_chat, update.effective_user
    if user is None or chat is None or chat.type != ChatType.PRIVATE:
        return NotOurs()
    if update.my_chat_member is not None:
        status = update.my_chat_member.new_chat_member.status
        return WasBlocked() if status == ChatMember.BANNED else WasUnblocked()
    if update.callback_query is not None:
        return ButtonPressed(callback_data.parse(update.callback_query.data or ""))
    if update.message is None:
        return NotOurs()
    text = update.message.text or ""
    if not text.startswith("/"):
        return TextTyped(text)
    command, *rest = re.split(r"\s", text[1:], maxsplit=1)
    return CommandGiven(command.partition("@")[0].lower(), "".join(rest))


def operation_of(route: Route, visit: Visit | None) -> str:
    """Return the name of the operation: one of the closed list in `operations`."""
    match route:
        case CommandGiven(name):
            return operations.command(name)
        case ButtonPressed(button):
            return operations.button("unknown" if button is None else button.route)
        case TextTyped():
            asking = visit.asking if visit is not None else None
            return operations.CONVERSATIONS.get(asking or "", operations.TEXT)
        case WasBlocked():
            return operations.BLOCKED
        case WasUnblocked():
            return operations.UNBLOCKED
        case NotOurs():
            return operations.IGNORED


class PersonalUpdateProcessor(BaseUpdateProcessor):
    """Processes each person's updates one after the other, in a span, on behalf of their visitor."""

    __slots__ = ("_arrivals", "_clock", "_locks", "_patience", "_people", "_room", "_unlinks_services")

    def __init__(
        self, people: People, arrivals: Arrivals, patience: Patience, clock: Clock, *, unlinks_services: bool = False
    ) -> None:
        super().__init__(MAX_WAITING)
        self._room = asyncio.Semaphore(MAX_CONCURRENT)  # not for those that wait for another update to be handled
        self._people = people
        self._arrivals = arrivals
        self._patience = patience
        self._clock = clock
        self._unlinks_services = unlinks_services
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def initialize(self) -> None:
        """Nothing is to be opened."""

    async def shutdown(self) -> None:
        """Nothing is to be closed."""

    async def do_process_update(self, update: object, coroutine: Awaitable[object]) -> None:
        """Process one update when the person's earlier ones are done."""
        if not isinstance(update, Update):
            await coroutine
            return
        user = update.effective_user
        incoming = Incoming(route=route_of(update), telegram_id=user.id if user is not None else 0)
        lock = self._locks.setdefault(incoming.telegram_id, asyncio.Lock())
        while True:
            async with lock:
                turn = await self._arrivals.begin(update)
                if turn == "now":
                    async with self._room:
                        await self._process(update, incoming, coroutine)
                    await self._arrivals.finish(update)
                    return
            if turn == "never":  # another instance took it over
                cast("Coroutine[Any, Any, object]", coroutine).close()
                return
            await self._arrivals.wait()

    async def _process(self, update: Update, incoming: Incoming, coroutine: Awaitable[object]) -> None:
        with root_span(operation_of(incoming.route, None), kind=SpanKind.CONSUMER) as span:
            span.set_attributes(
                {
                    "messaging.system": "telegram",
                    "messaging.operation.name": "process",
                    "messaging.operation.type": "process",
                }
            )
            with use_language(_language(update)):  # until we know theirs
                incoming = await self._recognise(incoming, span)
            token = _current.set(incoming)
            try:
                visit = incoming.visit
                with (
                    use_visitor(Behind.NOBODY if visit is None else visit.visitor),
                    use_language(_language(update) if visit is None else visit.language),
                    unlink_services(self._unlinks_services),
                ):
                    await coroutine
            finally:
                _current.reset(token)
                self._note_lag(span, update)

    def _note_lag(self, span: Span, update: Update) -> None:
        """Say how long the person waited, from sending a message until it was handled; presses carry no time."""
        if update.message is None:
            return
        lag = max(0.0, self._clock() - update.message.date.timestamp())
        span.set_attribute("termin_bot.update.lag_ms", round(lag * _MS))
        _lag.record(lag, {"messaging.system": "telegram", "messaging.operation.type": "process"})

    async def _recognise(self, incoming: Incoming, span: Span) -> Incoming:
        try:
            match incoming.route:
                case NotOurs():
                    return incoming
                case WasBlocked():
                    visit = await self._patience.insist(lambda: self._people.find(incoming.telegram_id))
                case route:
                    with_command = _is_command(route)
                    visit = await self._patience.insist(
                        lambda: self._people.arrive(incoming.telegram_id, with_command=with_command),
                        waiting=(incoming.telegram_id,),
                    )
        except Exception as error:  # noqa: BLE001  the handler raises it again, where there is an answer to it
            return replace(incoming, trouble=error)
        span.update_name(operation_of(incoming.route, visit))
        if visit is not None:
            say_who(span, visit.visitor)
        return replace(incoming, visit=visit)


def _is_command(route: Route) -> bool:
    match route:
        case CommandGiven() | ButtonPressed(buttons.Menu() | buttons.Shortcut()):
            return True
        case _:
            return False


def _language(update: Update) -> Language:
    return language_of(None if update.effective_user is None else update.effective_user.language_code)


def update_failed(span: Span, error: BaseException) -> None:
    """Say on the update's span and in the log that it failed: where and how, never with which words."""
    mark_failed(span, error)
    _log.error("an update failed: %s at %s", type(error).__name__, place(error))
    if isinstance(error, StorageError):
        _log.error("%s", error)  # written for the operator, with nobody's words in it
