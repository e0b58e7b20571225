"""Switches that make the inbox misbehave, one request at a time or until further notice: for tests of senders."""

import asyncio
import threading
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .errors import database_down

Stored = Literal["nothing", "everything"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """
    Answer with this status and body instead of Umami's.

    *retry_after* goes into the header as it is, seconds or an HTTP date. *stored* says whether the request is worked
    off before: "everything" is an answer that got lost on the way, and a second attempt then stores it twice.
    """

    status: int = 503
    body: bytes = b""
    content_type: str = "text/plain"
    retry_after: str | int | None = None
    stored: Stored = "nothing"


@dataclass(frozen=True, kw_only=True)
class Hang:
    """
    Take the request and say nothing, until `Faults.release()` or the client goes away.

    Once released, the request is worked off and answered as if nothing had been; with *stored* "everything" it is
    worked off first, and only its answer waits.
    """

    stored: Stored = "nothing"


@dataclass(frozen=True, kw_only=True)
class Drop:
    """Begin an answer of 200 and close the connection in the middle of its body."""

    stored: Stored = "nothing"


Fault = Answer | Hang | Drop

HTML_PAGE: Final = Answer(status=200, body=b"<!doctype html><title>Please log in</title>", content_type="text/html")
GARBAGE: Final = Answer(status=200, body=b"\x00\xff\xfe\x80garbage", content_type="application/json")
TRUNCATED: Final = Answer(status=200, body=b'{"size":2,"processed":', content_type="application/json")
EMPTY: Final = Answer(status=200)


class Faults:
    """
    What goes wrong at /api/send and /api/batch; nothing, to begin with. Usable from any thread.

    A request takes the first of: the next fault in the queue of `once()`, the fault of `always()`, none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hanging_changed = threading.Condition(self._lock)
        self._queue: deque[Fault | None] = deque()
        self._always: Fault | None = None
        self._without_batch: int | None = None
        self._without_token = False
        self._items_left: int | None = None
        self._hanging: set[_Hanging] = set()

    def once(self, *faults: Fault | None) -> None:
        """Queue faults, one for each request to come; None lets a request through."""
        with self._lock:
            self._queue.extend(faults)

    def always(self, fault: Fault) -> None:
        """Do this with every request that no queued fault is for, until `clear()`."""
        with self._lock:
            self._always = fault

    def database_down(self, *, after_items: int = 0) -> None:
        """Answer every item with a 500 P1001, as Umami does without its database; the first *after_items* go well."""
        with self._lock:
            self._items_left = after_items

    def database_up(self) -> None:
        """End `database_down()`."""
        with self._lock:
            self._items_left = None

    def without_batch(self, status: Literal[404, 405] = 404) -> None:
        """Have no /api/batch, and answer /api/send with the token alone, as Umami before 2.17, until `clear()`."""
        with self._lock:
            self._without_batch = status

    def without_token(self) -> None:
        """Answer /api/batch without a token, as older Umamis do also when all is stored, until `clear()`."""
        with self._lock:
            self._without_token = True

    def release(self) -> None:
        """Let all hanging requests go on."""
        with self._lock:
            hanging = list(self._hanging)
        for one in hanging:
            one.go_on()

    def wait_for_hanging(self, requests: int = 1, *, timeout: float = 60) -> None:
        """Return as soon as so many requests hang; raises TimeoutError after *timeout* seconds."""
        with self._hanging_changed:
            if not self._hanging_changed.wait_for(lambda: len(self._hanging) == requests, timeout):
                raise TimeoutError(f"{len(self._hanging)} requests hang, not {requests}")

    def clear(self) -> None:
        """Behave from now on, and release what hangs."""
        with self._lock:
            self._queue.clear()
            self._always = self._without_batch = self._items_left = None
            self._without_token = False
        self.release()

    def check_database(self) -> None:
        """Raise ServerError while the database is down; one call for each item."""
        with self._lock:
            if self._items_left is None:
                return
            if self._items_left == 0:
                raise database_down()
            self._items_left -= 1

    def database_is_down(self) -> bool:
        """Say whether the next item will meet no database."""
        with self._lock:
            return self._items_left == 0

    def speaks_plainly(self) -> bool:
        """Say whether the answer of /api/send is the token alone."""
        with self._lock:
            return self._without_batch is not None

    def keeps_token_back(self) -> bool:
        """Say whether the answer of /api/batch has no token."""
        with self._lock:
            return self._without_token

    def next(self, path: str) -> Fault | None:
        """Return what goes wrong with a request to *path*, and take it off the queue."""
        with self._lock:
            if self._without_batch is not None and path == "/api/batch":
                return Answer(status=self._without_batch)
            return self._queue.popleft() if self._queue else self._always

    async def hang(self, receive: Receive) -> bool:
        """Wait until released (True) or until the client has gone (False)."""
        one = _Hanging(asyncio.get_running_loop())
        with self._lock:
            self._hanging.add(one)
            self._hanging_changed.notify_all()
        try:
            return await one.wait(receive)
        finally:
            with self._lock:
                self._hanging.discard(one)
                self._hanging_changed.notify_all()


class _Hanging:
    """One request that waits in its event loop for a word from another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._released = asyncio.Event()

    def go_on(self) -> None:
        self._loop.call_soon_threadsafe(self._released.set)

    async def wait(self, receive: Receive) -> bool:
        released = asyncio.create_task(self._released.wait())
        gone = asyncio.create_task(_until_disconnect(receive))
        try:
            await asyncio.wait({released, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            released.cancel()
            gone.cancel()
        return self._released.is_set()


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Dropped(Response):
    """A response that breaks off: more is promised than sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of the body and return; the server then closes the connection."""
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"419")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"cache":"', "more_body": True})


def as_response(answer: Answer) -> Response:
    """Return the response of an Answer."""
    headers = {} if answer.retry_after is None else {"retry-after": str(answer.retry_after)}
    return Response(answer.body, answer.status, headers, media_type=answer.content_type)
