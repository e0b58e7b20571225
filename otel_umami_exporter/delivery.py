"""
One delivery: a claimed batch, sent, and settled by what became of each event.

No threads and no waiting here: that is sender.py.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from otel_umami_exporter.backoff import Backoff
from otel_umami_exporter.clock import Clock
from otel_umami_exporter.outcome import (
    BatchRefused,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Throttled,
    Unavailable,
)
from otel_umami_exporter.spool import Settlement, Spool, Spooled

_log: Final = logging.getLogger(__name__)
DOUBTFUL_ATTEMPTS: Final = 8  # an event that fails alone, without a word why, is not tried for ever


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
    lease_seconds: float = 90.0  # longer than the longest attempt
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one attempt came to: events that left the spool, and the seconds before the next may start."""

    claimed: int
    gone: int
    wait_seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether something claimed is still waiting."""
        return self.gone < self.claimed


class Delivery:
    """The state that outlives an attempt: failures in a row, the size of a batch that works, what was said already."""

    def __init__(self, spool: Spool, timing: Timing, clock: Clock, chance: Callable[[], float] = random.random) -> None:
        self._spool: Final = spool
        self._timing: Final = timing
        self._clock: Final = clock
        self._chance: Final = chance
        self._failures = 0
        self._batch_size = timing.batch_size
        self._said: str | None = None

    def attempt(self, connection: Connection) -> Progress:
        """Claim a batch, send it, settle it; a batch of none when nothing waits."""
        batch = self._spool.claim(self._batch_size, self._clock.time(), self._timing.lease_seconds)
        if not batch:
            return Progress(0, 0)
        outcomes = connection.send([each.body for each in batch])
        return self._settle(batch, outcomes)

    def _settle(self, batch: Sequence[Spooled], outcomes: Sequence[Outcome]) -> Progress:
        delivered, refused, retry = [], [], []
        for event, outcome in zip(batch, outcomes, strict=True):
            match outcome:
                case Delivered():
                    delivered.append(event.id)
                case Refused(reason):
                    refused.append((event.id, reason))
                case BatchRefused(reason) if len(batch) == 1:
                    refused.append((event.id, reason))
                case Unavailable(reason, doubtful=True) if event.attempts + 1 >= DOUBTFUL_ATTEMPTS:
                    refused.append((event.id, reason))
                case BatchRefused() | Throttled() | Unavailable() | Misconfigured():
                    retry.append(event.id)
        wait = self._learn(outcomes, gone=len(delivered) + len(refused), size=len(batch))
        # One bad item among good ones waits by itself; when nothing goes, the whole sender waits and nobody is put off.
        not_before = self._clock.time() + (self._own_delay(batch) if len(retry) < len(batch) else 0.0)
        settlement = Settlement(delivered, refused, [(each, not_before) for each in retry])
        self._spool.settle(settlement, self._clock.time())
        if refused:
            _log.error("Umami refused %d events for good (%s): see the dead letters", len(refused), refused[0][1])
        return Progress(len(batch), len(delivered) + len(refused), wait)

    def _own_delay(self, batch: Sequence[Spooled]) -> float:
        return self._timing.backoff.delay(1 + max(each.attempts for each in batch), self._chance())

    def _learn(self, outcomes: Sequence[Outcome], *, gone: int, size: int) -> float:
        """Return the seconds that the whole sender waits, and say once what began or ended."""
        if gone:
            if self._said is not None:
                _log.info("Umami takes events again")
            self._failures, self._said = 0, None
            self._batch_size = min(self._timing.batch_size, self._batch_size * 2)
            return 0.0
        if any(isinstance(each, BatchRefused) for each in outcomes):
            self._batch_size = max(1, size // 2)
            return 0.0
        self._failures += 1
        first = outcomes[0]
        self._say(first)
        delay = self._timing.backoff.delay(self._failures, self._chance())
        if isinstance(first, Throttled):
            return max(delay, first.retry_after or 0.0)
        return delay

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
