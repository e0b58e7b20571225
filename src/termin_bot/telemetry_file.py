"""
Telemetry from an OpenTelemetry configuration file, named by OTEL_CONFIG_FILE.

The file says what spans are called after, how they are sampled and where they go; OTEL_TRACES_EXPORTER and its like are
not read then, as OpenTelemetry says. Where it names the exporter `umami`, the bot puts its own road to Umami: events on
unsampled spans leave as well, and at the end of their span.
"""

from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_umami_exporter import AlwaysRecord, SettingsError

VARIABLE: Final = "OTEL_CONFIG_FILE"
_UMAMI: Final = "umami"


@dataclass(frozen=True)
class FromFile:
    """What the file has built; *names_umami*: events are to leave for Umami."""

    provider: TracerProvider
    names_umami: bool


def configure_from_file(path: str) -> FromFile:
    """
    Build the tracer provider that the file *path* describes and make it the global one.

    Raises:
        SettingsError: the file, or the package that reads it, is missing, or it describes no tracer provider.
    """
    try:
        from opentelemetry.configuration import configure_sdk, load_config_file  # noqa: PLC0415  # few bots need it
    except ModuleNotFoundError:
        raise SettingsError(f"{VARIABLE}: the package opentelemetry-configuration is missing") from None
    try:
        config = load_config_file(path)
        names_umami = _take_out(config.tracer_provider)
        logs = config.logger_provider
        if _take_out(logs) and logs is not None and not logs.processors:
            config.logger_provider = None  # the bot emits no log records of its own
        configure_sdk(config)
    except Exception as error:  # noqa: BLE001  # whatever a foreign parser or constructor raises is one clear line
        raise SettingsError(f"{VARIABLE}: the file cannot be used ({type(error).__name__})") from None
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        if not config.disabled:
            raise SettingsError(f"{VARIABLE}: the file describes no tracer_provider")
        provider = TracerProvider(shutdown_on_exit=False)  # nothing is recorded: it is not the global one
    if names_umami:
        provider.sampler = AlwaysRecord(provider.sampler)  # a sampler is for traces; before the first span asks for it
    return FromFile(provider, names_umami and not config.disabled)


def _take_out(part: Any) -> bool:
    """Remove every processor that leads to Umami from a provider's part of the file; return whether there was one."""
    if part is None:
        return False
    kept = [each for each in part.processors if not _leads_to_umami(each)]
    found = len(kept) != len(part.processors)
    part.processors = kept
    return found


def _leads_to_umami(processor: Any) -> bool:
    way = processor.batch or processor.simple
    return way is not None and _UMAMI in getattr(way.exporter, "additional_properties", {})
