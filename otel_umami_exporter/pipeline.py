"""
The road of one event, readable aloud: record ─► gate ─► payload ─► spool ─► sender.

Everything up to the payload is a pure function of its arguments. Every door (span exporter, span processor, log record
exporter) holds a pipeline and differs in nothing after `Record`.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from otel_umami_exporter.books import Books
from otel_umami_exporter.clock import Clock, SystemClock
from otel_umami_exporter.counters import Counters, Reason
from otel_umami_exporter.database import MEMORY
from otel_umami_exporter.delivery import Connection, Timing
from otel_umami_exporter.errors import SpoolError
from otel_umami_exporter.gate import Admitted, Rejected, admit
from otel_umami_exporter.ledger import Ledger, open_ledger
from otel_umami_exporter.one_pass import OnePass
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.payload import Site, to_item, to_json
from otel_umami_exporter.projection import Projection, Projector, check_projections
from otel_umami_exporter.record import Door, Record, key_of, records_from_span
from otel_umami_exporter.sender import Sender
from otel_umami_exporter.spool import SpoolLimits
from otel_umami_exporter.taxonomy import Taxonomy
from otel_umami_exporter.telemetry import Telemetry
from otel_umami_exporter.umami import UmamiClient

_log: Final = logging.getLogger(__name__)
_EXPLAINED: Final = {
    "undeclared_event": "a span event that is not in the taxonomy did not leave; declare it if it should",
    "undeclared_property": "a property that its event does not declare was left out; declare it if it should leave",
    "wrong_value": "a property whose value has not the declared type was left out",
    "span_event_limit": (
        "OpenTelemetry dropped events of a span that had too many: raise OTEL_SPAN_EVENT_COUNT_LIMIT, or use more spans"
    ),
    "attribute_limit": (
        "OpenTelemetry dropped properties of an event that had too many: see OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT,"
        " for log records OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT"
    ),
}


@dataclass(frozen=True, slots=True)
class Status:
    """The books; what stayed behind before them, by reason; and how long the oldest event has waited."""

    books: Books
    stayed_behind: dict[str, int]
    oldest_age_seconds: float = 0.0
    in_memory: bool = False


class Pipeline:
    """
    Everything between a record and Umami.

    Args:
        taxonomy: the closed list.
        site: the website that is written to.
        spool: the file where events wait.
        connect: makes one connection to Umami; called once in each sender thread. An address does as well.
        limits: how much may wait.
        timing: the sender's waits.
        clock: the time.
        projections: what public boards stand on: reduced copies for websites of their own.
        projection_key: keys visitors there; default: a random one beside the spool.
    Raises:
        TaxonomyError: a projection does not fit the taxonomy.
        SpoolError: the spool's path is wrong. A full or read-only disk does not raise: events are kept in memory.
    """

    def __init__(
        self,
        *,
        taxonomy: Taxonomy,
        site: Site,
        spool: str | Path,
        connect: str | Callable[[], Connection],
        limits: SpoolLimits | None = None,
        timing: Timing | None = None,
        clock: Clock | None = None,
        projections: Iterable[Projection] = (),
        projection_key: str | None = None,
    ) -> None:
        self.taxonomy: Final = taxonomy
        self._site: Final = site
        self._clock: Final = clock or SystemClock()
        self._counters: Final = Counters()
        self._count: Final = partial(_count, self._counters)  # no method: nothing may hold the road that it is part of
        chosen = check_projections(projections, taxonomy)
        self._ledger: Final = _ledger(str(spool), projection_key) if chosen else None
        self._projector: Final = Projector(chosen, site, self._ledger) if self._ledger else None
        self._spool: Final = OverflowingSpool(spool, limits, self._clock, journal=True)
        self._one_pass: Final = OnePass(taxonomy, site, self._count)
        self._bridged = False
        self._is_shut = False
        self.telemetry: Final = Telemetry(self)
        self._sender: Final = Sender(
            self._spool,
            connect if callable(connect) else _connector(connect),
            timing=timing or Timing(),
            clock=self._clock,
            observe=self.telemetry.request,
            upkeep=self._ledger.checkpoint if self._ledger else None,
        )
        if not taxonomy.events:
            _log.warning("no event leaves: there is no taxonomy (set UMAMI_TAXONOMY)")
        self._sender.start()

    def expect_bridge(self) -> None:
        """Say that events may come twice, on a span and in the log: from now on the second copy is left out."""
        self._bridged = True

    def accept(self, records: Sequence[Record], door: Door = "span") -> bool:
        """
        Take *records* as far as the spool; what may leave is on disk when this returns.

        Returns False, counted and logged once, when the spool takes nothing. Never raises for what a record holds.
        """
        kept = [admitted for each in records if (admitted := self._admit(each)) is not None]
        if not kept:
            return True
        try:
            self._sender.notify(self._put(kept, door))
        except SpoolError as error:
            return self._lost(error, len(kept))
        return True

    def accept_spans(self, spans: Iterable[ReadableSpan]) -> bool:
        """Do the same with what *spans* have to tell; each in one pass if it can be, see one_pass.py."""
        if self._bridged or self._projector is not None:
            return self.accept([record for span in spans for record in records_from_span(span)])
        bodies: list[bytes] = []
        for span in spans:
            try:
                made = self._one_pass.bodies(span)
            except Exception:  # noqa: BLE001  # a value that cannot be said: the reference knows what becomes of it
                made = None
            bodies += self._by_reference(span) if made is None else made
        if bodies:
            try:
                self._spool.put(bodies, self._clock.time())
                self._sender.notify(len(bodies))
            except SpoolError as error:
                return self._lost(error, len(bodies))
        return True

    def missed(self, events: int) -> None:
        """Count *events* that OpenTelemetry dropped before this library saw them."""
        self._count("span_event_limit", events)

    def flush(self, timeout_seconds: float = 30.0) -> bool:
        """Deliver what was accepted so far; return whether all of it has left the spool in time."""
        try:
            return self._sender.flush(timeout_seconds)
        except SpoolError as error:
            _log.warning("nothing can be flushed: %s", error)
            return False

    def shutdown(self, timeout_seconds: float = 3.0) -> None:
        """Deliver what can be delivered in *timeout_seconds*; the rest stays on disk. A second call does nothing."""
        if self._is_shut:
            return
        self._is_shut = True
        start = self._clock.monotonic()
        try:
            self._sender.flush(timeout_seconds * 0.8, patient=False)
        except SpoolError as error:
            _log.debug("nothing to flush: %s", error)
        if self._sender.stop(max(0.0, start + timeout_seconds - self._clock.monotonic())):
            if self._ledger is not None:
                self._ledger.close()
            self._spool.close()  # Last: a thread that still hangs in a request may yet settle its batch.

    def status(self) -> Status:
        """Return where every event is."""
        oldest = self._spool.oldest()
        return Status(
            self._spool.books(),
            {str(reason): number for reason, number in self._counters.numbers().items()},
            max(0.0, self._clock.time() - oldest[1]) if oldest is not None else 0.0,
            self._spool.degraded,
        )

    def _lost(self, error: SpoolError, events: int) -> bool:
        if self._counters.add("spool_unavailable", events):
            _log.error("business events are lost: %s", error)  # the trace says no more
        return False

    def _put(self, kept: Sequence[Admitted], door: Door) -> int:
        """Spool events with their copies; return how many of them, or of their bodies, that were."""
        now = self._clock.time()
        if not self._bridged:
            bodies = [body for each in kept for body in self._bodies(each)]
            self._spool.put(bodies, now)
            return len(bodies)
        # Made once, also if the disk takes them only at the second try.
        entries = [(cache(partial(self._bodies, each)), key_of(each.record)) for each in kept]
        doubled = self._spool.put_once(entries, door, now)
        if doubled:
            self._counters.add("doubled", doubled)
        return len(kept) - doubled

    def _by_reference(self, span: ReadableSpan) -> list[bytes]:
        kept = [admitted for each in records_from_span(span) if (admitted := self._admit(each)) is not None]
        return [body for each in kept for body in self._bodies(each)]

    def _admit(self, record: Record) -> Admitted | None:
        admitted = admit(record, self.taxonomy)
        if isinstance(admitted, Rejected):
            self._count(admitted.reason)
            return None
        for each in admitted.left_out:
            self._count(each)
        if record.dropped_attributes:
            self._count("attribute_limit", record.dropped_attributes)
        return admitted

    def _bodies(self, admitted: Admitted) -> list[bytes]:
        """Return what is to be sent of an event: itself first, then its copies."""
        body = to_json(to_item(admitted, self._site))
        return [body] if self._projector is None else [body, *self._copies(self._projector, admitted)]

    def _copies(self, projector: Projector, admitted: Admitted) -> list[bytes]:
        try:
            return [to_json(each) for each in projector.copies(admitted)]
        except SpoolError as error:
            if self._counters.add("projection_unavailable"):
                _log.error("public boards miss events: %s", error)
            return []


def _count(counters: Counters, reason: Reason, number: int = 1) -> None:
    if counters.add(reason, number) and reason in _EXPLAINED:
        _log.warning("%s (said once)", _EXPLAINED[reason])


def _ledger(spool: str, key: str | None) -> Ledger:
    try:
        return open_ledger(spool, key)
    except SpoolError as error:
        _log.error("public boards begin to count anew: %s", error)
        return open_ledger(MEMORY, key)


def _connector(endpoint: str) -> Callable[[], Connection]:
    return lambda: UmamiClient(endpoint)
