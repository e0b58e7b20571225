"""
Batches lent straight from the journal: what is delivered at once is never a row of the spool's file.

    journal ──lend──► on its way to Umami ──► delivered         counted; nothing else was written
                           │             └──► refused           a dead letter
                           └──► not now, or its holder is gone  a row of the spool's file, and as ever from there

A loan gets its ids when it is lent, so that the books, a flush and the order of events know no difference. It stands
in the spool's file as a range of the journal: whoever finds one whose holder is gone gives it back from there.
Lending, and delivering all of it, are one statement each (triggers do the rest): each statement lets go of the
interpreter, and the recording thread and the sender hand it to each other. Everything else is in a transaction.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_umami_exporter.books import count
from otel_umami_exporter.frames import Row, rows
from otel_umami_exporter.journal import Journal
from otel_umami_exporter.spool_rows import FREE, LONGEST_PAUSE_SECONDS, Claim, Settlement, Spooled, settle_rows

_log: Final = logging.getLogger(__name__)
_PIECE: Final = 64 << 10  # bytes of the journal that are looked at for one batch
Read = Callable[[str, int, int], bytes]
"""Returns what stands in the journal of this name from one byte to another; raises OSError."""


@dataclass(frozen=True, slots=True)
class Loan:
    """Events *first* to *last*, lent from the bytes *begin* to *upto* of *journal*."""

    first: int
    last: int
    journal: str
    begin: int
    upto: int


def lend(
    database: sqlite3.Connection, own: Journal, limit: int, now: float, until: float, owner: str
) -> tuple[Loan, list[Spooled]] | None:
    """
    Lend up to *limit* of the oldest events that wait in our own journal; in one statement, its own transaction.

    None when something older waits in the file, when no frame is that small, or when another was faster.
    """
    name = own.name
    seq, taken, is_second = database.execute(_LOOK, (name, now, now, now + LONGEST_PAUSE_SECONDS, now)).fetchone()
    if is_second or seq is None:
        return None
    data, begin = own.read(taken, _PIECE)
    found, length = rows(data, limit)
    upto = begin + length
    if not found or begin != taken:
        return None
    loan = Loan(seq + 1, seq + len(found), name, begin, upto)
    values = (loan.first, loan.last, name, begin, upto, found[0][1], until, owner, seq, name, taken)
    if database.execute(_LEND, values).rowcount != 1:
        return None
    return loan, [Spooled(number, body, 0, at) for number, (body, at) in enumerate(found, loan.first)]


def settle_delivered(database: sqlite3.Connection, loan: Loan) -> bool:
    """Write down that all of a loan was delivered, in one statement; False when it was given back meanwhile."""
    done = database.execute("UPDATE lent SET delivered = last - first + 1 WHERE first = ?", (loan.first,))
    return done.rowcount == 1


def settle(database: sqlite3.Connection, claim: Claim, settlement: Settlement, owner: str, now: float) -> None:
    """Write down what became of a batch; what is not mentioned waits again."""
    if claim.loan is None or not _settle_loan(database, claim.loan, claim.events, settlement, now):
        settle_rows(database, claim, settlement, owner, now)  # or a loan that was given back meanwhile


def _settle_loan(
    database: sqlite3.Connection, loan: Loan, events: Sequence[Spooled], settlement: Settlement, now: float
) -> bool:
    """Write down what became of a loan; False when it was given back."""
    if database.execute("DELETE FROM lent WHERE first = ?", (loan.first,)).rowcount != 1:
        return False
    reasons = dict(settlement.refused)
    again = dict(settlement.retry)
    gone = {*settlement.delivered, *reasons}
    count(database, "delivered", "", len(settlement.delivered))
    for event in events:
        if event.id in reasons:
            letter = (event.id, event.body, event.accepted_at, now, reasons[event.id])
            database.execute("INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?)", letter)
            count(database, "refused", reasons[event.id], 1)
    database.executemany(
        "INSERT INTO events (id, body, accepted_at, not_before, attempts) VALUES (?, ?, ?, ?, ?)",
        [
            (each.id, each.body, each.accepted_at, again.get(each.id, 0.0), each.attempts + (each.id in again))
            for each in events
            if each.id not in gone
        ],
    )
    return True


def overdue(database: sqlite3.Connection, now: float) -> list[Loan]:
    """Return the loans that nobody has settled in time."""
    return _loans(database.execute(f"{_QUERY} WHERE until <= ?", (now,)))


def orphaned(database: sqlite3.Connection, is_gone: Callable[[str], bool]) -> list[Loan]:
    """Return the loans whose holder is gone."""
    found = database.execute("SELECT owner, first, last, journal, begin, upto FROM lent").fetchall()
    return [Loan(*loan) for owner, *loan in found if is_gone(str(owner))]


def all_loans(database: sqlite3.Connection) -> list[Loan]:
    """Return every loan."""
    return _loans(database.execute(_QUERY))


def give_back(database: sqlite3.Connection, loans: Iterable[Loan], read: Read) -> None:
    """Make rows of *loans*: they wait again. What cannot be read any more is counted as dropped."""
    for loan in loans:
        found = bodies(loan, read)
        numbers = range(loan.first, loan.last + 1)
        database.executemany(
            "INSERT OR IGNORE INTO events (id, body, accepted_at) VALUES (?, ?, ?)",
            [(number, body, now) for number, (body, now) in zip(numbers, found, strict=False)],
        )
        database.execute("DELETE FROM lent WHERE first = ?", (loan.first,))
        if missing := len(numbers) - len(found):
            count(database, "dropped", "unreadable", missing)
            _log.error("%d events cannot be read from their journal any more, and are lost", missing)


def bodies(loan: Loan, read: Read) -> list[Row]:
    """Return what a loan is of, as far as it can be read, with the time of acceptance."""
    with suppress(OSError):
        found, _ = rows(read(loan.journal, loan.begin, loan.upto))
        return found[: loan.last - loan.first + 1]
    return []


def read_beside(spool: str, name: str, begin: int, upto: int) -> bytes:
    """Return a piece of a journal beside the spool's file; raises OSError."""
    with Path(spool).with_name(os.path.basename(name)).open("rb") as file:  # noqa: PTH119  # never elsewhere
        file.seek(begin)
        return file.read(upto - begin)


_LOOK: Final = (
    "SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'events'),"  # noqa: S608  # ours
    " coalesce((SELECT taken FROM journals WHERE name = ?), 0),"
    f" EXISTS (SELECT 1 FROM lent WHERE until <= ?) OR EXISTS (SELECT 1 FROM events WHERE {FREE})"
)
_LEND: Final = (
    "INSERT INTO lent (first, last, journal, begin, upto, accepted_at, until, owner) SELECT ?, ?, ?, ?, ?, ?, ?, ?"
    " WHERE (SELECT seq FROM sqlite_sequence WHERE name = 'events') = ?"
    " AND coalesce((SELECT taken FROM journals WHERE name = ?), 0) = ?"
)
_QUERY: Final = "SELECT first, last, journal, begin, upto FROM lent"


def _loans(rows_: Iterable[tuple[int, int, str, int, int]]) -> list[Loan]:
    return [Loan(*row) for row in rows_]
