"""
The settings, read from the environment in one place.

Nothing else in this library reads the environment. A value once read does not change.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.errors import SettingsError
from otel_umami_exporter.payload import Site
from otel_umami_exporter.pipeline import Pipeline
from otel_umami_exporter.spool import SpoolLimits
from otel_umami_exporter.taxonomy import Taxonomy
from otel_umami_exporter.umami import UmamiClient


def _names(name: str) -> Any:
    return AliasChoices(name, f"OTEL_EXPORTER_{name}")


class UmamiSettings(BaseSettings):
    """Where events go and how long they may wait."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True)

    enabled: bool = Field(
        default=True, validation_alias="ANALYTICS_ENABLED", description="`false` switches analytics off."
    )
    endpoint: SecretStr | None = Field(
        default=None,
        validation_alias=_names("UMAMI_ENDPOINT"),
        description="Address of Umami, without `/api`: `https://analytics.example.org`. May hold `user:password@`.",
    )
    website_id: str | None = Field(
        default=None, validation_alias=_names("UMAMI_WEBSITE_ID"), description="The website's id in Umami, a UUID."
    )
    taxonomy: str | None = Field(
        default=None,
        validation_alias=_names("UMAMI_TAXONOMY"),
        description="The closed list: `module:NAME` or the path of a `taxonomy.json`. Without it nothing leaves.",
    )
    spool: str | None = Field(
        default=None,
        validation_alias=_names("UMAMI_SPOOL"),
        description="The file where events wait for Umami. Default: one for each website in the state folder.",
    )
    hostname: str | None = Field(
        default=None,
        validation_alias=_names("UMAMI_HOSTNAME"),
        description="Umami's hostname of the events. Default: `service.name`.",
    )
    tag: str | None = Field(
        default=None,
        validation_alias=_names("UMAMI_TAG"),
        description="Umami's tag of the events. Default: `deployment.environment.name`.",
    )
    max_events: int = Field(
        default=SpoolLimits.max_events,
        ge=1,
        validation_alias=_names("UMAMI_SPOOL_MAX_EVENTS"),
        description="How many events may wait; beyond that the oldest go.",
    )
    max_bytes: int = Field(
        default=SpoolLimits.max_bytes,
        ge=1 << 20,
        validation_alias=_names("UMAMI_SPOOL_MAX_BYTES"),
        description="How large the spool may grow, in bytes; beyond that the oldest go.",
    )
    max_age_seconds: float = Field(
        default=SpoolLimits.max_age_seconds,
        gt=0,
        validation_alias=_names("UMAMI_SPOOL_MAX_AGE_SECONDS"),
        description="How long an event may wait, in seconds.",
    )
    timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=60,
        validation_alias=_names("UMAMI_TIMEOUT_SECONDS"),
        description="How long one request may take, in seconds; a batch of 50 gets 10 s more.",
    )
    linger_seconds: float = Field(
        default=Timing.linger_seconds,
        ge=0,
        validation_alias=_names("UMAMI_LINGER_SECONDS"),
        description="How long an event waits for others to share a request, in seconds.",
    )

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parts = urlsplit(value.get_secret_value())
                complete = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
            except ValueError:
                complete = False
            if not complete:
                raise ValueError("an address like https://analytics.example.org is needed")
        return value


def read_settings(**values: Any) -> UmamiSettings:
    """
    Read the environment; *values* that are not None win over it.

    Raises:
        SettingsError: a value is malformed; the message names the variable, never the value.
    """
    try:
        return UmamiSettings(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(explain(error)) from None


def explain(error: ValidationError) -> str:
    """Return what is wrong with the first bad setting in one line that names its variable, without the value."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    location = str(first["loc"][0]) if first["loc"] else "settings"
    field = UmamiSettings.model_fields.get(location)
    alias = field.validation_alias if field is not None else None
    name = str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias or location)
    return f"{name}: {first['msg'].removeprefix('Value error, ')}"


def load_taxonomy(where: str) -> Taxonomy:
    """
    Load the taxonomy that `module:NAME` or the path of a JSON file names.

    Raises:
        SettingsError: there is none.
        TaxonomyError: the file is no taxonomy.
    """
    if where.endswith(".json"):
        try:
            text = Path(where).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"UMAMI_TAXONOMY: {where} cannot be read: {type(error).__name__}") from error
        return Taxonomy.from_json(text)
    module, _, name = where.partition(":")
    try:
        found = getattr(import_module(module), name or "TAXONOMY")
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"UMAMI_TAXONOMY: {where} cannot be imported: {error}") from error
    if not isinstance(found, Taxonomy):
        raise SettingsError(f"UMAMI_TAXONOMY: {where} is no Taxonomy")
    return found


def default_spool(website_id: str) -> Path:
    """Return the spool of *website_id* in the state folder of this user (XDG_STATE_HOME, or ~/.local/state)."""
    state = os.environ.get("XDG_STATE_HOME")
    home = Path(state) if state else Path.home() / ".local" / "state"
    return home / "otel-umami" / f"{website_id}.db"


def pipeline_from_environment(
    taxonomy: Taxonomy | None = None,
    *,
    endpoint: str | None = None,
    website_id: str | None = None,
    spool: str | Path | None = None,
    timing: Timing | None = None,
) -> Pipeline | None:
    """
    Build the road from the environment; arguments win over it. None when ANALYTICS_ENABLED is false.

    Raises:
        SettingsError: something is missing or malformed.
        SpoolError: the spool cannot be opened.
    """
    settings = read_settings(endpoint=endpoint, website_id=website_id, spool=None if spool is None else str(spool))
    if not settings.enabled:
        return None
    if settings.endpoint is None:
        raise SettingsError("UMAMI_ENDPOINT: it is missing")
    if settings.website_id is None:
        raise SettingsError("UMAMI_WEBSITE_ID: it is missing")
    if taxonomy is None:
        if settings.taxonomy is None:
            raise SettingsError("UMAMI_TAXONOMY: without a taxonomy nothing leaves")
        taxonomy = load_taxonomy(settings.taxonomy)
    address: Final = settings.endpoint.get_secret_value()
    timeout = settings.timeout_seconds
    site = _site(settings)
    return Pipeline(
        taxonomy=taxonomy,
        site=site,
        spool=settings.spool or default_spool(site.website_id),
        connect=lambda: UmamiClient(address, timeout_seconds=timeout),
        limits=SpoolLimits(
            max_events=settings.max_events, max_bytes=settings.max_bytes, max_age_seconds=settings.max_age_seconds
        ),
        timing=timing or Timing(linger_seconds=settings.linger_seconds),
    )


def _site(settings: UmamiSettings) -> Site:
    try:
        return Site(settings.website_id or "", hostname=settings.hostname, tag=settings.tag)
    except SettingsError as error:
        raise SettingsError("UMAMI_WEBSITE_ID: a UUID is needed, as Umami shows it") from error
