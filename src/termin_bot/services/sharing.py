"""
One of several instances: signs of life, what one of them does for all, and what all have from one.

On a database that nobody else is at work on (SQLite) everything is this instance's, and nothing of this is asked for.
"""

import asyncio
import json
import logging
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from termin_bot.services.clock import Clock
from termin_bot.services.ports import Work
from termin_bot.storage import StorageError, UnitOfWork

_log: Final = logging.getLogger(__name__)
ROUNDS: Final = "rounds"
"""The lease for what is done in the background: checking, telling, deadlines, forgetting."""
NEWS: Final = "news of the rounds"
_BEATS_PER_LEASE: Final = 3
_DEAD_SECONDS: Final = 3600.0
_NEWS_SECONDS: Final = 86_400.0
WAIT_SECONDS: Final = 0.5


class Instance:
    """
    This instance among the others.

    Args:
        work: begins a unit of work.
        clock: epoch seconds; those of all machines are to agree within a second or two.
        lease_seconds: how long after its last sign of life an instance counts as dead.
        shared: whether there may be others.

    """

    def __init__(self, work: Work, clock: Clock, *, lease_seconds: float, shared: bool) -> None:
        self.id: Final = secrets.token_hex(12)
        self.shared: Final = shared
        self._work = work
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._beat_at = float("-inf")
        self._leads = False

    @property
    def beat_seconds(self) -> float:
        """How often to give a sign of life, in seconds."""
        return self._lease_seconds / _BEATS_PER_LEASE

    @property
    def holder(self) -> str | None:
        """What to write where something is this instance's; None when it cannot be anybody else's."""
        return self.id if self.shared else None

    async def beat(self) -> None:
        """Give a sign of life, if it is time to."""
        now = self._clock()
        if not self.shared or now - self._beat_at < self.beat_seconds:
            return
        async with self._work() as work:
            await work.instances.beat(self.id, now + self._lease_seconds)
            await work.instances.forget(now - _DEAD_SECONDS)
            await work.commit()
        self._beat_at = now

    async def leads(self) -> bool:
        """Whether this instance does what one does for all; it stays so until this one stops or dies."""
        if not self.shared:
            return True
        await self.beat()
        leads = await self._claim(ROUNDS)
        if leads != self._leads:
            _log.info("this instance %s the rounds", "does" if leads else "leaves to another")
        self._leads = leads
        return leads

    async def is_anothers(self, work: UnitOfWork, holder: str | None) -> bool:
        """Whether something is held by another instance that lives."""
        if not self.shared or holder in (None, self.id):
            return False
        assert holder is not None
        return await work.instances.is_alive(holder, self._clock())

    async def leave(self) -> None:
        """Let go of everything, so that others need not wait."""
        if self.shared:
            async with self._work() as work:
                await work.instances.leave(self.id)
                await work.commit()

    async def _claim(self, name: str) -> bool:
        async with self._work() as work:
            claimed = await work.instances.claim(name, self.id, self._clock())
            await work.commit()
        return claimed

    async def _release(self, name: str) -> None:
        async with self._work() as work:
            await work.instances.release(name, self.id)
            await work.commit()

    @asynccontextmanager
    async def alone(
        self, name: str, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> AsyncIterator[None]:
        """Do something that no other instance does at the same time; waits until it is one's turn."""
        if not self.shared:
            yield
            return
        await self.beat()
        while not await self._claim(name):
            await sleep(WAIT_SECONDS)
            await self.beat()
        try:
            yield
        finally:
            with suppress(StorageError):  # then it is free when this instance counts as dead, or takes it again
                await self._release(name)


class SharedBoard:
    """
    Where instances leave things from the city for each other; a `munich.Board`.

    While the database is away there is nothing on it, and everybody asks for themselves.
    """

    def __init__(self, work: Work, clock: Clock, instance: Instance) -> None:
        self._work = work
        self._clock = clock
        self._instance = instance

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Get something from the city while no other instance does; look first whether one just did."""
        async with AsyncExitStack() as stack:
            with suppress(StorageError):
                await stack.enter_async_context(self._instance.alone(name))
            yield

    async def get(self, name: str) -> str | None:
        """Return what an instance left there, while it is good."""
        if self._instance.shared:
            with suppress(StorageError):
                async with self._work() as work:
                    return await work.shared.get(name, self._clock())
        return None

    async def put(self, name: str, content: str, seconds: float) -> None:
        """Leave something there for so many seconds."""
        if self._instance.shared:
            with suppress(StorageError):
                async with self._work() as work:
                    await work.shared.put(name, content, self._clock() + seconds)
                    await work.commit()


@dataclass(frozen=True)
class News:
    """
    How the rounds stand, by whoever does them: when the city last answered, and since when it does not.

    *checked_at* is by service id and offices, as a row keeps them.
    """

    checked_at: Mapping[tuple[int, str], float]
    blind_since: float | None


class Bulletin:
    """What the instance that does the rounds lets the others know, so that each can tell people how things stand."""

    def __init__(self, board: SharedBoard) -> None:
        self._board = board

    async def post(self, news: News) -> None:
        """Let the others know."""
        by_moment: dict[float, list[tuple[int, str]]] = defaultdict(list)  # few moments, many looks
        for watched, at in news.checked_at.items():
            by_moment[at].append(watched)
        content = json.dumps({"looks": list(by_moment.items()), "blind_since": news.blind_since})
        await self._board.put(NEWS, content, _NEWS_SECONDS)

    async def read(self) -> News | None:
        """Return what is known; None when nobody has done a round lately, or nobody else could have."""
        content = await self._board.get(NEWS)
        if content is None:
            return None
        said = json.loads(content)
        looks = {(service_id, offices): at for at, watched in said["looks"] for service_id, offices in watched}
        return News(looks, said["blind_since"])
