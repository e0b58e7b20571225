"""Batches lent straight from the journal: nothing is lost or counted twice, whatever becomes of one or its holder."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from otel_umami_exporter.dead_letters import dead_letters
from otel_umami_exporter.journal import INFIX
from otel_umami_exporter.spool import Claim, Settlement, Spool, SpoolLimits

LEASE = 90.0
CLAIMS_AND_IS_KILLED = """
import os, signal, sys
from otel_umami_exporter.spool import Spool

spool = Spool(sys.argv[1], journal=True)
for number in range(10):
    spool.put([b"%d" % number], 1.0)
assert spool.claim(6, 1.0, 1e9).loan is not None
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def numbers(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % each for each in range(first, count)]


def spool_with(path: Path, events: int, limits: SpoolLimits | None = None) -> Spool:
    """Return a spool with so many events in its journal."""
    spool = Spool(path, limits, journal=True)
    for each in numbers(events):
        spool.put([each], 1.0)
    return spool


def rows(path: Path) -> int:
    """Return how many events are rows of the file."""
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM events").fetchone()
        return int(count)


def ids(claim: Claim) -> list[int]:
    return [each.id for each in claim.events]


def claimed(spool: Spool, now: float = 2.0, limit: int = 50) -> list[bytes]:
    return [each.body for each in spool.claim(limit, now, LEASE).events]


def test_what_is_delivered_at_once_was_never_a_row(path: Path) -> None:
    """And the books know it at every moment."""
    spool = spool_with(path, 5)
    first, second = spool.claim(3, 2.0, LEASE), spool.claim(3, 2.0, LEASE)
    assert ([each.body for each in first.events], [each.body for each in second.events]) == (
        numbers(3),
        numbers(5, 3),
    )
    assert (rows(path), spool.books().waiting) == (0, 5)

    spool.settle(second, Settlement(ids(second)), 3.0)  # in any order
    assert (rows(path), spool.books().waiting, spool.books().delivered) == (0, 3, 2)
    spool.settle(first, Settlement(ids(first)), 3.0)

    books = spool.books()
    assert (rows(path), books.accepted, books.delivered, books.waiting) == (0, 5, 5, 0)
    assert list(spool.bodies()) == []


def test_what_waits_in_the_file_goes_first(path: Path) -> None:
    """The order of events does not change with the way they take."""
    spool = Spool(path, journal=True)
    spool.put([b"old"], 1.0)
    spool.settle(claim := spool.claim(1, 2.0, LEASE), Settlement(retry=[(claim.events[0].id, 0.0)]), 2.0)
    spool.put([b"new"], 2.0)

    claim = spool.claim(1, 3.0, LEASE)
    assert ([each.body for each in claim.events], claim.events[0].attempts) == ([b"old"], 1)
    assert claimed(spool) == [b"new"]


def test_each_event_of_a_loan_is_settled_by_what_became_of_it(path: Path) -> None:
    """Delivered, refused, to be tried later, to be tried at once, not mentioned."""
    spool = spool_with(path, 5)
    claim = spool.claim(50, 2.0, LEASE)
    delivered, refused, later, at_once, _ = ids(claim)

    spool.settle(claim, Settlement([delivered], [(refused, "bad_request")], [(later, 60.0), (at_once, 0.0)]), 3.0)

    books = spool.books()
    assert books.balanced
    assert (books.delivered, books.waiting, books.refused) == (1, 3, {"bad_request": 1})
    assert [(each.id, each.body) for each in dead_letters(spool)] == [(refused, b"1")]
    again = spool.claim(50, 4.0, LEASE).events
    assert [(each.body, each.attempts) for each in again] == [(b"3", 1), (b"4", 0)]
    assert claimed(spool, 61.0) == [b"2"]


def test_a_mark_waits_for_what_came_before_it_and_for_nothing_else(path: Path) -> None:
    """In the journal, on its way, or back in the file."""
    spool = spool_with(path, 4)
    mark = spool.mark()
    spool.put([b"later"], 2.0)

    first, second = spool.claim(2, 2.0, LEASE), spool.claim(2, 2.0, LEASE)
    spool.settle(second, Settlement(ids(second)), 2.0)
    assert spool.holds(mark)
    spool.settle(first, Settlement(retry=[(each, 0.0) for each in ids(first)]), 2.0)
    assert spool.holds(mark)
    again = spool.claim(2, 3.0, LEASE)
    assert [each.body for each in again.events] == numbers(2)
    spool.settle(again, Settlement(ids(again)), 3.0)

    assert not spool.holds(mark)
    assert claimed(spool) == [b"later"]
    assert spool.holds(spool.mark())


def test_a_loan_that_runs_out_is_given_back(path: Path) -> None:
    """Whoever had it and comes late is believed what was delivered, and nothing counts twice."""
    spool = spool_with(path, 4)
    claim = spool.claim(50, 2.0, LEASE)
    assert claimed(spool, 91.0) == []

    again = spool.claim(50, 92.0, LEASE)
    assert ids(again) == ids(claim)
    spool.settle(claim, Settlement(ids(claim)[:3]), 93.0)
    spool.settle(again, Settlement(ids(again)), 94.0)

    books = spool.books()
    assert (books.accepted, books.delivered, books.waiting, books.balanced) == (4, 4, 0, True)


