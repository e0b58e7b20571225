"""
The bridge's road: the same gate, payload, spool and sender as everywhere, and two promises more.

* Never memory. What the disk does not take is refused, and nothing is dropped to make room: the sender of the request
  has a queue of its own and keeps what we refuse.
* A request that is sent again after its answer got lost does no harm: the spool remembers the latest events by key,
  in the transaction that stores them. Bridges that share a spool share that memory.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_umami_exporter.books import Books, waiting_by_books
from otel_umami_exporter.bridge.errors import SpoolFull
from otel_umami_exporter.bridge.reading import Item
from otel_umami_exporter.clock import Clock, SystemClock
from otel_umami_exporter.counters import Counters
from otel_umami_exporter.delivery import Connection, Timing
from otel_umami_exporter.errors import SpoolError, SpoolUnavailable
from otel_umami_exporter.gate import Admitted, Rejected, admit
from otel_umami_exporter.ledger import open_ledger
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.payload import Site, to_item, to_json
from otel_umami_exporter.projection import Projection, Projector, check_projections
from otel_umami_exporter.sender import Sender
from otel_umami_exporter.spool import Spool, SpoolLimits
from otel_umami_exporter.taxonomy import Taxonomy

_log: Final = logging.getLogger(__name__)
REMEMBERED: Final = 200_000  # keys: the events of a busy minute, some 10 MB of the spool
_FORGET_EVERY: Final = 1_000
_MEMORY: Final = "CREATE TABLE IF NOT EXISTS received (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE)"
_REFUSING: Final = frozenset({"undeclared_event"})  # what the sender should hear of; the rest is as it should be


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request: items seen, events now on disk, events that were there already, and the refused."""

    items: int
    stored: int
    doubled: int
    refused_items: int
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that may leave: as Umami's JSON, what the copies are made of, and what it is recognised by."""

    body: bytes
    admitted: Admitted
    key: bytes | None


class DurableSpool(OverflowingSpool):
    """A spool that takes events for the disk or not at all."""

    def receive(
        self, events: Sequence[Arrival], now: float, copies: Callable[[Admitted], list[bytes]] | None = None
    ) -> tuple[int, int]:
        """
        Store each event whose key is not remembered, and its *copies*. On disk when this returns.

        Copies are made here, of new events that there is room for: what is asked for them is remembered too, and an
        event that comes again, or for the first time after a refusal, must not have been counted before.

        Returns the number of events, and of bodies.

        Raises:
            SpoolFull: nothing of it was stored; there is no room.
            SpoolUnavailable: nothing of it was stored; the disk takes nothing.
        """
        disk = self._opened()

        def work(database: sqlite3.Connection) -> tuple[int, int]:
            self._check_room(database, len(events))
            new = _unknown(database, events)
            rows = [(each.body, now) for each in new]
            if copies is not None:
                rows += [(copy, now) for each in new for copy in copies(each.admitted)]
            database.executemany("INSERT INTO events (body, accepted_at) VALUES (?, ?)", rows)
            return len(new), len(rows)

        return disk.write(work)

    def check(self) -> None:
        """
        Say whether an event could be stored now.

        Raises:
            SpoolFull, SpoolUnavailable: as `receive`.
        """
        disk = self._opened()

        def work(database: sqlite3.Connection) -> None:
            self._check_room(database, 1)
            database.execute("PRAGMA application_id = 0")  # a write that changes nothing: a bad disk says so here

        disk.write(work)

    def _opened(self) -> Spool:
        if self._disk is None:
            raise SpoolUnavailable(f"the spool {self.path} cannot be opened")
        return self._disk

    def _check_room(self, database: sqlite3.Connection, events: int) -> None:
        if waiting_by_books(database) + events > self._limits.max_events:
            raise SpoolFull(f"{self._limits.max_events} events wait")
        if _bytes(database) > self._limits.max_bytes:
            raise SpoolFull(f"the spool holds {self._limits.max_bytes} bytes")


