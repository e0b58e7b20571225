"""
The stage: acts that begin when the director says so, and end when every citizen has played.

So the order of what matters is the script's, however fast the machine is. Nobody sleeps here.
"""

import asyncio
from enum import IntEnum
from typing import Final

from .telegram_bell import Bell

DESKS: Final = 4
"""How many citizens book at the same time. More would make each booking slower, and none could be told from a stall."""


class Act(IntEnum):
    """The parts of the play, in order."""

    ARRIVING = 1
    LEAVING = 2
    BOOKING = 3
    RETURNING = 4
    SECOND_CHANCE = 5
    PARTING = 6
    OVER = 7


class Stage:
    """Where citizens wait for their act, and the director for the citizens."""

    def __init__(self) -> None:
        self.desks = asyncio.Semaphore(DESKS)
        self._bell = Bell()
        self._open: Act | None = None
        self._waits_for: dict[int, Act] = {}

    def join(self, number: int) -> None:
        """Take part: no act ends without this citizen from now on."""
        self._waits_for[number] = Act.ARRIVING

    async def enter(self, number: int, act: Act) -> None:
        """Be done with what came before *act*, and return when it begins."""
        self._waits_for[number] = act
        self._bell.ring()
        await self._bell.until(lambda: self._open is not None and self._open >= act, None)

    def leave(self, number: int) -> None:
        """Be done with everything."""
        self._waits_for[number] = Act.OVER
        self._bell.ring()

    async def play(self, act: Act, seconds: float) -> None:
        """Let *act* begin, and return when nobody has anything to do in it; TimeoutError after *seconds*."""
        self._open = act
        self._bell.ring()
        await self._bell.until(lambda: all(each > act for each in self._waits_for.values()), seconds)
