"""
The doors from OpenTelemetry's spans.

    UmamiSpanProcessor   spools when a span ends, in the caller's thread; sees unsampled spans that are recorded
    UmamiSpanExporter    a plain SpanExporter for a BatchSpanProcessor, for OTEL_TRACES_EXPORTER=umami

The processor is the better door: an event is on disk as soon as its span has ended. The exporter gets what the batch
processor's queue has not dropped, some seconds later, and only from sampled spans.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_umami_exporter.errors import UmamiExporterError
from otel_umami_exporter.pipeline import Pipeline
from otel_umami_exporter.record import records_from_span
from otel_umami_exporter.taxonomy import Taxonomy

_log: Final = logging.getLogger(__name__)


def build_pipeline(
    pipeline: Pipeline | None,
    taxonomy: Taxonomy | None,
    endpoint: str | None,
    website_id: str | None,
    spool: str | Path | None,
) -> Pipeline | None:
    """
    Return the pipeline of a door; None when analytics is switched off.

    With any argument, a mistake raises. With none, as OpenTelemetry's own configuration builds an exporter, a mistake
    switches analytics off with one ERROR line: it must never take the program or another exporter down.
    """
    if pipeline is not None:
        return pipeline
    from otel_umami_exporter.settings import pipeline_from_environment  # noqa: PLC0415  # slow to import, seldom needed

    if (taxonomy, endpoint, website_id, spool) != (None, None, None, None):
        return pipeline_from_environment(taxonomy, endpoint=endpoint, website_id=website_id, spool=spool)
    try:
        return pipeline_from_environment()
    except UmamiExporterError as error:
        _log.error("analytics is off: %s", error)  # one line, no traceback
        return None


class _Door:
    """What both doors share."""

    def __init__(
        self,
        *,
        pipeline: Pipeline | None = None,
        taxonomy: Taxonomy | None = None,
        endpoint: str | None = None,
        website_id: str | None = None,
        spool: str | Path | None = None,
    ) -> None:
        self._pipeline = build_pipeline(pipeline, taxonomy, endpoint, website_id, spool)

    @property
    def pipeline(self) -> Pipeline | None:
        """The road behind this door; None when analytics is off."""
        return self._pipeline

    def shutdown(self) -> None:
        """Deliver what can be delivered in 3 seconds; the rest stays on disk for the next start."""
        if self._pipeline is not None:
            self._pipeline.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what was accepted so far; return whether all of it left in *timeout_millis* milliseconds."""
        return self._pipeline is None or self._pipeline.flush(timeout_millis / 1_000)


class UmamiSpanExporter(_Door, SpanExporter):
    """
    Delivers the business events and page views in spans to Umami.

    Args (each overrides the environment; without any, the environment decides and mistakes only switch it off):
        pipeline: the road, if it is shared with another door.
        taxonomy: the closed list (UMAMI_TAXONOMY).
        endpoint: Umami's address (UMAMI_ENDPOINT).
        website_id: Umami's website (UMAMI_WEBSITE_ID).
        spool: the file where events wait (UMAMI_SPOOL).
    Raises:
        SettingsError, SpoolError: an argument, or the environment beside one, is wrong.
    """

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Spool what *spans* have to tell; SUCCESS means on disk. Delivery happens elsewhere."""
        if self._pipeline is None:
            return SpanExportResult.SUCCESS
        accept = self._pipeline.accept
        done = _guarded(lambda: accept(record for span in spans for record in records_from_span(span)))
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE


class UmamiSpanProcessor(_Door, SpanProcessor):
    """
    Spools the business events and the page view of each span as it ends; the same arguments as the exporter.

    It sees every span that is recorded, sampled or not: with `AlwaysRecord` as sampler no event is lost to sampling.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing happens before the end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Spool what *span* has to tell; on disk when this returns."""
        pipeline = self._pipeline
        if pipeline is not None:
            _guarded(lambda: pipeline.accept(records_from_span(span)))


def _guarded(work: Callable[[], bool]) -> bool:
    """Do *work*; what no rule foresaw is logged here, without its text, and never reaches the program."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # the host never pays for our trouble
        _log.error("business events lost by a defect of otel-umami-exporter: %s", type(error).__name__)
        return False
