"""While the disk takes nothing, events wait in memory; when it works again, they go there."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from otel_umami_exporter import SpoolError
from otel_umami_exporter.books import Books
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.spool import Settlement, SpoolLimits
from otel_umami_exporter.testing import ManualClock

BUSY = (
    "import sqlite3, sys; database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "database.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
)


class Held:
    """Another process that holds the file: nobody can write."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter
            [sys.executable, "-c", BUSY, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"held\n"

    def release(self) -> None:
        """Let go."""
        self._process.communicate()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def opened(path: Path, clock: ManualClock, limits: SpoolLimits | None = None) -> OverflowingSpool:
    return OverflowingSpool(path, None, clock, in_memory=limits or SpoolLimits(max_events=20_000))


def test_events_go_on_in_memory_and_back_to_disk(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once when it begins, and once when it ends; the books are one sum throughout."""
    caplog.set_level(logging.WARNING)
    spool = opened(tmp_path / "spool", clock)
    spool.put([b"on disk"], clock.time())
    held = Held(tmp_path / "spool")

    for each in range(3):
        spool.put([b"memory %d" % each], clock.time())

    assert spool.degraded
    assert Books(4, 0, 4, {}, {}) == spool.books()
    assert list(spool.bodies()) == [b"on disk", b"memory 0", b"memory 1", b"memory 2"]
    claim = spool.claim(1, clock.time(), 90.0)
    assert [each.body for each in claim.events] == [b"memory 0"]
    spool.settle(claim, Settlement([each.id for each in claim.events]), clock.time())
    assert Books(4, 1, 3, {}, {}) == spool.books()

    held.release()
    clock.advance(6.0)
    spool.tidy(clock.time())

    assert not spool.degraded
    assert Books(4, 1, 3, {}, {}) == spool.books()
    spool.put([b"again"], clock.time())
    spool.close()
    assert list(opened(tmp_path / "spool", clock).bodies()) == [b"on disk", b"memory 1", b"memory 2", b"again"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_what_is_on_its_way_from_memory_does_not_move(tmp_path: Path, clock: ManualClock) -> None:
    """Or it would arrive twice; its refusal is a dead letter on disk in the end."""
    spool = opened(tmp_path / "spool", clock)
    held = Held(tmp_path / "spool")
    spool.put([b"a", b"b"], clock.time())
    claim = spool.claim(1, clock.time(), 90.0)
    held.release()
    clock.advance(6.0)
    spool.tidy(clock.time())
    assert spool.degraded
    assert Books(2, 0, 2, {}, {}) == spool.books()

    spool.settle(claim, Settlement(refused=[(each.id, "bad") for each in claim.events]), clock.time())
    clock.advance(6.0)
    spool.tidy(clock.time())

    assert not spool.degraded
    assert Books(2, 0, 1, {"bad": 1}, {}) == spool.books()
    assert list(spool.bodies()) == [b"b", b"a"]


def test_memory_is_bounded(tmp_path: Path, clock: ManualClock) -> None:
    """The oldest go, and the books say so, also after the way back."""
    spool = opened(tmp_path / "spool", clock, SpoolLimits(max_events=100))
    held = Held(tmp_path / "spool")
    for each in range(1_000):
        spool.put([b"%d" % each], clock.time())
    assert spool.books().waiting <= 300
    assert spool.books().balanced
    assert spool.books().accepted == 1_000

    held.release()
    clock.advance(6.0)
    spool.tidy(clock.time())

    books = spool.books()
    assert not spool.degraded
    assert (books.balanced, books.accepted) == (True, 1_000)
    assert books.waiting <= 100


def test_what_was_delivered_is_not_claimed_again_when_it_cannot_be_written_down(
    tmp_path: Path, clock: ManualClock
) -> None:
    """It is kept in mind, and written first thing later."""
    spool = opened(tmp_path / "spool", clock)
    spool.put([b"a", b"b"], clock.time())
    claim = spool.claim(1, clock.time(), 90.0)
    held = Held(tmp_path / "spool")

    with pytest.raises(SpoolError):
        spool.settle(claim, Settlement([1]), clock.time())
    with pytest.raises(SpoolError):
        spool.claim(2, clock.time(), 90.0)
    held.release()

    clock.advance(200.0)
    assert [each.body for each in spool.claim(2, clock.time(), 90.0).events] == [b"b"]
    assert Books(2, 1, 1, {}, {}) == spool.books()


def test_a_disk_that_is_full_is_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    """The real thing, a limit on the size of files: all that was accepted is there afterwards."""
    code = """
import resource, signal, sys
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.testing import ManualClock

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
clock = ManualClock()
spool = OverflowingSpool(sys.argv[1], None, clock)
spool.put([b"before"], clock.time())
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
for each in range(500):
    spool.put([b"%d " % each + b"x" * 500], clock.time())
books = spool.books()
assert spool.degraded and books.balanced and books.accepted == 501 == books.waiting, books
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
clock.advance(6.0)
spool.tidy(clock.time())
assert not spool.degraded
assert spool.books() == books
spool.close()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "spool")], check=True)  # noqa: S603  # our own interpreter

    assert opened(tmp_path / "spool", ManualClock()).books().waiting == 501


def test_what_was_only_in_memory_at_the_end_is_said(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """One ERROR line with the number."""
    spool = opened(tmp_path / "spool", clock)
    held = Held(tmp_path / "spool")
    spool.put([b"a", b"b"], clock.time())

    spool.close()
    held.release()

    assert "2 business events were only in memory and are lost" in caplog.text


def test_a_wrong_path_is_no_full_disk(tmp_path: Path, clock: ManualClock) -> None:
    """It raises at the start."""
    (tmp_path / "file").touch()

    with pytest.raises(SpoolError):
        opened(tmp_path / "file" / "spool", clock)
