"""The journal before the spool's file: nobody sees an event later, twice, or never, whoever dies or looks meanwhile."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from otel_umami_exporter import SpoolError, SpoolUnavailable
from otel_umami_exporter.journal import INFIX, Journal, is_left
from otel_umami_exporter.spool import Settlement, Spool, SpoolLimits

Question = Callable[[Spool], int]
WRITES_AND_IS_KILLED = """
import os, signal, sys
from otel_umami_exporter.spool import Spool

spool = Spool(sys.argv[1], journal=True)
for number in range(int(sys.argv[2])):
    spool.put([b"%d" % number], 1.0)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def files(path: Path) -> list[Path]:
    """Return the journals that are there."""
    return sorted(path.parent.glob(f"{path.name}{INFIX}*"))


def numbers(count: int) -> list[bytes]:
    return [b"%d" % each for each in range(count)]


def left_by_a_dead_process(path: Path, events: int) -> Path:
    """Have a process write so many events and be killed; return its journal."""
    done = subprocess.run([sys.executable, "-c", WRITES_AND_IS_KILLED, str(path), str(events)], check=False)  # noqa: S603  # our own interpreter
    assert done.returncode == -signal.SIGKILL
    (journal,) = files(path)
    return journal


def test_what_was_put_is_in_a_file_before_the_spools_own_has_it(path: Path) -> None:
    """One append and no transaction; readable by the owner only."""
    spool = Spool(path, journal=True)
    spool.put([b"a"], 1.0)

    (journal,) = files(path)
    assert b"a" in journal.read_bytes()
    assert journal.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM events").fetchone() == (0,)


def test_every_question_knows_it_at_once(path: Path) -> None:
    """Each is asked on a spool of its own, right after the event."""
    asked: dict[str, Question] = {
        "books": lambda spool: spool.books().waiting,
        "last_id": lambda spool: spool.last_id(),
        "oldest": lambda spool: (spool.oldest() or (0, 0.0))[0],
        "bodies": lambda spool: len(list(spool.bodies())),
        "claim": lambda spool: len(spool.claim(9, 2.0, 90.0).events),
    }
    answers = {}
    for name, question in asked.items():
        spool = Spool(path.with_name(name), journal=True)
        spool.put([b"a"], 1.0)
        answers[name] = question(spool)
        spool.close()

    assert answers == dict.fromkeys(asked, 1)


def test_another_process_sees_what_a_living_one_has_written(path: Path) -> None:
    """And takes it in for both: it is there once."""
    one, other = Spool(path, journal=True), Spool(path)
    for round_ in range(3):
        one.put([b"%d" % round_], 1.0)
        assert other.books().waiting == round_ + 1
        assert one.books().waiting == round_ + 1

    assert list(other.bodies()) == numbers(3)


def test_two_writers_that_look_at_each_other_double_nothing(path: Path) -> None:
    """In any order of writing, looking and claiming."""
    chance = Random(11)  # noqa: S311  # repeatable, not secret
    spools = [Spool(path, journal=True), Spool(path, journal=True)]
    written: list[bytes] = []
    arrived: list[bytes] = []
    for number in range(2_000):
        spool = chance.choice(spools)
        written.append(b"%d" % number + b"x" * chance.choice([1, 400, 4_000]))
        spool.put([written[-1]], 1.0)
        if chance.random() < 0.1:
            claim = chance.choice(spools).claim(50, 2.0, 90.0)
            arrived += [each.body for each in claim.events]
            spool.settle(claim, Settlement([each.id for each in claim.events]), 2.0)
        if chance.random() < 0.05:
            assert chance.choice(spools).books().accepted == len(written)

    assert sorted([*arrived, *spools[0].bodies()]) == sorted(written)
    assert spools[1].books().balanced


def test_what_a_killed_process_has_put_is_there(path: Path) -> None:
    """The next who opens the spool finds its journal, and clears it away."""
    left_by_a_dead_process(path, 300)

    again = Spool(path, journal=True)

    assert list(again.bodies()) == numbers(300)
    assert files(path) == []
    assert again.books().balanced


@pytest.mark.parametrize("cut", [1, 10, 17])
def test_a_frame_that_a_death_cut_off_was_never_there(path: Path, cut: int) -> None:
    """It was not acknowledged; those before it are whole."""
    journal = left_by_a_dead_process(path, 20)
    journal.write_bytes(journal.read_bytes()[:-cut])

    again = Spool(path)

    assert list(again.bodies()) == numbers(19)
    assert files(path) == []


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_journal_stops_nobody(path: Path, seed: int) -> None:
    """What stands before the damage is taken in, and nothing that was never put."""
    journal = left_by_a_dead_process(path, 50)
    content = bytearray(journal.read_bytes())
    content[Random(seed).randrange(len(content))] ^= 0x40  # noqa: S311  # repeatable, not secret
    journal.write_bytes(content)

    again = Spool(path)
    found = list(again.bodies())

    assert found == numbers(len(found))
    assert again.books().balanced


