"""
Events on disk between the program and Umami.

    put ──► waiting ──claim──► claimed ──settle──► gone          (delivered)
               ▲                  │    └─────────► dead letter   (refused for good, with the reason)
               └──────────────────┘                              (try again, shutdown, or the lease ran out: a crash)

`put` returns when the transaction is committed to SQLite's write-ahead log, or when the events are appended to this
process's journal (journal.py): they survive the death of the process, SIGKILL included. They survive a power cut from
the next checkpoint on (synchronous=NORMAL). Checkpoints are the sender's work (`checkpoint`), because their fsync must
not stall a writer on an event loop.

The books balance at every moment, because each change of an event and of the books is one transaction:
accepted = delivered + waiting + refused + dropped.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_umami_exporter.books import Books, read
from otel_umami_exporter.database import is_gone
from otel_umami_exporter.errors import SpoolError, SpoolUnavailable
from otel_umami_exporter.frames import AT_ONCE, LARGEST_BYTES
from otel_umami_exporter.lending import (
    all_loans,
    bodies,
    give_back,
    lend,
    orphaned,
    overdue,
    read_beside,
    settle,
    settle_delivered,
)
from otel_umami_exporter.spool_file import SpoolFile, nothing
from otel_umami_exporter.spool_rows import (
    MOST_ROWS,
    Claim,
    Entry,
    Mark,
    Settlement,
    Spooled,
    SpoolLimits,
    adopt,
    drop_surplus,
    free,
    insert_many,
    insertion,
    last_id,
    oldest,
    take_out,
)
from otel_umami_exporter.taking_in import Taken, forget, journals

__all__ = ["Claim", "Entry", "Mark", "Settlement", "Spool", "SpoolLimits", "Spooled"]

_TRIM_EVERY: Final = 100  # events between two looks at the limits
_TRIM_AT_MOST: Final = 300  # events that a writer drops at a time; more would be felt on an event loop
_TIDY_AT_ONCE: Final = 1_000
_BEHIND_BYTES: Final = 96 << 20  # in the journal
_STUCK_SECONDS: Final = 60.0
_SHARE: Final = 4  # of the limits, that may wait in a journal
_LOAN_ROWS: Final = 4  # a lent batch writes as many pages of the log as so many rows
_REMEMBER_SECONDS: Final = 900.0  # the two copies of a bridged event come within the delay of a batch processor


class Spool(SpoolFile):
    """
    The spool file.

    Threads and processes may share one file. A forked child opens its own connection by itself.

    Args:
        path: the file; it is made with mode 0600 when missing. ":memory:" is for tests: nothing survives.
        limits: how much may wait.
        journal: write single events to a journal first; limits are kept when they are taken in, not by `put`.
    Raises:
        SpoolError: the file can neither be opened nor replaced.
        SpoolUnavailable: not now: the disk is full or read-only, or another process holds the file.
    """

    def __init__(self, path: str | Path, limits: SpoolLimits | None = None, *, journal: bool = False) -> None:
        self.limits: Final = limits or SpoolLimits()
        super().__init__(path, journal=journal)

    def begin_anew(self) -> None:
        """Begin with nothing of the parent's in a forked child."""
        super().begin_anew()
        self._untrimmed = 0

    # --- the program's side ---------------------------------------------------------------------------------------

    def put(self, bodies: Sequence[bytes], now: float) -> None:
        """
        Accept *bodies* (one JSON item each) at *now* (seconds since 1970); on disk when this returns.

        Raises:
            SpoolError: nothing of it is on disk.
        """
        journal = self._journal
        if journal is not None and journal.works and bodies:
            if self._closed:
                raise SpoolError("the spool is closed")
            try:
                if journal.append(bodies, now):
                    return
            except OSError as error:
                if journal.works:  # else there are no locks here, and so no journals
                    why = error.strerror or error
                    raise SpoolUnavailable(f"the spool {self.path} cannot be written: {why}") from error
        if len(bodies) > MOST_ROWS:
            self.write(lambda database: insert_many(database, bodies, now), look=False)
        else:  # one statement is its own transaction: one wait for the file, and for the interpreter
            values = tuple(each for body in bodies for each in (body, now))
            self._run(lambda database: database.execute(insertion(len(bodies)), values), look=False)
        self._untrimmed += len(bodies)
        self.unsynced += len(bodies)
        if self._untrimmed >= _TRIM_EVERY:
            self.trim(now, at_most=_TRIM_AT_MOST)

    def put_once(self, entries: Sequence[Entry], door: str, now: float) -> int:
        """
        Accept each entry whose key no other *door* has brought lately; return how many were left out.

        An event that is recorded on a span and also bridged into the log arrives by both doors and is stored once.
        What makes its bodies is asked only of one that is stored: copies for public boards count what they are made of.
        """

        def work(database: sqlite3.Connection) -> int:
            new: list[bytes] = []
            doubled = 0
            for make_bodies, key in entries:
                if key is not None:
                    seen = database.execute("SELECT door FROM seen WHERE key = ?", (key,)).fetchone()
                    if seen is not None and seen[0] != door:
                        doubled += 1
                        continue
                    database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (key, door, now))
                new += make_bodies()
            insert_many(database, new, now)
            self.unsynced += len(new)
            return doubled

        return self.write(work, look=False)

    # --- the sender's side ----------------------------------------------------------------------------------------

    def claim(self, limit: int, now: float, lease_seconds: float, *, newest_since: float | None = None) -> Claim:
        """
        Take up to *limit* events for sending, oldest first; or the newest of those accepted since *newest_since*.

        A claimed event is invisible to other claims until it is settled or its lease has run out. Where no backlog
        waits, a batch comes straight from the journal: see lending.py. After a batch of rows more may wait there.
        """
        until = now + lease_seconds
        if newest_since is None and self._may_lend and (claim := self._lend(limit, now, until)):
            return claim

        def work(database: sqlite3.Connection) -> tuple[Taken, Claim]:
            give_back(database, overdue(database, now), self._read_journal)
            taken = self._take(database, own=self._is_behind, living=False)
            found, is_full = free(database, limit, now, newest_since)
            if not found and not taken.upto:
                taken = self._take(database, living=False)
                found, is_full = free(database, limit, now, newest_since)
            if not found:
                return taken, Claim(())
            lease = (found[0].id, found[-1].id, until, self._owner)
            cursor = database.execute("INSERT INTO leases (first, last, until, owner) VALUES (?, ?, ?, ?)", lease)
            return taken, Claim(found, cursor.lastrowid or 0, self._generation, is_full=is_full or taken.more)

        if newest_since is not None:
            self._run(nothing)  # all of the journal, to its end
        claim = self._write(work)
        if claim.events and self._journal is not None and (self._journal.waits or self._journal.leaves_rest):
            return replace(claim, is_full=True)
        return claim

    def settle(self, claim: Claim, settlement: Settlement, now: float) -> None:
        """Write down, in one transaction, what became of a claimed batch; what is not mentioned waits again."""
        loan = claim.loan
        if claim.file == self._generation:  # else the file was replaced: these ids mean nothing in the new one
            all_of_it = loan if len(settlement.delivered) == len(claim.events) else None
            if not all_of_it or not self._run(lambda database: settle_delivered(database, all_of_it), look=False):
                self.write(lambda database: settle(database, claim, settlement, self._owner, now), look=False)
                self.unsynced += len(claim.events)
            self.unsynced += _LOAN_ROWS
        if loan is not None and self._journal is not None:
            self._journal.settled(loan.journal)

    def take_out(self, claim: Claim) -> None:
        """Strike a claimed batch from these books: it was put into another spool."""
        self.write(lambda database: take_out(database, claim))

    def trim(self, now: float, *, at_most: int = _TRIM_AT_MOST) -> int:
        """Drop what is beyond the limits, oldest first and *at_most* so many, and write it into the books."""
        own = self._is_behind

        def work(database: sqlite3.Connection) -> tuple[Taken, int]:
            taken = self._take(database, own=own, living=False)
            self._untrimmed = 0
            return taken, drop_surplus(database, self.limits, now, at_most)

        return self._write(work)

    def adopt(self, books: Books, letters: Sequence[tuple[bytes, float, float, str]]) -> None:
        """Take over the books and dead letters of a spool that ends, all of whose events have left it."""
        self.write(lambda database: adopt(database, books, letters))

    def tidy(self, now: float) -> None:
        """Keep the limits, forget old keys and old dead letters, free what the dead have claimed. Takes its time."""
        self._follow_the_file()
        since = self._journal.waits_since() if self._journal is not None else None
        if since is not None and not now - _STUCK_SECONDS < since <= now:
            self._run(nothing)  # no sender gets it away: the limits are for it, too
        waiting = self._journal.waiting[1] if self._journal is not None else 0
        pieces = waiting // (AT_ONCE - LARGEST_BYTES)  # not more: it may grow as fast as it is taken in
        while self.trim(now, at_most=_TIDY_AT_ONCE) >= _TIDY_AT_ONCE or (self._is_behind and pieces > 0):
            pieces -= 1  # piece by piece, so that writers get in between

        def work(database: sqlite3.Connection) -> None:
            for number, owner in database.execute("SELECT id, owner FROM leases").fetchall():
                if is_gone(str(owner), self._owner):
                    database.execute("DELETE FROM leases WHERE id = ?", (number,))
            give_back(database, orphaned(database, lambda owner: is_gone(owner, self._owner)), self._read_journal)
            forget(database, journals(self.path))
            database.execute("DELETE FROM seen WHERE at < ?", (now - _REMEMBER_SECONDS,))
            database.execute(
                "DELETE FROM dead_letters WHERE id <= (SELECT id FROM dead_letters ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (self.limits.max_dead_letters,),
            )

        self.write(work, look=False)

    # --- questions ------------------------------------------------------------------------------------------------

    def books(self) -> Books:
        """Return every event ever accepted, and where it is now."""
        return self._ask(read)

    def last_id(self) -> int:
        """Return the id of the newest event ever accepted; 0 when there was none."""
        return self._run(last_id)

    def mark(self) -> Mark:
        """Return a mark after all that was accepted so far; see `holds`."""
        # The journal first: what is taken in or lent meanwhile has an id that is asked for next.
        name, upto = self._journal.mark() if self._journal is not None else ("", 0)
        return Mark(self._run(last_id, own=False), name, upto)

    def holds(self, mark: Mark) -> bool:
        """Whether something accepted before *mark* still waits; such a look takes nothing in."""
        if mark.journal:
            if self._journal is not None and self._journal.waits_before(mark.journal, mark.upto):
                return True
            mark.journal, mark.last_id = "", self._run(last_id, look=False)  # all of it has ids now
        found = self._run(oldest, look=False)
        return found is not None and found[0] <= mark.last_id

    def oldest(self) -> tuple[int, float] | None:
        """Return id and time of acceptance of the oldest event that waits, claimed or not, or None."""
        return self._run(oldest)

    @property
    def has_something(self) -> bool:
        """Whether something may wait, here or in somebody's journal; such a look takes nothing in."""
        return bool(self._others()) or self._run(oldest, look=False) is not None

    def bodies(self) -> Iterator[bytes]:
        """Yield every body that waits, oldest first, and every dead letter. For tests and inspection."""

        def work(database: sqlite3.Connection) -> list[tuple[bytes]]:
            lent = [(body,) for loan in all_loans(database) for body, _ in bodies(loan, self._read_journal)]
            query = "SELECT body FROM events UNION ALL SELECT body FROM dead_letters"
            return lent + database.execute(query).fetchall()

        for (body,) in self._ask(work):
            yield body

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    def _may_lend(self) -> bool:
        """Whether the next batch may come straight from the journal: something is there, and no limit is near."""
        return self._journal is not None and self._journal.waits and not self._is_behind

    @property
    def _is_behind(self) -> bool:
        """Whether the journal is to be taken in: a limit is near, or a part of it is not ours any more."""
        if self._journal is None:
            return False
        events, size = self._journal.waiting
        most = min(_BEHIND_BYTES, self.limits.max_bytes // _SHARE)
        return self._journal.leaves_rest or events > self.limits.max_events // _SHARE or size > most

    def _lend(self, limit: int, now: float, until: float) -> Claim | None:
        def whole(database: sqlite3.Connection) -> Claim | None:
            journal = self._journal
            lent = lend(database, journal, limit, now, until, self._owner) if journal is not None else None
            if journal is None or lent is None:
                return None
            loan, events = lent
            journal.took(loan.upto, len(events), lent=True)
            is_full = journal.waits or journal.leaves_rest
            return Claim(events, 0, self._generation, is_full=is_full, loan=loan)

        return self._run(whole, look=False)

    def _read_journal(self, name: str, begin: int, upto: int) -> bytes:
        """Return a piece of a journal, ours or another's."""
        own = self._journal.read_range(name, begin, upto) if self._journal is not None else None
        return read_beside(self.path, name, begin, upto) if own is None else own

    def _take(self, database: sqlite3.Connection, *, own: bool = True, living: bool = True) -> Taken:
        """Keep the limits, too: what was appended was not held against them."""
        taken = super()._take(database, own=own, living=living)
        self._untrimmed += taken.events
        self.unsynced += taken.events
        if taken.events and self._untrimmed >= _TRIM_EVERY:
            self._untrimmed = 0
            drop_surplus(database, self.limits, taken.latest, _TIDY_AT_ONCE)
        return taken
