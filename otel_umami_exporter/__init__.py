"""Deliver business events from OpenTelemetry to Umami, without losing one and without leaking a person."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_umami_exporter._version import __version__
from otel_umami_exporter.errors import SettingsError, SpoolError, SpoolUnavailable, TaxonomyError, UmamiExporterError
from otel_umami_exporter.recording import record, use_visitor
from otel_umami_exporter.taxonomy import Event, Form, Privacy, Prop, Taxonomy

if TYPE_CHECKING:
    from otel_umami_exporter.exporter import UmamiSpanExporter, UmamiSpanProcessor
    from otel_umami_exporter.log_exporter import UmamiLogRecordExporter
    from otel_umami_exporter.pipeline import Pipeline
    from otel_umami_exporter.sampler import AlwaysRecord

__all__ = [
    "AlwaysRecord",
    "Event",
    "Form",
    "Pipeline",
    "Privacy",
    "Prop",
    "SettingsError",
    "SpoolError",
    "SpoolUnavailable",
    "Taxonomy",
    "TaxonomyError",
    "UmamiExporterError",
    "UmamiLogRecordExporter",
    "UmamiSpanExporter",
    "UmamiSpanProcessor",
    "__version__",
    "record",
    "use_visitor",
]

# Modules that record events need nothing of the road; it is imported by the one module that builds it.
_LATER: Final = {
    "AlwaysRecord": "sampler",
    "Pipeline": "pipeline",
    "UmamiLogRecordExporter": "log_exporter",
    "UmamiSpanExporter": "exporter",
    "UmamiSpanProcessor": "exporter",
}


def __getattr__(name: str) -> Any:
    """Import what stands at the front door at its first use."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found
