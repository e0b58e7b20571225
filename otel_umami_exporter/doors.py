"""What the doors from OpenTelemetry share: how they find their road, and what they do on its behalf."""

import logging
import threading
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from otel_umami_exporter.errors import UmamiExporterError
from otel_umami_exporter.forks import begin_anew_in_children
from otel_umami_exporter.pipeline import Pipeline
from otel_umami_exporter.record import Door
from otel_umami_exporter.taxonomy import Taxonomy

_log: Final = logging.getLogger(__name__)


class _SharedRoad:
    """
    The one road that the environment describes.

    OpenTelemetry's own configuration builds each exporter by itself: OTEL_TRACES_EXPORTER=umami and
    OTEL_LOGS_EXPORTER=umami are two doors of one road, which ends when both are closed.
    """

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None
        self._doors = 0
        self._shut: Final[WeakKeyDictionary[UmamiDoor, str]] = WeakKeyDictionary()  # and why
        self.begin_anew()

    def begin_anew(self) -> None:
        """Take a new lock in a forked child."""
        self._lock = threading.RLock()  # see Spool: for signal handlers

    def enter(self, door: "UmamiDoor") -> Pipeline | None:
        """Return the road; None, said in one ERROR line for all doors, when the environment describes none."""
        from otel_umami_exporter.settings import pipeline_from_environment  # noqa: PLC0415  # slow, seldom needed

        with self._lock:
            if self._pipeline is None:
                begin_anew_in_children(self)
                try:
                    self._pipeline = pipeline_from_environment()
                except UmamiExporterError as error:
                    self._keep_shut(door, f"analytics is off: {error}")
                except Exception as error:  # noqa: BLE001  # whatever it is, other exporters must not pay for it
                    self._keep_shut(
                        door, f"analytics is off by a defect of otel-umami-exporter: {type(error).__name__}"
                    )
            if self._pipeline is not None:
                self._doors += 1
            return self._pipeline

    def _keep_shut(self, door: "UmamiDoor", why: str) -> None:
        if why not in self._shut.values():
            _log.error("%s", why)  # one line, no traceback
        self._shut[door] = why

    def leave(self) -> bool:
        """Close one door; return whether it was the last."""
        with self._lock:
            self._doors -= 1
            if self._doors > 0:
                return False
            self._pipeline = None
            return True


_shared: Final = _SharedRoad()


class UmamiDoor:
    """
    The base of all doors.

    With any argument a mistake raises. With none, as OpenTelemetry's own configuration builds an exporter, the
    environment decides, and a mistake switches analytics off with one ERROR line: it must never take the program or
    another exporter down.
    """

    _door: Door = "span"

    def __init__(
        self,
        *,
        pipeline: Pipeline | None = None,
        taxonomy: Taxonomy | str | None = None,
        endpoint: str | None = None,
        website_id: str | None = None,
        spool: str | Path | None = None,
    ) -> None:
        self._is_shared = (pipeline, taxonomy, endpoint, website_id, spool) == (None,) * 5
        self._pipeline = pipeline
        if self._is_shared:
            self._pipeline = _shared.enter(self)
        elif pipeline is None:
            from otel_umami_exporter.settings import pipeline_from_environment  # noqa: PLC0415

            self._pipeline = pipeline_from_environment(taxonomy, endpoint=endpoint, website_id=website_id, spool=spool)
        self._open = self._pipeline is not None
        if self._pipeline is not None and self._door == "log":
            self._pipeline.expect_bridge()

    @property
    def pipeline(self) -> Pipeline | None:
        """The road behind this door; None when analytics is off."""
        return self._pipeline

    def shutdown(self) -> None:
        """Deliver what can be delivered in 3 seconds; the rest stays on disk for the next start."""
        if self._open and self._pipeline is not None:
            self._open = False
            if not self._is_shared or _shared.leave():
                self._pipeline.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what was accepted so far; return whether all of it left in *timeout_millis* milliseconds."""
        return not self._open or self._pipeline is None or self._pipeline.flush(timeout_millis / 1_000)


def log_defect(error: Exception) -> None:
    """Log what no rule foresaw, without its text, which may hold what people typed."""
    _log.error("business events lost by a defect of otel-umami-exporter: %s", type(error).__name__)
