"""What happens between the bot and the city, as business events."""

from dataclasses import dataclass

from termin_bot.events import ApiError, CaptchaSolved
from termin_bot.munich import Endpoint, ErrorType
from termin_bot.recording import record


@dataclass(frozen=True)
class CaptchaRecord:
    """How the latest attempt to get a captcha token ended."""

    success: bool
    consecutive_failures: int


class RecordingObserver:
    """A MunichObserver that records, and remembers how the captcha went; nobody is behind these events."""

    def __init__(self) -> None:
        self.captcha: CaptchaRecord | None = None

    def on_captcha(self, success: bool, duration_ms: int, consecutive_failures: int) -> None:  # noqa: FBT001  see MunichObserver
        """Record the end of an attempt to get a captcha token."""
        self.captcha = CaptchaRecord(success, consecutive_failures)
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
