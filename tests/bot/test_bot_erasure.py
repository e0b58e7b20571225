"""Erasure reaches every table: they are read from the metadata, so that a new one cannot be forgotten."""

import asyncio

import pytest
from bot_databases import NOBODYS, everything_kept
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, LICENCE, LICENCE_OFFICE, World
from sqlalchemy import func, select

from termin_bot.bot import Bot
from termin_bot.simulation.telegram import Person
from termin_bot.storage import Arrival, Table

PERSONAL = [each.name for each in Table.metadata.sorted_tables if each.name not in NOBODYS]
MAY_POINT_AT_SOMEBODY = {"arrival.telegram_id", "arrival.content"}
"""The columns of tables that hang on nobody, in which there is a person until an update is handled."""


async def _counts(bot: Bot) -> dict[str, int]:
    async with bot.database.engine.connect() as connection:
        return {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in Table.metadata.sorted_tables
        }


async def _busy_person(world: World, bot: Bot) -> Person:
    """Return a person of whom there is a row in every table that can have one."""
    anna = world.telegram.person(first_name="Anna")
    await world.say(anna, "/start")
    for service_id, office_id in ((EAT, EAT_OFFICE), (LICENCE, LICENCE_OFFICE)):
        await anna.press_data(f"s:{service_id}")
        await world.telegram.settled()
        world.city.release(service_id, office_id, [FRIDAY_TEN])
    await bot.watch_once()
    await _press(world, anna, EAT, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    await world.say(anna, "Anna Canary")
    await world.say(anna, "anna@example.org")
    assert "Almost done" in await world.press(anna, "Confirm booking")
    await _press(world, anna, LICENCE, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    await world.say(anna, "Anna Canary")
    return anna


async def _press(world: World, person: Person, service_id: int, label: str) -> None:
    """Press a button of the notification about one service: they were told about two."""
    name = next(each["name"] for each in world.city.catalogue["services"] if int(each["id"]) == service_id)
    message = next(each for each in reversed(person.inbox) if name in each.text and "Free now" in each.text)
    button = next(each for each in message.buttons if each.label.startswith(label))
    assert button.data
    await person.press_data(button.data, message)
    await world.telegram.settled(patience=15)


async def _handled(bot: Bot) -> None:
    """Wait until no update is under way."""
    waiting = select(func.count()).select_from(Arrival).where(Arrival.handled_at.is_(None))
    async with asyncio.timeout(60):
        while True:
            async with bot.database.engine.connect() as connection:
                if not (await connection.execute(waiting)).scalar_one():
                    return
            await asyncio.sleep(0.02)


async def test_stop_reaches_every_table(world: World, bot: Bot) -> None:
    """Rows of a person go with them; nothing anywhere names them or was theirs; the others' rows stay."""
    anna = await _busy_person(world, bot)
    await _handled(bot)
    before = await _counts(bot)
    assert [each for each in PERSONAL if not before[each]] == [], "give _busy_person a row in every table"
    (visitor,) = {each.visitor for each in world.events("user_registered")}
    ben = world.telegram.person(first_name="Ben")
    await world.say(ben, "/start")
    kept = await everything_kept(world.settings)
    assert str(anna.id) in kept
    assert str(visitor) in kept

    await world.say(anna, "/stop")
    assert "is deleted" in await world.press(anna, "Yes, delete")

    await _handled(bot)
    after = await _counts(bot)
    assert {each: after[each] for each in PERSONAL} == {each: int(each == "person") for each in PERSONAL}
    kept = await everything_kept(world.settings)
    assert str(ben.id) in kept
    for trace in (str(anna.id), str(visitor), "Canary", "anna@example.org"):
        assert trace not in kept
    async with bot.database.engine.connect() as connection:
        assert not (await connection.execute(select(Arrival).where(Arrival.content.is_not(None)))).all()


async def test_time_reaches_every_table(world: World, bot: Bot) -> None:
    """Who left is forgotten after the operator's days, with every row; and numbers of updates after two."""
    anna = await _busy_person(world, bot)
    await _handled(bot)
    await anna.block()
    await world.handled("blocked")
    await _handled(bot)

    world.clock.pass_(days=3)
    await bot.sweep_once()
    counts = await _counts(bot)
    assert counts["arrival"] == 0
    assert counts["person"] == 1
    world.clock.pass_(days=world.settings.retention_days)
    await bot.sweep_once()
    counts = await _counts(bot)
    assert {each: counts[each] for each in PERSONAL} == dict.fromkeys(PERSONAL, 0)
    assert counts["slot"] == 0
    assert str(anna.id) not in await everything_kept(world.settings)


def test_every_table_is_somebodys_or_known_to_be_nobodys() -> None:
    """A new table hangs on a person, so that it goes with them, or is listed with what may point at one."""
    for table in Table.metadata.sorted_tables:
        if table.name in NOBODYS:
            suspicious = {"telegram_id", "person_id", "content", "visitor", "subscription_id"}
            found = {f"{table.name}.{each.name}" for each in table.columns if each.name in suspicious}
            assert found <= MAY_POINT_AT_SOMEBODY | {"shared.content"}
        elif table.name != "person":
            assert {each.column.table.name for each in table.foreign_keys if each.ondelete == "CASCADE"} & set(PERSONAL)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_one_instance_on_a_file_writes_nothing_down_for_others(world: World, bot: Bot) -> None:
    """The plain case pays nothing for the other: no arrivals, no leases, nothing shared."""
    await _busy_person(world, bot)
    await bot.beat_once()
    counts = await _counts(bot)
    assert [counts[each] for each in ("arrival", "instance", "lease", "shared")] == [0, 0, 0, 0]
