"""The SQLite file behind a spool: how it is made, opened, and told from a damaged one."""

import logging
import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

from otel_umami_exporter.errors import SpoolError

_log: Final = logging.getLogger(__name__)
SCHEMA_VERSION: Final = 4
BUSY_SECONDS: Final = 1.0  # how long a writer waits for another process; it may be an event loop that waits
MEMORY: Final = ":memory:"
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY: Final = 0xFF  # the rest of an SQLite error code is detail
_SAID_OF_DAMAGE: Final = ("no such table", "no such column", "Could not decode to UTF-8")
_ODD_VALUES: Final = (
    (
        "events WHERE typeof(body) <> 'blob' OR typeof(accepted_at) <> 'real' OR typeof(not_before) <> 'real'"
        " OR typeof(attempts) <> 'integer'"
    ),
    "leases WHERE typeof(first) <> 'integer' OR typeof(last) <> 'integer' OR typeof(until) <> 'real'",
    (
        "lent WHERE typeof(last) <> 'integer' OR typeof(journal) <> 'text' OR typeof(begin) <> 'integer'"
        " OR typeof(upto) <> 'integer' OR typeof(accepted_at) <> 'real' OR typeof(until) <> 'real'"
    ),
    "books WHERE typeof(entry) <> 'text' OR typeof(reason) <> 'text' OR typeof(number) <> 'integer'",
    "sqlite_sequence WHERE typeof(seq) <> 'integer'",
)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL,
    accepted_at REAL NOT NULL,
    not_before REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS leases (
    id INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    until REAL NOT NULL,
    owner TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS lent (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    journal TEXT NOT NULL,
    begin INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    accepted_at REAL NOT NULL,
    until REAL NOT NULL,
    owner TEXT NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0
);
CREATE TRIGGER IF NOT EXISTS lent_begins AFTER INSERT ON lent BEGIN
    UPDATE sqlite_sequence SET seq = max(seq, NEW.last) WHERE name = 'events';
    INSERT INTO journals VALUES (NEW.journal, NEW.upto)
        ON CONFLICT (name) DO UPDATE SET taken = max(taken, excluded.taken);
END;
CREATE TRIGGER IF NOT EXISTS lent_ends AFTER UPDATE OF delivered ON lent BEGIN
    INSERT INTO books VALUES ('delivered', '', NEW.delivered)
        ON CONFLICT (entry, reason) DO UPDATE SET number = number + excluded.number;
    DELETE FROM lent WHERE first = NEW.first;
END;
INSERT INTO sqlite_sequence SELECT 'events', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'events');
CREATE TABLE IF NOT EXISTS seen (
    key BLOB PRIMARY KEY,
    door TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    accepted_at REAL NOT NULL,
    refused_at REAL NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS journals (
    name TEXT PRIMARY KEY,
    taken INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS books (
    entry TEXT NOT NULL,
    reason TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (entry, reason)
) WITHOUT ROWID;
"""


class Damage(sqlite3.DatabaseError):
    """What cannot be in a sound file, and SQLite has not noticed."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def connect(path: str) -> sqlite3.Connection:
    """
    Open the file *path*, with its tables.

    Raises:
        sqlite3.Error: it cannot be opened, or is damaged (see `is_damage`).
        SpoolError: another version of this library wrote it.
    """
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA wal_autocheckpoint = 0")  # see Spool.checkpoint
        database.execute("PRAGMA journal_size_limit = 33554432")  # what a burst has made large becomes small again
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise SpoolError(f"the spool {path} was written by a newer version of this library ({version})")
        if version < SCHEMA_VERSION:
            database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        for table in ("events", "leases", "lent", "seen", "dead_letters", "journals", "books"):
            database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608  # our own names
    except BaseException:
        database.close()
        raise
    return database


def is_damage(error: sqlite3.Error) -> bool:
    """Whether *error* says that the file is no sound database; a lock or a full disk is something else."""
    code = getattr(error, "sqlite_errorcode", None)
    # Of a table that should be there the catalogue is damaged; our text was always UTF-8.
    return (code is not None and code & _PRIMARY in _DAMAGED) or any(each in str(error) for each in _SAID_OF_DAMAGE)


def is_sound(database: sqlite3.Connection) -> bool:
    """
    Whether the pages hang together and each value is of its column's type; reads the whole file.

    0.7 seconds for a million events.

    Raises:
        sqlite3.Error: it cannot be read now.
    """
    try:
        (said,) = database.execute("PRAGMA quick_check(1)").fetchone()  # NULL where none may be, among much else
        odd = [database.execute(f"SELECT 1 FROM {each} LIMIT 1").fetchone() for each in _ODD_VALUES]  # noqa: S608  # ours
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return False
    return bool(said == "ok") and not any(odd)


def move_the_log(path: str) -> None:
    """
    Move the write-ahead log into the file *path*, with fsyncs that block no writer.

    Whoever writes next after a complete checkpoint starts the log anew, with one more fsync: so that is done here.
    """
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = NORMAL")
            (_, log, done) = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if log == done and log > 0:
                database.execute("PRAGMA application_id = 0")
    except sqlite3.Error as error:
        _log.debug("checkpoint not done: %s", error)  # the next one will; nothing depends on it


def make_private(path: str) -> None:
    """
    Make the file *path*, readable by its owner only, unless it is there.

    Raises:
        OSError: it cannot be made.
    """
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def inode(path: str) -> int | None:
    """Return the number of the file that now has this name, or None."""
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None


@contextmanager
def one_process(path: str) -> Iterator[None]:
    """Let one process at a time into the block, where the system can: two must not both replace a damaged file."""
    try:
        import fcntl  # noqa: PLC0415  # there is none on Windows
    except ImportError:
        yield
        return
    lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def new_owner() -> str:
    """Return the name under which this process leases events: place, number, and which process of that number."""
    return f"{_place()} {os.getpid()} {token_hex(8)}"


def is_gone(owner: str, own: str) -> bool:
    """Whether the process that called itself *owner* has certainly ended; only one at the same place can be judged."""
    place, _, rest = owner.rpartition(" ")[0].rpartition(" ")
    if owner == own or place != _place() or not rest.isdecimal() or os.name != "posix":  # elsewhere, 0 is a signal
        return False
    number = int(rest)
    if number == os.getpid():
        return True  # this number is ours now
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _place() -> str:
    """Process numbers mean something only inside one namespace: two containers may share a spool."""
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return f"{platform.node()}{space}".replace(" ", "_")
