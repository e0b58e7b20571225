"""The time, as an argument: the real one here, a manual one in `testing`."""

from threading import Condition
from time import monotonic, time
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

    # Not methods: each event asks.
    time = staticmethod(time)
    monotonic = staticmethod(monotonic)

    def wait(self, condition: Condition, seconds: float) -> None:
        """Wait on *condition*, which is held, until it is notified or *seconds* have passed."""
        condition.wait(seconds)
