"""The books: every event ever accepted, and where it is now."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from otel_umami_exporter.database import Damage

LENT: Final = "(SELECT coalesce(sum(last - first + 1), 0) FROM lent)"  # events that wait and are no rows: lending.py
Entry = Literal["delivered", "refused", "dropped", "moved"]


@dataclass(frozen=True, slots=True)
class Books:
    """Every event ever accepted by a spool, and where it is now."""

    accepted: int
    delivered: int
    waiting: int
    refused: Mapping[str, int]
    dropped: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        """Whether no event is unaccounted for."""
        out = self.delivered + self.waiting + sum(self.refused.values()) + sum(self.dropped.values())
        return self.accepted == out

    def __add__(self, other: "Books") -> "Books":
        """Return the books of two spools together."""
        return Books(
            self.accepted + other.accepted,
            self.delivered + other.delivered,
            self.waiting + other.waiting,
            _sum(self.refused, other.refused),
            _sum(self.dropped, other.dropped),
        )


def count(database: sqlite3.Connection, entry: Entry, reason: str, number: int) -> None:
    """Add *number* to one line of the books; in the transaction that moves the events."""
    if number:
        database.execute(
            "INSERT INTO books VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number",
            (entry, reason, number),
        )


def read(database: sqlite3.Connection) -> Books:
    """
    Return the books; inside a transaction, so that all numbers are of one moment. Counts what waits row by row.

    Raises:
        Damage: they do not balance.
    """
    row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    entries = database.execute("SELECT entry, reason, number FROM books WHERE number <> 0").fetchall()
    (waiting,) = database.execute(f"SELECT (SELECT count(*) FROM events) + {LENT}").fetchone()  # noqa: S608  # ours
    numbers: dict[str, dict[str, int]] = {"delivered": {}, "refused": {}, "dropped": {}, "moved": {}}
    for entry, reason, number in entries:
        numbers.setdefault(entry, {})[reason] = number
    accepted = (row[0] if row else 0) - sum(numbers["moved"].values())
    books = Books(accepted, sum(numbers["delivered"].values()), waiting, numbers["refused"], numbers["dropped"])
    if not books.balanced:
        raise Damage("the books do not balance")
    return books


def waiting_by_books(database: sqlite3.Connection) -> int:
    """
    Return how many wait, from the books: counting rows would read the whole file.

    Never more than the ids leave room for: a damaged book must not have good events dropped.
    """
    by_books, newest, oldest = database.execute(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)"  # noqa: S608  # ours
        f" - coalesce((SELECT sum(number) FROM books), 0) - {LENT},"
        " (SELECT max(id) FROM events), (SELECT min(id) FROM events)"
    ).fetchone()
    return 0 if newest is None else min(int(by_books), int(newest) - int(oldest) + 1)


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {reason: one.get(reason, 0) + other.get(reason, 0) for reason in [*one, *(set(other) - set(one))]}