def test_a_frame_is_all_or_nothing(path: Path) -> None:
    """An event and its copies share one."""
    spool = Spool(path, journal=True)
    spool.put([b"event", b"copy"], 1.0)
    (journal,) = files(path)
    journal.write_bytes(journal.read_bytes()[:-1])

    assert list(Spool(path).bodies()) == []


def test_a_held_file_stops_nobody_from_writing(path: Path) -> None:
    """Another program does not let go of the spool's file: events are on disk all the same."""
    spool = Spool(path, journal=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        spool.put([b"a"], 1.0)
        with pytest.raises(SpoolUnavailable, match="locked"):
            spool.claim(1, 2.0, 90.0)
        other.execute("ROLLBACK")

    assert [each.body for each in spool.claim(1, 2.0, 90.0).events] == [b"a"]


def test_a_full_disk_takes_nothing_and_says_so(path: Path) -> None:
    """Half a frame is taken back; what was put before is there."""
    code = """
import resource, signal, sys
from otel_umami_exporter import SpoolUnavailable
from otel_umami_exporter.spool import Spool

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(sys.argv[1], journal=True)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
taken = 0
try:
    for _ in range(500):
        spool.put([b"x" * 500], 1.0)
        taken += 1
except SpoolUnavailable:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    spool.put([b"after"], 1.0)
    assert 50 < taken < 100, taken
    assert spool.books().waiting == taken + 1, (taken, spool.books())
    assert list(spool.bodies())[-1] == b"after"
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)  # noqa: S603  # our own interpreter

    assert done.stdout == "refused\n"


def test_a_journal_that_somebody_deletes_is_still_taken_in(path: Path) -> None:
    """The open file is enough; and the next events have a file with a name again."""
    spool = Spool(path, journal=True)
    spool.put([b"a"], 1.0)
    files(path)[0].unlink()
    assert list(spool.bodies()) == [b"a"]

    spool.put([b"b"], 1.0)

    assert len(files(path)) == 1
    assert list(spool.bodies()) == [b"a", b"b"]


@pytest.mark.parametrize("left", [0, 10])
def test_a_journal_that_somebody_cuts_off_ends_there(path: Path, left: int, caplog: pytest.LogCaptureFixture) -> None:
    """What was in it is lost, and said; nobody waits for it, and what comes next is safe."""
    spool = Spool(path, journal=True)
    spool.put([b"a"], 1.0)
    os.truncate(files(path)[0], left)
    assert spool.books().waiting == 0
    assert "the journal was damaged" in caplog.text

    spool.put([b"b"], 1.0)

    assert list(spool.bodies()) == [b"b"]
    assert spool.claim(10, 2.0, 90.0).events[0].body == b"b"


def test_a_journal_does_not_grow_for_ever(path: Path) -> None:
    """Nor do they become many, though there is not one moment in which nothing waits."""
    spool = Spool(path, journal=True)
    largest = 0
    for number in range(15_000):
        spool.put([b"%d " % number + b"x" * 1_000], 1.0)
        if number % 50 == 49:
            claim = spool.claim(49, 2.0, 90.0)
            spool.settle(claim, Settlement([each.id for each in claim.events]), 2.0)
            largest = max(largest, sum(each.stat().st_size for each in files(path)))

    assert largest < 9_000_000  # while the other 300 wait
    assert len(files(path)) <= 2
    books = spool.books()
    assert (books.accepted, books.balanced) == (15_000, True)
    spool.tidy(2.0)
    assert spool.write(lambda database: database.execute("SELECT count(*) FROM journals").fetchone()) <= (1,)


def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of the files that the disk is asked for from now on."""
    held: list[int] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        fsync(descriptor)
        held.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", seen)
    return held


def test_a_checkpoint_asks_the_disk_itself_to_hold_the_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not take what waits there; where nothing waits nothing is asked."""
    spool = Spool(path, journal=True)
    held = synced(monkeypatch)
    spool.checkpoint()
    assert held == []

    spool.put([b"a"], 1.0)
    (journal,) = files(path)
    spool.checkpoint()

    assert sorted(held) == sorted([journal.stat().st_ino, path.parent.stat().st_ino])
    assert files(path) == [journal]


def test_a_checkpoint_asks_for_what_is_on_its_way_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is nowhere else until it has arrived: a slow answer and a power cut must not take it."""
    spool = Spool(path, journal=True)
    held = synced(monkeypatch)
    spool.put([b"a"], 1.0)
    claim = spool.claim(50, 2.0, 60.0)
    (journal,) = files(path)
    spool.checkpoint()
    assert journal.stat().st_ino in held

    spool.settle(claim, Settlement([each.id for each in claim.events]), 3.0)
    held.clear()
    spool.checkpoint()
    assert held == []


def test_what_is_let_go_while_the_disk_is_asked_belongs_to_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks next takes it in: it must not seem to be written still."""
    journal = Journal(str(path))
    journal.append([b"a"], 1.0)
    (file,) = files(path)
    left: list[bool] = []

    def slow(_descriptor: int) -> None:
        journal.abandon()
        with file.open("rb") as beside:
            left.append(is_left(beside.fileno()))

    monkeypatch.setattr(os, "fsync", slow)
    journal.sync()
    assert left == [True, True]


def test_zeros_at_the_end_of_a_journal_are_no_events(path: Path) -> None:
    """A power cut leaves them where the length of the file was written, and what was in it was not."""
    journal = left_by_a_dead_process(path, 3)
    with journal.open("ab") as file:
        file.write(bytes(4_096))

    spool = Spool(path, journal=True)
    assert list(spool.bodies()) == numbers(3)
    assert spool.books().accepted == 3
    assert files(path) == []


def test_the_limits_hold_for_a_journal_that_nobody_claims_from(path: Path) -> None:
    """As while Umami is away: of a long one no more than a share is left, each time the keeper comes."""
    spool = Spool(path, SpoolLimits(max_events=1_000), journal=True)
    for start in range(0, 20_000, 100):
        spool.put([b"%d" % each + b"x" * 100 for each in range(start, start + 100)], 1.0)
    spool.tidy(2.0)

    assert sum(1 for _ in spool.bodies()) <= 1_250
    assert spool.books().dropped["too_many"] >= 18_750


def test_a_checkpoint_goes_on_when_the_disk_does_not_hold_the_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That is said once, and asked again; nothing is lost by it."""
    spool = Spool(path, journal=True)
    spool.put([b"a"], 1.0)

    def fails(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    spool.checkpoint()
    spool.checkpoint()

    assert [each.getMessage() for each in caplog.records] == [
        "a power cut may take events: the disk does not hold them (Input/output error)"
    ]
    assert list(spool.bodies()) == [b"a"]


def test_a_journal_in_which_too_much_waits_is_passed_by(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes then is a row at once, and what waits is taken in with it."""
    monkeypatch.setattr("otel_umami_exporter.journal._MOST_BYTES", 1_000)
    spool = Spool(path, journal=True)
    for number in range(20):
        spool.put([b"%d" % number + b"x" * 100], 1.0)

    assert sum(each.stat().st_size for each in files(path)) < 1_400
    assert sorted(int(body.rstrip(b"x")) for body in spool.bodies()) == list(range(20))
    assert spool.books().accepted == 20


def test_a_closed_spool_leaves_no_journal(path: Path) -> None:
    """And takes nothing more."""
    spool = Spool(path, journal=True)
    spool.put([b"a"], 1.0)
    spool.close()

    assert files(path) == []
    with pytest.raises(SpoolError, match="closed"):
        spool.put([b"b"], 1.0)
    assert list(Spool(path).bodies()) == [b"a"]


def test_a_forked_child_writes_a_journal_of_its_own(path: Path) -> None:
    """The parent's stays the parent's, also after the child has ended."""
    spool = Spool(path, journal=True)
    spool.put([b"parent"], 1.0)
    child = os.fork()
    if not child:
        status = 1
        try:
            spool.put([b"child"], 1.0)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0

    assert sorted(Spool(path).bodies()) == [b"child", b"parent"]
    assert len(files(path)) == 1
    spool.put([b"parent again"], 1.0)
    assert sorted(spool.bodies()) == [b"child", b"parent", b"parent again"]


def test_the_limits_hold_for_what_comes_out_of_a_journal(path: Path) -> None:
    """Nobody has to wait for the keeper: whoever takes in drops the oldest, and the books say so."""
    spool = Spool(path, SpoolLimits(max_events=5), journal=True)
    for each in numbers(250):
        spool.put([each], 1.0)

    assert [each.body for each in spool.claim(10, 2.0, 90.0).events] == numbers(250)[-5:]
    books = spool.books()
    assert books.balanced
    assert (books.accepted, books.waiting, books.dropped) == (250, 5, {"too_many": 245})
