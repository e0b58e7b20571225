"""The file of a spool in this process: its connection and journal, and what is done when it is damaged or away."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar

from otel_umami_exporter.database import (
    MEMORY,
    Damage,
    connect,
    inode,
    is_damage,
    is_sound,
    make_private,
    move_the_log,
    new_owner,
    one_process,
)
from otel_umami_exporter.errors import SpoolError, SpoolUnavailable
from otel_umami_exporter.forks import pause_for_forks
from otel_umami_exporter.journal import SUPPORTED, Journal
from otel_umami_exporter.salvage import move_aside, salvage
from otel_umami_exporter.taking_in import Taken, journals, take_in_others, take_in_own

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")
_NO_VALUES: Final = (TypeError, ValueError, OverflowError)  # what damaged values lead to, or a defect of ours


class SpoolFile:
    """
    The base of `Spool`: runs pieces of work on the file, one at a time, whatever happens to it.

    Args:
        path: the file, or ":memory:".
        journal: keep a journal beside it.
    Raises:
        SpoolError: the file can neither be opened nor replaced.
        SpoolUnavailable: not now.
    """

    def __init__(self, path: str | Path, *, journal: bool) -> None:
        self.path: Final = str(path)
        self._closed = False
        self._said_unsynced = False
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
        self.unsynced = 0  # rows that were written since the last checkpoint, more or less
        self._aside = threading.Lock()  # held while a second connection is open
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

    def checkpoint(self) -> None:
        """
        Have the disk hold what was accepted so far, with fsyncs that block no writer. For the sender's thread.

        The write-ahead log moves into the file; what waits in the journal stays there.
        """
        if self.path == MEMORY:
            return
        self.unsynced = 0
        with self._aside:
            move_the_log(self.path)
            if self._journal is not None and self._journal.is_needed:
                try:
                    self._journal.sync()
                except FileNotFoundError:
                    pass  # let go, or deleted, meanwhile
                except OSError as error:
                    level = logging.DEBUG if self._said_unsynced else logging.WARNING
                    _log.log(level, "a power cut may take events: the disk does not hold them (%s)", error.strerror)
                    self._said_unsynced = True

    def close(self) -> None:
        """Close the file. What waits is sent after the next start."""
        if self._journal is not None:
            if self._journal.waits and not self._closed:
                with suppress(SpoolError):  # it stays in the journal, then
                    self._run(nothing)
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

    def write(self, work: Callable[[sqlite3.Connection], _T], *, look: bool = True) -> _T:
        """Do *work* in one transaction; unless it only settles or adds, one that begins with the journals (*look*)."""
        if not look:
            return self._run(lambda database: _transaction(database, "IMMEDIATE", work), look=False)
        return self._write(lambda database: (self._take(database), work(database)))

    def _write(self, work: Callable[[sqlite3.Connection], tuple[Taken, _T]]) -> _T:
        """Do *work*, which takes in of the journals what it needs, in one transaction."""

        def whole(database: sqlite3.Connection) -> _T:
            taken, result = _transaction(database, "IMMEDIATE", work)
            self._took(taken)
            return result

        return self._run(whole, look=False)

    def _ask(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do *work* that reads much: on a connection of its own, so that no writer waits for it."""
        if self.path == MEMORY:
            return self.write(work)
        with suppress(SpoolUnavailable):  # held by another process: what is in journals is said later
            self._run(nothing)
        try:
            with self._aside, closing(connect(self.path)) as database:
                return _transaction(database, "DEFERRED", work)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise SpoolError(f"the spool {self.path} cannot be read: {error}") from error
        except _NO_VALUES:
            pass
        return self._run(lambda database: _transaction(database, "DEFERRED", work))  # which replaces a damaged file

    def _run(self, work: Callable[[sqlite3.Connection], _T], *, look: bool = True, own: bool = True) -> _T:
        """Do *work*; unless it only adds, on a file that has taken the journals in (*look*), also our *own*."""

        def whole(database: sqlite3.Connection) -> _T:
            if look:
                self._take_in(database, own=own)
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

    def _take_in(self, database: sqlite3.Connection, *, own: bool) -> None:
        """Move what waits in journals into the file: those of other processes, living or dead, and our *own*."""
        more = (own and self._journal is not None and self._journal.waits) or bool(self._others())
        while more:
            more = self._took(_transaction(database, "IMMEDIATE", lambda database: self._take(database, own=own)))

    def _take(self, database: sqlite3.Connection, *, own: bool = True, living: bool = True) -> Taken:
        """Insert some of what waits in journals, in the transaction under way; of others that live only if *living*."""
        taken = Taken()
        journal = self._journal
        if own and journal is not None and journal.waits:
            take_in_own(database, journal, taken)
        if others := self._others():
            take_in_others(database, others, taken, living=living)
        return taken

    def _others(self) -> list[Path]:
        """Return the journals that are not ours."""
        return journals(self.path, self._journal) if self.path != MEMORY else []

    def _took(self, taken: Taken) -> bool:
        """Note what a transaction that is committed has taken; return whether there is more."""
        for path in taken.left:
            path.unlink(missing_ok=True)
        if self._journal is not None and not taken.more:
            self._journal.leaves_rest = False
        if self._journal is None or not taken.upto:
            return taken.more
        self._journal.took(taken.upto, taken.own)
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


def nothing(_database: sqlite3.Connection) -> None:
    """Look into the journals, and do no more."""


def _unavailable(path: str, error: sqlite3.Error) -> SpoolError:
    return SpoolUnavailable(f"the spool {path} cannot be written: {error}")


def _unmade(path: str, error: OSError) -> SpoolError:
    """Say what it means: a full or read-only disk gets better; a path that cannot be is a mistake in a setting."""
    import errno  # noqa: PLC0415  # seldom needed

    passing = error.errno in (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
    kind = SpoolUnavailable if passing else SpoolError
    return kind(f"the spool {path} cannot be made: {error.strerror}")
