"""A bell: whoever waits for a change looks again when it rings."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")
PATIENCE_SECONDS: Final = 60.0
"""How long whoever waits waits if nobody says otherwise: a limit for a busy machine, not a promise."""


class Bell:
    """
    Wakes everyone who waits for a condition.

    Ringing needs no lock and no await, so a change and its announcement are one step of the event loop.
    """

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Let everyone who waits look again."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def until(self, look: Callable[[], Found | None], seconds: float | None) -> Found:
        """
        Return what *look* finds as soon as it is neither None nor False.

        Raises TimeoutError after *seconds*.
        """
        async with asyncio.timeout(seconds):
            while not (found := look()):
                await self._rung.wait()
            return found

    async def until_silent(self, seconds: float) -> None:
        """Wait until the bell has not rung for *seconds*."""
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(seconds):
                    await self._rung.wait()
