"""Logging without secrets: loud libraries are quiet, and the bot's token is struck out wherever it turns up."""

import logging
from typing import Final

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
REDACTED: Final = "[redacted]"

# At INFO or DEBUG these log addresses with the token in them, whole updates, or rows with what people typed.
_LOUD: Final = ("httpx", "httpcore", "telegram", "aiosqlite", "asyncpg", "sqlalchemy", "alembic", "asyncio")


class Redacting(logging.Filter):
    """Strikes secrets out of every record that passes, tracebacks included."""

    def __init__(self, *secrets: str) -> None:
        super().__init__()
        self._secrets = tuple(each for each in secrets if each)
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, without the secrets."""
        message = record.getMessage()
        clean = self._strike(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._strike(record.exc_text)
        if record.stack_info:
            record.stack_info = self._strike(record.stack_info)
        return True

    def _strike(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


def set_up(level: str, *, secrets: tuple[str, ...]) -> None:
    """Log to standard error at *level*, without *secrets*; handlers that are there already are kept, and redact too."""
    root = logging.getLogger()
    if not root.handlers:
        stream = logging.StreamHandler()
        stream.setFormatter(logging.Formatter(FORMAT))
        root.addHandler(stream)
    root.setLevel(level)
    for handler in root.handlers:
        for old in [each for each in handler.filters if isinstance(each, Redacting)]:
            handler.removeFilter(old)
        handler.addFilter(Redacting(*secrets))
    hush()


def hush() -> None:
    """Let the loud libraries log warnings and errors only."""
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
