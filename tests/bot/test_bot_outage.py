"""The database goes away under load and comes back; a disk is full; a file is read-only."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import bot_databases
import httpx
import pytest
from bot_lines import Hooked, Line, line_to
from bot_world import DATABASES, EAT, EAT_OFFICE, FRIDAY_TEN, KEY, World, settings_for
from ports import free_port
from sqlalchemy import func, make_url, select

from termin_bot import texts
from termin_bot.bot import Bot
from termin_bot.program import main
from termin_bot.settings import Settings
from termin_bot.simulation.telegram import DEMO_TOKEN, Person
from termin_bot.storage import Appointment, BookingSession, StorageReadOnlyError

HOLD_ON = "cannot reach my notes"


@pytest.fixture
async def line(postgresql: str, tmp_path: Path) -> AsyncIterator[Line]:
    """Lay a line to a database of this test's own; `settings_for(tmp_path)` goes over it."""
    async with bot_databases.database(postgresql) as url, line_to(url) as laid:
        DATABASES[tmp_path] = laid.url
        yield laid
        del DATABASES[tmp_path]


@pytest.fixture
def database_kind() -> str:
    """Take the line to PostgreSQL: an SQLite file does not go away."""
    return "postgresql"


@pytest.fixture
def world(line: Line, world: World, tmp_path: Path) -> World:  # noqa: ARG001  it comes first
    """Return a world whose bot reaches its database over the line."""
    world.settings = settings_for(tmp_path)
    return world


async def _crowd(world: World, size: int) -> list[Person]:
    people = [world.telegram.person(first_name=f"P{number}") for number in range(size)]
    for each in people:
        await each.send("/start")
    for each in people:
        await each.answer(timeout=60)
    await world.telegram.settled(patience=30)
    return people


def _texts(person: Person) -> list[str]:
    return [each.text for each in person.inbox]


@pytest.mark.parametrize("seconds", [2.0, pytest.param(30.0, marks=pytest.mark.endurance)])
async def test_nothing_is_lost_while_the_database_is_away(
    seconds: float, world: World, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody hears at once that their words are kept, and gets each answer once, in order, without a restart."""
    async with world.bot():
        people = await _crowd(world, 20)
        known = {each.id: len(each.inbox) for each in people}
        for each in people:
            await each.send("/pause")  # on its way when the line breaks
        line.cut()
        for each in people:
            await each.send("/help")
        for each in people:
            await each.wait_for(HOLD_ON, timeout=60)
        await asyncio.sleep(seconds)
        for each in people:
            await each.send("/cancel")
        await line.mend()
        for each in people:
            await each.wait_for("nothing to cancel", timeout=60)
        await world.telegram.settled(patience=30)

        for each in people:
            said = [text for text in _texts(each)[known[each.id] :] if HOLD_ON not in text]
            assert len(said) == 3, said
            assert len(_texts(each)) - known[each.id] <= 4, "kind words come once an outage"
            assert "/subscribe" in said[1], "the answers come in order"
    ran = world.events("command_executed")
    assert {each.properties["status"] for each in ran if each.properties["command_name"] == "/help"} == {"success"}
    assert "Traceback" not in caplog.text
    assert [each for each in caplog.messages if each == "the database is back"]


async def test_what_a_webhook_cannot_keep_stays_with_telegram(world: World, line: Line, tmp_path: Path) -> None:
    """No 200 for what is not written down: Telegram brings it again, and it is handled once."""
    port = free_port()
    world.settings = settings_for(tmp_path, webhook_url="https://bot.example.org/telegram", webhook_port=port)
    world.telegram.route("https://bot.example.org", f"http://127.0.0.1:{port}")
    async with world.bot() as bot, world.telegram.delivering():
        bot._arrivals._hold_seconds = 0.5
        anna = world.telegram.person()
        await world.say(anna, "/start")
        line.cut()
        posted = world.telegram.posted
        await anna.send("/help")
        await anna.wait_for(HOLD_ON, timeout=60)
        await world.telegram.until(lambda: world.telegram.posted > posted + 1, timeout=60)
        assert world.telegram.updates_pending() == 1
        await line.mend()
        await anna.wait_for("/subscribe", timeout=60)
        await world.telegram.settled(patience=30)
        assert world.telegram.updates_pending() == 0
    assert len([each for each in _texts(anna) if "/subscribe" in each]) == 1


@pytest.mark.parametrize("step", ["reserve-appointment", "preconfirm-appointment"])
async def test_what_the_city_did_is_written_down(step: str, world: World, line: Line) -> None:
    """The line breaks right after the city's answer: the booking goes on as if nothing had been."""
    hooked = Hooked(httpx.ASGITransport(world.city.app), step, line.cut)
    world.city_line = hooked
    async with world.bot() as bot:
        anna = await world.told(bot)
        await world.press(anna, "Book Fri")
        await _through(world, line, hooked, anna, "Fri 27.11. 10:00", "first and last name")
        await world.say(anna, "Anna Example")
        await world.say(anna, "anna@example.org")
        await _through(world, line, hooked, anna, "Confirm booking", "Almost done")

        assert len(world.city.bookings()) == 1
        assert await _count(bot, Appointment) == 1
        assert await _count(bot, BookingSession) == 0
    assert world.only("booking_completed").properties["status"] == "success"


async def _through(world: World, line: Line, hooked: Hooked, anna: Person, label: str, answer: str) -> None:
    """Press a button, and mend the line if that cut it."""
    was_armed = hooked.is_armed
    await anna.press(lambda button: button.label.startswith(label) and button.data is not None)
    if was_armed:
        async with asyncio.timeout(60):
            while hooked.is_armed and answer not in anna.last.text:  # noqa: ASYNC110  a hook tells nobody
                await asyncio.sleep(0.02)
    if was_armed and not hooked.is_armed:
        await asyncio.sleep(0.3)
        await line.mend()
    await anna.wait_for(answer, timeout=60)
    await world.telegram.settled(patience=15)


async def _count(bot: Bot, row: type[Appointment | BookingSession]) -> int:
    async with bot.database.engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(row.__table__))).scalar_one()