class Road:
    """
    Everything between an OTLP item and Umami.

    Args: as `Pipeline`.
    Raises:
        SpoolError: the spool's path is wrong. A full or read-only disk does not raise: requests are refused meanwhile.
    """

    def __init__(
        self,
        *,
        taxonomy: Taxonomy,
        site: Site,
        spool: str | Path,
        connect: Callable[[], Connection],
        limits: SpoolLimits | None = None,
        timing: Timing | None = None,
        clock: Clock | None = None,
        projections: Iterable[Projection] = (),
        projection_key: str | None = None,
    ) -> None:
        self._taxonomy: Final = taxonomy
        self._site: Final = site
        self.clock: Final = clock or SystemClock()
        self._counters: Final = Counters()
        self._spool: Final = DurableSpool(spool, limits, self.clock)
        chosen = check_projections(projections, taxonomy)
        self._ledger: Final = open_ledger(str(spool), projection_key) if chosen else None
        self._projector: Final = Projector(chosen, site, self._ledger) if self._ledger else None
        self._sender: Final = Sender(
            self._spool,
            connect,
            timing=timing or Timing(),
            clock=self.clock,
            upkeep=self._ledger.checkpoint if self._ledger else None,
        )
        self._sender.start()

    def receive(self, items: Iterable[Item | None]) -> Receipt:
        """
        Take what *items* have to tell as far as the spool; it is on disk when this returns, all of it or nothing.

        Raises:
            Malformed, TooLarge: from *items*; nothing was stored.
            SpoolError: nothing was stored.
        """
        seen = refused_items = 0
        events: list[Arrival] = []
        refused: Counter[str] = Counter()
        for item in items:
            seen += 1
            if item is None:
                continue
            reasons = [reason for reason in self._admit(item, events) if reason in _REFUSING]
            refused.update(reasons)
            refused["limit"] += item.refused
            refused_items += bool(reasons or item.refused)
        copies = self._copies if self._projector is not None else None
        stored, bodies = self._spool.receive(events, self.clock.time(), copies) if events else (0, 0)
        if bodies:
            self._sender.notify(bodies)
        return Receipt(seen, stored, len(events) - stored, refused_items, {k: v for k, v in refused.items() if v})

    def check(self) -> None:
        """
        Say whether a request could be taken now.

        Raises:
            SpoolError: it would be refused.
        """
        self._spool.check()

    def books(self) -> Books:
        """Return where every event is. Counts row by row: not for a hot path."""
        return self._spool.books()

    def stayed_behind(self) -> dict[str, int]:
        """Return what did not reach the spool, by reason, since the start."""
        return {str(reason): number for reason, number in self._counters.numbers().items()}

    def flush(self, timeout_seconds: float) -> bool:
        """Deliver what was accepted so far; return whether all of it has left the spool in time."""
        return self._sender.flush(timeout_seconds)

    def close(self, timeout_seconds: float = 3.0) -> None:
        """Deliver what can be delivered within *timeout_seconds*; the rest stays on disk."""
        start = self.clock.monotonic()
        try:
            self._sender.flush(timeout_seconds * 0.8, patient=False)
        except SpoolError as error:
            _log.debug("nothing to flush: %s", error)
        if self._sender.stop(max(0.0, start + timeout_seconds - self.clock.monotonic())):
            if self._ledger is not None:
                self._ledger.close()
            self._spool.close()

    def _admit(self, item: Item, events: list[Arrival]) -> Iterable[str]:
        """Append what may leave to *events*; yield why something may not."""
        for record, key in item.records:
            admitted = admit(record, self._taxonomy)
            if isinstance(admitted, Rejected):
                if self._counters.add(admitted.reason) and admitted.reason in _REFUSING:
                    _log.warning(
                        "an event that is not in the taxonomy was refused; declare it if it should leave (said once)"
                    )
                yield admitted.reason
                continue
            for reason in admitted.left_out:
                self._counters.add(reason)
            events.append(Arrival(to_json(to_item(admitted, self._site)), admitted, key))

    def _copies(self, admitted: Admitted) -> list[bytes]:
        return [] if self._projector is None else [to_json(each) for each in self._projector.copies(admitted)]


def _unknown(database: sqlite3.Connection, events: Sequence[Arrival]) -> Sequence[Arrival]:
    """Return the events whose keys are new, and remember those."""
    if not any(each.key for each in events):
        return events
    database.execute(_MEMORY)
    new: list[Arrival] = []
    newest = 0
    for each in events:
        if each.key is not None:
            cursor = database.execute("INSERT OR IGNORE INTO received (key) VALUES (?)", (each.key,))
            if not cursor.rowcount:
                continue
            newest = cursor.lastrowid or 0
        new.append(each)
    if newest % _FORGET_EVERY < len(events):
        database.execute("DELETE FROM received WHERE id <= ?", (newest - REMEMBERED,))
    return new


def _bytes(database: sqlite3.Connection) -> int:
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
