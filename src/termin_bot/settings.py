"""What an operator decides, read from the environment (and `.env`) in one place."""

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from termin_bot.storage.sealing import key_is_usable

CITY_FLOOR_SECONDS: Final = 61.0
"""The city's rate limit never decays under a steadier cadence than this."""


DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+asyncpg", "postgresql")

TELEGRAM: Final = "https://api.telegram.org"
TELEGRAM_WEBHOOK_PORTS: Final = (443, 80, 88, 8443)
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")


class BotSettingsError(Exception):
    """A setting is missing or malformed; the message names the variable and never shows its value."""


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address that starts with http:// or https:// is needed")
    return text.rstrip("/")


def _webhook_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(text)):
        raise ValueError("an address that starts with https:// is needed: Telegram brings updates to no other")
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("an address with a host and a path is needed, and nothing else in it")
    return text


def _webhook_secret(secret: SecretStr) -> SecretStr:
    if not _SECRET.fullmatch(secret.get_secret_value()):
        raise ValueError("16 to 256 characters are needed, of A-Z a-z 0-9 _ -")
    return secret


def _token(secret: SecretStr) -> SecretStr:
    number, colon, key = secret.get_secret_value().partition(":")
    if not (number.isdigit() and colon and key) or not secret.get_secret_value().isascii():
        raise ValueError("this is no bot token: it looks like 123456:AbC...")
    return secret


def _database(url: str) -> str:
    if url.partition("://")[0] not in DRIVERS or "://" not in url:
        raise ValueError("an address that starts with " + " or ".join(f"{each}://" for each in DRIVERS) + " is needed")
    return url


def _sealing_keys(secret: SecretStr) -> SecretStr:
    if not all(key_is_usable(each) for each in _split(secret)):
        raise ValueError("a key of 32 bytes in URL-safe base64 is needed, or several by commas")
    return secret


def _split(secret: SecretStr) -> tuple[str, ...]:
    return tuple(key for each in secret.get_secret_value().split(",") if (key := each.strip()))


