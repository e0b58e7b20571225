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

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Final, TypeVar

from otel_umami_exporter.books import Books, count, read, waiting_by_books
from otel_umami_exporter.database import (
    MEMORY,
    Damage,
    connect,
    inode,
    is_damage,
    is_gone,
    is_sound,
    make_private,
    new_owner,
    one_process,
)
from otel_umami_exporter.errors import SpoolError, SpoolUnavailable
from otel_umami_exporter.forks import pause_for_forks
from otel_umami_exporter.journal import LARGEST_BYTES, SUPPORTED, Journal, forget, journals, take_in_others, take_in_own
from otel_umami_exporter.salvage import move_aside, salvage

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")
_TRIM_EVERY: Final = 100  # events between two looks at the limits
_TRIM_AT_MOST: Final = 300  # events that a writer drops at a time; more would be felt on an event loop
_TIDY_AT_ONCE: Final = 1_000
_ROWS: Final = 100  # in one statement
_REMEMBER_SECONDS: Final = 900.0  # the two copies of a bridged event come within the delay of a batch processor
_LONGEST_PAUSE_SECONDS: Final = 3_600.0  # no event steps aside for longer: then the clock was set back
_NO_VALUES: Final = (TypeError, ValueError, OverflowError)  # what damaged values lead to, or a defect of ours
_FREE: Final = " NOT EXISTS (SELECT 1 FROM leases WHERE events.id BETWEEN first AND last AND until > ?)"

Entry = tuple[Callable[[], Sequence[bytes]], bytes | None]
"""What makes the bodies of one event, and what is equal in the two copies of it that different doors bring, if any."""


@dataclass(frozen=True, kw_only=True)
class SpoolLimits:
    """How much may wait on disk while Umami is away. When it is full the oldest go, and the books say so."""

    max_events: int = 1_000_000
    max_bytes: int = 1 << 30
    max_age_seconds: float = 7 * 24 * 3600.0
    max_dead_letters: int = 10_000


@dataclass(slots=True)
class Spooled:
    """One claimed event: the JSON of one item, and how often it was tried before. Not frozen: see `Record`."""

    id: int
    body: bytes = field(repr=False)
    attempts: int
    accepted_at: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that nobody else may send until it is settled or the lease has run out."""

    events: Sequence[Spooled]
    lease: int = 0
    file: int = 0
    in_memory: bool = False
    is_full: bool = False  # there may be more where it came from


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a claimed batch: ids, ids with their reason, ids with the time of the next try."""

    delivered: Sequence[int] = ()
    refused: Sequence[tuple[int, str]] = ()
    retry: Sequence[tuple[int, float]] = ()


@dataclass(slots=True)
class _Taken:
    """What one transaction took out of journals: up to where in our own; others that may go; whether there is more."""

    upto: int = 0
    left: list[Path] = field(default_factory=list)
    more: bool = False


