"""
Events on disk between the program and Umami.

    put ──► waiting ──claim──► claimed ──settle──► gone          (delivered)
               ▲                  │    └─────────► dead letter   (refused for good, with the reason)
               └──────────────────┘                              (try again, shutdown, or the lease ran out: a crash)

`put` returns when the transaction is committed to SQLite's write-ahead log: the events survive the death of the
process, SIGKILL included. They survive a power cut from the next checkpoint on (synchronous=NORMAL). Checkpoints are
the sender's work (`checkpoint`), because their fsync must not stall a writer on an event loop.

The books balance at every moment, because each change of an event and of the books is one transaction:
accepted = delivered + waiting + refused + dropped.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Final, Literal

from otel_umami_exporter.errors import SpoolError
from otel_umami_exporter.salvage import move_aside, salvage

_log: Final = logging.getLogger(__name__)
SCHEMA_VERSION: Final = 1
BUSY_SECONDS: Final = 5.0  # how long a writer waits for another process that shares the file
_TRIM_EVERY: Final = 1_000  # puts between two looks at the limits
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL,
    accepted_at REAL NOT NULL,
    not_before REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease_until REAL NOT NULL DEFAULT 0,
    lease TEXT
);
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    accepted_at REAL NOT NULL,
    refused_at REAL NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS books (
    entry TEXT NOT NULL,
    reason TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (entry, reason)
) WITHOUT ROWID;
"""

Entry = Literal["delivered", "refused", "dropped"]


@dataclass(frozen=True, kw_only=True)
class SpoolLimits:
    """How much may wait on disk while Umami is away. When it is full the oldest go, and the books say so."""

    max_events: int = 1_000_000
    max_bytes: int = 1 << 30
    max_age_seconds: float = 7 * 24 * 3600.0
    max_dead_letters: int = 10_000