def test_what_a_killed_process_had_on_loan_comes_again(path: Path) -> None:
    """As soon as somebody tidies, however long the lease was; and no journal is left over."""
    done = subprocess.run([sys.executable, "-c", CLAIMS_AND_IS_KILLED, str(path)], check=False)  # noqa: S603  # ours
    assert done.returncode == -signal.SIGKILL

    spool = Spool(path, journal=True)
    assert (spool.books().accepted, spool.books().waiting) == (10, 10)
    spool.tidy(2.0)
    assert claimed(spool) == numbers(10)
    spool.tidy(2.0)
    assert list(path.parent.glob(f"{path.name}{INFIX}*")) == []


def test_a_process_that_only_looks_sees_what_is_on_loan(path: Path) -> None:
    """It is neither gone nor there twice."""
    spool = spool_with(path, 3)
    spool.claim(2, 2.0, LEASE)
    looking = Spool(path)

    assert sorted(looking.bodies()) == numbers(3)
    assert looking.books().waiting == 3
    assert looking.oldest() == (1, 1.0)
    assert [each.body for each in looking.claim(50, 2.0, LEASE).events] == [b"2"]


def test_a_loan_whose_journal_is_gone_is_in_the_books(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody deleted the file of a dead process: what was on its way there is lost, counted and said."""
    subprocess.run([sys.executable, "-c", CLAIMS_AND_IS_KILLED, str(path)], check=False)  # noqa: S603  # ours
    for each in path.parent.glob(f"{path.name}{INFIX}*"):
        each.unlink()

    spool = Spool(path, journal=True)
    spool.tidy(2.0)

    books = spool.books()
    assert (books.accepted, books.waiting, books.dropped, books.balanced) == (6, 0, {"unreadable": 6}, True)
    assert "6 events cannot be read" in caplog.text


@pytest.mark.parametrize("delivered", [True, False])
def test_a_loan_outlives_the_damage_of_the_file(path: Path, *, delivered: bool) -> None:
    """What is saved from the old file keeps the loan: it is settled, or comes again when its time is up."""
    spool = spool_with(path, 4)
    claim = spool.claim(2, 2.0, LEASE)
    spool.checkpoint()
    spool.write(lambda database: database.execute("UPDATE books SET number = 1 WHERE 0"))
    spool.write(lambda database: database.execute("INSERT INTO books VALUES ('dropped', 'never', 7)"))
    assert spool.books().balanced  # found damaged, and replaced
    assert list(path.parent.glob(f"{path.name}.damaged-*"))

    if delivered:
        spool.settle(claim, Settlement(ids(claim)), 3.0)
    assert sorted(claimed(spool, 95.0)) == numbers(4)[2 * delivered :]
    books = spool.books()
    assert (books.delivered, books.waiting, books.balanced) == (2 * delivered, 4 - 2 * delivered, True)


def test_limits_come_before_loans(path: Path) -> None:
    """Where more waits in the journal than a limit leaves room for, it is taken in, and the oldest go."""
    spool = spool_with(path, 130, SpoolLimits(max_events=16))

    assert claimed(spool) == numbers(130, 114)
    assert spool.books().dropped == {"too_many": 114}


def test_a_frame_larger_than_a_batch_goes_in_pieces(path: Path) -> None:
    """Many events of one span are one frame; a server that takes only small batches gets small batches."""
    spool = Spool(path, journal=True)
    spool.put(numbers(60), 1.0)

    arrived: list[bytes] = []
    while events := spool.claim(25, 2.0, LEASE).events:
        assert len(events) <= 25
        arrived += [each.body for each in events]
    assert arrived == numbers(60)


OLDER = """
CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, accepted_at REAL NOT NULL,
                     not_before REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0);
CREATE TABLE leases (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, until REAL NOT NULL,
                     owner TEXT NOT NULL);
CREATE TABLE seen (key BLOB PRIMARY KEY, door TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters (id INTEGER PRIMARY KEY, body BLOB NOT NULL, accepted_at REAL NOT NULL,
                           refused_at REAL NOT NULL, reason TEXT NOT NULL);
CREATE TABLE journals (name TEXT PRIMARY KEY, taken INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE books (entry TEXT NOT NULL, reason TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (entry, reason))
    WITHOUT ROWID;
INSERT INTO events (body, accepted_at) VALUES (CAST('0' AS BLOB), 1.0), (CAST('1' AS BLOB), 1.0);
DELETE FROM events WHERE id = 1;
INSERT INTO books VALUES ('delivered', '', 1);
PRAGMA user_version = 3;
"""


@pytest.mark.parametrize("was_used", [True, False])
def test_a_file_of_the_version_before_loans_is_read(path: Path, *, was_used: bool) -> None:
    """What waits in it goes first, under its id, and the books go on."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(OLDER if was_used else OLDER.replace("INSERT INTO events", "--").partition("--")[0])
    spool = Spool(path, journal=True)
    spool.put([b"2"], 2.0)

    first = spool.claim(1, 3.0, LEASE)
    if was_used:
        assert [(each.id, each.body) for each in first.events] == [(2, b"1")]
        spool.settle(first, Settlement(ids(first)), 3.0)
        first = spool.claim(1, 3.0, LEASE)
    assert ([each.body for each in first.events], first.loan is not None) == ([b"2"], True)
    spool.settle(first, Settlement(ids(first)), 3.0)

    books = spool.books()
    assert (books.accepted, books.delivered, books.balanced) == ((3, 3, True) if was_used else (1, 1, True))
