"""Forward from every schema that was ever released, with rows in every table; `schemas/` has rows for each revision."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import bot_databases
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from bot_world import DATABASES, KEY, World
from sqlalchemy import Connection, Date, MetaData, insert, select, text

from termin_bot import storage
from termin_bot.storage import Database, Table
from termin_bot.storage.sealing import Vault

SCHEMAS = Path(__file__).parent / "schemas"
SEALED = "sealed:"
HEAD = "0005"
Rows = dict[str, list[dict[str, Any]]]
Step = Callable[[Config, str], None]


def config() -> Config:
    """Return Alembic's view of the migrations."""
    made = Config()
    made.set_main_option("script_location", str(Path(storage.__file__).parent / "migrations"))
    return made


REVISIONS = sorted(each.revision for each in ScriptDirectory.from_config(config()).walk_revisions())


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """Return a database without any table, where `settings_for(tmp_path)` finds it."""
    if request.param == "sqlite":
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}", keys=(KEY,))
        yield database
        await database.close()
        return
    async with bot_databases.database(request.getfixturevalue("postgresql"), empty=True) as url:
        DATABASES[tmp_path] = url
        database = Database(url, keys=(KEY,))
        yield database
        await database.close()
        del DATABASES[tmp_path]


async def go(database: Database, step: Step, revision: str) -> None:
    """Go to a revision, up or down."""

    def run(connection: Connection) -> None:
        way = config()
        way.attributes["connection"] = connection
        step(way, revision)

    async with database.engine.begin() as connection:
        await connection.run_sync(run)


async def fill(database: Database, rows: Rows) -> None:
    """Put rows into the tables of the schema as it is; every table and column must be among them."""

    def reflect(connection: Connection) -> MetaData:
        found = MetaData()
        found.reflect(connection)
        return found

    async with database.engine.begin() as connection:
        schema = await connection.run_sync(reflect)
        tables = [each for each in schema.sorted_tables if each.name != "alembic_version"]
        assert {each.name for each in tables} == set(rows), "a table without rows proves nothing"
        for table in tables:
            for row in rows[table.name]:
                assert set(row) == {column.name for column in table.columns}, table.name
                values = {
                    column.name: _value(row[column.name], is_day=isinstance(column.type, Date))
                    for column in table.columns
                }
                await connection.execute(insert(table).values(values))


def _value(value: Any, *, is_day: bool) -> Any:
    if is_day and value is not None:
        return date.fromisoformat(value)
    if isinstance(value, str) and value.startswith(SEALED):
        return Vault((KEY,)).seal(value.removeprefix(SEALED))
    return value


def rows_of(revision: str) -> Rows:
    """Return the rows that were kept for a revision."""
    read: Rows = json.loads((SCHEMAS / f"{revision}.json").read_text(encoding="utf-8"))
    return read


def test_every_revision_has_rows() -> None:
    """Who adds a revision adds rows of its schema: what was released is in somebody's database."""
    assert sorted(each.stem for each in SCHEMAS.glob("*.json")) == REVISIONS
    assert REVISIONS[-1] == HEAD


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_was_kept_is_kept(revision: str, empty: Database) -> None:
    """People, what they watch and what they were told survive the way forward; what lay open does not."""
    await go(empty, command.upgrade, revision)
    rows = rows_of(revision)
    await fill(empty, rows)

    await empty.migrate()

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Table.metadata))

    async with empty.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        for name in ("person", "subscription", "slot", "told_slot", "appointment"):
            table = Table.metadata.tables[name]
            found = (await connection.execute(select(table).order_by(*table.primary_key.columns))).mappings().all()
            assert len(found) == len(rows[name]), name
            for row, kept in zip(rows[name], found, strict=True):
                for column in row:
                    expected = row[column]
                    expected = expected.removeprefix(SEALED) if isinstance(expected, str) else expected
                    shown = kept[column].isoformat() if isinstance(kept[column], date) else kept[column]
                    assert str(shown) == str(expected), (name, column)
        drafts = (await connection.execute(text("SELECT count(*) FROM booking_session"))).scalar_one()
        assert drafts == (1 if revision >= "0003" else 0), "what was typed lay open before 0003"


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_bot_serves_those_who_were_there(
    revision: str, empty: Database, make_world: Callable[[], World]
) -> None:
    """It starts on an old database, migrates it, and knows the person and their service."""
    await go(empty, command.upgrade, revision)
    await fill(empty, rows_of(revision))
    world = make_world()
    anna = world.telegram.person(8100000001, language_code="de")
    await anna.meet()

    async with world.bot():
        assert "Abholung" in await world.say(anna, "/myservices")


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_there_is_a_way_back(revision: str, empty: Database) -> None:
    """An older version finds its own schema again, with the people in it."""
    await empty.migrate()
    await fill(empty, rows_of(HEAD))
    await go(empty, command.downgrade, revision)
    async with empty.engine.connect() as connection:
        for name, count in (("person", 2), ("subscription", 2), ("told_slot", 1)):
            assert (await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one() == count  # noqa: S608
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == revision
