"""The time, as an argument: the real one here, a manual one in `testing`."""

import time
from threading import Condition
from typing import Protocol


class Clock(Protocol):
    """What this library asks of time."""

    def time(self) -> float:
        """Return the seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def wait(self, condition: Condition, seconds: float) -> None:
        """Wait on *condition*, which is held, until it is notified or *seconds* have passed."""
        ...


class SystemClock:
    """The time of this machine."""

    def time(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, condition: Condition, seconds: float) -> None:
        """Wait on *condition*, which is held, until it is notified or *seconds* have passed."""
        condition.wait(seconds)
