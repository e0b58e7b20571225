"""
When a message may leave for Telegram: people who wait for an answer go before people who are only told something.

    answers        ── as they come ──────────────────────────┐
                                                             ├──► at most PER SECOND ──► Telegram
    notifications  ── one by one, 14 of 15 of PER SECOND ────┘
                      and only while no answer waits

Telegram takes about 30 messages a second from one bot. Ten thousand notifications need six minutes of them;
in one queue, everybody's next command would wait behind all of them.

    429 to an answer          that chat waits as long as Telegram says, and so do all notifications; others go on
    429 to a notification     the same
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, Final, Literal

from opentelemetry import metrics
from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

Pace = Literal["answer", "notification"]

NOTIFICATIONS: Final = 14 / 15
"""The share of the messages in a second that notifications may have: the rest is room for answers, at any time."""
MAX_RETRIES: Final = 2
_AFTER_429: Final = 0.1
_WINDOW: Final = 1.0
_FORGET_CHATS: Final = 1024

_waited: Final = metrics.get_meter("termin_bot").create_histogram(
    "termin_bot.telegram.wait",
    unit="s",
    description="How long a message waited for its turn to leave for Telegram",
    explicit_bucket_boundaries_advisory=[0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
)


class Pacing(BaseRateLimiter[Pace]):
    """
    python-telegram-bot's rate limiter of this bot; calls without `rate_limit_args` are answers.

    Args:
        per_second: messages in any second, of both kinds.
        clock: seconds that never go back.
        sleep: how to wait.

    """

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._left: deque[float] = deque(maxlen=int(per_second))  # when the latest left, or are going to
        self._step = 1 / (per_second * NOTIFICATIONS)
        self._next_notification = 0.0
        self._notifications_resume = 0.0
        self._chats_resume: dict[object, float] = {}
        self._in_single_file = asyncio.Lock()

    async def initialize(self) -> None:
        """Nothing is to be opened."""

    async def shutdown(self) -> None:
        """Nothing is to be closed."""

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, bool | dict[str, Any] | list[dict[str, Any]]]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,  # noqa: ARG002  the library's signature
        data: dict[str, Any],
        rate_limit_args: Pace | None,
    ) -> bool | dict[str, Any] | list[dict[str, Any]]:
        """Make the call when its turn has come; what Telegram answers with 429 is repeated twice."""
        chat, pace = data.get("chat_id"), rate_limit_args or "answer"
        for _ in range(MAX_RETRIES):
            await self._turn(chat, pace)
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as error:
                await self._until(self._pause(chat, error))
        await self._turn(chat, pace)
        return await callback(*args, **kwargs)

    async def _turn(self, chat: object, pace: Pace) -> None:
        if chat is None:
            return  # answers to presses, menus, webhooks: Telegram does not count them
        came = self._clock()
        await self._until(self._chats_resume.get(chat, 0.0))
        await (self._answers_turn() if pace == "answer" else self._notifications_turn())
        _waited.record(max(0.0, self._clock() - came), {"termin_bot.pace": pace})

    async def _answers_turn(self) -> None:
        leaves = max(self._clock(), self._room_at())
        self._left.append(leaves)  # at once, so that whoever comes next stands behind
        await self._until(leaves)

    async def _notifications_turn(self) -> None:
        async with self._in_single_file:
            while (leaves := max(self._next_notification, self._notifications_resume, self._room_at())) > self._clock():
                await self._until(leaves)
            self._left.append(self._clock())
            self._next_notification = max(self._next_notification, self._clock() - self._step) + self._step

    def _room_at(self) -> float:
        """Return when there is room for one more: not before those that have their turn already."""
        if len(self._left) < (self._left.maxlen or 1):
            return self._left[-1] if self._left else 0.0
        return max(self._left[0] + _WINDOW, self._left[-1])

    def _pause(self, chat: object, refusal: RetryAfter) -> float:
        """Return when this call may be repeated; nothing else goes to the chat before, and no notification at all."""
        said = refusal.retry_after
        seconds = said.total_seconds() if isinstance(said, timedelta) else float(said)
        until = self._clock() + seconds + _AFTER_429
        self._notifications_resume = max(self._notifications_resume, until)
        if len(self._chats_resume) > _FORGET_CHATS:
            self._chats_resume = {key: at for key, at in self._chats_resume.items() if at > self._clock()}
        self._chats_resume[chat] = until
        return until

    async def _until(self, moment: float) -> None:
        while (seconds := moment - self._clock()) > 0:
            await self._sleep(seconds)
