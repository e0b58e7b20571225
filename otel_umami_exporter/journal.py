"""
The journal: where an event is written first, in one system call, before it is in the spool's file.

    put ──► journal (one for each process, appended) ──take in──► the spool's file ──► claimed, settled, counted

A transaction of SQLite costs some forty microseconds, most of them for locks and whole pages; appending to a file costs
three. What was appended survives the death of the process just as well: it is in the system's hands, not in ours. Each
question to the spool, and each claim, takes the journals in first, so nobody sees an event later than before.

    frame    length of the rest, its checksum, the time of acceptance, how many bodies, each with its length
    taken    how far each journal was taken in stands in the spool's file, and moves in the transaction that inserts
    alive    whoever writes a journal holds a lock on it; one without a lock, all of which was taken in, is deleted

A frame that a death cut off has a wrong checksum: it ends the journal, and was never acknowledged.
"""

import logging
import os
import sqlite3
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Final
from zlib import crc32

try:
    import fcntl
except ImportError:  # Windows: no lock says who lives, so there are no journals
    fcntl = None  # type: ignore[assignment]

_log: Final = logging.getLogger(__name__)
SUPPORTED: Final = fcntl is not None
LARGEST_BYTES: Final = 64 << 10  # of one frame
INFIX: Final = ".journal-"
_HEAD: Final = struct.Struct("<II")
_INSIDE: Final = struct.Struct("<dI")
_BODY: Final = struct.Struct("<I")
_LENGTH: Final = _BODY.pack
_MOST_BYTES: Final = 64 << 20  # that wait to be taken in; more means that the spool's file takes nothing
_NEW_AT_BYTES: Final = 256 << 10  # a journal that is taken in and larger than this is given up for a new one
_AT_ONCE: Final = 256 << 10  # bytes of one journal in one transaction: more would hold up the interpreter
Row = tuple[bytes, float]


class Journal:
    """
    The journal of one spool in one process. Threads may share it.

    Args:
        spool: the path of the spool's file.
    """

    def __init__(self, spool: str) -> None:
        self._spool: Final = spool
        self.works = True  # False where the file system knows no locks
        self._lock = threading.RLock()  # a signal handler may interrupt the thread that holds it, and flush
        self._inside: set[int] = set()  # threads that hold the lock to write, or are about to
        self._descriptor: int | None = None
        self.name = ""
        self._size = 0
        self._taken = 0

    def append(self, bodies: Sequence[bytes], now: float) -> None:
        """
        Write *bodies* as one frame; in the system's hands when this returns.

        Raises:
            OSError: nothing of it is written.
        """
        parts = [_INSIDE.pack(now, len(bodies))]
        for body in bodies:
            parts += (_LENGTH(len(body)), body)
        inside = b"".join(parts)
        frame = _HEAD.pack(len(inside), crc32(inside)) + inside
        thread = threading.get_ident()
        if thread in self._inside:
            raise OSError("the journal is in use by what was interrupted")
        self._inside.add(thread)  # Before the lock is held, and until it is not: a signal may come between.
        try:
            with self._lock:
                self._write(frame)
        finally:
            self._inside.discard(thread)

    @property
    def is_interrupted(self) -> bool:
        """Whether we are a signal handler, and this very thread is in the middle of a frame: wait for nothing then."""
        return threading.get_ident() in self._inside

    def _write(self, frame: bytes) -> None:
        if self._size - self._taken > _MOST_BYTES:
            raise OSError("too much waits to be taken in")
        descriptor = self._open() if self._descriptor is None else self._descriptor
        try:
            written = os.write(descriptor, frame)
        except OSError:
            self._cut(descriptor)
            raise
        if written != len(frame):
            self._cut(descriptor)
            raise OSError("the disk is full")
        self._size += written

    @property
    def waits(self) -> bool:
        """Whether something was appended and not yet taken in."""
        return self._size > self._taken

    def read(self, upto: int) -> tuple[bytes, int]:
        """
        Return what was not yet taken in, and where it begins. Also of a file that somebody has deleted.

        *upto* is how far the spool's file says that it was: another process may have done it.
        """
        with self._lock:
            self._taken = max(self._taken, min(upto, self._size))
            if self._descriptor is None:
                return b"", self._taken
            return os.pread(self._descriptor, min(_AT_ONCE, self._size - self._taken), self._taken), self._taken

    def took(self, upto: int) -> None:
        """Note that all before *upto* is in the spool's file; begin a new journal when this one has grown."""
        with self._lock:
            self._taken = max(self._taken, upto)
            if self.is_interrupted or not self._size == self._taken > 0:
                return
            if self._taken >= _NEW_AT_BYTES or self._is_deleted():
                self._give_up()

    def abandon(self) -> None:
        """Write to a new one from now on: in the middle of this one is something that nobody can read."""
        with self._lock:
            if not self.is_interrupted:
                self._let_go()

    def close(self) -> None:
        """Let go; what was not taken in is found by the next who opens the spool."""
        thread = threading.get_ident()
        if thread in self._inside:
            return
        self._inside.add(thread)
        try:
            with self._lock:
                if self._size == self._taken:
                    self._give_up()
                elif self._descriptor is not None:
                    os.close(self._descriptor)
                    self._descriptor = None
        finally:
            self._inside.discard(thread)

    def __del__(self) -> None:
        """Let go of what nobody has closed."""
        descriptor = getattr(self, "_descriptor", None)
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def begin_anew(self) -> None:
        """Write another one in a forked child; the parent goes on with this one, and holds its lock."""
        self._lock = threading.RLock()
        self._inside = set()
        with suppress(OSError):
            self._let_go()

    def before_fork(self) -> None:
        """Hold still: no frame may be half written by another thread."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Go on, in the parent."""
        self._lock.release()

    def _open(self) -> int:
        while True:
            path = Path(f"{self._spool}{INFIX}{token_hex(8)}")
            self.name = path.name  # First: whoever lists the files must know that this one is ours.
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError:
                self.works = False
                path.unlink(missing_ok=True)
                os.close(descriptor)
                raise
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # somebody was faster with the lock, and took it for one that was left
        self._descriptor, self._size, self._taken = descriptor, 0, 0
        return descriptor

    def _cut(self, descriptor: int) -> None:
        """Take back half a frame."""
        with suppress(OSError):
            os.ftruncate(descriptor, self._size)

    def _is_deleted(self) -> bool:
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0

    def _give_up(self) -> None:
        if self._descriptor is None:
            return
        with suppress(OSError):
            Path(self._spool).with_name(self.name).unlink()
        self._let_go()

    def _let_go(self) -> None:
        """Close this journal, and with it the lock; the next frame begins another."""
        descriptor, self._descriptor = self._descriptor, None
        self.name, self._size, self._taken = "", 0, 0
        if descriptor is not None:
            os.close(descriptor)


