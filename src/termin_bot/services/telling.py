"""
What check cycles find is told beside them: the next cycle does not wait until the last of ten thousand people knows.

    check cycle ──tell──► batches, each in random order ──one of each in turn──► a few at a time ──► Notifying

Nothing is kept here that matters: whom to tell what is decided from the database when somebody's turn comes, so what
a stop forgets is told by the first cycle after the start.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import Final, Protocol

from opentelemetry import metrics

from termin_bot.munich import Catalogue

_log: Final = logging.getLogger(__name__)
AT_A_TIME: Final = 8
"""How many messages may be on their way to Telegram; a kill doubles at most these."""

_waiting: Final = metrics.get_meter("termin_bot").create_up_down_counter(
    "termin_bot.notifications.waiting",
    unit="{subscription}",
    description="Subscriptions that were looked at, and whose people are not told yet",
)


class Tells(Protocol):
    """Tells people what is new to them."""

    async def tell_one(self, subscription_id: int, catalogue: Catalogue) -> None:
        """Tell whoever is behind this subscription."""
        ...


class Telling:
    """
    Tells at once, and lets whoever asked for it go on.

    Everybody gets their turn once, in the context (span, pseudonym switch) in which it was asked for.
    """

    def __init__(self, notifying: Tells, chance: random.Random) -> None:
        self._notifying = notifying
        self._chance = chance
        self._batches: deque[tuple[Catalogue, Context, deque[int]]] = deque()
        self._known: set[int] = set()
        self._asked = asyncio.Event()
        self._told = asyncio.Event()
        self._told.set()

    @property
    def waiting(self) -> int:
        """How many are not told yet, those whose message is on its way among them."""
        return len(self._known)

    async def tell(self, subscription_ids: Sequence[int], catalogue: Catalogue) -> None:
        """Put everybody in line who does not stand there already."""
        fresh = [each for each in subscription_ids if each not in self._known]
        if not fresh:
            return
        self._known.update(fresh)
        self._told.clear()
        _waiting.add(len(fresh))
        self._batches.append((catalogue, copy_context(), deque(self._chance.sample(fresh, len(fresh)))))
        self._asked.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell until *stopping*; messages that are on their way then are finished."""
        leaving = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                asked = asyncio.create_task(self._asked.wait())
                await asyncio.wait({asked, leaving}, return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                await self.work_off(stopping)
        finally:
            leaving.cancel()

    async def work_off(self, stopping: asyncio.Event | None = None) -> None:
        """Tell until nobody waits, also not for what `run` has begun beside this; or until *stopping*."""
        self._asked.clear()
        failures = [each for each in await asyncio.gather(*(self._worker(stopping) for _ in range(AT_A_TIME))) if each]
        if failures:
            _log.error("telling failed %d times: %s", sum(count for count, _ in failures), failures[0][1])
        if stopping is None:
            await self._told.wait()

    async def _worker(self, stopping: asyncio.Event | None) -> tuple[int, str] | None:
        failed, why = 0, ""
        while self._batches and not (stopping is not None and stopping.is_set()):
            catalogue, context, batch = self._batches.popleft()
            subscription_id = batch.popleft()
            if batch:
                self._batches.append(
                    (catalogue, context, batch)
                )  # behind the others: no service waits for a larger one
            try:
                await asyncio.create_task(self._notifying.tell_one(subscription_id, catalogue), context=context.copy())
            except Exception as error:  # noqa: BLE001  the next cycle asks again; its text may hold anything
                failed, why = failed + 1, type(error).__name__
            finally:
                self._known.discard(subscription_id)  # not before: the next cycle must not begin a second message
                _waiting.add(-1)
                if not self._known:
                    self._told.set()
        return (failed, why) if failed else None