def _ids(value: object) -> object:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class Settings(BaseSettings):
    """Every setting of the bot. The names in the environment are the field names in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    telegram_bot_token: Annotated[SecretStr, AfterValidator(_token)] = Field(
        description="The token that Telegram's BotFather gave you."
    )
    telegram_base_url: HttpUrl = Field(
        default=TELEGRAM,
        description="Where the Bot API is; another address for a simulated Telegram.",
    )
    database_url: Annotated[str, AfterValidator(_database)] = Field(
        default="sqlite+aiosqlite:///data/termin_bot.db",
        repr=False,  # a password may be in it
        description=(
            "The bot's database: sqlite+aiosqlite:///path for one instance, postgresql://user:password@host/name for "
            "any number of them."
        ),
    )
    lease_seconds: Seconds = Field(
        default=15,
        ge=1,
        description=(
            "How long after its last sign of life an instance counts as dead, and the others take over what it held; "
            "PostgreSQL only."
        ),
    )
    encryption_keys: Annotated[SecretStr, AfterValidator(_sealing_keys)] = Field(
        default=SecretStr(""),
        description=(
            "What seals names, addresses and the city's credentials in the database: Fernet keys by commas, the newest "
            "first. Without any, a key is made beside the SQLite file, for its owner only; PostgreSQL needs one."
        ),
    )
    munich_base_url: HttpUrl = Field(
        default="https://www48.muenchen.de/buergeransicht/api/citizen", description="Where the city's Citizen API is."
    )
    munich_contact: str = Field(
        default="",
        max_length=200,
        description="Who runs this bot (address or link): it is told to the city in the User-Agent.",
    )
    munich_captcha: Literal["solve", "link_only"] = Field(
        default="solve",
        description="link_only: services behind a captcha are not watched; people get the city's own link.",
    )
    check_interval_seconds: Seconds = Field(
        default=120,
        description="Seconds between two checks of the same service; at least 61 unless the city is on loopback.",
    )
    booking_session_seconds: Seconds = Field(
        default=1200, description="How long a booking may take at most, if the city does not give up earlier."
    )
    sweep_interval_seconds: Seconds = Field(
        default=1, description="Seconds between two looks for bookings that ran out."
    )
    reminder_seconds: Seconds = Field(default=600, description="Seconds after a notification until its one reminder.")
    reminders_enabled: bool = Field(default=True, description="Whether people who did not react are reminded once.")
    admin_ids: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_ids)] = Field(
        default=(),
        description="Telegram ids of the operators, by commas: they hear of trouble with the city.",
    )
    health_alert_cycles: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Failed check cycles in a row until a health_alert; again whenever they double.",
    )
    shutdown_seconds: Seconds = Field(default=4, description="How long an orderly stop may take.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="How much is logged.")
    log_format: Literal["text", "json"] = Field(
        default="text", description="json: one object a line, with trace_id and span_id."
    )
    webhook_url: Annotated[str, AfterValidator(_webhook_url)] | None = Field(
        default=None,
        description=(
            "Where Telegram brings updates: the bot's public https address, with the path that the proxy passes on. "
            "Without it the bot fetches them (polling)."
        ),
    )
    webhook_host: str = Field(
        default="127.0.0.1", min_length=1, description="The address to listen on for Telegram, behind a proxy."
    )
    webhook_port: Port = Field(default=8080, description="The port to listen on for Telegram, behind a proxy.")
    webhook_secret: Annotated[SecretStr, AfterValidator(_webhook_secret)] | None = Field(
        default=None,
        description=(
            "What Telegram has to say with each update. Without it one is derived from the token, the same in every "
            "instance."
        ),
    )
    telegram_messages_per_second: float = Field(
        default=30,
        ge=1,
        le=1000,
        description=(
            "How many messages may leave in a second; notifications get 14 of 15. Several instances share "
            "Telegram's 30: give each its part."
        ),
    )
    health_host: str = Field(default="127.0.0.1", min_length=1, description="The address of the health endpoint.")
    health_port: Port | None = Field(
        default=None, description="The port of /healthz and /readyz; without it there is no health endpoint."
    )
    analytics_unlink_services: bool = Field(
        default=False,
        description="true: events that name a service do not say who; those of one booking share a random id.",
    )
    retention_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description=(
            "Days until the bot forgets an appointment that is over, and people who blocked it or neither watch nor "
            "write anything."
        ),
    )
    analytics_enabled: bool = Field(default=True, description="false: nothing is recorded for Umami.")
    otel_traces_exporter: str = Field(
        default="umami", description="Where spans go, separated by commas: umami, otlp, console, none."
    )
    otel_metrics_exporter: str = Field(
        default="none", description="Where metrics go, separated by commas: otlp, prometheus, console, none."
    )
    umami_endpoint: HttpUrl | None = Field(
        default=None, description="Where Umami is; needed with analytics enabled and umami among the exporters."
    )
    umami_website_id: str | None = Field(
        default=None,
        min_length=1,
        description="The website in Umami that receives the events; needed with the endpoint.",
    )

    @property
    def sealing_keys(self) -> tuple[str, ...]:
        """The keys for what is sealed in the database, the newest first; empty is the key beside the file."""
        return _split(self.encryption_keys)

    @property
    def sends_to_umami(self) -> bool:
        """Whether events are to leave for Umami."""
        return self.analytics_enabled and "umami" in [each.strip() for each in self.otel_traces_exporter.split(",")]

    @property
    def check_floor_seconds(self) -> float:
        """The shortest pause between two check cycles that the city's rate limit bears; none on loopback."""
        return 0.0 if _is_loopback(self.munich_base_url) else CITY_FLOOR_SECONDS

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.check_interval_seconds < self.check_floor_seconds:
            raise ValueError(f"CHECK_INTERVAL_SECONDS: the city's rate limit needs at least {CITY_FLOOR_SECONDS:.0f}")
        if not self.sealing_keys and not self.database_url.startswith("sqlite"):
            raise ValueError("ENCRYPTION_KEYS: it is missing, and PostgreSQL has no file to keep a key beside")
        if self.webhook_url and self.telegram_base_url == TELEGRAM:
            if (urlsplit(self.webhook_url).port or 443) not in TELEGRAM_WEBHOOK_PORTS:
                raise ValueError("WEBHOOK_URL: Telegram brings updates to the ports 443, 80, 88 and 8443 only")
            if not self.webhook_url.startswith("https://"):
                raise ValueError("WEBHOOK_URL: an address that starts with https:// is needed")
        for name in ("umami_endpoint", "umami_website_id"):
            if self.sends_to_umami and getattr(self, name) is None:
                raise ValueError(f"{name.upper()}: it is missing (or set ANALYTICS_ENABLED=false)")
        return self


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def load() -> Settings:
    """
    Read the settings from the environment.

    Raises:
        BotSettingsError: one is missing or malformed.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # the environment has the rest
    except ValidationError as error:
        raise BotSettingsError(_first_problem(error)) from None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
    said = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return said
    name = str(problem["loc"][0]).upper()
    return f"{name}: it is missing" if problem["type"] == "missing" else f"{name}: {said}"
