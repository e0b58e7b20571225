"""PostgreSQL for the tests: one server a run, one database a test, made from a template that is migrated already."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types of its own
from bot_world import KEY
from sqlalchemy import make_url, text

from termin_bot.settings import Settings
from termin_bot.storage import Database, Table

SCRIPT = Path(__file__).parents[2] / "scripts" / "postgres.sh"
NOBODYS = ("slot", "arrival", "instance", "lease", "shared")
"""The tables that do not hang on a person; what is in them may not point at one either, once it is done with."""
_TEMPLATE = "migrated"
_numbers = count(1)
_with_template: set[str] = set()


@contextmanager
def server() -> Iterator[str]:
    """Run a server for the block, and yield the address of its first database."""
    with subprocess.Popen([SCRIPT, "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  ours
        assert process.stdin
        assert process.stdout
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("postgresql://"), "no PostgreSQL: scripts/postgres.sh install"
            yield url
        finally:
            process.stdin.close()  # it ends with its input


def named(url: str, database: str) -> str:
    """Return the address of another database on the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


async def execute(url: str, *statements: str) -> None:
    """Run statements outside a transaction."""
    connection = await asyncpg.connect(url)
    try:
        for each in statements:
            await connection.execute(each)
    finally:
        await connection.close()


async def all_handled(url: str) -> None:
    """Wait until every update that was written down is handled."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(60):
            while await connection.fetchval("SELECT count(*) FROM arrival WHERE handled_at IS NULL"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def _make_template(url: str) -> None:
    if url in _with_template:
        return
    _with_template.add(url)
    await execute(url, f"CREATE DATABASE {_TEMPLATE}")
    migrated = Database(named(url, _TEMPLATE), keys=(KEY,))
    await migrated.migrate()
    await migrated.close()


@asynccontextmanager
async def database(url: str, *, empty: bool = False) -> AsyncIterator[str]:
    """Make a database on that server for the block, migrated or *empty*, and yield its address."""
    await _make_template(url)
    name = f"test_{next(_numbers)}"
    await execute(url, f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else _TEMPLATE} STRATEGY file_copy")
    try:
        yield named(url, name)
    finally:
        await execute(url, f"DROP DATABASE {name} WITH (FORCE)")


async def everything_kept(settings: Settings) -> str:
    """Return every row of every table as it lies there, a line each, after the table's name."""
    kept = Database(settings.database_url, keys=(KEY,))
    lines = []
    async with kept.engine.connect() as connection:
        for table in Table.metadata.sorted_tables:
            rows = await connection.execute(text(f"SELECT * FROM {table.name}"))  # noqa: S608  our own names
            lines += [f"{table.name}: {tuple(row)}" for row in rows]
    await kept.close()
    return "\n".join(lines)
