"""
The doors from OpenTelemetry.

    UmamiSpanProcessor       spools when a span ends, in the caller's thread; sees unsampled spans that are recorded
    UmamiSpanExporter        a plain SpanExporter for a BatchSpanProcessor, for OTEL_TRACES_EXPORTER=umami
    UmamiLogRecordExporter   a plain LogRecordExporter, for OTEL_LOGS_EXPORTER=umami; see log_exporter.py

The processor is the best door: an event is on disk as soon as its span has ended. The exporters get what the batch
processor's queue has not dropped, some seconds later, and spans only if they are sampled.
"""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_umami_exporter.doors import UmamiDoor, log_defect
from otel_umami_exporter.pipeline import Pipeline


class UmamiSpanExporter(UmamiDoor, SpanExporter):
    """
    Delivers the business events and page views in spans to Umami.

    Args (each overrides the environment; without any, the environment decides and mistakes only switch it off):
        pipeline: the road, if it is shared with another door.
        taxonomy: the closed list, or where it is: `module:NAME` or a JSON file (UMAMI_TAXONOMY).
        endpoint: Umami's address (UMAMI_ENDPOINT).
        website_id: Umami's website (UMAMI_WEBSITE_ID).
        spool: the file where events wait (UMAMI_SPOOL).
    Raises:
        SettingsError, SpoolError: an argument, or the environment beside one, is wrong.
    """

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Spool what *spans* have to tell; SUCCESS means on disk. Delivery happens elsewhere."""
        pipeline = self._pipeline
        if pipeline is None:
            return SpanExportResult.SUCCESS
        try:
            _count_missed(pipeline, spans)
            done = pipeline.accept_spans(spans)
            pipeline.telemetry.exported["span", done] += len(spans)
        except Exception as error:  # noqa: BLE001  # the host never pays for our trouble
            log_defect(error)
            done = False
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE


class UmamiSpanProcessor(UmamiDoor, SpanProcessor):
    """
    Spools business events and page views at the moment their span ends; takes the arguments of `UmamiSpanExporter`.

    It sees every span that is recorded, sampled or not: with `AlwaysRecord` as sampler no event is lost to sampling.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing happens before the end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Spool what *span* has to tell; on disk when this returns."""
        pipeline = self._pipeline
        if pipeline is None:
            return
        try:
            if span.dropped_events:
                _count_missed(pipeline, [span])
            pipeline.telemetry.exported["span", pipeline.accept_spans((span,))] += 1
        except Exception as error:  # noqa: BLE001  # the host never pays for our trouble
            log_defect(error)


def _count_missed(pipeline: Pipeline, spans: Sequence[ReadableSpan]) -> None:
    missed = sum(span.dropped_events for span in spans)
    if missed:
        pipeline.missed(missed)
