"""
One delivery: a claimed batch, sent, and settled by what became of each event.

No threads and no waiting here: that is sender.py.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from otel_umami_exporter.backoff import Backoff
from otel_umami_exporter.clock import Clock
from otel_umami_exporter.outcome import (
    DELIVERED,
    BatchRefused,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Throttled,
    Unavailable,
)
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.spool import Claim, Settlement, Spooled

_log: Final = logging.getLogger(__name__)
DOUBTFUL_ATTEMPTS: Final = 8  # an event that fails alone while others go, without a word why, is not tried for ever
_REMEMBERED: Final = 10_000
_BEHIND_SECONDS: Final = 3.0  # a full batch that is older than this is a backlog
_BURST_SECONDS: Final = 20.0  # in a journal there is one later: it comes from this process, and goes in order
_FRESH_SECONDS: Final = 10.0  # what is younger than this is live
_FRESH_EVERY: Final = 3  # while there is a backlog, every so many batches are of what is live


class Connection(Protocol):
    """What a delivery sends through; `UmamiClient` is the real one."""

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Send one JSON item each; return one outcome each."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How the sender spends its time."""

    batch_size: int = 50  # Umami works through a batch one by one: a larger one only doubles more when it is cut off
    linger_seconds: float = 1.0  # an event waits this long for others to share a batch
    lease_seconds: float = 120.0  # longer than the longest attempt
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Progress:
    """
    What one attempt came to: events claimed, and of these gone from the spool.

    *wait_seconds* is how long the sender waits before the next attempt; *asked* says that the server asked for it.
    *again_seconds* is when the next of the events that stepped aside is due.
    """

    claimed: int
    gone: int
    wait_seconds: float = 0.0
    asked: bool = False
    again_seconds: float | None = None

    @property
    def failed(self) -> bool:
        """Whether nothing of what was claimed has left."""
        return self.claimed > 0 and self.gone == 0


