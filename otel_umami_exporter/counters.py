"""Every number this library reports about itself that the spool's books do not hold: what stayed behind before it."""

import threading
from collections import Counter
from typing import Final, Literal

from otel_umami_exporter.forks import begin_anew_in_children
from otel_umami_exporter.gate import LeftOutReason, RejectedReason

LostReason = Literal["spool_unavailable", "span_event_limit", "attribute_limit", "projection_unavailable", "doubled"]
Reason = RejectedReason | LeftOutReason | LostReason


class Counters:
    """Counts by reason since the start of this process. Threads may share one."""

    def __init__(self) -> None:
        self._numbers: Final[Counter[Reason]] = Counter()
        self.begin_anew()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Take a new lock in a forked child."""
        self._lock = threading.RLock()  # see Spool: for signal handlers

    def add(self, reason: Reason, number: int = 1) -> bool:
        """Count; return whether it is the first of its reason, which is when to say it in the log."""
        with self._lock:
            first = reason not in self._numbers
            self._numbers[reason] += number
            return first

    def numbers(self) -> dict[Reason, int]:
        """Return all numbers, a copy."""
        with self._lock:
            return dict(self._numbers)
