"""When trouble is worth an alert. Pure counting: the clock and the city are elsewhere."""

from termin_bot.events import HealthAlert


class HealthGauge:
    """
    Counts bad check cycles in a row: alerts at the threshold, and again whenever the count has doubled.

    A cycle without one usable answer is a consecutive failure; one with more failures than answers is a high error
    rate. A good cycle ends both.
    """

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._blind = 0
        self._bad = 0
        self._failing_since: float | None = None
        self._is_refused = False
        self.last_success_at: float | None = None

    def refused(self, now: float) -> None:
        """Take in that the city wants no more questions: the bot is blind until it is started again."""
        self._is_refused = True
        if self._failing_since is None:
            self._failing_since = now

    @property
    def is_blind(self) -> bool:
        """Whether the threshold of cycles without any answer has been reached, or nothing may be asked any more."""
        return self._is_refused or self._blind >= self._threshold

    @property
    def failures(self) -> int:
        """How many cycles in a row were bad, the latest included."""
        return max(self._blind, self._bad)

    @property
    def blind_since(self) -> float | None:
        """When the first of the cycles without any answer was, epoch seconds; None while the bot sees."""
        return self._failing_since if self.is_blind else None

    def after_cycle(self, successful: int, failed: int, now: float = 0.0) -> HealthAlert | None:
        """Take in a cycle that ended at *now* (epoch seconds), and return the alert that it raises, if any."""
        if successful:
            self.last_success_at, self._failing_since = now, None
        elif failed and self._failing_since is None:
            self._failing_since = now
        self._blind = self._blind + 1 if failed and not successful else 0
        self._bad = self._bad + 1 if failed > successful else 0
        if self._is_mark(self._blind):
            return HealthAlert(alert_type="consecutive_failures", consecutive_failures=self._blind)
        if not self._blind and self._is_mark(self._bad):
            return HealthAlert(alert_type="high_error_rate", consecutive_failures=self._bad)
        return None

    def _is_mark(self, count: int) -> bool:
        times, rest = divmod(count, self._threshold)
        return rest == 0 and times > 0 and times & (times - 1) == 0  # threshold times 1, 2, 4, 8 ...
