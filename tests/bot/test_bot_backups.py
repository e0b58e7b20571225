"""The backups of `docs/operations-bot.md`: made while the bot runs, restored, and served from."""

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import bot_databases
import pytest
from bot_world import DATABASES, KEY, World, settings_for
from sqlalchemy import make_url

PAGE = Path(__file__).parents[2] / "docs" / "operations-bot.md"
POSTGRESQL_BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))


def command(name: str) -> str:
    """Return the page's command that begins so, without where its output goes."""
    (line,) = re.findall(rf"^    ({name} [^\n]*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return str(line).partition(" > ")[0]


async def run(line: str, **environment: str) -> bytes:
    """Run a command of the page in a shell."""
    path = f"{POSTGRESQL_BIN}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_shell(line, stdout=subprocess.PIPE, env={"PATH": path} | environment)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_dump_of_postgresql_is_a_bot_again(
    world: World, postgresql: str, tmp_path: Path, make_world: Callable[[], World]
) -> None:
    """People and what they watch come back; updates, leases and what was shared do not."""
    async with world.bot():
        anna = await world.watcher()
        dump = await run(command("pg_dump"), DATABASE_URL=world.settings.database_url)
    (tmp_path / "bot.dump").write_bytes(dump)

    async with bot_databases.database(postgresql, empty=True) as url:
        restore = command("pg_restore").replace("bot.dump", str(tmp_path / "bot.dump"))
        await run(restore, DATABASE_URL=url)
        DATABASES[tmp_path] = url
        again = make_world()
        assert make_url(again.settings.database_url).database != make_url(world.settings.database_url).database
        for table in ("arrival", "instance", "lease", "shared"):
            assert f"{table}: (" not in await bot_databases.everything_kept(again.settings)
        same = again.telegram.person(anna.id)
        await same.meet()
        async with again.bot():
            assert "Abholung" in await again.say(same, "/myservices")
    assert KEY not in dump.decode("utf-8", "replace")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_backup_of_the_file_is_a_bot_again(world: World, tmp_path: Path) -> None:
    """SQLite's own backup, while the bot runs; with the key beside it, a name that was typed can still be opened."""
    async with world.bot() as bot:
        anna = await world.told(bot)
        await world.press(anna, "Book Fri")
        await world.press(anna, "Fri 27.11. 10:00")
        await world.say(anna, "Anna Example")
        with closing(sqlite3.connect(tmp_path / "bot.db")) as kept, closing(sqlite3.connect(tmp_path / "b.db")) as copy:
            kept.backup(copy)
    shutil.copy(tmp_path / "bot.db.key", tmp_path / "b.db.key")

    world.settings = settings_for(tmp_path, database_url=f"sqlite+aiosqlite:///{tmp_path / 'b.db'}")
    async with world.bot():
        assert "Anna Example" in await world.say(anna, "anna@example.org")
