"""What can be wrong with a database, as errors that say so and show nothing of what was being written."""

import errno
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_AWAY: Final = (
    "57P01",  # shut down by its administrator
    "57P02",  # crashed
    "57P03",  # starting up, or shutting down
    "53300",  # too many connections
)
_FULL: Final = ("53100",)  # disk full
_READ_ONLY: Final = ("25006",)  # a standby, or set to read-only
_CONNECTION: Final = "08"  # the class of what happens to connections


class StorageError(Exception):
    """The database cannot do what it is for; the message is for the operator."""


class StorageAwayError(StorageError):
    """The database cannot be reached, or is locked by somebody else: it may be back soon, so try again."""

    def __init__(self) -> None:
        super().__init__("DATABASE_URL: the database cannot be reached, or somebody else holds it")


class StorageFullError(StorageError):
    """There is no room left: nothing is written until somebody makes some."""

    def __init__(self) -> None:
        super().__init__("DATABASE_URL: the disk of the database is full")


class StorageReadOnlyError(StorageError):
    """Nothing can be written: the file, its folder or the server allows reading only."""

    def __init__(self) -> None:
        super().__init__("DATABASE_URL: the database can be read but not written; look at the file's owner and mode")


class StorageUnusableError(StorageError):
    """What DATABASE_URL names is no database of this bot: nothing gets better before somebody changes that."""

    def __init__(self, why: str) -> None:
        super().__init__(f"DATABASE_URL: {why}")


def trouble_of(error: BaseException) -> StorageError | None:
    """Return what is wrong with the database, None when *error* is about something else."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, PoolTimeoutError):
        return StorageAwayError()
    if isinstance(error, DBAPIError):
        return _of_driver(error)
    # Before there is a connection, the system's own errors come through; TimeoutError is one of them.
    return _of_system(error) if isinstance(error, OSError) else None


def _of_system(error: OSError) -> StorageError:
    if error.errno == errno.ENOSPC:
        return StorageFullError()
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StorageReadOnlyError()
    return StorageAwayError()


def _of_driver(error: DBAPIError) -> StorageError | None:
    state = getattr(error.orig, "sqlstate", None) or ""
    said = str(error.orig).lower()
    if state in _FULL or "disk is full" in said:
        return StorageFullError()
    if state in _READ_ONLY or "readonly database" in said:
        return StorageReadOnlyError()
    is_locked = "database is locked" in said or "unable to open database file" in said
    is_cut_off = error.connection_invalidated or isinstance(error, InterfaceError)
    if is_cut_off or is_locked or state in _AWAY or state.startswith(_CONNECTION):
        return StorageAwayError()
    return None
