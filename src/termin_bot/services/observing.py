"""What happens between the bot and the city, as business events."""

from dataclasses import dataclass

from termin_bot.events import ApiError, CaptchaSolved
from termin_bot.munich import Endpoint, ErrorType
from termin_bot.recording import record
from termin_bot.services.clock import Clock


@dataclass(frozen=True)
class CaptchaRecord:
    """How the latest attempt to get a captcha token ended."""

    success: bool
    consecutive_failures: int
    at: float
    """Epoch seconds."""


class RecordingObserver:
    """A MunichObserver that records, and remembers what /health says of the city; nobody is behind these events."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.captcha: CaptchaRecord | None = None
        self.answered_at: float | None = None
        """When the city last answered anything, epoch seconds; None when not since the start."""

    def on_answer(self, endpoint: Endpoint) -> None:  # noqa: ARG002  whatever was asked: it is there
        """Remember that the city is there."""
        self.answered_at = self._clock()

    def on_captcha(self, success: bool, duration_ms: int, consecutive_failures: int) -> None:  # noqa: FBT001  see MunichObserver
        """Record the end of an attempt to get a captcha token."""
        self.captcha = CaptchaRecord(success, consecutive_failures, self._clock())
        record(
            CaptchaSolved(
                success=success,
                duration_ms=duration_ms,
                consecutive_failures=None if success else consecutive_failures,
            )
        )

    def on_api_error(self, endpoint: Endpoint, error_type: ErrorType, error_code: str) -> None:
        """Record a failed request."""
        record(ApiError(endpoint=endpoint, error_type=error_type, error_message=error_code))
