"""Deliver business events from OpenTelemetry to Umami, without losing one and without leaking a person."""

from otel_umami_exporter._version import __version__
from otel_umami_exporter.errors import SettingsError, SpoolError, SpoolUnavailable, TaxonomyError, UmamiExporterError
from otel_umami_exporter.exporter import UmamiLogRecordExporter, UmamiSpanExporter, UmamiSpanProcessor
from otel_umami_exporter.pipeline import Pipeline
from otel_umami_exporter.recording import record, use_visitor
from otel_umami_exporter.sampler import AlwaysRecord
from otel_umami_exporter.taxonomy import Event, Form, Privacy, Prop, Taxonomy

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
