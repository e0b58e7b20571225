"""Taking journals in: what was appended becomes rows of the spool's file, in a transaction under way."""

import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_umami_exporter.frames import AT_ONCE, rows
from otel_umami_exporter.journal import INFIX, Journal, is_left

_log: Final = logging.getLogger(__name__)


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


@dataclass(slots=True)
class Taken:
    """
    What one transaction took out of journals.

    *upto* is how far our own was taken in, and *own* how many events of it; *left* are others that may go,
    *more* says whether there is more; *events* became rows, the latest of them accepted at *latest*.
    """

    upto: int = 0
    own: int = 0
    left: list[Path] = field(default_factory=list)
    more: bool = False
    events: int = 0
    latest: float = 0.0


def take_in_own(database: sqlite3.Connection, own: Journal, taken: Taken) -> None:
    """Take in our own journal, in the transaction under way."""
    name = own.name  # what is begun after this has nothing to take in yet
    data, begin = own.read(taken_upto(database, name))
    taken.upto = _insert(database, name, data, begin, taken)
    taken.own = taken.events
    if taken.upto == begin and (data or own.is_cut):
        _log.error("the journal was damaged: what was written after byte %d of it is lost", begin)
        own.abandon()


def taken_upto(database: sqlite3.Connection, name: str) -> int:
    """Return how far the journal of this name was taken in."""
    row = database.execute("SELECT taken FROM journals WHERE name = ?", (name,)).fetchone()
    return row[0] if row is not None and isinstance(row[0], int) and row[0] >= 0 else 0


def _insert(database: sqlite3.Connection, name: str, data: bytes, begin: int, taken: Taken) -> int:
    """Insert the whole frames in *data*, in the transaction under way; return up to where they reach."""
    found, end = rows(data)
    if found:
        database.executemany("INSERT INTO events (body, accepted_at) VALUES (?, ?)", found)
        database.execute("INSERT OR REPLACE INTO journals VALUES (?, ?)", (name, begin + end))
        taken.events += len(found)
        taken.latest = max(taken.latest, found[-1][1])
    return begin + end


def take_in_others(database: sqlite3.Connection, paths: Sequence[Path], taken: Taken, *, living: bool) -> None:
    """Take in the journals of others, in the transaction under way; those whose writer lives only if *living*."""
    for path in paths:
        with suppress(OSError), path.open("rb") as file:
            has_no_writer = is_left(
                file.fileno()
            )  # First: what is written after this is written by somebody who lives.
            if not has_no_writer and not living:
                continue
            begin = taken_upto(database, path.name)
            file.seek(begin)
            data = file.read(AT_ONCE)
            end = _insert(database, path.name, data, begin, taken)
            if len(data) == AT_ONCE and end > begin:
                taken.more = True
            elif has_no_writer and not _is_lent(database, path.name):
                taken.left.append(path)


def _is_lent(database: sqlite3.Connection, name: str) -> bool:
    """Whether a batch from the journal of this name is on its way."""
    return database.execute("SELECT 1 FROM lent WHERE journal = ?", (name,)).fetchone() is not None


def forget(database: sqlite3.Connection, present: Sequence[Path]) -> None:
    """Forget how far journals were taken in that are no more."""
    names = {path.name for path in present}
    for (name,) in database.execute("SELECT name FROM journals").fetchall():
        if name not in names:
            database.execute("DELETE FROM journals WHERE name = ?", (name,))
