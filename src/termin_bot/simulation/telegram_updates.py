"""The updates that wait for the bot, and the long poll that fetches them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from .telegram_bell import Bell
from .telegram_wire import ApiError, JsonDict

MAX_BATCH = 100


class Hooked(Protocol):
    """A webhook, as far as the queue cares."""

    url: str


@dataclass
class Waiting:
    """One update that the bot has not acknowledged, and whose it is."""

    update_id: int
    person: int = field(repr=False)
    body: JsonDict = field(repr=False)


class UpdateQueue:
    """
    Updates in order, kept until the bot acknowledges them.

        put ──► waiting ──poll──► waiting, seen by the bot ──poll with a higher offset──► gone
                        ──POST──► waiting, seen by the bot ──answered with 2xx──────────► gone

    A bot that dies in between gets the same updates again.
    """

    def __init__(self, bell: Bell, *, first_id: int, clock: Callable[[], float]) -> None:
        self._bell = bell
        self._clock = clock
        self._next_id = first_id
        self._waiting: deque[Waiting] = deque()
        self._unseen: set[int] = set()
        self._expected: dict[str, list[int]] = {}  # who waits for a reaction -> to which updates
        self._allowed: frozenset[str] = frozenset()
        self._newest_poll = 0
        self._closing = False
        self.hook: Hooked | None = None

    @property
    def waiting(self) -> Iterable[Waiting]:
        """What the bot has not acknowledged, oldest first."""
        return self._waiting

    @property
    def allowed(self) -> list[str]:
        """The kinds that the bot asked for; empty is all."""
        return sorted(self._allowed)

    def now(self) -> int:
        """Return the date Telegram would write now."""
        return int(self._clock())

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
        if not self._allowed or kind in self._allowed:
            self.force(kind, content, answer_key=answer_key)

    def force(self, kind: str, content: JsonDict, *, answer_key: str | None = None) -> None:
        """Queue an update, whatever the bot asked for."""
        update_id = self._next_id
        self._next_id += 1
        body = {"update_id": update_id, kind: content}
        self._waiting.append(Waiting(update_id, content["from"]["id"], body))
        self._unseen.add(update_id)
        if answer_key is not None:
            self._expected.setdefault(answer_key, []).append(update_id)
        self._bell.ring()

    def answered(self, key: str) -> None:
        """Note that the bot reacted to what it has seen under *key*."""
        expected = self._expected.pop(key, [])
        unseen = [update_id for update_id in expected if update_id in self._unseen]
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
        self._unseen.clear()
        self._expected.clear()
        self._bell.ring()

    def hang(self, hook: Hooked | None) -> None:
        """Set the webhook, or take it away; a long poll under way ends."""
        self.hook = hook
        self._bell.ring()

    def hand_out(self, update: Waiting) -> None:
        """Note that the bot sees an update."""
        self._unseen.discard(update.update_id)

    def taken(self, update: Waiting) -> None:
        """Note that the bot acknowledged an update that was brought to it."""
        if update in self._waiting:
            self._waiting.remove(update)

    async def poll(self, *, offset: int, limit: int, seconds: float) -> list[JsonDict]:
        """
        Acknowledge what lies before *offset*, then return up to *limit* updates, waiting for the first.

        Raises ApiError 409 while a webhook is set, and in a poll that a newer one supersedes.
        """
        if self.hook is not None:
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
            await self._bell.until(
                lambda: self._waiting or self._closing or self.hook or ticket != self._newest_poll, seconds
            )
        if self.hook is not None:
            raise ApiError(409, "Conflict: terminated by setWebhook request")
        if ticket != self._newest_poll:
            raise ApiError(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            )
        batch = list(islice(self._waiting, min(max(limit, 1), MAX_BATCH)))
        for waiting in batch:
            self.hand_out(waiting)
        if self._closing and not batch:
            await asyncio.sleep(0)  # A client that asks again at once lets the server close meanwhile.
        return [waiting.body for waiting in batch]

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
                self.hand_out(self._waiting.popleft())
        else:
            while self._waiting and self._waiting[0].update_id < offset:
                self._waiting.popleft()
        if len(self._waiting) != before:
            self._bell.ring()
