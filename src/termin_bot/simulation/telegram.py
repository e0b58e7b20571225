"""
A small Telegram for the demo and the tests: the Bot API on one side, people on the other.

    bot (python-telegram-bot, its own polling) ── HTTP or in memory ──► SimulatedTelegram ◄── Person.send, press, block

It checks what Telegram checks, loses nothing that was not acknowledged, and fails only when told to.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .serving import serve
from .telegram_bell import PATIENCE_SECONDS
from .telegram_chat import Button, Chat, ChatMessage, Document, Notice, Press
from .telegram_faults import ConnectionDropped, Faults
from .telegram_methods import BotApi
from .telegram_person import CannotWrite, NoSuchButton, Person
from .telegram_webhook import Delivery
from .telegram_wire import ApiError, JsonDict, read_params
from .telegram_world import BotIdentity, World, menu_key

__all__ = [
    "DEMO_TOKEN",
    "BotRequest",
    "Button",
    "CannotWrite",
    "ChatMessage",
    "Document",
    "NoSuchButton",
    "Notice",
    "Person",
    "Press",
    "SimulatedTelegram",
]

DEMO_TOKEN = "7000000001:simulated-bot-token-for-demo-and-tests"  # noqa: S105  opens nothing but the simulation
IN_MEMORY_URL = "http://simulated-telegram"
_FIRST_PERSON = 8_100_000_001
_LONG_POLL = "getupdates"


@dataclass
class BotRequest:
    """One call the bot made. The token is never kept; *status* is None while the call is under way or was dropped."""

    method: str
    payload: Mapping[str, str] = field(repr=False)
    files: tuple[str, ...] = field(default=(), repr=False)
    status: int | None = None


class SimulatedTelegram:
    """
    Telegram for one bot and any number of people, in one event loop.

    *clock* gives the dates written on messages, in seconds since the epoch; long polls wait in real time, and so does
    the redelivery to a webhook, *redeliver_seconds* after its first refusal.
    """

    def __init__(
        self,
        *,
        token: str = DEMO_TOKEN,
        clock: Callable[[], float] = time.time,
        bot_name: str = "Munich Appointments",
        bot_username: str = "munich_termin_bot",
        redeliver_seconds: float = 1.0,
    ) -> None:
        self.token = token
        self.requests: list[BotRequest] = []
        number = token.partition(":")[0]
        self._world = World(BotIdentity(int(number) if number.isdecimal() else 1, bot_name, bot_username), clock)
        self._api = BotApi(self._world)
        self._faults = Faults()
        self._delivery = Delivery(self._world.updates, self._world.bell, first_pause=redeliver_seconds)
        self._people: dict[int, Person] = {}
        self._under_way = 0
        self._dones: list[Callable[[], Awaitable[object]]] = []
        self.app = Starlette(routes=[Route("/bot{token}/{method}", self._answer, methods=["GET", "POST"])])

    def __repr__(self) -> str:
        return f"SimulatedTelegram(people={len(self._people)}, pending={self.updates_pending()})"

    # -- the bot's side

    @contextlib.asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncGenerator[str]:
        """
        Serve the Bot API on loopback while the block runs, and yield the URL that `/bot` is appended to.

        A pending long poll is answered when the block ends. It can be served again: nothing is forgotten.
        """
        try:
            async with self.delivering(), serve(self._app_for_tcp, port) as url:
                try:
                    yield url
                finally:
                    self._world.updates.close()  # First, so that no long poll holds the server up.
        finally:
            self._world.updates.open()

    @contextlib.asynccontextmanager
    async def delivering(self) -> AsyncGenerator[None]:
        """Bring updates to the webhook that the bot sets, over HTTP, while the block runs; `serve` does so too."""
        running = asyncio.create_task(self._delivery.run(), name="simulated webhook delivery")
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def route(self, public: str, *backends: str) -> None:
        """Let webhook calls below *public* arrive at *backends* in turn, as the operator's load balancer would."""
        self._delivery.route(public, *backends)

    @property
    def posted(self) -> int:
        """How many times an update was posted to a webhook, repetitions included."""
        return self._delivery.posted

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport for httpx clients in this loop that want no network; any host name will do."""
        return _InMemoryTransport(app=self.app)

    def calls(self, method: str) -> list[BotRequest]:
        """Return the recorded calls of one method, oldest first."""
        return [request for request in self.requests if request.method == method]

    def commands(self, language_code: str = "") -> dict[str, str]:
        """Return the bot's menu for everyone whose app has that language: command to description."""
        listed = self._world.commands.get(menu_key(None, language_code), [])
        return {entry["command"]: entry["description"] for entry in listed}

    # -- the people's side

    def person(
        self,
        id: int | None = None,  # noqa: A002  Telegram's word, and the callers'
        first_name: str = "Anna",
        username: str | None = None,
        language_code: str | None = "en",
    ) -> Person:
        """Return the person with that id: a new one, or the one already there under these names."""
        if id is None:
            id = _FIRST_PERSON + len(self._people)  # noqa: A001  see above
        chat = self._world.chats.get(id)
        if chat is None:
            chat = Chat(id, first_name, username, language_code)
            self._world.chats[id] = chat
            self._people[id] = Person(self._world, chat)
        chat.first_name, chat.username, chat.language_code = first_name, username, language_code
        return self._people[id]

    @property
    def people(self) -> tuple[Person, ...]:
        """Everyone on this Telegram, in the order they came."""
        return tuple(self._people.values())

    def updates_pending(self) -> int:
        """Return how many updates the bot has not acknowledged by a later offset."""
        return self._world.updates.pending

    @contextlib.contextmanager
    def knowing(self, done: Callable[[], Awaitable[object]]) -> Iterator[None]:
        """Have `settled` ask a bot in this process: *done* returns when it has handled all that it took."""
        self._dones.append(done)
        try:
            yield
        finally:
            self._dones.remove(done)

    async def settled(
        self,
        timeout: float = PATIENCE_SECONDS,  # noqa: ASYNC109  the caller's limit, kept by Bell
        *,
        patience: float | None = None,
        quiet: float = 0.02,
    ) -> bool:
        """
        Wait until the bot has acknowledged every update and is done with it.

        A bot that is known (`knowing`) says so itself, within *patience* (60) seconds. Of others only the signs are
        seen: a message counts as reacted to at the next call for its chat, a press at its answer, and then nothing may
        happen for *quiet* seconds, all within *patience* (1) seconds. Returns whether it came about.
        Raises TimeoutError if updates are still unacknowledged after *timeout* seconds.
        """
        updates, bell = self._world.updates, self._world.bell
        await bell.until(lambda: not updates.pending, timeout)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((PATIENCE_SECONDS if self._dones else 1.0) if patience is None else patience):
                for done in self._dones:
                    await done()
                if self._dones:
                    return True
                await bell.until(lambda: not updates.unanswered and not self._under_way, None)
                await bell.until_silent(quiet)
        return not updates.pending and not updates.unanswered and not self._under_way

    async def until(self, condition: Callable[[], bool], timeout: float = PATIENCE_SECONDS) -> None:  # noqa: ASYNC109  kept by Bell
        """Wait until *condition* holds; asked again whenever the bot's calls or updates change. Raises TimeoutError."""
        await self._world.bell.until(condition, timeout)

    # -- troubles

    def hand_over(self, **updates: dict[str, Any]) -> None:
        """Queue updates as they are, each by its kind, wanted or not: for what no person here does."""
        for kind, content in updates.items():
            self._world.updates.force(kind, content)

    def fail(self, method: str, status: int, description: str, times: int = 1, chat_id: int | None = None) -> None:
        """Refuse the next *times* calls of *method* ("*" for any), for one chat or all; they have no effect."""
        self._faults.fail(method, status, description, times=times, chat_id=chat_id)

    def retry_after(self, method: str, seconds: float, times: int = 1, chat_id: int | None = None) -> None:
        """Answer the next *times* calls of *method* with 429 and that many seconds to wait."""
        self._faults.retry_after(method, seconds, times=times, chat_id=chat_id)

    def drop_connection(self, method: str, times: int = 1, chat_id: int | None = None) -> None:
        """Cut the line on the next *times* calls of *method*; they have no effect."""
        self._faults.drop_connection(method, times=times, chat_id=chat_id)

    def heal(self) -> None:
        """Forget all troubles that have not happened yet."""
        self._faults.clear()

    # -- HTTP

    async def _answer(self, request: Request) -> Response:
        if request.path_params["token"] != self.token:
            return ApiError(401, "Unauthorized").response()
        method = request.path_params["method"]
        if method.lower() == _LONG_POLL:
            return await self._call(method, request)
        self._under_way += 1
        try:
            return await self._call(method, request)
        finally:
            self._under_way -= 1
            self._world.bell.ring()

    async def _call(self, method: str, request: Request) -> Response:
        record = BotRequest(method, {})
        self.requests.append(record)
        try:
            params = await read_params(request)
            record.payload, record.files = params.values, tuple(upload.name for upload in params.files.values())
            self._faults.strike(method.lower(), params)
            result: Any = await self._api.call(method, params)
        except ConnectionDropped:
            return _CutLine()
        except ApiError as error:
            record.status = error.status
            return error.response()
        record.status = 200
        body: JsonDict = {"ok": True, "result": result}
        return JSONResponse(body)

    async def _app_for_tcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ConnectionDropped):  # The server closes a connection whose answer stays incomplete.
            await self.app(scope, receive, send)


class _CutLine(Response):
    """A response that begins and never ends."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        raise ConnectionDropped


class _InMemoryTransport(httpx.ASGITransport):
    """ASGI in memory, with the same error for a cut line that a network shows."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionDropped:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from None