async def test_who_was_told_as_the_line_broke_is_not_told_again(world: World, line: Line) -> None:
    """Telegram took the message; that is written down when the database is back."""
    hooked = Hooked(world.telegram.transport(), "sendMessage", line.cut)
    hooked.is_armed = False
    world.telegram_line = hooked
    async with world.bot() as bot:
        anna = await world.watcher()
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        hooked.is_armed = True
        looking = asyncio.create_task(bot.watch_once())
        await anna.wait_for("Free now", timeout=60)
        await asyncio.sleep(0.3)
        assert not looking.done()
        await line.mend()
        await looking
        await bot.watch_once()
    assert len([each for each in _texts(anna) if "Free now" in each]) == 1


async def test_a_locked_file_is_waited_for(tmp_path: Path, make_world: Callable[[], World]) -> None:
    """Another program holds the SQLite file: people hear it, and get their answer when it lets go."""
    DATABASES.pop(tmp_path, None)
    world = make_world()
    async with world.bot() as bot:
        anna = world.telegram.person()
        await world.say(anna, "/start")
        async with bot.database.engine.connect() as connection:
            await connection.exec_driver_sql("PRAGMA busy_timeout=50")
        with closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await anna.send("/help")
            await anna.wait_for(HOLD_ON, timeout=60)
            other.execute("ROLLBACK")
        await anna.wait_for("/subscribe", timeout=60)


async def test_a_full_disk_is_named_and_passes(
    tmp_path: Path, make_world: Callable[[], World], caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads what is wrong, the person gets kind words, and with room again everything goes on."""
    DATABASES.pop(tmp_path, None)
    world = make_world()
    async with world.bot() as bot:
        await _limit(bot, None)
        unlucky = await _until_refused(world)
        assert "DATABASE_URL: the disk of the database is full" in caplog.text
        await _limit(bot, "1000000")
        assert "I watch the City of Munich" in await world.say(unlucky, "/start")


async def _limit(bot: Bot, pages: str | None) -> None:
    async with bot.database.engine.connect() as connection:
        if pages is None:
            pages = str((await connection.exec_driver_sql("PRAGMA page_count")).scalar_one())
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


async def _until_refused(world: World) -> Person:
    """Return the first stranger whom there is no room for: the last pages hold some more."""
    for number in range(300):
        stranger = world.telegram.person(first_name=f"P{number}")
        if texts.TROUBLE() in await world.say(stranger, "/start"):
            return stranger
    raise AssertionError("there was always room")


async def test_a_standby_is_named(world: World, line: Line, postgresql: str) -> None:
    """A PostgreSQL that only reads is no place for a bot, and the start says so."""
    name = make_url(line.url).database
    await bot_databases.execute(postgresql, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StorageReadOnlyError, match="can be read but not written"):
        async with world.bot():
            pass


def test_a_read_only_database_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The start ends with status 1, and says what to look at."""
    file = tmp_path / "bot.db"
    file.touch()
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {
        "TELEGRAM_BOT_TOKEN": DEMO_TOKEN,
        "TELEGRAM_BASE_URL": "http://127.0.0.1:9",
        "ANALYTICS_ENABLED": "false",
        "OTEL_TRACES_EXPORTER": "none",
        "ENCRYPTION_KEYS": KEY,
        "DATABASE_URL": f"sqlite+aiosqlite:///file:{file}?mode=ro&uri=true",
    }.items():
        monkeypatch.setenv(name, value)
    root = logging.getLogger()
    level = root.level
    try:
        assert main() == 1
    finally:
        root.setLevel(level)
    assert "can be read but not written" in capsys.readouterr().err
