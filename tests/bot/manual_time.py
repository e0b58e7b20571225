"""Time for code that only waits and never reads from anywhere: it passes as soon as everybody sleeps."""

import asyncio
import heapq
from itertools import count
from typing import Any

_TURNS = 12  # of the event loop, until whoever was woken sleeps again


class ManualTime:
    """A clock and a sleep that belong together."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def clock(self) -> float:
        """Return the time in seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until so much of this time has passed."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), future))
        await future

    async def run(self, until: asyncio.Future[Any]) -> None:
        """Let time pass, from one awakening to the next, until *until* is done."""
        while not until.done():
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if until.done() or not self._sleepers:
                continue
            self.now, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
        await until
