"""
How often we may ask.

The city counts requests per address, and every allowed one renews the 60 seconds after which it forgets: a steady
watcher is not forgiven until it pauses. So we pause before the city makes us. The last few requests are kept for
people: polling stops at `KEEP_FOR_BOOKINGS`, a booking step does not.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

from .errors import Endpoint, MunichBlacklisted, MunichRateLimited

Urgency = Literal["poll", "booking"]
"""`poll` waits out a pause; `booking` goes first, and hears at once when that is impossible: a citizen is waiting."""

KEEP_FOR_BOOKINGS: Final = 10
PAUSE_AFTER_429: Final = 61.0
JITTER_AFTER_429: Final = 10.0
LONGEST_PAUSE: Final = 120.0
"""The city resets after 60 s; a header that says much more means that our clocks differ."""


class RateLimit:
    """
    Decides when the next request may go.

    Clock: epoch seconds. Chance: a number in [0, 1).
    """

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]], chance: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._polls_resume = 0.0
        self._all_resume = 0.0
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether the city has refused this address."""
        return self._stopped

    async def admit(self, endpoint: Endpoint, urgency: Urgency) -> None:
        """
        Return when a request may go.

        Raises MunichBlacklisted after the city refused our address, and MunichRateLimited for a booking step that
        would have to wait.
        """
        self._refuse_when_stopped(endpoint)
        wait = self.wait(urgency)
        if wait <= 0:
            return
        if urgency == "booking":
            raise MunichRateLimited(endpoint, "rateLimitExceeded", retry_after=wait)
        await self._sleep(wait)
        self._refuse_when_stopped(endpoint)

    def wait(self, urgency: Urgency) -> float:
        """Return how many seconds a request has to wait now."""
        until = self._all_resume if urgency == "booking" else max(self._all_resume, self._polls_resume)
        return max(0.0, until - self._clock())

    def succeeded(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of a successful answer; absent or odd ones teach nothing."""
        remaining, reset = _whole(headers.get("X-RateLimit-Remaining")), _whole(headers.get("X-RateLimit-Reset"))
        if remaining is None or reset is None:
            return
        if remaining <= KEEP_FOR_BOOKINGS:
            now = self._clock()
            self._polls_resume = min(max(reset + 1.0, now + 1.0), now + LONGEST_PAUSE)

    def exceeded(self) -> float:
        """Learn that the city answered 429; return the seconds until the next attempt."""
        pause = PAUSE_AFTER_429 + JITTER_AFTER_429 * self._chance()
        self._all_resume = self._clock() + pause
        return pause

    def stop(self) -> None:
        """Send nothing more: the city has refused this address."""
        self._stopped = True

    def resume(self) -> None:
        """Send again, because an operator has cleared it up with the city."""
        self._stopped = False

    def _refuse_when_stopped(self, endpoint: Endpoint) -> None:
        if self._stopped:
            raise MunichBlacklisted(endpoint, "IP_BLACKLISTED")


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