class Spool:
    """
    The spool file.

    Threads and processes may share one file. A forked child opens its own connection by itself.

    Args:
        path: the file; it is made with mode 0600 when missing. ":memory:" is for tests: nothing survives.
        limits: how much may wait.
        journal: write single events to a journal first; limits are then kept by `tidy`, not by `put`.
    Raises:
        SpoolError: the file can neither be opened nor replaced.
        SpoolUnavailable: not now: the disk is full or read-only, or another process holds the file.
    """

    def __init__(self, path: str | Path, limits: SpoolLimits | None = None, *, journal: bool = False) -> None:
        self.path: Final = str(path)
        self.limits: Final = limits or SpoolLimits()
        self._closed = False
        self._sound: int | None = None  # the file that we have found sound
        self._journal: Final = Journal(self.path) if journal and SUPPORTED and self.path != MEMORY else None
        self.begin_anew()
        with self._lock:
            self._connection()
        pause_for_forks(self)

    def begin_anew(self) -> None:
        """Open a connection of its own when it is needed: in a forked child, nothing of the parent's is there."""
        if self.path != MEMORY or not hasattr(self, "_database"):
            self._database: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._generation = 0  # files of this name that were seen one after the other
        self._owner = new_owner()
        self._lock = threading.RLock()  # a signal handler may interrupt the thread that holds it, and flush
        self._busy = False
        self._aside = threading.Lock()  # held while a second connection is open
        self._untrimmed = 0
        if self._journal is not None:
            self._journal.begin_anew()

    def before_fork(self) -> None:
        """
        Close the connection while a child is forked; the next use opens it again.

        SQLite remembers by process which locks it holds on a file, and a child inherits the memory but not the locks:
        it would write without any, into a log that others delete.
        """
        self._aside.acquire()
        self._lock.acquire()
        if self._database is not None and self.path != MEMORY:
            with suppress(sqlite3.Error):  # whatever it says, the locks must be let go again after the fork
                self._database.close()
            self._database = None
        if self._journal is not None:
            self._journal.before_fork()

    def after_fork(self) -> None:
        """Go on, in the parent."""
        if self._journal is not None:
            self._journal.after_fork()
        self._lock.release()
        self._aside.release()

    # --- the program's side ---------------------------------------------------------------------------------------

    def put(self, bodies: Sequence[bytes], now: float) -> None:
        """
        Accept *bodies* (one JSON item each) at *now* (seconds since 1970); on disk when this returns.

        Raises:
            SpoolError: nothing of it is on disk.
        """
        if self._append(bodies, now):
            return
        if len(bodies) > _ROWS:
            self._write(lambda database: _insert_many(database, bodies, now), look=False)
        else:  # one statement is its own transaction: one wait for the file, and for the interpreter
            values = tuple(each for body in bodies for each in (body, now))
            self._run(lambda database: database.execute(_insertion(len(bodies)), values), look=False)
        self._untrimmed += len(bodies)
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
            _insert_many(database, new, now)
            return doubled

        return self._write(work, look=False)

    # --- the sender's side ----------------------------------------------------------------------------------------

    def claim(self, limit: int, now: float, lease_seconds: float, *, newest_since: float | None = None) -> Claim:
        """
        Take up to *limit* events for sending, oldest first; or the newest of those accepted since *newest_since*.

        A claimed event is invisible to other claims until it is settled or its lease has run out.
        """
        order, since = ("ASC", 0.0) if newest_since is None else ("DESC", newest_since)
        query = (
            "SELECT id, body, attempts, accepted_at FROM events"  # noqa: S608  # ours
            f" WHERE (not_before <= ? OR not_before > ?) AND {_FREE} ORDER BY id {order} LIMIT ?"
        )

        def work(database: sqlite3.Connection) -> Claim:
            rows = database.execute(query, (now, now + _LONGEST_PAUSE_SECONDS, now, limit)).fetchall()
            found = [_spooled(row) for row in rows]
            is_full = len(found) == limit
            if newest_since is not None:
                found = [each for each in reversed(found) if each.accepted_at >= since]
            if not found:
                return Claim(())
            lease = (found[0].id, found[-1].id, now + lease_seconds, self._owner)
            cursor = database.execute("INSERT INTO leases (first, last, until, owner) VALUES (?, ?, ?, ?)", lease)
            return Claim(found, cursor.lastrowid or 0, self._generation, is_full=is_full)

        return self._write(work)

    def settle(self, claim: Claim, settlement: Settlement, now: float) -> None:
        """Write down, in one transaction, what became of a claimed batch; what is not mentioned waits again."""
        if claim.file != self._generation:
            return  # the file was replaced meanwhile: these ids mean nothing in the new one

        def work(database: sqlite3.Connection) -> None:
            database.execute(
                "DELETE FROM leases WHERE (id = ? AND owner = ?) OR until <= ?", (claim.lease, self._owner, now)
            )
            count(database, "delivered", "", _delete(database, settlement.delivered))
            for each, reason in settlement.refused:
                database.execute(
                    "INSERT OR IGNORE INTO dead_letters (id, body, accepted_at, refused_at, reason)"
                    " SELECT id, body, accepted_at, ?, ? FROM events WHERE id = ?",
                    (now, reason, each),
                )
                count(database, "refused", reason, _delete(database, [each]))
            database.executemany(
                "UPDATE events SET attempts = attempts + 1, not_before = ? WHERE id = ?",
                [(not_before, each) for each, not_before in settlement.retry],
            )

        self._write(work, look=False)

    def take_out(self, claim: Claim) -> None:
        """Strike a claimed batch from these books: it was put into another spool."""

        def work(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM leases WHERE id = ?", (claim.lease,))
            count(database, "moved", "", _delete(database, [each.id for each in claim.events]))

        self._write(work)

    def trim(self, now: float, *, at_most: int = _TRIM_AT_MOST) -> int:
        """Drop what is beyond the limits, oldest first and *at_most* so many, and write it into the books."""
        limits = self.limits

        def work(database: sqlite3.Connection) -> int:
            self._untrimmed = 0
            old = _drop_older(database, now - limits.max_age_seconds, now, at_most)
            count(database, "dropped", "too_old", old)
            many = _drop_oldest(database, min(waiting_by_books(database) - limits.max_events, at_most), now)
            count(database, "dropped", "too_many", many)
            large = 0
            if (used := _used_bytes(database)) > limits.max_bytes:
                # Bodies are about of one size, so a share of bytes is one of events.
                surplus = int(waiting_by_books(database) * (1 - limits.max_bytes / used)) + 1
                large = _drop_oldest(database, min(surplus, at_most), now)
                count(database, "dropped", "too_large", large)
            return old + many + large

        return self._write(work)

    def adopt(self, books: Books, letters: Sequence[tuple[bytes, float, float, str]]) -> None:
        """Take over the books and dead letters of a spool that ends, all of whose events have left it."""

        def work(database: sqlite3.Connection) -> None:
            count(database, "delivered", "", books.delivered)
            for reason, number in books.dropped.items():
                count(database, "dropped", reason, number)
            for reason, number in books.refused.items():
                count(database, "refused", reason, number)
            count(database, "moved", "", -books.accepted)
            for letter in letters:
                own_id = database.execute(_insertion(1), letter[:2]).lastrowid  # for an id of its own
                database.execute("DELETE FROM events WHERE id = ?", (own_id,))
                database.execute("INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?)", (own_id, *letter))
            count(database, "moved", "", len(letters))

        self._write(work)

    def tidy(self, now: float) -> None:
        """Keep the limits, forget old keys and old dead letters, free what the dead have claimed. Takes its time."""
        self._follow_the_file()
        while self.trim(now, at_most=_TIDY_AT_ONCE) >= _TIDY_AT_ONCE:
            pass  # piece by piece, so that writers get in between

        def work(database: sqlite3.Connection) -> None:
            for number, owner in database.execute("SELECT id, owner FROM leases").fetchall():
                if is_gone(str(owner), self._owner):
                    database.execute("DELETE FROM leases WHERE id = ?", (number,))
            forget(database, journals(self.path))
            database.execute("DELETE FROM seen WHERE at < ?", (now - _REMEMBER_SECONDS,))
            database.execute(
                "DELETE FROM dead_letters WHERE id <= (SELECT id FROM dead_letters ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (self.limits.max_dead_letters,),
            )

        self._write(work)

    def checkpoint(self) -> None:
        """
        Move the write-ahead log into the file, with fsyncs that block no writer. For the sender's thread.

        Whoever writes next after a complete checkpoint starts the log anew, with one more fsync: so that is done here.
        """
        if self.path == MEMORY:
            return
        try:
            with self._aside, closing(sqlite3.connect(self.path, timeout=0, isolation_level=None)) as database:
                database.execute("PRAGMA synchronous = NORMAL")
                (_, log, done) = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if log == done and log > 0:
                    database.execute("PRAGMA application_id = 0")
        except sqlite3.Error as error:
            _log.debug("checkpoint not done: %s", error)  # the next one will; nothing depends on it

    # --- questions ------------------------------------------------------------------------------------------------

    def books(self) -> Books:
        """Return every event ever accepted, and where it is now."""
        return self._ask(read)

    def last_id(self) -> int:
        """Return the id of the newest event ever accepted; 0 when there was none."""

        def work(database: sqlite3.Connection) -> int:
            row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            return int(row[0]) if row else 0

        return self._run(work)

    def oldest(self) -> tuple[int, float] | None:
        """Return id and time of acceptance of the oldest event that waits, claimed or not, or None."""

        def work(database: sqlite3.Connection) -> tuple[int, float] | None:
            row = database.execute("SELECT id, accepted_at FROM events ORDER BY id LIMIT 1").fetchone()
            return (int(row[0]), float(row[1])) if row else None

        return self._run(work)

    def bodies(self) -> Iterator[bytes]:
        """Yield every body that waits, oldest first, and every dead letter. For tests and inspection."""
        rows = self._ask(
            lambda database: database.execute(
                "SELECT body FROM events UNION ALL SELECT body FROM dead_letters"
            ).fetchall()
        )
        for (body,) in rows:
            yield body

    def close(self) -> None:
        """Close the file. What waits is sent after the next start."""
        if self._journal is not None:
            if self._journal.waits and not self._closed:
                with suppress(SpoolError):  # it stays in the journal, then
                    self._run(_nothing)
            self._journal.close()
        with self._lock:
            self._closed = True
            if self._database is not None and not self._busy:
                self._database.close()
                self._database = None

    def __del__(self) -> None:
        """Close what nobody has closed; Python 3.13 warns of it."""
        database = getattr(self, "_database", None)
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()

    def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do *work* in one transaction; for the modules beside this one that add tables' worth of meaning."""
        return self._write(work)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _append(self, bodies: Sequence[bytes], now: float) -> bool:
        """Write *bodies* to the journal; return False where there is none, or where they are too many for it."""
        journal = self._journal
        if journal is None or len(bodies) > _ROWS or sum(map(len, bodies)) >= LARGEST_BYTES or not journal.works:
            return False
        if self._closed:
            raise SpoolError("the spool is closed")
        try:
            journal.append(bodies, now)
        except OSError as error:
            if not journal.works:
                return False
            raise SpoolUnavailable(f"the spool {self.path} cannot be written: {error.strerror or error}") from error
        return True

    def _write(self, work: Callable[[sqlite3.Connection], _T], *, look: bool = True) -> _T:
        """Do *work* in one transaction; unless it only settles or adds, one that begins with the journals (*look*)."""
        if not look:
            return self._run(lambda database: _transaction(database, "IMMEDIATE", work), look=False)

        def whole(database: sqlite3.Connection) -> _T:
            taken, result = _transaction(database, "IMMEDIATE", lambda database: (self._take(database), work(database)))
            self._took(taken)
            return result

        return self._run(whole, look=False)

    def _ask(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do *work* that reads much: on a connection of its own, so that no writer waits for it."""
        if self.path == MEMORY:
            return self._write(work)
        with suppress(SpoolUnavailable):  # held by another process: what is in journals is said later
            self._run(_nothing)
        try:
            with self._aside, closing(connect(self.path)) as database:
                return _transaction(database, "DEFERRED", work)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise SpoolError(f"the spool {self.path} cannot be read: {error}") from error
        except _NO_VALUES:
            pass
        return self._run(lambda database: _transaction(database, "DEFERRED", work))  # which replaces a damaged file

    def _run(self, work: Callable[[sqlite3.Connection], _T], *, look: bool = True) -> _T:
        """Do *work*; unless it only adds, on a file into which the journals were taken before (*look*)."""

        def whole(database: sqlite3.Connection) -> _T:
            if look:
                self._take_in(database)
            return work(database)

        # We may be a signal handler, and this very thread in the middle of a frame, for which the holder of our lock
        # may wait, or of a transaction.
        if self._journal is not None and self._journal.is_interrupted:
            raise self._in_use()
        with self._lock:
            if self._busy:
                raise self._in_use()
            self._busy = True
            try:
                return self._try(whole)
            finally:
                self._busy = False

    def _in_use(self) -> SpoolError:
        return SpoolUnavailable(f"the spool {self.path} is in use by what was interrupted")

    def _try(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return work(self._connection())
        except sqlite3.Error as error:
            if not is_damage(error):
                raise _unavailable(self.path, error) from error
        except _NO_VALUES:
            if self._is_still_sound():
                raise
        self._replace()
        try:
            return work(self._connection())
        except sqlite3.Error as error:
            raise _unavailable(self.path, error) from error

    def _is_still_sound(self) -> bool:
        try:
            return self._database is None or is_sound(self._database)
        except sqlite3.Error as error:
            raise _unavailable(self.path, error) from error

    def _take_in(self, database: sqlite3.Connection) -> None:
        """Move all that waits in journals into the file: our own, and those of other processes, living or dead."""
        more = (self._journal is not None and self._journal.waits) or bool(self._others())
        while more:
            more = self._took(_transaction(database, "IMMEDIATE", self._take))

    def _take(self, database: sqlite3.Connection) -> _Taken:
        """Insert some of what waits in journals, in the transaction under way."""
        taken = _Taken()
        own = self._journal
        if own is not None and own.waits:
            taken.upto = take_in_own(database, own)
        if others := self._others():
            taken.left, taken.more = take_in_others(database, others)
        return taken

    def _others(self) -> list[Path]:
        """Return the journals that are not ours."""
        return journals(self.path, self._journal) if self.path != MEMORY else []

    def _took(self, taken: _Taken) -> bool:
        """Note what a transaction that is committed has taken; return whether there is more."""
        for path in taken.left:
            path.unlink(missing_ok=True)
        if self._journal is None or not taken.upto:
            return taken.more
        self._journal.took(taken.upto)
        return taken.more or self._journal.waits

    def _connection(self) -> sqlite3.Connection:
        """Return the open connection; the lock is held."""
        if self._database is not None:
            return self._database
        if self._closed:
            raise SpoolError("the spool is closed")
        try:
            self._database = self._open()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise _unavailable(self.path, error) from error
            self._replace()
        assert self._database is not None
        return self._database

    def _open(self) -> sqlite3.Connection:
        if self.path != MEMORY:
            try:
                make_private(self.path)
            except OSError as error:
                raise _unmade(self.path, error) from error
            now = inode(self.path)
            if self._inode not in (None, now):
                self._generation += 1
            self._inode = now
        database = connect(self.path)
        # Before the first change: deleting from a damaged tree of pages makes more of it unreadable.
        if self.path != MEMORY and self._inode != self._sound:
            if not is_sound(database):
                database.close()
                raise Damage("the file is not sound")
            self._sound = self._inode
        return database

    def _follow_the_file(self) -> None:
        """Open the file anew if another process has replaced it, or somebody has deleted it."""
        with self._lock:
            if self.path != MEMORY and self._database is not None and inode(self.path) != self._inode:
                self._database.close()
                self._database = None
                self._generation += 1
                self._inode = None  # a new file may get the number of the old one

    def _replace(self) -> None:
        """Put the damaged file aside, begin a new one, and save from the old what can be read."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        with one_process(self.path):
            if inode(self.path) != self._inode:
                self._database = self._open()  # another process was faster
                return
            aside = move_aside(self.path)
            generation = self._generation
            self._database = self._open()
            self._generation = generation  # what is saved keeps its ids
            kept = salvage(aside, self._database)
        _log.error("the spool was damaged: moved to %s, a new one begun, %d events saved from it", aside, kept)


def _transaction(database: sqlite3.Connection, kind: str, work: Callable[[sqlite3.Connection], _T]) -> _T:
    database.execute(f"BEGIN {kind}")
    try:
        result = work(database)
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            if database.in_transaction:
                database.execute("ROLLBACK")
        raise
    return result


def _nothing(_database: sqlite3.Connection) -> None:
    """Look into the journals, and do no more."""


def _unavailable(path: str, error: sqlite3.Error) -> SpoolError:
    return SpoolUnavailable(f"the spool {path} cannot be written: {error}")


def _unmade(path: str, error: OSError) -> SpoolError:
    """Say what it means: a full or read-only disk gets better; a path that cannot be is a mistake in a setting."""
    import errno  # noqa: PLC0415  # seldom needed

    passing = error.errno in (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
    kind = SpoolUnavailable if passing else SpoolError
    return kind(f"the spool {path} cannot be made: {error.strerror}")


@lru_cache(maxsize=_ROWS)
def _insertion(rows: int) -> str:
    return "INSERT INTO events (body, accepted_at) VALUES " + ", ".join(["(?, ?)"] * rows)  # noqa: S608  # no text of others


def _insert_many(database: sqlite3.Connection, bodies: Sequence[bytes], now: float) -> None:
    database.executemany(_insertion(1), [(body, now) for body in bodies])


def _spooled(row: tuple[int, object, object, object]) -> Spooled:
    """Take a row as it is: a flipped bit may have made another type of a value; the server refuses what is no JSON."""
    number, body, attempts, accepted_at = row
    return Spooled(
        number,
        body if isinstance(body, bytes) else str(body).encode(errors="replace"),
        attempts if isinstance(attempts, int) else 0,
        accepted_at if isinstance(accepted_at, float) else 0.0,
    )


def _delete(database: sqlite3.Connection, ids: Sequence[int]) -> int:
    if not ids:
        return 0
    if ids[-1] - ids[0] == len(ids) - 1 and all(one < other for one, other in pairwise(ids)):  # as nearly always
        return database.execute("DELETE FROM events WHERE id BETWEEN ? AND ?", (ids[0], ids[-1])).rowcount
    return max(0, database.executemany("DELETE FROM events WHERE id = ?", [(each,) for each in ids]).rowcount)


def _drop_older(database: sqlite3.Connection, accepted_before: float, now: float, at_most: int) -> int:
    """Drop from the oldest on up to the first that is young enough; reads no further than that."""
    rows = database.execute(
        f"SELECT id, accepted_at FROM events WHERE {_FREE} ORDER BY id LIMIT ?",  # noqa: S608  # ours
        (now, 1),
    ).fetchall()
    if not rows or rows[0][1] >= accepted_before:
        return 0  # as nearly always
    rows = database.execute(
        f"SELECT id, accepted_at FROM events WHERE {_FREE} ORDER BY id LIMIT ?",  # noqa: S608  # ours
        (now, at_most),
    ).fetchall()
    return _delete(database, [number for number, _ in takewhile(lambda row: row[1] < accepted_before, rows)])


def _drop_oldest(database: sqlite3.Connection, number: int, now: float) -> int:
    if number <= 0:
        return 0
    return database.execute(
        f"DELETE FROM events WHERE id IN (SELECT id FROM events WHERE {_FREE} ORDER BY id LIMIT ?)",  # noqa: S608
        (now, number),
    ).rowcount


def _used_bytes(database: sqlite3.Connection) -> int:
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
