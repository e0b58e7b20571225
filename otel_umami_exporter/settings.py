"""
The settings, read from the environment in one place.

Nothing else in this library reads the environment. A value once read does not change.
"""

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.errors import SettingsError, SpoolError
from otel_umami_exporter.payload import Site
from otel_umami_exporter.pipeline import Pipeline
from otel_umami_exporter.projection import Projection
from otel_umami_exporter.projection_json import projections_from_json
from otel_umami_exporter.spool import SpoolLimits
from otel_umami_exporter.taxonomy import Taxonomy
from otel_umami_exporter.umami import UmamiClient

NO_PROJECTIONS: Final = "none"


def _names(name: str) -> Any:
    return AliasChoices(name, f"OTEL_EXPORTER_{name}")


class UmamiSettings(BaseSettings):
    """Where events go and how long they may wait."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True, env_ignore_empty=True
    )

    enabled: bool = Field(
        default=True,
        validation_alias=AliasChoices("ANALYTICS_ENABLED", "OTEL_EXPORTER_UMAMI_ENABLED"),
        description="`false` switches analytics off.",
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
        allow_inf_nan=False,
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
        le=3600,
        validation_alias=_names("UMAMI_LINGER_SECONDS"),
        description="How long an event waits for others to share a request, in seconds.",
    )
    projections: str | None = Field(
        default=None,
        validation_alias=_names("UMAMI_PROJECTIONS"),
        description="What public boards stand on: `module:NAME` of the dashboards, or the path of a "
        "`projections.json`; `none` stops the copies, whatever the program says.",
    )
    projection_key: SecretStr | None = Field(
        default=None,
        validation_alias=_names("UMAMI_PROJECTION_KEY"),
        description="Keys visitors on the projections' websites. Needed when several machines send for one website; "
        "default: a random one beside the spool.",
    )
    username: str | None = Field(
        default=None, validation_alias="UMAMI_USERNAME", description="Who logs in to Umami, for commands only."
    )
    password: SecretStr | None = Field(
        default=None, validation_alias="UMAMI_PASSWORD", description="That user's password, for commands only."
    )

    def site(self) -> Site:
        """
        Return the website that is written to.

        Raises:
            SettingsError: UMAMI_WEBSITE_ID is no UUID.
        """
        try:
            return Site(self.website_id or "", hostname=self.hostname, tag=self.tag)
        except SettingsError as error:
            raise SettingsError("UMAMI_WEBSITE_ID: a UUID is needed, as Umami shows it") from error

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                address = value.get_secret_value()
                parts = urlsplit(address)
                complete = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
                complete = complete and address.isprintable()
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
        return UmamiSettings(**{_first_name(name): value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(explain(error)) from None


def _first_name(field: str) -> str:
    """Return the variable of a setting: an argument under this name wins in every version of pydantic-settings."""
    alias = UmamiSettings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias or field)


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
    found = _imported("UMAMI_TAXONOMY", where, "TAXONOMY")
    if not isinstance(found, Taxonomy):
        raise SettingsError(f"UMAMI_TAXONOMY: {where} is no Taxonomy")
    return found


def _imported(variable: str, where: str, default: str) -> object:
    """Return what `module:NAME` names; importing runs foreign code, which may raise anything."""
    module, _, name = where.partition(":")
    try:
        return getattr(import_module(module), name or default)
    except Exception as error:  # a broken module is a wrong setting, and must not end the program
        raise SettingsError(f"{variable}: {where} cannot be imported ({type(error).__name__})") from error


def load_projections(where: str) -> tuple[Projection, ...]:
    """
    Load the projections that `module:NAME` (dashboards, or anything with `projections`) or a JSON file names.

    Raises:
        SettingsError: there are none.
        TaxonomyError: they break a rule.
    """
    if where.endswith(".json"):
        try:
            text = Path(where).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"UMAMI_PROJECTIONS: {where} cannot be read: {type(error).__name__}") from error
        return projections_from_json(text)
    named = getattr(_imported("UMAMI_PROJECTIONS", where, "DASHBOARDS"), "projections", None)
    found = tuple(named) if isinstance(named, Iterable) else (None,)
    if not all(isinstance(each, Projection) for each in found):
        raise SettingsError(f"UMAMI_PROJECTIONS: {where} holds something else than projections")
    return found


def chosen_projections(settings: UmamiSettings, said: Iterable[Projection]) -> tuple[Projection, ...]:
    """
    Return the projections to copy for: what the program *said*, else the environment; nothing after `none`.

    Raises:
        SettingsError, TaxonomyError: the environment names something else.
    """
    if settings.projections == NO_PROJECTIONS:
        return ()
    return tuple(said) or (load_projections(settings.projections) if settings.projections else ())


def default_spool(website_id: str) -> Path:
    """
    Return the spool of *website_id* in the state folder of this user (XDG_STATE_HOME, or ~/.local/state).

    Raises:
        SettingsError: this user has no home, as in a container that runs under any number.
    """
    state = os.environ.get("XDG_STATE_HOME")
    try:
        home = Path(state) if state else Path.home() / ".local" / "state"
    except RuntimeError:
        raise SettingsError("UMAMI_SPOOL: it is missing, and this user has no home folder to keep it in") from None
    return home / "otel-umami" / f"{website_id}.db"


def pipeline_from_environment(
    taxonomy: Taxonomy | str | None = None,
    *,
    endpoint: str | None = None,
    website_id: str | None = None,
    spool: str | Path | None = None,
    timing: Timing | None = None,
    projections: Iterable[Projection] = (),
) -> Pipeline | None:
    """
    Build the road from the environment; arguments win over it. None when ANALYTICS_ENABLED is false.

    UMAMI_PROJECTIONS=none wins over *projections*: it is the operator's switch.

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
        taxonomy = settings.taxonomy or Taxonomy(())  # without one nothing leaves, and the pipeline says so
    if isinstance(taxonomy, str):
        taxonomy = load_taxonomy(taxonomy)
    address: Final = settings.endpoint.get_secret_value()
    timeout = settings.timeout_seconds
    site = settings.site()
    chosen = chosen_projections(settings, projections)
    path = settings.spool or default_spool(site.website_id)
    try:
        return Pipeline(
            taxonomy=taxonomy,
            site=site,
            projections=chosen,
            projection_key=None if settings.projection_key is None else settings.projection_key.get_secret_value(),
            spool=path,
            connect=lambda: UmamiClient(address, timeout_seconds=timeout),
            limits=limits_from(settings),
            timing=timing or timing_from(settings),
        )
    except SpoolError as error:
        raise SpoolError(f"UMAMI_SPOOL: {error}") from error


def limits_from(settings: UmamiSettings) -> SpoolLimits:
    """Return how much may wait; whoever opens a spool to send from it needs them, or would drop by the defaults."""
    return SpoolLimits(
        max_events=settings.max_events, max_bytes=settings.max_bytes, max_age_seconds=settings.max_age_seconds
    )


def timing_from(settings: UmamiSettings) -> Timing:
    """Return the sender's waits; a lease outlives the longest attempt, or the batch would be sent twice."""
    request = settings.timeout_seconds + 0.2 * Timing.batch_size
    return Timing(linger_seconds=settings.linger_seconds, lease_seconds=60.0 + 4 * request)
