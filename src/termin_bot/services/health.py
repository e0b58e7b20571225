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

    @property
    def is_blind(self) -> bool:
        """Whether the threshold of cycles without any answer has been reached."""
        return self._blind >= self._threshold

    def after_cycle(self, successful: int, failed: int) -> HealthAlert | None:
        """Take in a cycle, and return the alert that it raises, if any."""
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
