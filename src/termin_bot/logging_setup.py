"""
Logging: one line an event, without secrets; loud libraries are quiet.

    LOG_FORMAT=text    2026-11-23 12:00:00,000 WARNING termin_bot.services.polling: ... trace_id=4bf9... span_id=00f0
    LOG_FORMAT=json    {"time": "2026-11-23T11:00:00.000Z", "level": "WARNING", "logger": ..., "trace_id": ..., ...}
"""

import json
import logging
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal

from opentelemetry import trace

from termin_bot.redaction import Redacting, SentenceOnly

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"

# At INFO or DEBUG these log addresses with the token in them, whole updates, or rows with what people typed.
_LOUD: Final = ("httpx", "httpcore", "telegram", "tornado", "aiosqlite", "asyncpg", "sqlalchemy", "alembic", "asyncio")
# And these quote, at any level, what they could not work with.
_QUOTING: Final = (
    "telegram.ext.Updater",
    "telegram.ext.Application",
    "telegram.ext.ExtBot",
    "tornado.application",
    "tornado.general",
    "asyncio",
)


class TextLines(logging.Formatter):
    """Lines for people; the ids of the span that the event happened in stand at the end of its first line."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        """Return the line without a traceback."""
        line = super().formatMessage(record)
        trace_id, span_id = _ids()
        return line if trace_id is None else f"{line} trace_id={trace_id} span_id={span_id}"


class JsonLines(logging.Formatter):
    """One JSON object a line, whatever is in the message. `trace_id` and `span_id` are null outside of a span."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        trace_id, span_id = _ids()
        said: dict[str, str | None] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "trace_id": trace_id,
            "span_id": span_id,
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            said["exception"] = record.exc_text
        if record.stack_info:
            said["stack"] = record.stack_info
        return json.dumps(said)


def set_up(level: str, *, secrets: tuple[str, ...], form: Literal["text", "json"] = "text") -> None:
    """Log to standard error at *level*, without *secrets*; handlers that are there already are kept, and redact too."""
    root = logging.getLogger()
    if not root.handlers:
        stream = logging.StreamHandler()
        stream.setFormatter(JsonLines() if form == "json" else TextLines())
        root.addHandler(stream)
    root.setLevel(level)
    for handler in root.handlers:
        for old in [each for each in handler.filters if isinstance(each, Redacting)]:
            handler.removeFilter(old)
        handler.addFilter(Redacting(*secrets))
    hush()


def hush() -> None:
    """Let the loud libraries log warnings and errors only, and none of them quote."""
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _QUOTING:
        log = logging.getLogger(name)
        if not any(isinstance(each, SentenceOnly) for each in log.filters):
            log.addFilter(SentenceOnly())


def log_what_nobody_caught() -> None:
    """Let warnings, and the exception that ends the process, be log lines like all others."""
    logging.captureWarnings(capture=True)

    def last_words(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, at)
            return
        logging.getLogger("termin_bot").critical("the bot ends by an error", exc_info=(kind, error, at))

    sys.excepthook = last_words


def _ids() -> tuple[str | None, str | None]:
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None, None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
