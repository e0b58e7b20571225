"""Dead letters: events that Umami refused for good, kept with the reason until somebody decides."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from otel_umami_exporter.books import count
from otel_umami_exporter.spool import Spool

_ALL: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused event; times are seconds since 1970."""

    id: int
    body: bytes = field(repr=False)
    accepted_at: float
    refused_at: float
    reason: str


def dead_letters(spool: Spool, limit: int = _ALL) -> list[DeadLetter]:
    """Return the dead letters, oldest first."""
    query = "SELECT id, body, accepted_at, refused_at, reason FROM dead_letters ORDER BY id LIMIT ?"
    rows = spool.write(lambda database: database.execute(query, (limit,)).fetchall())
    return [DeadLetter(*row) for row in rows]


def retry_dead_letters(spool: Spool, ids: Sequence[int] | None = None) -> int:
    """Let these dead letters (None: all) wait for Umami again; return how many. The books follow."""

    def work(database: sqlite3.Connection) -> int:
        rows = _chosen(database, ids)
        for number, reason in rows:
            database.execute(
                "INSERT INTO events (id, body, accepted_at)"
                " SELECT id, body, max(accepted_at, refused_at) FROM dead_letters WHERE id = ?",
                (number,),
            )
            database.execute("DELETE FROM dead_letters WHERE id = ?", (number,))
            count(database, "refused", reason, -1)
        return len(rows)

    return spool.write(work)


def drop_dead_letters(spool: Spool, ids: Sequence[int] | None = None) -> int:
    """Delete these dead letters (None: all); return how many. The books go on counting them as refused."""

    def work(database: sqlite3.Connection) -> int:
        rows = _chosen(database, ids)
        database.executemany("DELETE FROM dead_letters WHERE id = ?", [(number,) for number, _ in rows])
        return len(rows)

    return spool.write(work)


def _chosen(database: sqlite3.Connection, ids: Sequence[int] | None) -> list[tuple[int, str]]:
    rows: list[tuple[int, str]] = database.execute("SELECT id, reason FROM dead_letters ORDER BY id").fetchall()
    return rows if ids is None else [row for row in rows if row[0] in set(ids)]
