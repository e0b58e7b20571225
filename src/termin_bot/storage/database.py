"""The database: one engine, units of work on it, migrations at start."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from termin_bot.storage.repositories import Bookings, People, Slots, Subscriptions

_MIGRATIONS = Path(__file__).parent / "migrations"
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
    "PRAGMA secure_delete=ON",  # what a person typed is overwritten, not only unlinked
)


class UnitOfWork:
    """
    One transaction: what is not committed did not happen.

    Never wait for the network inside one: on SQLite everybody else waits for its end.
    """

    people: People
    subscriptions: Subscriptions
    slots: Slots
    bookings: Bookings

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._session = sessions()
        self.people = People(self._session)
        self.subscriptions = Subscriptions(self._session)
        self.slots = Slots(self._session)
        self.bookings = Bookings(self._session)

    async def commit(self) -> None:
        """Make it so."""
        await self._session.commit()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()  # rolls back what was not committed


class Database:
    """Where the bot's rows are; SQLite and PostgreSQL by the URL."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        if self._is_sqlite and parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        # hide_parameters: an error must not show what a person typed.
        # One connection to SQLite: it lets one writer in at a time anyway, and here they wait in turn, at no cost.
        pool = {"pool_size": 1, "max_overflow": 0} if self._is_sqlite else {}
        self._engine: AsyncEngine = create_async_engine(parsed, hide_parameters=True, **pool)
        if self._is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    def work(self) -> UnitOfWork:
        """Begin a unit of work: `async with database.work() as work`."""
        return UnitOfWork(self._sessions)

    async def migrate(self) -> None:
        """Bring the schema up to date."""
        async with self._engine.begin() as connection:
            await connection.run_sync(_upgrade)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @property
    def engine(self) -> AsyncEngine:
        """The engine, for tools that look at the schema."""
        return self._engine


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another wrote in between, however long
    # the busy timeout: take the write lock at the beginning, and wait for it.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
