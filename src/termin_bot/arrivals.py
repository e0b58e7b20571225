"""
Updates between Telegram and their handlers: written down first, handled in order per person, on whichever instance.

    Telegram ─► put ─► row `arrival` ─► Telegram hears that we have it ─► begin: its turn? ─► handled ─► finish
                  └── the database is away: not confirmed, so Telegram sends it again

On a database of its own (SQLite) an instance keeps what it took in memory: there is nobody to take it over.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal

from telegram import Bot, Update
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from termin_bot.services.clock import Clock
from termin_bot.services.patience import Patience
from termin_bot.services.ports import Work
from termin_bot.services.sharing import Instance
from termin_bot.storage import StorageError

_log: Final = logging.getLogger(__name__)
HOLD_SECONDS: Final = 10.0
"""How long Telegram is kept waiting for our word that an update has arrived, while the database is away."""
PAUSE_SECONDS: Final = 0.2
LEAVE_SECONDS: Final = 1.0
ADOPT_AT_ONCE: Final = 100

Turn = Literal["now", "later", "never"]


class NotTakenError(TelegramError):
    """An update could not be written down: it stays with Telegram, which sends it again."""

    def __init__(self) -> None:
        super().__init__("the database is away: updates stay with Telegram")


class Arrivals(asyncio.Queue[object]):
    """What python-telegram-bot puts updates into, and takes them out of."""

    def __init__(
        self,
        *,
        work: Work,
        instance: Instance,
        patience: Patience,
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        super().__init__()
        self._work = work
        self._instance = instance
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._hold_seconds = hold_seconds
        self._unwritten: dict[int, Update] = {}
        self._taken: set[int] = set()
        self._writing = asyncio.Lock()
        self._soon: asyncio.Task[None] | None = None
        self._leaving = False
        self.polls = False
        """Whether updates are confirmed by the next poll, see `ConfirmingRequest`."""

    async def put(self, item: object) -> None:
        """
        Take an update. One that arrived before is not taken again.

        With a webhook it is safe when this returns; with polling, when `written` does.

        Raises:
            NotTakenError: the database stayed away; Telegram must not hear that the update arrived.
        """
        if not self._instance.shared or not isinstance(item, Update):
            await super().put(item)
            return
        self._unwritten[item.update_id] = item
        if self.polls:
            if self._soon is None or self._soon.done():
                self._soon = asyncio.create_task(self._write_soon(), name="writing updates down")
            return
        try:
            async with asyncio.timeout(self._hold_seconds):
                await self.written()
        except (TimeoutError, StorageError):
            self._unwritten.pop(item.update_id, None)
            raise NotTakenError from None

    async def written(self) -> None:
        """Return when everything that was put here is safe; those who sent it hear it if that takes long."""
        async with self._writing:
            while self._unwritten:
                batch = list(self._unwritten.values())
                senders = [sender for each in batch if (sender := _sender(each)) is not None]
                mine = await self._patience.insist(partial(self._add, batch), waiting=senders)
                for each in batch:
                    self._unwritten.pop(each.update_id, None)
                    if each.update_id in mine and each.update_id not in self._taken:
                        self._taken.add(each.update_id)
                        await super().put(each)

    async def join(self) -> None:
        """Return when everything that was put here is handled."""
        if not self._leaving:
            await self.written()
        await super().join()

    def leave(self) -> None:
        """Hold no update for the sake of the database: the bot is being stopped, and Telegram has them still."""
        self._leaving = True

    async def are_safe(self) -> bool:
        """Wait until everything is written down; False when the bot is being stopped before that."""
        if not self._leaving:
            await self.written()
            return True
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.written()
        except (TimeoutError, StorageError):
            return False
        return True

    async def _write_soon(self) -> None:
        await asyncio.sleep(0)  # let those that came together be written together
        with suppress(StorageError):  # they are tried again before the next poll
            await self.written()

    async def begin(self, update: Update) -> Turn:
        """Return whether an update may be handled now: in order per person, by one instance, once."""
        if not self._instance.shared:
            return "now"
        sender = _sender(update)
        waiting = () if sender is None else (sender,)
        turn = await self._patience.insist(partial(self._begin, update.update_id, sender), waiting=waiting)
        if turn == "never":
            self._taken.discard(update.update_id)
        return turn

    async def wait(self) -> None:
        """Wait a little for the person's earlier updates, which another instance is handling."""
        await self._sleep(PAUSE_SECONDS)

    async def finish(self, update: Update) -> None:
        """Note that an update is done with, and forget what was in it."""
        if self._instance.shared:
            await self._patience.insist(partial(self._finish, update.update_id))
            self._taken.discard(update.update_id)

    async def adopt(self, bot: Bot) -> None:
        """Take over what instances that are no more left behind."""
        if not self._instance.shared:
            return
        await self._instance.beat()
        async with self._work() as work:
            left = await work.arrivals.adopt(
                self._instance.id, self._clock(), known=self._taken | self._unwritten.keys(), limit=ADOPT_AT_ONCE
            )
            found = [(each.update_id, each.content) for each in left]
            await work.commit()
        for update_id, content in found:
            if content is None:  # the key is lost, and with it what was sealed
                await self._patience.insist(partial(self._finish, update_id))
            elif update_id not in self._taken:
                self._taken.add(update_id)
                await super().put(Update.de_json(json.loads(content), bot))
        if found:
            _log.warning("took over %d updates that an instance left behind", len(found))

    async def _add(self, batch: Sequence[Update]) -> frozenset[int]:
        async with self._work() as work:
            mine = [
                each.update_id
                for each in batch
                if await work.arrivals.add(
                    each.update_id, _sender(each), each.to_json(), self._instance.id, self._clock()
                )
            ]
            await work.commit()
        return frozenset(mine)

    async def _begin(self, update_id: int, sender: int | None) -> Turn:
        async with self._work() as work:
            if sender is not None:
                await work.arrivals.lock(sender)
            arrival = await work.arrivals.own(update_id, self._instance.id)
            if arrival is None:
                return "never"
            if sender is not None and await work.arrivals.is_behind(arrival):
                return "later"
            arrival.started = True
            await work.commit()
        return "now"

    async def _finish(self, update_id: int) -> None:
        async with self._work() as work:
            await work.arrivals.handled(update_id, self._clock())
            await work.commit()


class ConfirmingRequest(HTTPXRequest):
    """Sends getUpdates, which confirms all that came before: so not until that is safe."""

    def __init__(self, arrivals: Arrivals, **options: Any) -> None:
        super().__init__(**options)
        self._arrivals = arrivals

    async def do_request(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        """Ask for updates when the earlier ones are written down; else find nothing, and confirm nothing."""
        self._arrivals.polls = True
        if not await self._arrivals.are_safe():
            return 200, b'{"ok": true, "result": []}'
        return await super().do_request(*args, **options)


def _sender(update: Update) -> int | None:
    return None if update.effective_user is None else update.effective_user.id
