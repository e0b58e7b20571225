"""
The bridge's own settings; where events go is said by the UMAMI_ variables that every door reads (`../settings.py`).

    Limits     what one request, and all of them together, may cost
    Security   who may send, and by which certificate we are known
"""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from otel_umami_exporter.errors import SettingsError
from otel_umami_exporter.settings import explain

DEFAULT_PORT: Final = 4328  # beside a Collector's 4318 on the same machine


@dataclass(frozen=True, kw_only=True)
class Limits:
    """
    What a request may cost, in bytes unless the name says otherwise.

    A Collector's batches stay below: otel-collector.yaml ends them at half of *body*. JSON needs more memory, so less
    of it is taken. *in_flight* bounds all bodies that are being received at one moment.
    """

    body: int = 16 << 20  # as sent, and again unpacked
    json_body: int = 4 << 20
    in_flight: int = 64 << 20
    items: int = 65_536  # spans or log records in one request, with their scopes and resources
    item_bytes: int = 1 << 20
    events: int = 1_000  # on one span; SDKs stop at 128
    body_seconds: float = 30.0  # for the whole body to arrive


@dataclass(frozen=True, kw_only=True)
class Security:
    """Who may send, and how the connection is protected. Nothing here prints itself."""

    token: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = field(default=None, repr=False)


class BridgeSettings(BaseSettings):
    """What the environment says about the bridge."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True)

    token: SecretStr | None = Field(
        default=None, validation_alias="UMAMI_BRIDGE_TOKEN", description="Senders must show it as a bearer token."
    )
    token_file: Path | None = Field(
        default=None, validation_alias="UMAMI_BRIDGE_TOKEN_FILE", description="The file that holds the token."
    )
    certificate: Path | None = Field(
        default=None, validation_alias="UMAMI_BRIDGE_TLS_CERT_FILE", description="The certificate chain, PEM."
    )
    key: Path | None = Field(
        default=None, validation_alias="UMAMI_BRIDGE_TLS_KEY_FILE", description="The certificate's key, PEM."
    )


def read_security() -> Security:
    """
    Read the environment.

    Raises:
        SettingsError: a file is missing, or half of a pair; the message names the variable, never a value.
    """
    try:
        settings = BridgeSettings()
    except ValidationError as error:
        raise SettingsError(explain(error)) from None
    if (settings.certificate is None) != (settings.key is None):
        raise SettingsError("UMAMI_BRIDGE_TLS_CERT_FILE and UMAMI_BRIDGE_TLS_KEY_FILE: both are needed, or none")
    for name, path in (("CERT", settings.certificate), ("KEY", settings.key)):
        if path is not None and not path.is_file():
            raise SettingsError(f"UMAMI_BRIDGE_TLS_{name}_FILE: there is no such file")
    return Security(token=_token(settings), certificate=settings.certificate, key=settings.key)


def check_binding(host: str, security: Security, *, insecure: bool) -> None:
    """
    Refuse an address that others can reach without a token: whoever can send could write into your figures.

    Raises:
        SettingsError: *host* is not a loopback address, there is no token, and *insecure* was not asked for.
    """
    if not is_loopback(host) and security.token is None and not insecure:
        raise SettingsError(
            f"{host} can be reached from outside: set UMAMI_BRIDGE_TOKEN or UMAMI_BRIDGE_TOKEN_FILE, or say --insecure"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches *host*; a name other than localhost could be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(settings: BridgeSettings) -> str | None:
    if settings.token is not None and settings.token_file is not None:
        raise SettingsError("UMAMI_BRIDGE_TOKEN and UMAMI_BRIDGE_TOKEN_FILE: one of them is enough")
    text = settings.token.get_secret_value() if settings.token is not None else None
    if settings.token_file is not None:
        try:
            text = settings.token_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"UMAMI_BRIDGE_TOKEN_FILE: cannot be read ({type(error).__name__})") from None
    if text is None:
        return None
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise SettingsError("UMAMI_BRIDGE_TOKEN: a token is printable ASCII, and not empty")
    return token
