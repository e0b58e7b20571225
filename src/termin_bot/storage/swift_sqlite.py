"""
SQLite in fewer steps: a statement and its rows are one errand to the driver's thread, not four.

    loop ──cursor, execute, all rows, close──► the connection's thread ──► loop

Each errand wakes a thread and comes back through the loop; under load that is most of what a small query costs.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite


class SwiftConnection(aiosqlite.Connection):
    """A connection of the driver's whose cursors come back from an errand with everything."""

    def cursor(self) -> "SwiftCursor":  # type: ignore[override]  # as far as SQLAlchemy uses one
        """Return a cursor; there is nothing to wait for yet."""
        return SwiftCursor(self)


class SwiftCursor:
    """What SQLAlchemy's adapter needs of a cursor: it reads all rows at once, and so does this."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    def __await__(self) -> Generator[None, None, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> Self:
        """Run a statement, and fetch what it returns."""
        return await self._errand(sqlite3.Cursor.execute, statement, parameters)

    async def executemany(self, statement: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Run a statement for each of these."""
        return await self._errand(sqlite3.Cursor.executemany, statement, parameters)

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows of the last statement."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: the thread has closed it."""

    async def _errand(self, how: Callable[..., object], statement: str, parameters: object) -> Self:
        # There is no other way to the driver's thread; SQLAlchemy's own adapter takes it as well.
        await self._connection._execute(self._run, how, statement, parameters)  # type: ignore[no-untyped-call]  # noqa: SLF001
        return self

    def _run(self, how: Callable[..., object], statement: str, parameters: object) -> None:
        cursor = self._connection._conn.cursor()  # noqa: SLF001  see above
        try:
            how(cursor, statement, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else ()
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()


def connect(path: str, **options: Any) -> SwiftConnection:
    """Return a connection that opens when it is awaited; the options are `sqlite3.connect`'s."""
    connection = SwiftConnection(partial(sqlite3.connect, path, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # noqa: SLF001  as SQLAlchemy has it: a connection left open holds no exit up
    return connection