class Delivery:
    """The state that outlives an attempt: failures in a row, the size of a batch that works, what was said already."""

    def __init__(
        self,
        spool: OverflowingSpool,
        timing: Timing,
        clock: Clock,
        chance: Callable[[], float] | None = None,
        observe: Callable[[float, str | None], None] | None = None,
    ) -> None:
        self._spool: Final = spool
        self._timing: Final = timing
        self._clock: Final = clock
        # A generator of its own: the program may have seeded the common one, and its draws are not ours to disturb.
        self._chance: Final = chance or random.Random().random  # noqa: S311  # jitter, no secret
        self._observe: Final = observe
        self._lock = threading.Lock()
        self._failures = 0
        self._batch_size = timing.batch_size
        self._said: str | None = None
        self._delivered = 0
        self._behind = 0  # batches in a row from a backlog
        self._doubted: dict[int, int] = {}  # id of a doubtful event: what had been delivered when it first failed

    def begin_anew(self) -> None:
        """Forget, in a forked child, a lock that a thread of the parent may hold."""
        self._lock = threading.Lock()

    def claim(self) -> Claim:
        """
        Take the next batch, oldest first; one of no events when nothing is due.

        While a backlog drains, each third batch is of the newest events: what happens now shows now.
        """
        now, lease = self._clock.time(), self._timing.lease_seconds
        with self._lock:
            size, fresh = self._batch_size, self._behind >= _FRESH_EVERY - 1
            if fresh:
                self._behind = 0
        if fresh:
            claim = self._spool.claim(size, now, lease, newest_since=now - _FRESH_SECONDS)
            if claim.events:
                return replace(claim, is_ahead=True)
        claim = self._spool.claim(size, now, lease)
        with self._lock:
            late = _BEHIND_SECONDS if claim.loan is None else _BURST_SECONDS
            behind = claim.is_full and claim.events[0].accepted_at < now - late
            self._behind = self._behind + 1 if behind else 0
        return claim

    def attempt(self, connection: Connection, claim: Claim) -> Progress:
        """Send a claimed batch and settle it."""
        batch = claim.events
        start = self._clock.monotonic()
        outcomes = connection.send([each.body for each in batch])
        if self._observe is not None:
            self._observe(self._clock.monotonic() - start, _error_type(outcomes))
        with self._lock:
            settlement = self._judge(batch, outcomes)
            progress = self._learn(settlement, outcomes, len(batch))
        self._spool.settle(claim, settlement, self._clock.time())
        if settlement.refused:
            reason = settlement.refused[0][1]
            _log.error("Umami refused %d events for good (%s): see the dead letters", len(settlement.refused), reason)
        return progress

    def _judge(self, batch: Sequence[Spooled], outcomes: Sequence[Outcome]) -> Settlement:
        if outcomes.count(DELIVERED) == len(batch) and not self._doubted:  # as nearly always
            self._delivered += len(batch)
            return Settlement([each.id for each in batch])
        delivered: list[int] = []
        refused: list[tuple[int, str]] = []
        retry: list[tuple[int, float]] = []
        now = self._clock.time()
        others_go = any(isinstance(each, Delivered) for each in outcomes)
        for event, outcome in zip(batch, outcomes, strict=True):
            match outcome:
                case Delivered():
                    delivered.append(event.id)
                case Refused(reason):
                    refused.append((event.id, reason))
                case BatchRefused(reason) if len(batch) == 1:
                    refused.append((event.id, reason))
                case Unavailable(reason, doubtful=True):
                    if self._is_hopeless(event, others_go=others_go):
                        refused.append((event.id, reason))
                    else:  # it steps aside, so that it holds nobody up
                        retry.append((event.id, now + self._own_delay(event)))
                case BatchRefused() | Throttled() | Unavailable() | Misconfigured():
                    # One bad item among good ones waits by itself; when nothing goes, the whole sender waits.
                    retry.append((event.id, now + self._own_delay(event) if others_go else 0.0))
        self._delivered += len(delivered)
        for number in [*delivered, *(each for each, _ in refused)]:
            self._doubted.pop(number, None)
        return Settlement(delivered, refused, retry)

    def _is_hopeless(self, event: Spooled, *, others_go: bool) -> bool:
        """Whether the event itself is the cause: it failed often, and others were delivered since it first did."""
        if event.id not in self._doubted and len(self._doubted) < _REMEMBERED:
            self._doubted[event.id] = self._delivered
        others_went = others_go or self._delivered > self._doubted.get(event.id, self._delivered)
        return others_went and event.attempts + 1 >= DOUBTFUL_ATTEMPTS

    def _own_delay(self, event: Spooled) -> float:
        return self._timing.backoff.delay(1 + event.attempts, self._chance())

    def _learn(self, settlement: Settlement, outcomes: Sequence[Outcome], size: int) -> Progress:
        """Learn from an attempt, and say once what began or ended."""
        gone = len(settlement.delivered) + len(settlement.refused)
        later = [at for _, at in settlement.retry if at > 0]
        again = max(0.0, min(later) - self._clock.time()) if later else None
        if gone:
            if self._said is not None and settlement.delivered:
                _log.info("Umami takes events again")
                self._said = None
            self._failures = 0
            self._batch_size = min(self._timing.batch_size, self._batch_size * 2)
            return Progress(size, gone, again_seconds=again)
        if any(isinstance(each, BatchRefused) for each in outcomes):
            self._batch_size = max(1, size // 2)
            return Progress(size, 0, again_seconds=again)
        self._failures += 1
        worst = next((each for each in outcomes if isinstance(each, Throttled | Misconfigured)), outcomes[0])
        self._say(worst)
        delay = self._timing.backoff.delay(self._failures, self._chance())
        if isinstance(worst, Throttled) and worst.retry_after is not None:
            return Progress(size, 0, max(delay, worst.retry_after), asked=True, again_seconds=again)
        return Progress(size, 0, delay, again_seconds=again)

    def _say(self, outcome: Outcome) -> None:
        match outcome:
            case Misconfigured(reason, remedy):
                if self._said != reason:
                    _log.error("events wait on disk: %s", remedy)
                self._said = reason
            case Unavailable(reason):
                if self._said is None:
                    _log.warning("Umami cannot be reached (%s): events wait on disk", reason)
                self._said = self._said or reason
            case Throttled():
                if self._said is None:
                    _log.warning("Umami asks to wait: events wait on disk")
                self._said = self._said or "throttled"
            case _:
                pass


def _error_type(outcomes: Sequence[Outcome]) -> str | None:
    """Return OpenTelemetry's `error.type` of a request: what kept all of it from being delivered, or None."""
    if DELIVERED in outcomes:
        return None
    match outcomes[0]:
        case Refused(reason) | BatchRefused(reason) | Unavailable(reason) | Misconfigured(reason):
            return reason
        case Throttled():
            return "throttled"
        case _:
            return None
