"""
What the projections remember: who was met today, and what is held back until enough people have shown it.

    value seen by      1 … k-1 people ──► held (hour, keyed visitor)
                       the k-th       ──► shown: the held ones leave with it, in their own hours
                       later          ──► leaves at once

It survives restarts, in a file beside the spool. It knows visitors by ids that are already keyed for one website.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Final

from otel_umami_exporter.database import BUSY_SECONDS, MEMORY, is_damage, make_private
from otel_umami_exporter.errors import SpoolError
from otel_umami_exporter.forks import pause_for_forks
from otel_umami_exporter.salvage import move_aside

_log: Final = logging.getLogger(__name__)
_KEY_BYTES: Final = 32
_SUFFIX: Final = ".projections"
_DAYS_KEPT: Final = 3  # of whom was met; an event is seldom older, and twice a day counts once
_HELD_HOURS: Final = 90 * 24  # what nobody else has shown since is forgotten
_SCHEMA: Final = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS secret (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS shown (site TEXT, value TEXT, PRIMARY KEY (site, value)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (site TEXT NOT NULL, value TEXT NOT NULL, who TEXT, hour INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS held_value ON held (site, value);
CREATE TABLE IF NOT EXISTS met (day INTEGER, site TEXT, who TEXT, PRIMARY KEY (day, site, who)) WITHOUT ROWID;
COMMIT;
"""


class Ledger:
    """
    The projections' memory. Threads and processes may share one file; a forked child opens its own connection.

    Args:
        path: the file, made with mode 0600 when missing. ":memory:" forgets at the end.
        key: what visitors are keyed with, for several machines that are to agree. Default: a random one in the file.
    Raises:
        SpoolError: the file can neither be opened nor replaced.
    """

    def __init__(self, path: str | Path, *, key: bytes | None = None) -> None:
        self.path: Final = str(path)
        self._given: Final = key
        self._closed = False
        self._shown: set[tuple[str, str]] = set()
        self._day = 0
        self._met: set[tuple[str, str]] = set()  # on that day
        self._database: sqlite3.Connection | None = None
        self.begin_anew()
        self._database = self._open()
        self._key: Final = self._given or self._secret()
        pause_for_forks(self)

    @property
    def key(self) -> bytes:
        """What visitors are keyed with, at most 64 bytes."""
        return self._key

    def meet(self, site: str, who: str, day: int) -> bool:
        """
        Note that *who* was on *site* on *day* (days since 1970); return whether that is news.

        Raises:
            SpoolError: it cannot be written.
        """
        if day > self._day:
            self._day, self._met = day, set()
        if day == self._day and (site, who) in self._met:
            return False
        with self._transaction() as database:
            news = database.execute("INSERT OR IGNORE INTO met VALUES (?, ?, ?)", (day, site, who)).rowcount == 1
            database.execute("DELETE FROM met WHERE day < ?", (day - _DAYS_KEPT,))
        if day == self._day:
            self._met.add((site, who))
        return news

    def show(
        self, site: str, value: str, who: str | None, hour: int, at_least: int
    ) -> Sequence[tuple[str | None, int]]:
        """
        Note that *who* showed *value* in *hour* (hours since 1970); return what may leave now: visitors and hours.

        Nothing, before *at_least* people have shown it; then everything that was held; after that this one.

        Raises:
            SpoolError: it cannot be written.
        """
        if (site, value) in self._shown:
            return [(who, hour)]
        with self._transaction() as database:
            if database.execute("SELECT 1 FROM shown WHERE site = ? AND value = ?", (site, value)).fetchone():
                released: list[tuple[str | None, int]] = [(who, hour)]
            else:
                released = _hold(database, site, value, who, hour, at_least)
        if released:
            self._shown.add((site, value))
        return released

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file, with an fsync that blocks no writer. For the keeper's thread."""
        if self.path != MEMORY:
            try:
                with self._aside, closing(sqlite3.connect(self.path, timeout=0)) as database:
                    database.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:
                _log.debug("checkpoint not done: %s", error)  # the next one will

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._let_go()

    # --- forks: see Spool, which has the same reasons ------------------------------------------------------------

    def begin_anew(self) -> None:
        """Take new locks; a forked child opens a connection of its own when it is needed."""
        self._lock = threading.RLock()  # see Spool: for signal handlers
        self._aside = threading.Lock()  # held while a second connection is open

    def before_fork(self) -> None:
        """Close the connection while a child is forked; the next use opens it again."""
        self._aside.acquire()
        self._lock.acquire()
        if self.path != MEMORY:
            self._let_go()

    def after_fork(self) -> None:
        """Go on, in the parent."""
        self._lock.release()
        self._aside.release()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise SpoolError(f"the projections' ledger {self.path} cannot be opened: {error}") from error
            aside = move_aside(self.path)
            _log.error("the projections' ledger was damaged: moved to %s, counting begins anew", aside)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        if self.path != MEMORY:
            try:
                make_private(self.path)
            except OSError as error:
                raise SpoolError(f"the projections' ledger {self.path} cannot be made: {error.strerror}") from error
        database = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA wal_autocheckpoint = 0")  # its fsync must not stall a writer on an event loop
            database.executescript(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database

    def _secret(self) -> bytes:
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (token_bytes(_KEY_BYTES),))
            [key] = database.execute("SELECT key FROM secret").fetchone()
        return bytes(key)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise SpoolError("the projections' ledger is closed")
            if self._database is None:
                self._database = self._open()
            database = self._database
            try:
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
            except BaseException as error:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise SpoolError(f"the projections' ledger {self.path} cannot be written: {error}") from error
                raise


def _hold(
    database: sqlite3.Connection, site: str, value: str, who: str | None, hour: int, at_least: int
) -> list[tuple[str | None, int]]:
    """Hold one more; when it completes *at_least* people, return all that were held."""
    database.execute("DELETE FROM held WHERE hour < ?", (hour - _HELD_HOURS,))
    database.execute("INSERT INTO held VALUES (?, ?, ?, ?)", (site, value, who, hour))
    [people] = database.execute(
        "SELECT count(DISTINCT who) + count(*) - count(who) FROM held WHERE site = ? AND value = ?", (site, value)
    ).fetchone()
    if people < at_least:
        return []
    rows = database.execute(
        "SELECT who, hour FROM held WHERE site = ? AND value = ? ORDER BY hour, rowid", (site, value)
    ).fetchall()
    database.execute("DELETE FROM held WHERE site = ? AND value = ?", (site, value))
    database.execute("INSERT INTO shown VALUES (?, ?)", (site, value))
    return [(each, then) for each, then in rows]


def open_ledger(spool: str, key: str | None = None) -> Ledger:
    """
    Open the ledger beside the file *spool*; *key* is text of any length.

    Raises:
        SpoolError: it can neither be opened nor replaced.
    """
    path = MEMORY if spool == MEMORY else spool + _SUFFIX
    return Ledger(path, key=sha256(key.encode()).digest() if key else None)