@dataclass(frozen=True, slots=True)
class Spooled:
    """One claimed event: the JSON of one item, and how often it was tried before."""

    id: int
    body: bytes = field(repr=False)
    attempts: int
    accepted_at: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a claimed batch: ids, ids with their reason, ids with the time of the next try."""

    delivered: Sequence[int] = ()
    refused: Sequence[tuple[int, str]] = ()
    retry: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True, slots=True)
class Books:
    """Every event ever accepted by this file, and where it is now."""

    accepted: int
    delivered: int
    waiting: int
    refused: dict[str, int]
    dropped: dict[str, int]

    @property
    def balanced(self) -> bool:
        """Whether no event is unaccounted for."""
        out = self.delivered + self.waiting + sum(self.refused.values()) + sum(self.dropped.values())
        return self.accepted == out


class Spool:
    """
    The spool file.

    Threads and processes may share one file. A forked child opens its own connection by itself.

    Args:
        path: the file; it is made with mode 0600 when missing. ":memory:" is for tests: nothing survives.
        limits: how much may wait.
    Raises:
        SpoolError: the file can neither be opened nor replaced.
    """

    def __init__(self, path: str | Path, limits: SpoolLimits | None = None) -> None:
        self.path: Final = str(path)
        self.limits: Final = limits or SpoolLimits()
        self._open()

    # --- the program's side ---------------------------------------------------------------------------------------

    def put(self, bodies: Sequence[bytes], now: float) -> None:
        """
        Accept *bodies* (one JSON item each) at *now* (seconds since 1970); on disk when this returns.

        Raises:
            SpoolError: nothing of it is on disk.
        """
        with self._transaction() as database:
            if len(bodies) == 1:
                database.execute("INSERT INTO events (body, accepted_at) VALUES (?, ?)", (bodies[0], now))
            else:
                rows = [(body, now) for body in bodies]
                database.executemany("INSERT INTO events (body, accepted_at) VALUES (?, ?)", rows)
            self._untrimmed += len(bodies)
        if self._untrimmed >= _TRIM_EVERY:
            self.trim(now)

    # --- the sender's side ----------------------------------------------------------------------------------------

    def claim(self, limit: int, now: float, lease_seconds: float) -> list[Spooled]:
        """
        Take up to *limit* events for sending, oldest first.

        A claimed event is invisible to other claims until it is settled or its lease has run out.
        """
        with self._transaction() as database:
            rows = database.execute(
                "SELECT id, body, attempts, accepted_at FROM events"
                " WHERE lease_until <= ? AND not_before <= ? ORDER BY id LIMIT ?",
                (now, now, limit),
            ).fetchall()
            lease = [(self._owner, now + lease_seconds, row[0]) for row in rows]
            database.executemany("UPDATE events SET lease = ?, lease_until = ? WHERE id = ?", lease)
        return [Spooled(*row) for row in rows]

    def settle(self, settlement: Settlement, now: float) -> None:
        """Write down, in one transaction, what became of a claimed batch."""
        with self._transaction() as database:
            ids = [(each,) for each in settlement.delivered]
            self._count(database, "delivered", "", _delete(database, ids))
            for each, reason in settlement.refused:
                database.execute(
                    "INSERT OR IGNORE INTO dead_letters (id, body, accepted_at, refused_at, reason)"
                    " SELECT id, body, accepted_at, ?, ? FROM events WHERE id = ?",
                    (now, reason, each),
                )
                self._count(database, "refused", reason, _delete(database, [(each,)]))
            database.executemany(
                "UPDATE events SET lease = NULL, lease_until = 0, attempts = attempts + 1, not_before = ? WHERE id = ?",
                [(not_before, each) for each, not_before in settlement.retry],
            )

    def release(self) -> None:
        """Give back what this process has claimed and not settled, so that whoever comes next need not wait."""
        with self._transaction() as database:
            database.execute(
                "UPDATE events SET lease = NULL, lease_until = 0 WHERE lease_until > 0 AND lease = ?", (self._owner,)
            )

    def trim(self, now: float) -> None:
        """Drop what is beyond the limits, oldest first, and write it into the books."""
        limits = self.limits
        with self._transaction() as database:
            self._untrimmed = 0
            self._count(database, "dropped", "too_old", _drop_older(database, now - limits.max_age_seconds))
            surplus = _unsettled(database) - limits.max_events
            self._count(database, "dropped", "too_many", _drop_oldest(database, surplus))
            used = _used_bytes(database)
            if used > limits.max_bytes:
                share = (
                    1 - limits.max_bytes / used
                )  # bodies are about of one size, so a share of bytes is one of events
                surplus = int(_unsettled(database) * share) + 1
                self._count(database, "dropped", "too_large", _drop_oldest(database, surplus))
            database.execute(
                "DELETE FROM dead_letters WHERE id <= (SELECT id FROM dead_letters ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (limits.max_dead_letters,),
            )

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file, with an fsync that blocks no writer. For the sender's thread."""
        if self.path == ":memory:":
            return
        try:
            with closing(sqlite3.connect(self.path, timeout=0)) as database:
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            _log.debug("checkpoint not done: %s", error)  # the next one will; nothing depends on it

    # --- questions ------------------------------------------------------------------------------------------------

    def books(self) -> Books:
        """Return every event ever accepted, and where it is now."""
        with self._transaction() as database:
            row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            entries = database.execute("SELECT entry, reason, number FROM books").fetchall()
            waiting = _waiting(database)
        delivered = sum(number for entry, _, number in entries if entry == "delivered")
        refused = {reason: number for entry, reason, number in entries if entry == "refused" and number}
        dropped = {reason: number for entry, reason, number in entries if entry == "dropped" and number}
        return Books(row[0] if row else 0, delivered, waiting, refused, dropped)

    def last_id(self) -> int:
        """Return the id of the newest event ever accepted; 0 when there was none."""
        with self._transaction() as database:
            row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return int(row[0]) if row else 0

    def oldest(self) -> tuple[int, float] | None:
        """Return id and time of acceptance of the oldest event that waits, claimed or not, or None."""
        with self._transaction() as database:
            row = database.execute("SELECT id, accepted_at FROM events ORDER BY id LIMIT 1").fetchone()
        return (int(row[0]), float(row[1])) if row else None

    def bodies(self) -> Iterator[bytes]:
        """Yield every body that waits, oldest first, and every dead letter. For tests and inspection."""
        with self._transaction() as database:
            rows = database.execute("SELECT body FROM events UNION ALL SELECT body FROM dead_letters").fetchall()
        for (body,) in rows:
            yield body

    def close(self) -> None:
        """Close the file. What waits is sent after the next start."""
        with self._lock:
            if os.getpid() == self._pid:
                self._database.close()
                self._closed = True

    # --- inside ---------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._database: sqlite3.Connection
        self._pid = os.getpid()
        self._owner = f"{self._pid}-{token_hex(8)}"
        self._lock = threading.Lock()
        self._untrimmed = 0
        self._closed = False
        if self.path != ":memory:":
            _make_private(self.path)
        try:
            self._database = _connect(self.path)
        except sqlite3.OperationalError as error:  # locked, read-only, no room: the file itself may be sound
            raise SpoolError(f"the spool {self.path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError:
            aside = move_aside(self.path)
            _make_private(self.path)
            self._database = _connect(self.path)
            kept = salvage(aside, self._database)
            _log.error("the spool was damaged: moved to %s, a new one begun, %d events saved from it", aside, kept)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if os.getpid() != self._pid:
            self._open()  # forked: the parent's connection must not be used, nor its lock
        with self._lock:
            if self._closed:
                raise SpoolError("the spool is closed")
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except BaseException as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise SpoolError(f"the spool {self.path} cannot be written: {error}") from error
                raise

    def _count(self, database: sqlite3.Connection, entry: Entry, reason: str, number: int) -> None:
        if number > 0:
            database.execute(
                "INSERT INTO books VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number",
                (entry, reason, number),
            )


def _connect(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA wal_autocheckpoint = 0")  # see checkpoint()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise SpoolError(f"the spool {path} was written by another version of this library ({version})")
        if version == 0:
            database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        database.execute("SELECT count(*) FROM (SELECT 1 FROM events LIMIT 1)").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def _make_private(path: str) -> None:
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise SpoolError(f"the spool {path} cannot be made: {error.strerror}") from error


def _delete(database: sqlite3.Connection, ids: Iterable[tuple[int]]) -> int:
    return max(0, database.executemany("DELETE FROM events WHERE id = ?", ids).rowcount)


def _waiting(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM events").fetchone()[0])


def _unsettled(database: sqlite3.Connection) -> int:
    """Return how many wait, from the books: counting rows would read the whole file."""
    (number,) = database.execute(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)"
        " - coalesce((SELECT sum(number) FROM books), 0)"
    ).fetchone()
    return int(number)


def _drop_older(database: sqlite3.Connection, accepted_before: float) -> int:
    """Drop from the oldest on up to the first that is young enough; reads no further than that."""
    row = database.execute(
        "SELECT id FROM events WHERE accepted_at >= ? ORDER BY id LIMIT 1", (accepted_before,)
    ).fetchone()
    if row is None:
        return database.execute("DELETE FROM events").rowcount
    return database.execute("DELETE FROM events WHERE id < ?", row).rowcount


def _drop_oldest(database: sqlite3.Connection, number: int) -> int:
    if number <= 0:
        return 0
    return database.execute(
        "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)", (number,)
    ).rowcount


def _used_bytes(database: sqlite3.Connection) -> int:
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
