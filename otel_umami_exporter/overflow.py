"""
A spool that goes on in memory while the disk takes nothing.

    disk works        put ──► disk
    disk full,        put ──► memory (bounded; the oldest go first) ──claim──► Umami
    read-only, held             │
    disk works again            └──► disk, and from then on as before

What is in memory dies with the process: that is said once when it begins and once when it ends. The books of both are
one sum at every moment.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_umami_exporter.books import Books
from otel_umami_exporter.clock import Clock
from otel_umami_exporter.database import MEMORY
from otel_umami_exporter.dead_letters import dead_letters
from otel_umami_exporter.errors import SpoolError, SpoolUnavailable
from otel_umami_exporter.forks import begin_anew_in_children
from otel_umami_exporter.spool import Claim, Entry, Mark, Settlement, Spool, SpoolLimits

_log: Final = logging.getLogger(__name__)
IN_MEMORY: Final = SpoolLimits(max_events=20_000, max_bytes=32 << 20)
RETRY_SECONDS: Final = 5.0  # between two looks whether the disk works again
_MOVE_AT_ONCE: Final = 500


class OverflowingSpool:
    """
    The spool that the road uses: the file, and memory while the file cannot be written.

    Args:
        path: the file.
        limits: how much may wait in it.
        clock: the time.
        in_memory: how much may wait in memory.
        journal: see `Spool`.
    Raises:
        SpoolError: the file can never be opened: the path is wrong.
    """

    def __init__(
        self,
        path: str | Path,
        limits: SpoolLimits | None,
        clock: Clock,
        *,
        in_memory: SpoolLimits = IN_MEMORY,
        journal: bool = False,
    ) -> None:
        self.path: Final = str(path)
        self._limits: Final = limits or SpoolLimits()
        self._memory_limits: Final = in_memory
        self._clock: Final = clock
        self._journal: Final = journal
        self._disk: Spool | None = None
        self.begin_anew()
        try:
            self._disk = Spool(self.path, self._limits, journal=self._journal)
        except SpoolUnavailable as error:
            self._degrade(error)
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Forget, in a forked child, what the parent holds in memory: the parent delivers it."""
        self._lock = threading.RLock()  # see Spool: for signal handlers
        self._memory: Spool | None = None
        self._look_again_at = 0.0
        self._unsettled: list[tuple[Claim, Settlement]] = []

    @property
    def degraded(self) -> bool:
        """Whether new events go to memory, or some are still there."""
        return self._memory is not None

    # --- the program's side ---------------------------------------------------------------------------------------

    def put(self, bodies: Sequence[bytes], now: float) -> None:
        """Accept *bodies*: on disk when this returns, or in memory while the disk takes nothing."""
        if self._memory is None and self._disk is not None:
            try:
                self._disk.put(bodies, now)
            except SpoolUnavailable as error:
                self._degrade(error)
            else:
                return
        with self._lock:
            self._in_memory().put(bodies, now)

    def put_once(self, entries: Sequence[Entry], door: str, now: float) -> int:
        """Accept each entry that no other *door* has brought; return how many were left out."""
        if self._memory is None and self._disk is not None:
            try:
                return self._disk.put_once(entries, door, now)
            except SpoolUnavailable as error:
                self._degrade(error)
        with self._lock:
            return self._in_memory().put_once(entries, door, now)

    # --- the sender's side ----------------------------------------------------------------------------------------

    def claim(self, limit: int, now: float, lease_seconds: float, *, newest_since: float | None = None) -> Claim:
        """Take up to *limit* events for sending: those on disk first, then those in memory; see `Spool.claim`."""
        claim = Claim(())
        trouble: SpoolError | None = None
        try:
            if self._memory is None or self._clock.monotonic() >= self._look_again_at:
                self._settle_the_rest(now)
                if self._disk is not None:
                    claim = self._disk.claim(limit, now, lease_seconds, newest_since=newest_since)
        except SpoolUnavailable as error:
            trouble = error
        if claim.events:
            return claim
        memory = self._memory
        if memory is not None:
            claim = memory.claim(limit, now, lease_seconds, newest_since=newest_since)
            return replace(claim, in_memory=True)
        if trouble is not None:
            raise trouble
        return claim

    def settle(self, claim: Claim, settlement: Settlement, now: float) -> None:
        """
        Write down what became of a claimed batch.

        If the disk does not take it now, it is kept and written first thing later: what has been delivered must not
        be claimed again meanwhile.
        """
        if claim.in_memory:
            with self._lock:
                self._in_memory().settle(claim, settlement, now)
            return
        with self._lock:
            self._unsettled.append((claim, settlement))
        self._settle_the_rest(now)

    def tidy(self, now: float) -> None:
        """Keep the limits, and go back to the disk if it works again. For the sender's thread."""
        memory = self._memory
        if memory is not None:
            memory.tidy(now)
            self._go_back(memory, now)
        if self._disk is not None:
            self._disk.tidy(now)

    @property
    def unsynced(self) -> int:
        """How many rows were written since the last checkpoint."""
        return self._disk.unsynced if self._disk is not None else 0

    def checkpoint(self) -> None:
        """Have the disk hold what was accepted so far. For the sender's thread."""
        if self._disk is not None:
            self._disk.checkpoint()

    # --- questions ------------------------------------------------------------------------------------------------

    def books(self) -> Books:
        """Return every event ever accepted, and where it is now, on disk and in memory together."""
        with self._lock:  # no event moves between the two while they are added up
            books = Books(0, 0, 0, {}, {})
            if self._disk is not None:
                books += self._disk.books()
            if self._memory is not None:
                books += self._memory.books()
            return books

    def marks(self) -> tuple[Mark | None, Mark | None]:
        """Return marks after all that was accepted so far, on disk and in memory; see `holds_up_to`."""
        return (self._disk.mark() if self._disk else None, self._memory.mark() if self._memory else None)

    def holds_up_to(self, marks: tuple[Mark | None, Mark | None]) -> bool:
        """Whether something accepted before *marks* were taken still waits."""
        on_disk, in_memory = marks
        if in_memory is not None and in_memory.last_id and self._memory is None and self._disk is not None:
            return self._disk.oldest() is not None  # what was in memory has moved, and has other ids now
        return any(
            spool is not None and mark is not None and spool.holds(mark)
            for spool, mark in ((self._disk, on_disk), (self._memory, in_memory))
        )

    def oldest(self) -> tuple[int, float] | None:
        """Return id and time of acceptance of the oldest event that waits, or None."""
        found = [each for spool in (self._disk, self._memory) if spool is not None and (each := spool.oldest())]
        return min(found, key=lambda each: each[1], default=None)

    @property
    def has_something(self) -> bool:
        """Whether something may wait on disk; such a look takes no time, however much it is."""
        return self._disk is not None and self._disk.has_something

    def bodies(self) -> Iterator[bytes]:
        """Yield every body that waits, and every dead letter. For tests and inspection."""
        for spool in (self._disk, self._memory):
            if spool is not None:
                yield from spool.bodies()

    def close(self) -> None:
        """Close the file. What waits in it is sent after the next start; what is only in memory is lost, and said."""
        memory = self._memory
        if memory is not None:
            self._look_again_at = 0.0
            self._go_back(memory, self._clock.time())
            if self._memory is not None and (lost := memory.books().waiting):
                _log.error("%d business events were only in memory and are lost: the disk took nothing", lost)
            memory.close()
        if self._disk is not None:
            self._disk.close()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _in_memory(self) -> Spool:
        if self._memory is None:
            self._memory = Spool(MEMORY, self._memory_limits)
        return self._memory

    def _degrade(self, error: SpoolUnavailable) -> None:
        with self._lock:
            first = self._memory is None
            self._in_memory()
        self._look_again_at = self._clock.monotonic() + RETRY_SECONDS
        if first:
            _log.error("events are kept in memory only until the disk takes them again: %s", error)

    def _settle_the_rest(self, now: float) -> None:
        with self._lock:
            while self._unsettled and self._disk is not None:
                claim, settlement = self._unsettled[0]
                self._disk.settle(claim, settlement, now)
                del self._unsettled[0]

    def _go_back(self, memory: Spool, now: float) -> None:
        """Move what waits in memory to the disk, if it works again; what is on its way to Umami stays until settled."""
        if self._clock.monotonic() < self._look_again_at:
            return
        self._look_again_at = self._clock.monotonic() + RETRY_SECONDS
        try:
            if self._disk is None:
                self._disk = Spool(self.path, self._limits, journal=self._journal)
            while (claim := memory.claim(_MOVE_AT_ONCE, now, RETRY_SECONDS)).events:
                self._move(self._disk, memory, claim, now)
            with self._lock:
                if memory.oldest() is not None:
                    return
                letters = [(each.body, each.accepted_at, each.refused_at, each.reason) for each in dead_letters(memory)]
                self._disk.adopt(memory.books(), letters)
                self._memory = None
        except SpoolError:
            return  # not yet; it has been said
        memory.close()
        _log.warning("the disk takes events again")

    def _move(self, disk: Spool, memory: Spool, claim: Claim, now: float) -> None:
        with self._lock:
            try:
                disk.put([each.body for each in claim.events], now)
            except SpoolError:
                memory.settle(claim, Settlement(), now)  # nothing became of it
                raise
            memory.take_out(claim)
