"""What no log line may show, and the filters that keep it out."""

import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from termin_bot.intake import webhook_of
from termin_bot.settings import Settings

REDACTED: Final = "[redacted]"
SHORTEST: Final = 4
"""Characters; what is shorter is no secret, and striking it out would make every line unreadable."""

_SECRET_VARIABLES: Final = ("UMAMI_PASSWORD", "UMAMI_PROJECTION_KEY", "UMAMI_BRIDGE_TOKEN")
_HEADER_VARIABLES: Final = tuple(f"OTEL_EXPORTER_OTLP_{each}HEADERS" for each in ("", "TRACES_", "METRICS_", "LOGS_"))
_PLACEHOLDER: Final = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]")


def secrets_of(settings: Settings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return everything that gives access to something, as it stands and as it is written in addresses."""
    plain = {each for each in _secrets(settings, environment) if len(each) >= SHORTEST}
    return tuple(sorted(plain | {quote(each, safe="") for each in plain}, key=len, reverse=True))


def _secrets(settings: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    token = settings.telegram_bot_token.get_secret_value()
    yield from (token, token.partition(":")[2])
    yield from settings.sealing_keys
    webhook = webhook_of(settings)
    if webhook is not None:
        yield webhook.secret
    if settings.webhook_secret is not None:
        yield settings.webhook_secret.get_secret_value()
    for address in (settings.database_url, settings.umami_endpoint or "", settings.telegram_base_url):
        password = _password(address)
        yield from (password, unquote(password))
    for name in _SECRET_VARIABLES:
        yield environment.get(name, "")
    for name in _HEADER_VARIABLES:
        for header in environment.get(name, "").split(","):
            yield unquote(header.partition("=")[2].strip())


def _password(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""


class Redacting(logging.Filter):
    """Strikes secrets out of every record that passes, tracebacks included."""

    def __init__(self, *secrets: str) -> None:
        super().__init__()
        self._secrets = tuple(each for each in secrets if each)
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, without the secrets."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # logging itself would print the arguments, as they are
            message = f"{record.msg} (with arguments that do not fit)"
            record.args = ()
            record.msg = message.replace("%", "%%")
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


class SentenceOnly(logging.Filter):
    """
    Keeps what a foreign library says, and drops what it says it about.

    python-telegram-bot logs whole updates where it cannot read one, and exceptions quote what they choked on: the
    arguments and the exception's own words go, the places in the code and the exception's class stay.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, without anything a person may have typed."""
        if record.args:
            record.msg, record.args = _PLACEHOLDER.sub("...", str(record.msg)), ()
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            frames = "".join(traceback.format_tb(record.exc_info[2]))
            record.exc_text = f"{frames}{record.exc_info[0].__name__}"
            record.exc_info = None
        return True
