"""The door for log records; a module of its own, because the SDK's logs are slow to import and seldom used."""

from collections.abc import Sequence

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from otel_umami_exporter.doors import UmamiDoor, log_defect
from otel_umami_exporter.record import Door, record_from_log


class UmamiLogRecordExporter(UmamiDoor, LogRecordExporter):
    """
    Delivers business events that were emitted as log records; takes the arguments of `UmamiSpanExporter`.

    Plain log lines, which have no event name, never leave. An event that comes by a span as well, because a bridge
    copies the one into the other, is stored once.
    """

    _door: Door = "log"

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Spool the events in *batch*; SUCCESS means on disk."""
        pipeline = self._pipeline
        if pipeline is None:
            return LogRecordExportResult.SUCCESS
        try:
            records = [record for each in batch if (record := record_from_log(each)) is not None]
            done = pipeline.accept(records, "log")
            pipeline.telemetry.exported["log", done] += len(batch)
        except Exception as error:  # noqa: BLE001  # the host never pays for our trouble
            log_defect(error)
            done = False
        return LogRecordExportResult.SUCCESS if done else LogRecordExportResult.FAILURE
