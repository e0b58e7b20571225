"""What to do with a damaged spool file: put it aside, and save what can still be read from it."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

_SUFFIXES: Final = ("", "-wal", "-shm")
_STEP: Final = 100


def move_aside(path: str) -> str:
    """Rename the damaged file *path* and its companions; return the new name, which nothing had before."""
    number = 1
    while Path(aside := f"{path}.damaged-{number}").exists():
        number += 1
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            Path(path + suffix).replace(aside + suffix)
    return aside


def salvage(damaged: str, fresh: sqlite3.Connection) -> int:
    """Copy the events that can still be read from the file *damaged* into *fresh*; return how many they were."""
    kept = 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{damaged}?mode=ro", uri=True, timeout=0)) as old:
        (first, last) = old.execute("SELECT min(id), max(id) FROM events").fetchone()
        for start in range(first or 0, (last or -1) + 1, _STEP):
            kept += _salvage_range(old, fresh, start, start + _STEP)
    return kept


def _salvage_range(old: sqlite3.Connection, fresh: sqlite3.Connection, start: int, end: int) -> int:
    """Copy the ids from *start* to before *end*; a range that cannot be read is tried id by id."""
    query = "SELECT body, accepted_at FROM events WHERE id >= ? AND id < ? AND typeof(body) = 'blob'"
    try:
        rows = old.execute(query, (start, end)).fetchall()
    except sqlite3.Error:
        if end - start == 1:
            return 0
        return sum(_salvage_range(old, fresh, each, each + 1) for each in range(start, end))
    fresh.execute("BEGIN IMMEDIATE")
    fresh.executemany("INSERT INTO events (body, accepted_at) VALUES (?, ?)", rows)
    fresh.execute("COMMIT")
    return len(rows)
