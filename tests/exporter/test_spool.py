"""The spool: what is accepted is on disk, and the books balance."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from otel_umami_exporter import SpoolError, SpoolUnavailable
from otel_umami_exporter.books import Books
from otel_umami_exporter.dead_letters import dead_letters, drop_dead_letters, retry_dead_letters
from otel_umami_exporter.spool import Claim, Settlement, Spool, SpoolLimits


def filled(path: Path | str, number: int = 5, limits: SpoolLimits | None = None) -> Spool:
    """Return a spool with b"0", b"1" and so on, accepted at second 100, 101 and so on."""
    spool = Spool(path, limits)
    for each in range(number):
        spool.put([b"%d" % each], 100.0 + each)
    return spool


def bodies(claim: Claim) -> list[bytes]:
    return [each.body for each in claim.events]


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    """In order, in another process, without any orderly end of the first."""
    code = (
        "import os, sys; from otel_umami_exporter.spool import Spool\n"
        "spool = Spool(sys.argv[1]); spool.put([b'a', b'b'], 1.0); spool.put([b'c'], 2.0); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "spool")], check=False)  # noqa: S603  # our own interpreter

    assert list(Spool(tmp_path / "spool").bodies()) == [b"a", b"b", b"c"]


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    """Also the write-ahead log, and the folder when it was made."""
    spool = filled(tmp_path / "made" / "spool")

    for path in [tmp_path / "made" / "spool", tmp_path / "made" / "spool-wal"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700
    spool.close()


def test_a_claimed_event_is_invisible_until_its_lease_has_run_out(tmp_path: Path) -> None:
    """Then somebody else sends it: its claimer has died."""
    spool, other = filled(tmp_path / "spool"), Spool(tmp_path / "spool")

    assert bodies(spool.claim(3, 200.0, 90.0)) == [b"0", b"1", b"2"]
    assert bodies(other.claim(3, 200.0, 90.0)) == [b"3", b"4"]
    assert bodies(spool.claim(3, 289.9, 90.0)) == []
    assert bodies(spool.claim(9, 290.0, 90.0)) == [b"0", b"1", b"2", b"3", b"4"]


def test_each_event_of_a_batch_has_its_own_fate(tmp_path: Path) -> None:
    """Delivered, refused, tried again later, or not mentioned: waiting."""
    spool = filled(tmp_path / "spool")
    claim = spool.claim(5, 200.0, 90.0)

    spool.settle(claim, Settlement([1, 2], [(3, "P2000")], [(4, 250.0)]), 201.0)

    assert bodies(spool.claim(5, 202.0, 1.0)) == [b"4"]
    assert bodies(later := spool.claim(5, 250.0, 90.0)) == [b"3", b"4"]
    assert [each.attempts for each in later.events] == [1, 0]
    assert Books(5, 2, 2, {"P2000": 1}, {}) == spool.books()
    assert spool.books().balanced
    assert [each.body for each in dead_letters(spool)] == [b"2"]


def test_what_two_have_sent_is_counted_once(tmp_path: Path) -> None:
    """A lease ran out, and both were right: the books still balance."""
    spool = filled(tmp_path / "spool", 2)
    first = spool.claim(2, 200.0, 10.0)
    second = spool.claim(2, 220.0, 10.0)

    spool.settle(second, Settlement([1, 2]), 221.0)
    spool.settle(first, Settlement([1, 2]), 222.0)

    assert Books(2, 2, 0, {}, {}) == spool.books()


def test_a_full_spool_drops_the_oldest_and_says_so(tmp_path: Path) -> None:
    """By number; what is on its way to Umami is not dropped under it."""
    spool = filled(tmp_path / "spool", 10, SpoolLimits(max_events=4))
    spool.claim(2, 200.0, 90.0)

    spool.tidy(200.0)

    assert list(spool.bodies()) == [b"0", b"1", b"8", b"9"]
    assert Books(10, 0, 4, {}, {"too_many": 6}) == spool.books()


def test_the_writer_keeps_the_limit_by_itself(tmp_path: Path) -> None:
    """Also while nobody tidies."""
    spool = Spool(tmp_path / "spool", SpoolLimits(max_events=50))

    for each in range(1_000):
        spool.put([b"%d" % each], 1.0)

    assert spool.books().waiting <= 150
    assert spool.books().balanced


def test_what_is_too_old_is_dropped(tmp_path: Path) -> None:
    """From the oldest on."""
    spool = filled(tmp_path / "spool", 5, SpoolLimits(max_age_seconds=10.0))

    spool.tidy(113.0)

    assert Books(5, 0, 2, {}, {"too_old": 3}) == spool.books()


def test_a_spool_that_is_too_large_shrinks(tmp_path: Path) -> None:
    """By the bytes it uses on disk."""
    spool = Spool(tmp_path / "spool", SpoolLimits(max_bytes=1 << 20))
    for _ in range(300):
        spool.put([b"x" * 10_000], 1.0)

    spool.tidy(1.0)

    books = spool.books()
    assert 1 < books.waiting < 120
    assert books.balanced
    assert {"too_large"} == set(books.dropped)


def test_only_so_many_dead_letters_are_kept(tmp_path: Path) -> None:
    """The newest; the books count all."""
    spool = filled(tmp_path / "spool", 5, SpoolLimits(max_dead_letters=2))
    claim = spool.claim(5, 200.0, 90.0)
    spool.settle(claim, Settlement(refused=[(each, "bad") for each in range(1, 6)]), 200.0)

    spool.tidy(200.0)

    assert [each.body for each in dead_letters(spool)] == [b"3", b"4"]
    assert Books(5, 0, 0, {"bad": 5}, {}) == spool.books()


def test_a_dead_letter_can_be_tried_again_or_dropped(tmp_path: Path) -> None:
    """The books follow."""
    spool = filled(tmp_path / "spool", 3)
    spool.settle(spool.claim(3, 200.0, 90.0), Settlement(refused=[(1, "a"), (2, "b"), (3, "b")]), 200.0)

    assert retry_dead_letters(spool, [2, 99]) == 1
    assert Books(3, 0, 1, {"a": 1, "b": 1}, {}) == spool.books()
    assert bodies(spool.claim(3, 201.0, 90.0)) == [b"1"]
    assert drop_dead_letters(spool, [3]) == 1
    assert [each.id for each in dead_letters(spool)] == [1]
    assert retry_dead_letters(spool) == 1
    assert dead_letters(spool) == []
    assert Books(3, 0, 2, {"b": 1}, {}) == spool.books()


def test_the_lease_of_a_dead_process_need_not_run_out(tmp_path: Path) -> None:
    """Tidying gives back what a process of this machine held that is no more."""
    code = (
        "import os, sys; from otel_umami_exporter.spool import Spool\n"
        "spool = Spool(sys.argv[1]); spool.put([b'a'], 1.0); spool.claim(1, 2.0, 1e9); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "spool")], check=False)  # noqa: S603  # our own interpreter
    spool = Spool(tmp_path / "spool")
    assert bodies(spool.claim(1, 3.0, 90.0)) == []

    spool.tidy(3.0)

    assert bodies(spool.claim(1, 3.0, 90.0)) == [b"a"]


def test_the_lease_of_a_living_process_is_respected(tmp_path: Path) -> None:
    """Two may share a file; neither sends what the other is sending."""
    spool, other = filled(tmp_path / "spool", 1), Spool(tmp_path / "spool")
    spool.claim(1, 200.0, 90.0)
    with closing(sqlite3.connect(tmp_path / "spool")) as database, database:
        database.execute("UPDATE leases SET owner = replace(owner, ?, ?)", (f" {os.getpid()} ", f" {os.getppid()} "))

    other.tidy(201.0)

    assert bodies(other.claim(1, 201.0, 90.0)) == []


def test_threads_and_connections_share_a_file(tmp_path: Path) -> None:
    """Nothing is lost, and the books balance."""
    spools = [Spool(tmp_path / "spool") for _ in range(2)]

    def put(spool: Spool, start: int) -> None:
        for each in range(start, start + 200):
            while True:
                with suppress(SpoolUnavailable):  # about a second is not enough where the disk is busy elsewhere
                    spool.put([b"%d" % each], 1.0)
                    break

    threads = [threading.Thread(target=put, args=(spools[each % 2], each * 200)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {b"%d" % each for each in range(800)} == set(spools[0].bodies())
    assert Books(800, 0, 800, {}, {}) == spools[1].books()


def test_a_forked_child_has_its_own_connection(tmp_path: Path) -> None:
    """Both go on writing."""
    spool = filled(tmp_path / "spool", 1)

    child = os.fork()
    if child == 0:
        try:
            spool.put([b"child"], 1.0)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    spool.put([b"parent"], 1.0)

    assert status == 0
    assert {b"0", b"child", b"parent"} == set(spool.bodies())


def made(*bodies: bytes) -> Callable[[], Sequence[bytes]]:
    return lambda: bodies


def test_an_event_of_another_door_is_stored_once(tmp_path: Path) -> None:
    """Two equal ones through the same door are two events."""
    spool = Spool(tmp_path / "spool")

    assert spool.put_once([(made(b"a"), b"key-a"), (made(b"a"), b"key-a"), (made(b"b"), None)], "span", 1.0) == 0
    assert spool.put_once([(made(b"a copy", b"its projection"), b"key-a"), (made(b"c"), b"key-c")], "log", 2.0) == 1
    assert list(spool.bodies()) == [b"a", b"a", b"b", b"c"]

    spool.tidy(1_000.0)
    assert spool.put_once([(made(b"a much later"), b"key-a")], "log", 1_000.0) == 0


@pytest.mark.parametrize("damage", [b"this is no database" * 400, b"SQLite format 3\x00" + b"\xff" * 8_000])
def test_a_file_that_is_no_database_is_put_aside(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A new one is begun, with one ERROR line."""
    (tmp_path / "spool").write_bytes(damage)

    spool = Spool(tmp_path / "spool")
    spool.put([b"a"], 1.0)

    assert list(spool.bodies()) == [b"a"]
    assert damage == (tmp_path / "spool.damaged-1").read_bytes()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_what_can_be_read_of_a_damaged_file_is_saved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With its ids, dead letters too; the books begin with what was saved and balance."""
    spool = Spool(tmp_path / "spool")
    for each in range(2_000):
        spool.put([b"%d" % each + b"x" * 100], 1.0)
    spool.settle(spool.claim(20, 2.0, 90.0), Settlement(list(range(1, 20)), [(20, "P2000")]), 2.0)
    spool.checkpoint()
    spool.close()
    content = bytearray((tmp_path / "spool").read_bytes())
    content[60 * 4096 : 61 * 4096] = os.urandom(4096)
    (tmp_path / "spool").write_bytes(content)

    again = Spool(tmp_path / "spool")
    seen: set[int] = set()
    while claim := again.claim(100, 2.0, 90.0).events:
        seen |= {int(each.body.rstrip(b"x")) for each in claim}

    assert 1_900 < len(seen) < 1_980
    assert [each.id for each in dead_letters(again)] == [20]
    books = again.books()
    assert books.balanced
    assert (len(seen), {"P2000": 1}) == (books.waiting, books.refused)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_a_tree_of_pages_that_does_not_hang_together_is_saved_before_anything_is_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite reads on over a divider that is wrong, and loses whole pages when it deletes beside it."""
    spool = Spool(tmp_path / "spool")
    spool.put([b"%d" % each + b"x" * 300 for each in range(2_000)], 1.0)
    spool.checkpoint()
    with closing(sqlite3.connect(tmp_path / "spool")) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchone()
    spool.close()
    content = bytearray((tmp_path / "spool").read_bytes())
    root = (page - 1) * 4096
    assert content[root] == 5, "an inner page of a table"
    for cell in range(5):
        place = root + int.from_bytes(content[root + 12 + 2 * cell : root + 14 + 2 * cell], "big")
        content[place + 4] ^= 1  # the first bits of the greatest id below
    (tmp_path / "spool").write_bytes(content)

    again = Spool(tmp_path / "spool")
    seen: set[int] = set()
    while (claim := again.claim(50, 2.0, 90.0)).events:
        seen |= {int(each.body.rstrip(b"x")) for each in claim.events}
        again.settle(claim, Settlement([each.id for each in claim.events]), 2.0)

    assert len(seen) > 1_900
    assert again.books().balanced
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE books SET number = number + 1024",
        "DELETE FROM books",
        "UPDATE books SET reason = CAST(x'ff' AS TEXT)",
        "UPDATE books SET number = 'many'",
        "UPDATE events SET accepted_at = 'now' WHERE id = 41",
        "UPDATE sqlite_sequence SET seq = 'none' WHERE name = 'events'",
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_values_that_cannot_be_are_damage(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture, *, running: bool
) -> None:
    """Found at the start or at work: what waits is saved, and the books balance again."""
    spool = filled(tmp_path / "spool", 60)
    spool.settle(spool.claim(40, 200.0, 90.0), Settlement(list(range(1, 41))), 200.0)
    with closing(sqlite3.connect(tmp_path / "spool")) as database, database:
        database.execute("PRAGMA writable_schema = 1")
        database.execute(damage)
    if not running:
        spool.close()
        spool = Spool(tmp_path / "spool")

    oldest, books = spool.oldest(), spool.books()

    assert oldest is not None
    assert books.balanced
    assert books.waiting == 20
    assert sorted(spool.bodies(), key=int) == [b"%d" % each for each in range(40, 60)]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_an_id_that_two_events_have_deletes_neither_unsent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A flipped bit gave one the id of another: by that id, the wrong one would be deleted."""
    spool = filled(tmp_path / "spool", 100)
    spool.checkpoint()
    spool.close()
    content = (tmp_path / "spool").read_bytes()
    cell = b"\x0a%c\x06\x00\x10\x02\x08\x08"  # a length, the id, and the types of the five columns
    assert content.count(cell % 60) == 1
    (tmp_path / "spool").write_bytes(content.replace(cell % 60, cell % 61))

    again = Spool(tmp_path / "spool")
    seen: set[bytes] = set()
    while (claim := again.claim(10, 300.0, 90.0)).events:
        seen |= {each.body for each in claim.events}
        again.settle(claim, Settlement([each.id for each in claim.events]), 300.0)

    assert seen == {b"%d" % each for each in range(100)}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_batch_on_its_way_while_the_file_is_replaced_is_settled_rightly(tmp_path: Path) -> None:
    """The saved events keep their ids."""
    spool = filled(tmp_path / "spool", 5)
    spool.checkpoint()
    claim = spool.claim(2, 200.0, 90.0)
    spool.write(lambda database: database.execute("PRAGMA writable_schema = 1"))
    spool.write(lambda database: database.execute("DELETE FROM sqlite_master WHERE name = 'leases'"))
    spool.close()
    again = Spool(tmp_path / "spool")

    again.settle(claim, Settlement([1, 2]), 201.0)

    assert list(again.bodies()) == [b"2", b"3", b"4"]
    assert again.books().balanced


def test_ids_of_a_file_that_was_deleted_mean_nothing_in_the_next(tmp_path: Path) -> None:
    """A batch on its way then settles nothing there."""
    spool = filled(tmp_path / "spool", 2)
    claim = spool.claim(2, 200.0, 90.0)
    for each in tmp_path.iterdir():
        each.unlink()
    spool.tidy(200.0)
    spool.put([b"new"], 201.0)

    spool.settle(claim, Settlement([1, 2]), 202.0)

    assert list(spool.bodies()) == [b"new"]


def test_a_spool_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """It raises, and does not call it damaged."""
    filled(tmp_path / "spool").close()
    with closing(sqlite3.connect(tmp_path / "spool")) as database:
        database.execute("PRAGMA user_version = 99")

    with pytest.raises(SpoolError, match="newer version"):
        Spool(tmp_path / "spool")


def test_a_path_that_cannot_be_is_a_mistake(tmp_path: Path) -> None:
    """It raises at the start."""
    (tmp_path / "file").touch()

    with pytest.raises(SpoolError, match="cannot be made"):
        Spool(tmp_path / "file" / "spool")


def test_a_file_that_another_process_holds_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """About a second, then it says so: it may be an event loop that waits."""
    spool = filled(tmp_path / "spool")
    with closing(sqlite3.connect(tmp_path / "spool", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(SpoolUnavailable, match="locked"):
            spool.put([b"x"], 1.0)

        other.execute("ROLLBACK")
    spool.put([b"y"], 1.0)
    assert spool.books().accepted == 6


def test_a_closed_spool_says_so(tmp_path: Path) -> None:
    """And can be closed twice."""
    spool = filled(tmp_path / "spool")
    spool.close()
    spool.close()

    with pytest.raises(SpoolError, match="closed"):
        spool.put([b"x"], 1.0)


def test_bodies_do_not_show_in_a_repr(tmp_path: Path) -> None:
    """They may end up in a log of somebody else."""
    spool = Spool(tmp_path / "spool")
    spool.put([b"canary"], 1.0)
    claim = spool.claim(1, 2.0, 90.0)
    spool.settle(claim, Settlement(refused=[(1, "bad")]), 2.0)

    assert "canary" not in repr(claim) + repr(dead_letters(spool))


def test_a_clock_that_is_set_back_strands_nobody(tmp_path: Path) -> None:
    """A machine begins in the wrong year, fails to send, and learns the time: the event is due at once."""
    spool = Spool(tmp_path / "spool")
    wrong, right = 2_000_000_000.0, 1_700_000_000.0
    spool.put([b"a"], wrong)
    claim = spool.claim(1, wrong, 90.0)
    spool.settle(claim, Settlement(retry=[(1, wrong + 30.0)]), wrong)

    assert spool.claim(1, wrong + 1.0, 90.0).events == ()
    assert [each.body for each in spool.claim(1, right, 90.0).events] == [b"a"]
