"""
The road of one event, readable aloud: record ─► gate ─► payload ─► spool ─► sender.

Everything up to the payload is a pure function of its arguments. Every door (span exporter, span processor) holds a
pipeline and differs in nothing after `Record`.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_umami_exporter.clock import Clock, SystemClock
from otel_umami_exporter.counters import Counters, Reason
from otel_umami_exporter.delivery import Connection, Timing
from otel_umami_exporter.errors import SpoolError
from otel_umami_exporter.gate import Admitted, Rejected, admit
from otel_umami_exporter.payload import Site, to_item, to_json
from otel_umami_exporter.record import Record
from otel_umami_exporter.sender import Sender
from otel_umami_exporter.spool import Books, Spool, SpoolLimits
from otel_umami_exporter.taxonomy import Taxonomy
from otel_umami_exporter.umami import UmamiClient

_log: Final = logging.getLogger(__name__)
_EXPLAINED: Final = {
    "undeclared_event": "a span event that is not in the taxonomy did not leave; declare it if it should",
    "undeclared_property": "a property that its event does not declare was left out; declare it if it should leave",
    "wrong_value": "a property whose value has not the declared type was left out",
}


@dataclass(frozen=True, slots=True)
class Status:
    """The books, and what stayed behind before them, by reason."""

    books: Books
    stayed_behind: dict[str, int]


class Pipeline:
    """
    Everything between a record and Umami.

    Args:
        taxonomy: the closed list.
        site: the website that is written to.
        spool: where events wait: a path, or an open spool.
        connect: makes one connection to Umami; called once in each sender thread. An address does as well.
        limits: how much may wait.
        timing: the sender's waits.
        clock: the time.
    Raises:
        SpoolError: the spool cannot be opened.
    """

    def __init__(
        self,
        *,
        taxonomy: Taxonomy,
        site: Site,
        spool: str | Path | Spool,
        connect: str | Callable[[], Connection],
        limits: SpoolLimits | None = None,
        timing: Timing | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.taxonomy: Final = taxonomy
        self._site: Final = site
        self._clock: Final = clock or SystemClock()
        self._counters: Final = Counters()
        self._spool: Final = spool if isinstance(spool, Spool) else Spool(spool, limits)
        make = connect if callable(connect) else _connector(connect)
        self._sender: Final = Sender(self._spool, make, timing=timing or Timing(), clock=self._clock)
        self._sender.start()

    def accept(self, records: Iterable[Record]) -> bool:
        """
        Take *records* as far as the spool; what may leave is on disk when this returns.

        Returns False, counted and logged once, when the spool cannot be written. Never raises for what a record holds.
        """
        bodies = [body for each in records if (body := self._body(each)) is not None]
        if not bodies:
            return True
        try:
            self._spool.put(bodies, self._clock.time())
        except SpoolError as error:
            if self._counters.add("spool_unavailable", len(bodies)):
                _log.error("business events are lost: %s", error)  # the trace says no more
            return False
        self._sender.notify(len(bodies))
        return True

    def flush(self, timeout_seconds: float = 30.0) -> bool:
        """Deliver what was accepted so far; return whether all of it has left the spool in time."""
        return self._sender.flush(timeout_seconds)

    def shutdown(self, timeout_seconds: float = 3.0) -> None:
        """Deliver what can be delivered within *timeout_seconds*; the rest stays on disk for the next start."""
        start = self._clock.monotonic()
        try:
            self._sender.flush(timeout_seconds * 0.8, patient=False)
            self._sender.stop(max(0.0, start + timeout_seconds - self._clock.monotonic()))
        except SpoolError as error:
            _log.warning("the last events may not be delivered: %s", error)
        self._spool.checkpoint()
        self._spool.close()  # Last: what was claimed and not settled is sent when its lease has run out.

    def status(self) -> Status:
        """Return where every event is."""
        return Status(self._spool.books(), {str(reason): number for reason, number in self._counters.numbers().items()})

    def _body(self, record: Record) -> bytes | None:
        match admit(record, self.taxonomy):
            case Rejected(reason):
                self._count(reason)
                return None
            case Admitted(left_out=left_out) as admitted:
                for each in left_out:
                    self._count(each)
                return to_json(to_item(admitted, self._site))

    def _count(self, reason: Reason) -> None:
        if self._counters.add(reason) and reason in _EXPLAINED:
            _log.warning("%s (said once)", _EXPLAINED[reason])


def _connector(endpoint: str) -> Callable[[], Connection]:
    return lambda: UmamiClient(endpoint)
