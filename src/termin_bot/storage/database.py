"""The database: one engine, units of work on it, migrations at start."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind
from sqlalchemy import URL, Connection, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from termin_bot.storage.repositories import Appointments, Bookings, People, Slots
from termin_bot.storage.sealing import Vault, give_vault, keys_beside
from termin_bot.storage.sharing import Arrivals, Instances, SharedThings
from termin_bot.storage.subscribing import Subscriptions
from termin_bot.storage.trouble import StorageAwayError, StorageError, StorageUnusableError, trouble_of
from termin_bot.tracing import mark_failed, tracer

_MIGRATIONS = Path(__file__).parent / "migrations"
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
    "PRAGMA secure_delete=ON",  # what a person typed is overwritten, not only unlinked
)
_CONNECT_SECONDS: Final = 5
_SQLITE_POOL: Final[dict[str, Any]] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 300}
_POSTGRESQL_POOL: Final[dict[str, Any]] = {
    "pool_size": 10,
    "max_overflow": 10,
    "pool_timeout": 10,  # seconds; then the database counts as away, and the work is tried again
    "connect_args": {"timeout": _CONNECT_SECONDS, "command_timeout": 20},
}
_MIGRATING: Final = 7_365_101  # any number: several instances that start at once migrate one after the other


class UnitOfWork:
    """
    One transaction: what is not committed did not happen.

    Never wait for the network inside one: on SQLite everybody else waits for its end.
    What is wrong with the database itself leaves the block as a StorageError.
    """

    people: People
    subscriptions: Subscriptions
    slots: Slots
    bookings: Bookings
    appointments: Appointments
    instances: Instances
    arrivals: Arrivals
    shared: SharedThings

    def __init__(self, sessions: async_sessionmaker[AsyncSession], system: str = "other_sql") -> None:
        self._session = sessions()
        self._system = system
        self._span: Span = INVALID_SPAN
        self.people = People(self._session)
        self.subscriptions = Subscriptions(self._session)
        self.slots = Slots(self._session)
        self.bookings = Bookings(self._session)
        self.appointments = Appointments(self._session)
        self.instances = Instances(self._session)
        self.arrivals = Arrivals(self._session)
        self.shared = SharedThings(self._session)

    async def is_alive(self) -> bool:
        """Whether the database answers."""
        return await self._session.scalar(select(1)) == 1

    async def commit(self) -> None:
        """Make it so."""
        await self._session.commit()
        self._span.set_attribute("termin_bot.db.committed", True)  # noqa: FBT003  an attribute's value

    async def __aenter__(self) -> Self:
        # Inside a trace only: the sweeper's looks of every second are nobody's business.
        if trace.get_current_span().get_span_context().is_valid:
            self._span = tracer.start_span("db transaction", kind=SpanKind.CLIENT, attributes=self._attributes())
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _place: TracebackType | None
    ) -> None:
        trouble = None if error is None else trouble_of(error)
        try:
            await self._session.close()  # rolls back what was not committed
        except Exception as failed:
            trouble = trouble or trouble_of(failed)
            if trouble is None:
                raise
        finally:
            if error is not None:
                mark_failed(self._span, trouble or error)
            self._span.end()
        if trouble is not None:
            raise trouble from None

    def _attributes(self) -> dict[str, str | bool]:
        return {
            "db.system.name": self._system,
            "db.operation.name": "transaction",
            "termin_bot.db.committed": False,
        }


class Database:
    """
    Where the bot's rows are; SQLite and PostgreSQL by the URL.

    Args:
        url: an SQLAlchemy URL, asynchronous or `postgresql://`.
        keys: for what is sealed, newest first; without any, the key that lies beside the SQLite file.
    Raises:
        StorageUnusableError: the file cannot be made.
        StorageError: nothing can be written there.

    """

    def __init__(self, url: str, *, keys: Sequence[str] = ()) -> None:
        parsed = asynchronous(url)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        file: Path | None = None
        if self._is_sqlite and parsed.database and parsed.database != ":memory:":
            file = Path(parsed.database.removeprefix("file:").partition("?")[0])
            with _opening(self._is_sqlite):
                file.parent.mkdir(parents=True, exist_ok=True)
        # hide_parameters: an error must not show what a person typed.
        # One connection to SQLite: it lets one writer in at a time anyway, and here they wait in turn, at no cost.
        # A long queue is a crowd and no outage: whoever gives up after the usual 30 s only makes it longer.
        pool = _SQLITE_POOL if self._is_sqlite else _POSTGRESQL_POOL
        self._engine: AsyncEngine = create_async_engine(parsed, hide_parameters=True, **pool)
        if self._is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)
        with _opening(self._is_sqlite):
            found = keys or keys_beside(file)
        give_vault(self._engine.sync_engine.dialect, Vault(found))
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    def work(self) -> UnitOfWork:
        """Begin a unit of work: `async with database.work() as work`."""
        return UnitOfWork(self._sessions, self._engine.dialect.name)

    async def migrate(self) -> None:
        """
        Bring the schema up to date, one instance after the other.

        Raises:
            StorageUnusableError: it cannot be opened, or a newer version of the bot wrote it.
            StorageError: it cannot be reached, or nothing can be written there.
        """
        with _opening(self._is_sqlite):
            async with self._patient_engine() as engine, engine.begin() as connection:
                if self.is_shared:
                    await connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
                await connection.run_sync(_upgrade)

    @asynccontextmanager
    async def _patient_engine(self) -> AsyncIterator[AsyncEngine]:
        """Yield an engine without a limit of time: moving many rows, or waiting for who does, may take a while."""
        if self._is_sqlite:
            yield self._engine
            return
        engine = create_async_engine(
            self._engine.url, hide_parameters=True, poolclass=NullPool, connect_args={"timeout": _CONNECT_SECONDS}
        )
        try:
            yield engine
        finally:
            await engine.dispose()

    async def is_alive(self) -> bool:
        """Whether the database answers."""
        try:
            async with self.work() as work:
                return await work.is_alive()
        except StorageError:
            return False

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @property
    def is_shared(self) -> bool:
        """Whether other instances may be at work on it; an SQLite file is one instance's."""
        return not self._is_sqlite

    @property
    def engine(self) -> AsyncEngine:
        """The engine, for tools that look at the schema."""
        return self._engine


def asynchronous(url: str) -> URL:
    """Return *url* for the drivers that we use; what libpq calls `sslmode` is `ssl` to them."""
    parsed = make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+asyncpg")
    if parsed.drivername == "postgresql+asyncpg" and "sslmode" in parsed.query:
        mode = parsed.query["sslmode"]
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return parsed


@contextmanager
def _opening(is_file: bool) -> Iterator[None]:  # noqa: FBT001  the one fact about the URL
    """Tell a database that may be back soon from a DATABASE_URL that cannot be right."""
    try:
        yield
    except CommandError as error:
        raise StorageUnusableError("a newer version of the bot wrote this database") from error
    except (OSError, SQLAlchemyError) as error:
        trouble = trouble_of(error)
        if trouble is None or (is_file and isinstance(trouble, StorageAwayError)):
            why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            trouble = StorageUnusableError(f"the database cannot be opened ({why})")
        raise trouble from error


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
