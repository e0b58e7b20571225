"""The rows of the spool's file: what is claimed, deleted, dropped; all in a transaction under way."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Final

from otel_umami_exporter.books import Books, count, waiting_by_books

if TYPE_CHECKING:
    from otel_umami_exporter.lending import Loan

MOST_ROWS: Final = 100  # in one statement
LONGEST_PAUSE_SECONDS: Final = 3_600.0  # no event steps aside for longer: then the clock was set back
_UNCLAIMED: Final = " NOT EXISTS (SELECT 1 FROM leases WHERE events.id BETWEEN first AND last AND until > ?)"
FREE: Final = f"(not_before <= ? OR not_before > ?) AND {_UNCLAIMED}"
"""Nobody has claimed it, and it is due; takes now, now + LONGEST_PAUSE_SECONDS, now."""

Entry = tuple[Callable[[], Sequence[bytes]], bytes | None]
"""What makes the bodies of one event, and what is equal in the two copies of it that different doors bring, if any."""


@dataclass(frozen=True, kw_only=True)
class SpoolLimits:
    """How much may wait on disk while Umami is away. When it is full the oldest go, and the books say so."""

    max_events: int = 1_000_000
    max_bytes: int = 1 << 30
    max_age_seconds: float = 7 * 24 * 3600.0
    max_dead_letters: int = 10_000


@dataclass(slots=True)
class Spooled:
    """One claimed event: the JSON of one item, and how often it was tried before. Not frozen: see `Record`."""

    id: int
    body: bytes = field(repr=False)
    attempts: int
    accepted_at: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that nobody else may send until it is settled or the lease has run out."""

    events: Sequence[Spooled]
    lease: int = 0
    file: int = 0
    in_memory: bool = False
    is_full: bool = False  # there may be more where it came from
    is_ahead: bool = False  # it overtook a backlog, which waits
    loan: "Loan | None" = None  # it comes straight from the journal


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a claimed batch: ids, ids with their reason, ids with the time of the next try."""

    delivered: Sequence[int] = ()
    refused: Sequence[tuple[int, str]] = ()
    retry: Sequence[tuple[int, float]] = ()


@dataclass(slots=True)
class Mark:
    """A place in the flow of events: ids up to *last_id*, and what stood before the byte *upto* of our *journal*."""

    last_id: int
    journal: str = ""
    upto: int = 0


@lru_cache(maxsize=MOST_ROWS)
def insertion(rows: int) -> str:
    """Return the statement that inserts so many events: body and time of acceptance of each."""
    return "INSERT INTO events (body, accepted_at) VALUES " + ", ".join(["(?, ?)"] * rows)  # noqa: S608  # no text of others


def insert_many(database: sqlite3.Connection, bodies: Sequence[bytes], now: float) -> None:
    """Insert *bodies*, accepted at *now*."""
    database.executemany(insertion(1), [(body, now) for body in bodies])


def free(
    database: sqlite3.Connection, limit: int, now: float, newest_since: float | None
) -> tuple[list[Spooled], bool]:
    """Return events that nobody has claimed and that are due, oldest first, and whether there may be more."""
    order = "ASC" if newest_since is None else "DESC"
    query = (
        "SELECT id, body, attempts, accepted_at FROM events"  # noqa: S608  # ours
        f" WHERE {FREE} ORDER BY id {order} LIMIT ?"
    )
    rows = database.execute(query, (now, now + LONGEST_PAUSE_SECONDS, now, limit)).fetchall()
    found = [_spooled(row) for row in rows]
    is_full = len(found) == limit
    if newest_since is not None:
        found = [each for each in reversed(found) if each.accepted_at >= newest_since]
    return found, is_full


def _spooled(row: tuple[int, object, object, object]) -> Spooled:
    """Take a row as it is: a flipped bit may have made another type of a value; the server refuses what is no JSON."""
    number, body, attempts, accepted_at = row
    return Spooled(
        number,
        body if isinstance(body, bytes) else str(body).encode(errors="replace"),
        attempts if isinstance(attempts, int) else 0,
        accepted_at if isinstance(accepted_at, float) else 0.0,
    )


def delete(database: sqlite3.Connection, ids: Sequence[int]) -> int:
    """Delete events; return how many there were."""
    if not ids:
        return 0
    if ids[-1] - ids[0] == len(ids) - 1 and all(one < other for one, other in pairwise(ids)):  # as nearly always
        return database.execute("DELETE FROM events WHERE id BETWEEN ? AND ?", (ids[0], ids[-1])).rowcount
    return max(0, database.executemany("DELETE FROM events WHERE id = ?", [(each,) for each in ids]).rowcount)


def settle_rows(database: sqlite3.Connection, claim: Claim, settlement: Settlement, owner: str, now: float) -> None:
    """Write down what became of a batch of rows; what is not mentioned waits again."""
    database.execute("DELETE FROM leases WHERE (id = ? AND owner = ?) OR until <= ?", (claim.lease, owner, now))
    count(database, "delivered", "", delete(database, settlement.delivered))
    for each, reason in settlement.refused:
        database.execute(
            "INSERT OR IGNORE INTO dead_letters (id, body, accepted_at, refused_at, reason)"
            " SELECT id, body, accepted_at, ?, ? FROM events WHERE id = ?",
            (now, reason, each),
        )
        count(database, "refused", reason, delete(database, [each]))
    database.executemany(
        "UPDATE events SET attempts = attempts + 1, not_before = ? WHERE id = ?",
        [(not_before, each) for each, not_before in settlement.retry],
    )


def drop_surplus(database: sqlite3.Connection, limits: SpoolLimits, now: float, at_most: int) -> int:
    """Drop what is beyond *limits*, oldest first and *at_most* so many of each kind, and write it into the books."""
    old = _drop_older(database, now - limits.max_age_seconds, now, at_most)
    count(database, "dropped", "too_old", old)
    many = _drop_oldest(database, min(waiting_by_books(database) - limits.max_events, at_most), now)
    count(database, "dropped", "too_many", many)
    large = 0
    if (used := _used_bytes(database)) > limits.max_bytes:
        # Bodies are about of one size, so a share of bytes is one of events.
        surplus = int(waiting_by_books(database) * (1 - limits.max_bytes / used)) + 1
        large = _drop_oldest(database, min(surplus, at_most), now)
        count(database, "dropped", "too_large", large)
    return old + many + large


def _drop_older(database: sqlite3.Connection, accepted_before: float, now: float, at_most: int) -> int:
    """Drop from the oldest on up to the first that is young enough; reads no further than that."""
    rows = database.execute(
        f"SELECT id, accepted_at FROM events WHERE {_UNCLAIMED} ORDER BY id LIMIT ?",  # noqa: S608  # ours
        (now, 1),
    ).fetchall()
    if not rows or rows[0][1] >= accepted_before:
        return 0  # as nearly always
    rows = database.execute(
        f"SELECT id, accepted_at FROM events WHERE {_UNCLAIMED} ORDER BY id LIMIT ?",  # noqa: S608  # ours
        (now, at_most),
    ).fetchall()
    return delete(database, [number for number, _ in takewhile(lambda row: row[1] < accepted_before, rows)])


def _drop_oldest(database: sqlite3.Connection, number: int, now: float) -> int:
    if number <= 0:
        return 0
    return database.execute(
        f"DELETE FROM events WHERE id IN (SELECT id FROM events WHERE {_UNCLAIMED} ORDER BY id LIMIT ?)",  # noqa: S608
        (now, number),
    ).rowcount


def _used_bytes(database: sqlite3.Connection) -> int:
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def last_id(database: sqlite3.Connection) -> int:
    """Return the id of the newest event ever accepted; 0 when there was none."""
    row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return int(row[0]) if row else 0


def oldest(database: sqlite3.Connection) -> tuple[int, float] | None:
    """Return id and time of acceptance of the oldest event that waits, as a row or on loan, or None."""
    rows = [
        database.execute("SELECT id, accepted_at FROM events ORDER BY id LIMIT 1").fetchone(),
        database.execute("SELECT first, accepted_at FROM lent ORDER BY first LIMIT 1").fetchone(),
    ]
    return min(((int(row[0]), float(row[1])) for row in rows if row), default=None)


def take_out(database: sqlite3.Connection, claim: Claim) -> None:
    """Strike a claimed batch from these books: it was put into another spool."""
    database.execute("DELETE FROM leases WHERE id = ?", (claim.lease,))
    count(database, "moved", "", delete(database, [each.id for each in claim.events]))


def adopt(database: sqlite3.Connection, books: Books, letters: Sequence[tuple[bytes, float, float, str]]) -> None:
    """Take over the books and dead letters of a spool that ends, all of whose events have left it."""
    count(database, "delivered", "", books.delivered)
    for reason, number in books.dropped.items():
        count(database, "dropped", reason, number)
    for reason, number in books.refused.items():
        count(database, "refused", reason, number)
    count(database, "moved", "", -books.accepted)
    for letter in letters:
        own_id = database.execute(insertion(1), letter[:2]).lastrowid  # for an id of its own
        database.execute("DELETE FROM events WHERE id = ?", (own_id,))
        database.execute("INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?)", (own_id, *letter))
    count(database, "moved", "", len(letters))
