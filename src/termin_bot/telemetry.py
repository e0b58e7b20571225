"""
Where spans and events go, decided by OpenTelemetry's own variables; no code changes to swap exporters.

    OTEL_TRACES_EXPORTER = umami | otlp | console | none | any name an installed package registered, by commas
    OTEL_METRICS_EXPORTER = none | otlp | prometheus | console: see `metering`
    OTEL_EXPORTER_OTLP_PROTOCOL = http/protobuf | grpc
    OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, OTEL_SDK_DISABLED: as OpenTelemetry says
    OTEL_CONFIG_FILE = a file that says all of it (telemetry_file.py)

A sampler is for traces: business events reach Umami from every span, sampled or not.
"""

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from otel_umami_exporter import AlwaysRecord, Pipeline, UmamiSpanProcessor, __version__
from otel_umami_exporter.sampler import always_record_from_environment
from otel_umami_exporter.settings import pipeline_from_environment
from termin_bot.events import TAXONOMY
from termin_bot.exporters import exporter_for, exporter_names
from termin_bot.metering import Meters, configure_metrics
from termin_bot.telemetry_file import VARIABLE, configure_from_file

_log: Final = logging.getLogger(__name__)
SERVICE_NAME: Final = "munich-appointment-bot"
UMAMI: Final = "umami"


@dataclass(frozen=True)
class Telemetry:
    """What was configured; *pipeline* is the road to Umami, None when it is switched off."""

    provider: TracerProvider
    pipeline: Pipeline | None
    meters: Meters = field(default_factory=Meters)

    def shutdown(self, timeout_seconds: float = 3.0) -> None:
        """Deliver what can be delivered within *timeout_seconds*; business events that cannot stay on disk."""
        # In threads of their own, because an OTLP exporter waits as long as it likes, and neither signal should wait
        # for the other; Umami's events are on disk anyway.
        closing = [
            threading.Thread(target=shutdown, name=f"telemetry-shutdown-{what}", daemon=True)
            for what, shutdown in (("metrics", self.meters.shutdown), ("traces", self.provider.shutdown))
        ]
        deadline = time.monotonic() + timeout_seconds
        for each in closing:
            each.start()
        for each in closing:
            each.join(max(0.0, deadline - time.monotonic()))
        if any(each.is_alive() for each in closing):
            _log.warning("an exporter did not stop within %.0f s: data may be missing there", timeout_seconds)


def configure(
    *, analytics: bool, endpoint: str | None = None, website_id: str | None = None, processors: tuple[Any, ...] = ()
) -> Telemetry:
    """
    Build the tracer provider and the meter provider from the environment and make them the global ones.

    Args:
        analytics: False switches Umami off, whatever OTEL_TRACES_EXPORTER says.
        endpoint: Umami's address.
        website_id: Umami's website.
        processors: further span processors, for tests and the demo.
    Raises:
        SettingsError: a variable is wrong; the message names it.
        SpoolError: the spool file cannot be opened.
    """
    path = os.environ.get(VARIABLE)
    meters = Meters() if path else configure_metrics(resource())  # First: what is built below brings its instruments.
    names = () if path else exporter_names("traces", UMAMI)
    if path:
        found = configure_from_file(path)
        provider, wants_umami = found.provider, analytics and found.names_umami
    else:
        wants_umami = analytics and UMAMI in names
        provider = TracerProvider(resource=resource(), sampler=sampler(record_all=wants_umami), shutdown_on_exit=False)
    pipeline = pipeline_from_environment(TAXONOMY, endpoint=endpoint, website_id=website_id) if wants_umami else None
    if pipeline is not None:
        provider.add_span_processor(UmamiSpanProcessor(pipeline=pipeline))
    for name in names:
        if name != UMAMI:
            provider.add_span_processor(processor_for(name))
    for processor in processors:
        provider.add_span_processor(processor)
    if not path:
        trace.set_tracer_provider(provider)
    return Telemetry(provider, pipeline, meters)


def resource() -> Resource:
    """Return who we are; OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME win over our own words."""
    own = Resource({"service.name": SERVICE_NAME, "service.version": __version__})
    return Resource.create(own.merge(OTELResourceDetector().detect()).attributes)


def sampler(*, record_all: bool) -> Sampler:
    """Return the sampler that the environment names; with *record_all* one that records also what it drops."""
    if os.environ.get("OTEL_TRACES_SAMPLER") == "always_record":
        return always_record_from_environment(os.environ.get("OTEL_TRACES_SAMPLER_ARG"))
    named = TracerProvider(shutdown_on_exit=False).sampler  # the SDK reads the environment, publicly only so
    return AlwaysRecord(named) if record_all else named


def processor_for(name: str) -> SpanProcessor:
    """
    Return the processor of the exporter that is registered as *name*.

    Raises:
        SettingsError: no installed package registered it, or it cannot be built.
    """
    exporter: SpanExporter = exporter_for("traces", name)
    return SimpleSpanProcessor(exporter) if name == "console" else BatchSpanProcessor(exporter)
