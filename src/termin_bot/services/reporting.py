"""How things stand: what a person watches and when it was looked at, and how the bot is."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from termin_bot.services.clock import Clock
from termin_bot.services.health import HealthGauge
from termin_bot.services.observing import CaptchaRecord
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.services.sharing import Bulletin
from termin_bot.services.subscriptions import Subscriptions, Watched
from termin_bot.storage import joined
from termin_bot.tracing import carrying_on, traced

_log: Final = logging.getLogger(__name__)
LOOK_EVERY_SECONDS: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Where the business events are: *lost* were dropped for want of room, or refused by Umami."""

    waiting: int
    delivered: int
    lost: int


@dataclass(frozen=True, kw_only=True)
class WatchReport:
    """One subscription, and when the city last answered about it (epoch seconds; None: not since the start)."""

    watched: Watched
    checked_at: float | None


@dataclass(frozen=True, kw_only=True)
class StatusReport:
    """What a person watches; *blind_since* is set while the city does not answer at all."""

    now: float
    watching: tuple[WatchReport, ...]
    blind_since: float | None


@dataclass(frozen=True, kw_only=True)
class HealthReport:
    """How the bot is. Moments are epoch seconds; None is "not since the start", for *delivery* "switched off"."""

    now: float
    blind_since: float | None
    city_at: float | None
    captcha: CaptchaRecord | None
    telegram_ok: bool
    database_ok: bool
    delivery: Delivery | None
    delivered_at: float | None

    @property
    def is_well(self) -> bool:
        """Whether people get what they came for."""
        return self.blind_since is None and self.telegram_ok and self.database_ok


class DeliveryWatch:
    """Notices when events were delivered: the library counts them, and does not say when."""

    def __init__(self, look: Callable[[], Delivery] | None, clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._delivered: int | None = None
        self._next_at = 0.0
        self.delivered_at: float | None = None

    def look(self) -> Delivery | None:
        """Return where the events are now; None when none are delivered by this process."""
        if self._look is None:
            return None
        found = self._look()
        if self._delivered is not None and found.delivered > self._delivered:
            self.delivered_at = self._clock()
        self._delivered = found.delivered
        return found

    def look_now_and_then(self) -> None:
        """Look, if it is time to."""
        if self._clock() >= self._next_at:
            self._next_at = self._clock() + LOOK_EVERY_SECONDS
            self.look()


class Reporting:
    """Collects reports; it never reports better than it knows."""

    def __init__(
        self,
        *,
        work: Work,
        subscriptions: Subscriptions,
        gauge: HealthGauge,
        bulletin: Bulletin,
        checked_at: Callable[[int, str], float | None],
        answered_at: Callable[[], float | None],
        captcha: Callable[[], CaptchaRecord | None],
        telegram_answers: Callable[[], Awaitable[bool]],
        delivery: DeliveryWatch,
        clock: Clock,
    ) -> None:
        self._work = work
        self._subscriptions = subscriptions
        self._gauge = gauge
        self._bulletin = bulletin
        self._checked_at = checked_at
        self._answered_at = answered_at
        self._captcha = captcha
        self._telegram_answers = telegram_answers
        self._delivery = delivery
        self._clock = clock

    @traced("service reporting.status")
    async def status(self, visit: Visit) -> StatusReport:
        """Return how this person's subscriptions stand, also while the city does not answer at all."""
        mine = await self._subscriptions.mine(visit)
        news = await self._bulletin.read()  # another instance may do the rounds

        def checked_at(each: Watched) -> float | None:
            where = each.service_id, joined(each.office_ids)
            at = self._checked_at(*where) if news is None else news.checked_at.get(where)
            return None if at is None or at < each.since else at  # others may have watched it before

        watching = tuple(WatchReport(watched=each, checked_at=checked_at(each)) for each in mine)
        blind_since = self._gauge.blind_since if news is None else news.blind_since
        return StatusReport(now=self._clock(), watching=watching, blind_since=blind_since)

    @traced("service reporting.health")
    async def health(self) -> HealthReport:
        """Look at every part the bot stands on."""
        news = await self._bulletin.read()
        return HealthReport(
            now=self._clock(),
            blind_since=self._gauge.blind_since if news is None else news.blind_since,
            city_at=self._answered_at(),
            captcha=self._captcha(),
            telegram_ok=await self._telegram_answers(),
            database_ok=await self._database_answers(),
            delivery=self._delivery.look(),
            delivered_at=self._delivery.delivered_at,
        )

    async def _database_answers(self) -> bool:
        is_alive = False
        with carrying_on(_log, "a look at the database"):
            async with self._work() as work:
                is_alive = await work.is_alive()
        return is_alive
