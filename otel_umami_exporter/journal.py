"""
The journal: where an event is written first, in one system call, before it is in the spool's file.

    put ──► journal (one for each process, appended) ──lend──► a batch on its way
                     └─────────────────────────take in──► the spool's file ──► claimed, settled, counted

A transaction of SQLite costs some forty microseconds, most of them for locks and whole pages; appending to a file costs
three. What was appended survives the death of the process just as well: it is in the system's hands, not in ours. Each
question to the spool takes the journals in first, so nobody sees an event later than before; the sender gets its
batches straight from here while no backlog waits (lending.py).

    frame    what one call has put, with a checksum: see frames.py
    taken    how far each journal was taken in, or lent, stands in the spool's file, and moves with that transaction
    alive    whoever writes a journal holds a lock on it; one without a lock, all of which was taken in, is deleted
"""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from threading import get_ident
from typing import Final

from otel_umami_exporter.frames import AT_ONCE, LARGEST_BYTES, START_BYTES, accepted_at, frame

try:
    import fcntl
except ImportError:  # Windows: no lock says who lives, so there are no journals
    fcntl = None  # type: ignore[assignment]

SUPPORTED: Final = fcntl is not None
INFIX: Final = ".journal-"
_MOST_BYTES: Final = 128 << 20  # that wait to be taken in; more goes to the spool's file itself, if it can
_NEW_AT_BYTES: Final = 256 << 10  # a journal that is taken in and larger than this is given up for a new one
_LONG_BYTES: Final = 4 << 20  # a journal of which so much is taken in, and nearly all, is left to whoever claims next
_REST_BYTES: Final = 16 << 10  # nearly all: less than a batch is left ...
_SHARE_SHIFT: Final = 3  # ... or an eighth of what came beyond that length ...
_MORE_BYTES: Final = 1 << 20  # ... but not more than this,
_LONGEST_BYTES: Final = 256 << 20  # unless it is as long as this


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
        self.is_cut = False  # somebody has made it shorter: seen when it was read last
        self.leaves_rest = False  # what one of ours holds that we have let go is to be taken in
        self._size = 0
        self._taken = 0
        self._events = 0  # appended and not known to be taken in
        self._lent = 0  # batches that are on their way from this one: see lending.py

    def append(self, bodies: Sequence[bytes], now: float) -> bool:
        """
        Write *bodies* as one frame; in the system's hands when this returns. False: too much, for a frame or at all.

        Raises:
            OSError: nothing of it is written.
        """
        whole = frame(bodies, now)
        if len(whole) > LARGEST_BYTES or self._size - self._taken > _MOST_BYTES:
            return False
        thread = get_ident()
        if thread in self._inside:
            raise OSError("the journal is in use by what was interrupted")
        self._inside.add(thread)  # Before the lock is held, and until it is not: a signal may come between.
        try:
            with self._lock:
                if self._descriptor is None:
                    self._open()
                try:
                    written = os.write(self._descriptor, whole)  # type: ignore[arg-type]  # it is ready
                except OSError:
                    self._cut()
                    raise
                if written != len(whole):
                    self._cut()
                    raise OSError("the disk is full")
                self._size += written
                self._events += len(bodies)
        finally:
            self._inside.discard(thread)
        return True

    @property
    def is_interrupted(self) -> bool:
        """Whether we are a signal handler, and this very thread is in the middle of a frame: wait for nothing then."""
        return get_ident() in self._inside

    @property
    def waits(self) -> bool:
        """Whether something was appended and not yet taken in."""
        return self._size > self._taken

    @property
    def is_needed(self) -> bool:
        """Whether something waits, or is on its way: nowhere but here until it has arrived, or is a row."""
        return self.waits or self._lent > 0

    @property
    def waiting(self) -> tuple[int, int]:
        """How many events, at most, and bytes were appended and not yet taken in."""
        return self._events, self._size - self._taken

    def mark(self) -> tuple[str, int]:
        """Return the name of this journal and where it ends now."""
        return self.name, self._size

    def waits_before(self, name: str, upto: int) -> bool:
        """Whether something before that mark was not yet taken in, or may not have been."""
        return self.leaves_rest or (self.name == name and self._taken < upto)

    def read(self, upto: int, at_most: int = AT_ONCE) -> tuple[bytes, int]:
        """
        Return what was not yet taken in, and where it begins. Also of a file that somebody has deleted.

        *upto* is how far the spool's file says that it was: another process may have done it.
        """
        with self._lock:
            self._taken = max(self._taken, min(upto, self._size))
            if self._descriptor is None:
                return b"", self._taken
            wanted = min(at_most, self._size - self._taken)
            data = os.pread(self._descriptor, wanted, self._taken)
            self.is_cut = len(data) < wanted
            return data, self._taken

    def waits_since(self) -> float | None:
        """Return when the oldest event was accepted that waits to be taken in, or None."""
        data, _ = self.read(0, START_BYTES)
        return accepted_at(data)

    def read_range(self, name: str, begin: int, upto: int) -> bytes | None:
        """Return what stands there, if this is the journal of that name."""
        with self._lock:
            if self._descriptor is None or self.name != name:
                return None
            return os.pread(self._descriptor, upto - begin, begin)

    def took(self, upto: int, events: int, *, lent: bool = False) -> None:
        """Note that *events* more, all before *upto*, are in the spool's file, or *lent*; a long journal ends here."""
        with self._lock:
            self._taken = max(self._taken, upto)
            self._events = max(0, self._events - events) if self.waits else 0
            self._lent += lent
            self._end_if_done()

    def settled(self, name: str) -> None:
        """Note that a batch that was lent from the journal of that name is settled."""
        with self._lock:
            if self.name != name:
                self.leaves_rest = True  # that file may go now
            elif self._lent:
                self._lent -= 1
                self._end_if_done()

    def _end_if_done(self) -> None:
        if self.is_interrupted or not self._taken:
            return
        taken, waiting = self._taken, self._size - self._taken
        if not waiting and not self._lent and (taken >= _NEW_AT_BYTES or self._is_deleted()):
            self._give_up()
        elif taken >= _LONG_BYTES and (waiting <= _most_left(taken) or taken >= _LONGEST_BYTES):
            # A steady flow never leaves it empty: the rest is taken in as another's, and the file is deleted.
            self.leaves_rest = self.leaves_rest or waiting > 0
            self._let_go()

    def sync(self) -> None:
        """
        Have the disk itself hold what was appended so far, for a power cut. Takes its time; no fork may come meanwhile.

        Raises:
            OSError: it may not.
        """
        name = self.name
        if not name:
            return
        folder = Path(self._spool).parent  # where its name is
        for path in (folder / name, folder):
            # Opened anew: a copy of our descriptor would keep the lock, and it may be let go meanwhile.
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def abandon(self) -> None:
        """Write to a new one from now on: in the middle of this one is something that nobody can read."""
        with self._lock:
            if not self.is_interrupted:
                self._let_go()

    def close(self) -> None:
        """Let go; what was not taken in is found by the next who opens the spool."""
        thread = get_ident()
        if thread in self._inside:
            return
        self._inside.add(thread)
        try:
            with self._lock:
                if self._size == self._taken and not self._lent:
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

    def _open(self) -> None:
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
        self._descriptor, self._size, self._taken, self._events, self._lent = descriptor, 0, 0, 0, 0

    def _cut(self) -> None:
        """Take back half a frame."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)

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
        self.name, self._size, self._taken, self._events, self._lent = "", 0, 0, 0, 0
        if descriptor is not None:
            os.close(descriptor)


def _most_left(taken: int) -> int:
    """Return how many bytes may wait in a journal that is given up after so many: they become rows, at a price."""
    return min(_MORE_BYTES, max(_REST_BYTES, taken - _LONG_BYTES >> _SHARE_SHIFT))


def is_left(descriptor: int) -> bool:
    """Whether nobody writes the journal any more that is open here."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
