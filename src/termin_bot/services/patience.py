"""Waiting for a database that is away, so that what was begun is finished and nobody has to say it again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar

from termin_bot.storage import StorageAwayError

T = TypeVar("T")
Action = Callable[[], Awaitable[T]]

_log: Final = logging.getLogger(__name__)
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0


class Patience:
    """
    Tries again until the database answers.

    Args:
        is_back: whether the database answers.
        sleep: how to wait between two looks, in seconds.

    """

    def __init__(self, is_back: Action[bool], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._is_back = is_back
        self._sleep = sleep
        self._looking: asyncio.Task[None] | None = None
        self._comforted: set[int] = set()
        self.comfort: Callable[[int], Awaitable[object]] | None = None
        """Tells a person, by Telegram id, that their words are kept; called once per person and outage."""

    async def insist(self, action: Action[T], *, waiting: Collection[int] = ()) -> T:
        """
        Return what *action* returns once the database lets it.

        What is called again must do no harm twice: a commit may have worked whose answer got lost.

        Args:
            action: what is to be done; called again after each StorageAwayError, and after no other.
            waiting: the Telegram ids of those who wait for it.

        """
        while True:
            try:
                return await action()
            except StorageAwayError:
                pass
            if not await self._is_back():  # else it was only a connection that had died meanwhile
                await self._say_so(waiting)
                await self._return()

    async def _say_so(self, waiting: Collection[int]) -> None:
        for telegram_id in waiting:
            if self.comfort is not None and telegram_id not in self._comforted:
                self._comforted.add(telegram_id)
                await self.comfort(telegram_id)

    async def _return(self) -> None:
        """Wait until the database answers; one looks for all."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="waiting for the database")
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        _log.error("the database is away: updates are held until it is back")
        pause = FIRST_PAUSE
        while not await self._is_back():
            await self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._comforted.clear()
        _log.warning("the database is back")

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
