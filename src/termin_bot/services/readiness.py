"""
Whether this instance should be sent work, for whoever looks after it.

    starting ──► ready ◄──► not ready (database, Telegram or the check cycles) ──► stopping

The city is told of and never counted: an instance that is taken away for the city's silence answers nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from termin_bot.services.clock import Clock
from termin_bot.services.health import HealthGauge
from termin_bot.services.ports import Work

DATABASE_SECONDS: Final = 2.0
TELEGRAM_SECONDS: Final = 4.0
TELEGRAM_EVERY: Final = 30.0
"""Seconds that Telegram's answer counts for: a probe every few seconds must not be a call every few seconds."""
LATE_INTERVALS: Final = 5
LATE_AT_LEAST: Final = 1800.0
"""A cycle that looks at every office of every service, and at days without times, takes a quarter of an hour."""

Phase = Literal["starting", "running", "stopping"]


@dataclass(frozen=True, kw_only=True)
class ReadinessReport:
    """How this instance is: words and seconds, and nobody in them."""

    status: Literal["ready", "not ready", "starting", "stopping"]
    database: Literal["ok", "away", "not asked"]
    telegram: Literal["ok", "away", "not asked"]
    checks: Literal["ok", "late", "none yet"]
    seconds_since_check: int | None
    city: Literal["ok", "silent"]


class Readiness:
    """Asks what an instance stands on; quick, however often it is asked."""

    def __init__(
        self,
        *,
        work: Work,
        telegram_answers: Callable[[], Awaitable[bool]],
        gauge: HealthGauge,
        clock: Clock,
        check_interval: float,
    ) -> None:
        self._work = work
        self._telegram_answers = telegram_answers
        self._gauge = gauge
        self._clock = clock
        self._late_after = max(LATE_AT_LEAST, LATE_INTERVALS * check_interval)
        self._phase: Phase = "starting"
        self._since = clock()
        self._checked_at: float | None = None
        self._telegram: tuple[float, bool] | None = None
        self._asking = asyncio.Lock()

    def enter(self, phase: Phase) -> None:
        """Note what the instance does now."""
        self._phase, self._since = phase, self._clock()

    def checked(self) -> None:
        """Note that a check cycle ended, whatever it found; also one that another instance's lease made short."""
        self._checked_at = self._clock()

    async def report(self) -> ReadinessReport:
        """Look at everything."""
        now = self._clock()
        database: bool | None = None
        telegram: bool | None = None
        if self._phase == "running":
            async with self._asking:  # one probe at a time asks, the others read its answer
                database, telegram = await self._database(), await self._telegram_cached(now)
        since_check = now - (self._since if self._checked_at is None else self._checked_at)
        is_late = since_check > self._late_after
        well = bool(database and telegram) and not is_late
        return ReadinessReport(
            status=("ready" if well else "not ready") if self._phase == "running" else self._phase,
            database=_word(database),
            telegram=_word(telegram),
            checks="late" if is_late else "none yet" if self._checked_at is None else "ok",
            seconds_since_check=None if self._checked_at is None else round(since_check),
            city="ok" if self._gauge.blind_since is None else "silent",
        )

    async def _database(self) -> bool:
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self._work() as work:
                return await work.is_alive()
        except Exception:  # noqa: BLE001  whatever it is: it does not answer, which is all that is asked
            return False

    async def _telegram_cached(self, now: float) -> bool:
        if self._telegram is None or not self._telegram[0] <= now < self._telegram[0] + TELEGRAM_EVERY:
            try:
                async with asyncio.timeout(TELEGRAM_SECONDS):
                    answers = await self._telegram_answers()
            except TimeoutError:
                answers = False
            self._telegram = (now, answers)
        return self._telegram[1]


def _word(answers: bool | None) -> Literal["ok", "away", "not asked"]:  # noqa: FBT001  an answer, not a mode
    return "not asked" if answers is None else "ok" if answers else "away"
