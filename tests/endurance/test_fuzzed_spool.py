"""A spool file that a bad disk, or a hand, has damaged: the start never fails, and what can be read is delivered."""

import json
import logging
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, time

import pytest
from fast_sink import FastSink
from numbered import Id, Road

from otel_umami_exporter.spool import Settlement, Spool

pytestmark = pytest.mark.endurance

VARIANTS = 600
SEED = 20_251_124
EVENTS = 300
DELIVERED = 30
REFUSED = 10
FLUSH_SECONDS = 15.0
NEW: Id = (2, 0)
_SUFFIXES = ("", "-wal", "-shm")
_WORDS = "the quick brown fox jumps over the lazy dog and is not seen again "


def body(number: int) -> bytes:
    """Return one event; they differ in length, so that pages and rows do not meet at regular places."""
    data = {"run": 1, "number": number, "text": (_WORDS * 8)[: number * 37 % 450]}
    return json.dumps({"type": "event", "payload": {"name": "numbered", "data": data}}).encode()


BODIES = {number + 1: body(number) for number in range(EVENTS)}  # by the id that the spool gives


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the spool of a program that was killed: some in the file, some in the log beside it."""
    at_work, found = tmp_path_factory.mktemp("at_work"), tmp_path_factory.mktemp("found")
    spool, now = Spool(at_work / "spool.db"), time()
    bodies = list(BODIES.values())
    spool.put(bodies[: EVENTS // 2], now)
    claim = spool.claim(DELIVERED + REFUSED, now, 60.0)
    ids = [each.id for each in claim.events]
    spool.settle(claim, Settlement(ids[:DELIVERED], [(each, "bad_request") for each in ids[DELIVERED:]]), now)
    spool.checkpoint()
    for each in bodies[EVENTS // 2 :]:
        spool.put([each], now)
    for suffix in _SUFFIXES:
        shutil.copy(at_work / f"spool.db{suffix}", found / f"spool.db{suffix}")
    spool.close()
    return found


@dataclass
class Tally:
    """What the damaged files came to."""

    moved_aside: int = 0
    readable: int = 0
    arrived: int = 0
    counted: int = 0
    problems: list[str] = field(default_factory=list)


def damage(folder: Path, chance: Random) -> str:
    """Damage one of the files in one of many ways; return how."""
    suffix = chance.choice(["", "", "-wal"])
    file = folder / f"spool.db{suffix}"
    content = bytearray(file.read_bytes())
    way = chance.choice(["flip", "flip", "flip", "truncate", "blank", "noise", "append"])
    place = chance.randrange(len(content))
    length = chance.choice([16, 512, 4_096, 10_000])
    match way:
        case "flip":
            for _ in range(chance.choice([1, 2, 10, 100])):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        case "truncate":
            del content[chance.choice([place, 0, 100, 4_096]) :]
        case "blank":
            content[place : place + length] = bytes(len(content[place : place + length]))
        case "noise":
            content[place : place + length] = chance.randbytes(len(content[place : place + length]))
        case _:
            content += chance.randbytes(length)
    file.write_bytes(content)
    if chance.random() < 0.5:
        (folder / "spool.db-shm").unlink()  # as after a restart of the machine
    return f"{way} {suffix or 'file'}"


def readable(folder: Path) -> set[int]:
    """Return the ids whose events plain SQLite finds unharmed in a copy of the file, asked one by one."""
    found = set()
    with suppress(sqlite3.Error), closing(sqlite3.connect(folder / "spool.db")) as database:
        for number, sound in BODIES.items():
            with suppress(sqlite3.Error, OverflowError):
                row = database.execute("SELECT body FROM events WHERE id = ?", (number,)).fetchone()
                if row is not None and row[0] == sound:
                    found.add(number)
    return found


def check(folder: Path, tally: Tally, log: pytest.LogCaptureFixture) -> None:
    """Start on a damaged file, record one more event, deliver: nothing that can be read is missing."""
    copy = folder / "copy"
    copy.mkdir()
    for suffix in _SUFFIXES:
        with suppress(FileNotFoundError):
            shutil.copy(folder / f"spool.db{suffix}", copy)
    expected = readable(copy)
    sink, spool = FastSink(), folder / "spool.db"
    with Road(spool, lambda: sink) as road:
        road.record(*NEW)
        flushed = road.pipeline.flush(FLUSH_SECONDS)
        books = road.pipeline.status().books
    file = Spool(spool)
    kept = set(file.bodies())
    file.close()
    missing = [number for number in expected if BODIES[number] not in sink.bodies and BODIES[number] not in kept]
    aside = [each for each in folder.glob("spool.db.damaged-*") if each.name.rpartition("-")[2].isdecimal()]
    tally.moved_aside += bool(aside)
    tally.readable += len(expected)
    tally.arrived += len(expected) - len(missing)
    tally.counted += sum(books.dropped.values())
    assert len(missing) <= sum(books.dropped.values()), f"{len(missing)} readable events were lost: {missing[:5]}"
    assert sink.arrived[NEW] == 1, "the new event has not arrived"
    assert flushed or books.waiting, books
    assert books.balanced, books
    assert len(aside) <= 1, aside
    said = [each.getMessage() for each in log.records]
    assert len(said) == len(aside), said
    assert all("damaged" in each for each in said), said


def test_a_damaged_file_never_stops_the_start(
    healthy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, figures: Callable[[str], None]
) -> None:
    """Bytes flipped, blanked, cut off, in the file or in its log: one ERROR line if it had to be moved aside."""
    caplog.set_level(logging.ERROR, "otel_umami_exporter")
    tally, start = Tally(), monotonic()
    for number in range(VARIANTS):
        folder = tmp_path / str(number)
        shutil.copytree(healthy, folder)
        how = damage(folder, Random(SEED + number))  # noqa: S311 - repeatable, not secret
        caplog.clear()
        try:
            check(folder, tally, caplog)
        except Exception as error:  # noqa: BLE001 - all variants are tried before the test fails
            tally.problems.append(f"variant {number} ({how}): {type(error).__name__}: {error}")
    figures(
        f"{VARIANTS} damaged files, {tally.moved_aside} moved aside, {tally.readable} events readable,"
        f" {tally.arrived} of them arrived, {tally.counted} dropped and counted, {monotonic() - start:.0f} s"
    )
    assert not tally.problems, "\n".join(tally.problems)
