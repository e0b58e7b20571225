"""What happens between the bot and the city, as business events."""

from otel_umami_exporter import record
from termin_bot.events import ApiError, CaptchaSolved
from termin_bot.munich import Endpoint, ErrorType


class RecordingObserver:
    """A MunichObserver that records; nobody is behind these events."""

    def on_captcha(self, success: bool, duration_ms: int, consecutive_failures: int) -> None:  # noqa: FBT001  see MunichObserver
        """Record the end of an attempt to get a captcha token."""
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
