"""What to do with a damaged spool file: put it aside, and save what can still be read from it."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from otel_umami_exporter.books import count

_SUFFIXES: Final = ("", "-wal", "-shm")
_STEP: Final = 64
_LOOKS: Final = 200_000  # ids that are asked for one by one
_FAILURES: Final = 10_000  # of these, how many may be unreadable before the rest is given up: about a second
_NEAR: Final = 10_000  # how far before the first that a walk has found some more are looked for
_BIGGEST_ID: Final = 2**53  # a larger one is damage
_LOAN: Final = 10_000  # events, and bytes, that are certainly more than one batch
_LOAN_BYTES: Final = 64 << 20
_TAKEN_ID: Final = "SELECT 1 FROM events WHERE id BETWEEN ? AND ?"
_Row = tuple[Any, ...]


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
    """
    Copy the events and dead letters that can still be read from *damaged* to *fresh*; return how many events.

    They keep their ids: a batch of them may be on its way, and will be settled by them.
    """
    events: dict[int, _Row] = {}
    letters: dict[int, _Row] = {}
    taken: list[_Row] = []
    lent: list[_Row] = []
    last = 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{damaged}?mode=ro", uri=True, timeout=0)) as old:
        old.text_factory = bytes  # text may be anything now
        last = _last_id(old)
        events = _readable(old, "SELECT id, body, accepted_at, attempts FROM events", last)
        with suppress(sqlite3.Error):
            taken = old.execute("SELECT name, taken FROM journals").fetchall()
        with suppress(sqlite3.Error):
            lent = old.execute(
                "SELECT first, last, journal, begin, upto, accepted_at, until, owner FROM lent"
            ).fetchall()
        letters = _readable(old, "SELECT id, body, accepted_at, refused_at, reason FROM dead_letters", last)
    fresh.execute("BEGIN IMMEDIATE")
    newest = max((_number(row[2], 0.0) for row in events.values()), default=0.0)
    fresh.executemany(
        "INSERT INTO events (id, body, accepted_at, attempts) VALUES (?, ?, ?, ?)",
        [(number, row[1], _number(row[2], newest), int(_number(row[3], 0.0))) for number, row in events.items()],
    )
    fresh.executemany(
        "INSERT OR IGNORE INTO journals VALUES (?, ?)",
        [
            (name.decode(errors="replace"), upto)
            for name, upto in taken
            if isinstance(name, bytes) and isinstance(upto, int) and 0 <= upto < _BIGGEST_ID
        ],
    )
    loans = _begin_loans(fresh, lent, last or _BIGGEST_ID, newest)
    saved = sum(last - first + 1 for first, last in loans)
    for number, (_, body, accepted, refused, reason) in letters.items():
        if number not in events:
            text = bytes(reason).decode(errors="replace") if isinstance(reason, bytes) else "unknown"
            fresh.execute(
                "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?)",
                (number, body, _number(accepted, newest), _number(refused, newest), text),
            )
            count(fresh, "refused", text, 1)
            saved += 1
    _begin_books(fresh, max([last, *events, *letters, *(end for _, end in loans)]), len(events) + saved)
    fresh.execute("COMMIT")
    return len(events)


def _begin_loans(fresh: sqlite3.Connection, lent: list[_Row], last_id: int, newest: float) -> list[tuple[int, int]]:
    """Keep the loans that make sense, so that a batch on its way is settled, or given back; return their ids."""
    found: dict[int, int] = {}
    for first, last, journal, begin, upto, accepted, until, owner in lent:
        numbers = (first, last, begin, upto)
        if not all(isinstance(each, int) and 0 <= each < _BIGGEST_ID for each in numbers):
            continue
        if not isinstance(journal, bytes) or not 0 <= last - first < _LOAN or not 0 < upto - begin < _LOAN_BYTES:
            continue
        is_twice = any(one <= last and first <= other for one, other in found.items())
        if last > last_id or is_twice or fresh.execute(_TAKEN_ID, (first, last)).fetchone():
            continue
        found[first] = last
        values = (journal.decode(errors="replace"), begin, upto, _number(accepted, newest), _number(until, newest))
        fresh.execute(
            "INSERT INTO lent (first, last, journal, begin, upto, accepted_at, until, owner) VALUES (?,?,?,?,?,?,?,?)",
            (first, last, *values, bytes(owner).decode(errors="replace") if isinstance(owner, bytes) else ""),
        )
    return list(found.items())


def _begin_books(fresh: sqlite3.Connection, last_id: int, kept: int) -> None:
    """Begin the new books with what was saved; ids go on where the old file ended."""
    fresh.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
    fresh.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (last_id,))
    count(fresh, "moved", "", last_id - kept)


def _number(value: object, default: float) -> float:
    """Return *value* if it is a number that can be a time or a count, else *default*."""
    return float(value) if isinstance(value, int | float) and 0 <= value < _BIGGEST_ID else default


def _last_id(old: sqlite3.Connection) -> int:
    """Return the id of the newest event that the file ever held, if it still knows, or 0."""
    with suppress(sqlite3.Error):
        row = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        if row is not None and isinstance(row[0], int) and 0 < row[0] < _BIGGEST_ID:
            return row[0]
    return 0


def _readable(old: sqlite3.Connection, query: str, last: int) -> dict[int, _Row]:
    """
    Return the rows that can be read, by id.

    From the front to the first damage, from the back, and then each id by itself that is missing between: a flipped
    id makes a walk jump. A row whose id cannot be gets a new one.
    """
    found: dict[int, _Row] = {}
    strays: list[_Row] = []  # two rows may say the same id: one of them is wrong

    def take(row: _Row) -> None:
        if found.setdefault(row[0], row)[1] != row[1]:
            strays.append(row)

    for order, start, compare in (("ASC", 0, ">"), ("DESC", _BIGGEST_ID, "<")):
        for row in _walk(old, f"{query} WHERE id {compare} ? ORDER BY id {order} LIMIT {_STEP}", start):
            take(row)
    last = max(last, _end_of_chain(found))
    failures = 0
    first = max(1, min(found, default=1) - _NEAR)
    for number in range(first, min(last + 1, first + _LOOKS)):
        looked_up, failed = _look(old, query, number)
        failures += failed
        if failures > _FAILURES:
            break
        if looked_up is not None and isinstance(looked_up[1], bytes):
            take(looked_up)
    known = {row[1] for row in found.values()}
    found |= enumerate({row[1]: row for row in strays if row[1] not in known}.values(), max([last, *found]) + 1)
    return dict(sorted(found.items()))


def _look(old: sqlite3.Connection, query: str, number: int) -> tuple[_Row | None, bool]:
    """Return the row of this id, or its id and body with nothing after them; and whether that failed."""
    try:
        return old.execute(f"{query} WHERE id = ?", (number,)).fetchone(), False
    except sqlite3.Error:
        pass
    columns, _, table = query.removeprefix("SELECT ").partition(" FROM ")
    try:
        row = old.execute(f"SELECT id, body FROM {table} WHERE id = ?", (number,)).fetchone()  # noqa: S608  # ours
    except sqlite3.Error:
        return None, True
    return None if row is None else row + (None,) * (columns.count(",") - 1), True


def _end_of_chain(ids: Collection[int]) -> int:
    """Return the greatest id before a gap that no deletion explains."""
    end = 0
    for number in sorted(ids):
        if end and number > end + _LOOKS:
            break
        end = number
    return end


def _walk(old: sqlite3.Connection, query: str, position: int) -> Iterator[_Row]:
    """Yield rows up to the end, or to the first that cannot be read."""
    for _ in range(_LOOKS):  # flipped ids could lead in a circle
        rows: list[_Row] = []
        with suppress(sqlite3.Error):
            for row in old.execute(query, (position,)):
                rows.append(row)  # noqa: PERF402  # those before the damage count
        sound = [row for row in rows if isinstance(row[0], int) and 0 < row[0] < _BIGGEST_ID]
        yield from (row for row in sound if isinstance(row[1], bytes))
        if not sound or sound[-1][0] == position:
            return
        position = sound[-1][0]
