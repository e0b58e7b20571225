"""
Where metrics go, decided by OpenTelemetry's own variables.

    OTEL_METRICS_EXPORTER = none | otlp | prometheus | console | any name an installed package registered, by commas
    OTEL_METRIC_EXPORT_INTERVAL: milliseconds between two exports of what is pushed
    OTEL_EXPORTER_PROMETHEUS_HOST, OTEL_EXPORTER_PROMETHEUS_PORT: where Prometheus finds /metrics, by default
        localhost:9464

Among them are the bot's own (`termin_bot.*`), what the library says about itself (`otel_umami.*`, `otel.sdk.*`) and,
for Prometheus, those of the process.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from otel_umami_exporter import SettingsError
from termin_bot.exporters import exporter_for, exporter_names

PROMETHEUS: Final = "prometheus"
DEFAULT_HOST: Final = "localhost"
DEFAULT_PORT: Final = "9464"


@dataclass
class Meters:
    """The metrics of this process and the doors they leave by; *scraped_at* is the port for Prometheus, if any."""

    provider: MeterProvider | None = None
    scraped_at: int | None = None
    _closing: list[Callable[[], object]] = field(default_factory=list)

    def shutdown(self) -> None:
        """Export once more, and close."""
        if self.provider is not None:
            self.provider.shutdown()
        for close in self._closing:
            close()
        self._closing.clear()


def configure_metrics(resource: Resource) -> Meters:
    """
    Build the meter provider from the environment and make it the global one; without exporters there is none.

    Raises:
        SettingsError: a variable is wrong; the message names it.
    """
    names = exporter_names("metrics", "none")
    if not names or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Meters()
    meters = Meters()
    try:
        readers = [_reader(name, meters) for name in names]
    except SettingsError:
        meters.shutdown()
        raise
    meters.provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(meters.provider)
    return meters


def _reader(name: str, meters: Meters) -> MetricReader:
    if name != PROMETHEUS:
        return PeriodicExportingMetricReader(exporter_for("metrics", name))
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    host = os.environ.get("OTEL_EXPORTER_PROMETHEUS_HOST") or DEFAULT_HOST
    try:
        port = int(os.environ.get("OTEL_EXPORTER_PROMETHEUS_PORT") or DEFAULT_PORT)
        server, thread = start_http_server(port, host, registry)
    except (OSError, ValueError, OverflowError) as error:
        raise SettingsError(f"OTEL_EXPORTER_PROMETHEUS_PORT: cannot listen there ({type(error).__name__})") from None
    meters.scraped_at = server.server_port
    meters._closing += [server.shutdown, thread.join, server.server_close]  # noqa: SLF001  its own module's
    return PrometheusMetricReader(registry=registry)
