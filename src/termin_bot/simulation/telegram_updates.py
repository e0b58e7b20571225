"""The updates that wait for the bot, and the long poll that fetches them."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from .telegram_bell import Bell
from .telegram_wire import ApiError, JsonDict

MAX_BATCH = 100


@dataclass
class _Waiting:
    """One update that the bot has not acknowledged."""

    update_id: int
    body: JsonDict = field(repr=False)


class UpdateQueue:
    """
    Updates in order, kept until the bot acknowledges them.

        put ──► waiting ──poll──► waiting, seen by the bot ──poll with a higher offset──► gone

    A bot that dies in between gets the same updates again.
    """

    def __init__(self, bell: Bell, *, first_id: int) -> None:
        self._bell = bell
        self._next_id = first_id
        self._waiting: deque[_Waiting] = deque()
        self._handed_out = first_id - 1
        self._expected: dict[str, list[int]] = {}  # who waits for a reaction -> to which updates
        self._allowed: frozenset[str] = frozenset()
        self._newest_poll = 0
        self._closing = False
        self.webhook_url = ""

    @property
    def pending(self) -> int:
        """How many updates the bot has not acknowledged."""
        return len(self._waiting)

    @property
    def unanswered(self) -> int:
        """How many messages and presses still lack a visible reaction."""
        return sum(map(len, self._expected.values()))

    def put(self, kind: str, content: JsonDict, *, answer_key: str | None = None) -> None:
        """Queue an update, unless the bot asked not to hear of its kind."""
        if self._allowed and kind not in self._allowed:
            return
        update_id = self._next_id
        self._next_id += 1
        self._waiting.append(_Waiting(update_id, {"update_id": update_id, kind: content}))
        if answer_key is not None:
            self._expected.setdefault(answer_key, []).append(update_id)
        self._bell.ring()

    def answered(self, key: str) -> None:
        """Note that the bot reacted to what it has seen under *key*."""
        expected = self._expected.pop(key, [])
        unseen = [update_id for update_id in expected if update_id > self._handed_out]
        if unseen:
            self._expected[key] = unseen
        if len(unseen) != len(expected):
            self._bell.ring()

    def allow(self, kinds: list[str] | None) -> None:
        """Restrict future updates to *kinds*; an empty list allows all, None changes nothing."""
        if kinds is not None:
            self._allowed = frozenset(kinds)

    def discard(self) -> None:
        """Drop everything that waits, as drop_pending_updates asks."""
        self._waiting.clear()
        self._expected.clear()
        self._bell.ring()

    async def poll(self, *, offset: int, limit: int, seconds: float) -> list[JsonDict]:
        """
        Acknowledge what lies before *offset*, then return up to *limit* updates, waiting for the first.

        Raises ApiError 409 while a webhook is set, and in a poll that a newer one supersedes.
        """
        if self.webhook_url:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        self._acknowledge(offset)
        self._newest_poll += 1
        ticket = self._newest_poll
        self._bell.ring()  # Wakes a poll that this one supersedes.
        with contextlib.suppress(TimeoutError):
            await self._bell.until(lambda: self._waiting or self._closing or ticket != self._newest_poll, seconds)
        if ticket != self._newest_poll:
            raise ApiError(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            )
        batch = [waiting.body for waiting in islice(self._waiting, min(max(limit, 1), MAX_BATCH))]
        if batch:
            self._handed_out = max(self._handed_out, batch[-1]["update_id"])
        elif self._closing:
            await asyncio.sleep(0)  # A client that asks again at once lets the server close meanwhile.
        return batch

    def close(self) -> None:
        """End the pending poll, and let none wait until the queue is opened again."""
        self._closing = True
        self._bell.ring()

    def open(self) -> None:
        """Let polls wait again."""
        self._closing = False

    def _acknowledge(self, offset: int) -> None:
        before = len(self._waiting)
        if offset < 0:
            while len(self._waiting) > -offset:
                self._waiting.popleft()
        else:
            while self._waiting and self._waiting[0].update_id < offset:
                self._waiting.popleft()
        if len(self._waiting) != before:
            self._bell.ring()