def journals(spool: str, own: Journal | None = None) -> list[Path]:
    """Return the journals beside the spool's file but our *own*, oldest first."""
    folder, name = os.path.split(spool)
    prefix = name + INFIX
    with suppress(OSError):
        names = [each for each in os.listdir(folder or ".") if each.startswith(prefix)]  # noqa: PTH208  # each claim looks
        ours = own.name if own is not None else ""  # Then: another thread may have begun it meanwhile.
        found = [Path(folder, each) for each in names if each != ours]
        return sorted(found, key=lambda path: path.stat().st_mtime) if len(found) > 1 else found
    return []


def rows(data: bytes) -> Iterator[tuple[list[Row], int]]:
    """Yield the bodies of each whole frame in *data* with their time, and where the frame ends."""
    position = 0
    while position + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, position)
        start, end = position + _HEAD.size, position + _HEAD.size + length
        if length < _INSIDE.size or end > len(data) or crc32(data[start:end]) != checksum:
            return
        now, count = _INSIDE.unpack_from(data, start)
        place = start + _INSIDE.size
        found: list[Row] = []
        for _ in range(count):
            (size,) = _BODY.unpack_from(data, place)
            place += _BODY.size
            found.append((data[place : place + size], now))
            place += size
        yield found, end
        position = end


@dataclass(slots=True)
class Taken:
    """
    What one transaction took out of journals.

    *upto* is how far our own was taken in, *left* are others that may go, *more* says whether there is more; *events*
    were taken, the latest of them accepted at *latest*.
    """

    upto: int = 0
    left: list[Path] = field(default_factory=list)
    more: bool = False
    events: int = 0
    latest: float = 0.0


def take_in_own(database: sqlite3.Connection, own: Journal, taken: Taken) -> None:
    """Take in our own journal, in the transaction under way."""
    name = own.name  # what is begun after this has nothing to take in yet
    data, begin = own.read(_taken(database, name))
    taken.upto = _insert(database, name, data, begin, taken)
    if data and taken.upto == begin:
        _log.error("the journal was damaged: what was written after byte %d of it is lost", begin)
        own.abandon()


def _taken(database: sqlite3.Connection, name: str) -> int:
    row = database.execute("SELECT taken FROM journals WHERE name = ?", (name,)).fetchone()
    return row[0] if row is not None and isinstance(row[0], int) and row[0] >= 0 else 0


def _insert(database: sqlite3.Connection, name: str, data: bytes, begin: int, taken: Taken) -> int:
    """Insert the whole frames in *data*, in the transaction under way; return up to where they reach."""
    found: list[Row] = []
    end = 0
    for frame, upto in rows(data):
        found += frame
        end = upto
    if found:
        database.executemany("INSERT INTO events (body, accepted_at) VALUES (?, ?)", found)
        database.execute("INSERT OR REPLACE INTO journals VALUES (?, ?)", (name, begin + end))
        taken.events += len(found)
        taken.latest = max(taken.latest, found[-1][1])
    return begin + end


def take_in_others(database: sqlite3.Connection, paths: Sequence[Path], taken: Taken) -> None:
    """Take in the journals of others, in the transaction under way."""
    for path in paths:
        with suppress(OSError), path.open("rb") as file:
            is_left = _is_left(file.fileno())  # First: what is written after this is written by somebody who lives.
            begin = _taken(database, path.name)
            file.seek(begin)
            data = file.read(_AT_ONCE)
            end = _insert(database, path.name, data, begin, taken)
            if len(data) == _AT_ONCE and end > begin:
                taken.more = True
            elif is_left:
                taken.left.append(path)


def forget(database: sqlite3.Connection, present: Sequence[Path]) -> None:
    """Forget how far journals were taken in that are no more."""
    names = {path.name for path in present}
    for (name,) in database.execute("SELECT name FROM journals").fetchall():
        if name not in names:
            database.execute("DELETE FROM journals WHERE name = ?", (name,))


def _is_left(descriptor: int) -> bool:
    """Whether nobody writes this journal any more."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
