"""Umami's tables in SQLite: websites, sessions, events, their data, revenue; and the inbox's own list of problems."""

import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from .properties import DataRow

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS website (
    website_id TEXT PRIMARY KEY, name TEXT NOT NULL, domain TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS session (
    session_id TEXT PRIMARY KEY, website_id TEXT NOT NULL, browser TEXT, os TEXT, device TEXT, screen TEXT,
    language TEXT, country TEXT, region TEXT, city TEXT, distinct_id TEXT, created_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS website_event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, website_id TEXT NOT NULL, session_id TEXT NOT NULL,
    visit_id TEXT NOT NULL, event_type INTEGER NOT NULL, event_name TEXT, url_path TEXT NOT NULL, url_query TEXT,
    hostname TEXT, page_title TEXT, tag TEXT, referrer_domain TEXT, referrer_path TEXT, referrer_query TEXT,
    utm_source TEXT, utm_medium TEXT, utm_campaign TEXT, utm_content TEXT, utm_term TEXT,
    gclid TEXT, fbclid TEXT, msclkid TEXT, ttclid TEXT, li_fat_id TEXT, twclid TEXT, created_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS website_event_session ON website_event (session_id);
CREATE TABLE IF NOT EXISTS event_data (
    event_seq INTEGER NOT NULL, data_key TEXT NOT NULL, data_type INTEGER NOT NULL, string_value TEXT,
    number_value TEXT, date_value INTEGER);
CREATE INDEX IF NOT EXISTS event_data_event ON event_data (event_seq);
CREATE TABLE IF NOT EXISTS session_data (
    website_id TEXT NOT NULL, session_id TEXT NOT NULL, data_key TEXT NOT NULL, data_type INTEGER NOT NULL,
    string_value TEXT, number_value TEXT, date_value INTEGER, PRIMARY KEY (session_id, data_key));
CREATE TABLE IF NOT EXISTS revenue (
    event_seq INTEGER NOT NULL, event_name TEXT NOT NULL, currency TEXT NOT NULL, revenue TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS document (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, id));
CREATE TABLE IF NOT EXISTS inbox_problem (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, severity TEXT NOT NULL, reason TEXT NOT NULL,
    message TEXT NOT NULL, remedy TEXT NOT NULL, kept TEXT NOT NULL, website_id TEXT, event_name TEXT);
"""
_EMPTIED: Final = ("event_data", "session_data", "revenue", "website_event", "session", "inbox_problem")


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """A visitor on a website, as Umami sees one."""

    session_id: str
    website_id: str
    browser: str | None
    os: str | None
    device: str | None
    screen: str | None
    language: str | None
    country: str | None
    region: str | None
    city: str | None
    distinct_id: str | None
    created_at: int


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One page view or event; *texts* are the columns of its address, title, name and campaign."""

    website_id: str
    session_id: str
    visit_id: str
    event_type: int
    created_at: int
    texts: Mapping[str, str | None]


class Store:
    """
    One SQLite database behind one connection, usable from any thread.

    Every call is a transaction of its own, so that an event without its data can stay behind, as it does in Umami.
    """

    def __init__(self, database: str) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database; nothing works afterwards."""
        with self._lock:
            self._connection.close()

    def clear(self) -> None:
        """Forget all events, sessions and problems; websites stay."""
        with self._transaction() as connection:
            for table in _EMPTIED:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names

    def query(self, sql: str, parameters: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a SELECT."""
        with self._lock:
            return self._connection.execute(sql, tuple(parameters)).fetchall()

    def has_website(self, website_id: str) -> bool:
        """Say whether there is such a website."""
        return bool(self.query("SELECT 1 FROM website WHERE website_id = ?", [website_id]))

    def add_website(self, website_id: str, *, name: str, domain: str, now: int) -> bool:
        """Make a website; False if the id is taken."""
        with self._transaction() as connection:
            statement = "INSERT INTO website VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
            return connection.execute(statement, (website_id, name, domain, now, now)).rowcount == 1

    def change_website(self, website_id: str, *, name: str, domain: str, now: int) -> None:
        """Change name and domain of a website."""
        with self._transaction() as connection:
            statement = "UPDATE website SET name = ?, domain = ?, updated_at = ? WHERE website_id = ?"
            connection.execute(statement, (name, domain, now, website_id))

    def put_document(self, kind: str, document_id: str, body: str) -> None:
        """Keep the JSON of a board, a share or a report, in place of an earlier one."""
        with self._transaction() as connection:
            statement = "INSERT INTO document (kind, id, body) VALUES (?, ?, ?)"
            conflict = " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"
            connection.execute(statement + conflict, (kind, document_id, body))

    def delete_document(self, kind: str, document_id: str) -> None:
        """Forget a board, a share or a report."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind, document_id))

    def empty_website(self, website_id: str) -> None:
        """Remove all that a website has received."""
        with self._transaction() as connection:
            events = "(SELECT seq FROM website_event WHERE website_id = ?)"
            connection.execute(f"DELETE FROM event_data WHERE event_seq IN {events}", [website_id])  # noqa: S608 - a constant
            connection.execute(f"DELETE FROM revenue WHERE event_seq IN {events}", [website_id])  # noqa: S608 - a constant
            connection.execute("DELETE FROM website_event WHERE website_id = ?", [website_id])
            connection.execute("DELETE FROM session_data WHERE website_id = ?", [website_id])
            connection.execute("DELETE FROM session WHERE website_id = ?", [website_id])

    def remove_website(self, website_id: str) -> None:
        """Remove a website with all it has received."""
        self.empty_website(website_id)
        with self._transaction() as connection:
            connection.execute("DELETE FROM website WHERE website_id = ?", [website_id])

    def add_session(self, row: SessionRow) -> None:
        """Make a session, unless there is one; the first writer wins."""
        with self._transaction() as connection:
            self._insert(connection, "session", asdict(row), "ON CONFLICT DO NOTHING")

    def add_event(self, row: EventRow) -> int:
        """Store an event and return its number."""
        fields = {name: value for name, value in vars(row).items() if name != "texts"}
        with self._transaction() as connection:
            return self._insert(connection, "website_event", fields | {"event_id": str(uuid.uuid4())} | dict(row.texts))

    def add_event_data(self, event: int, rows: Iterable[DataRow]) -> None:
        """Store the properties of an event."""
        with self._transaction() as connection:
            for row in rows:
                self._insert(connection, "event_data", {"event_seq": event} | vars(row))

    def put_session_data(self, website_id: str, session_id: str, row: DataRow) -> None:
        """Store one property of a session; the later value replaces the former."""
        with self._transaction() as connection:
            keys = {"website_id": website_id, "session_id": session_id}
            replace = ", ".join(f"{name} = excluded.{name}" for name in vars(row))
            conflict = f"ON CONFLICT (session_id, data_key) DO UPDATE SET {replace}"
            self._insert(connection, "session_data", keys | vars(row), conflict)

    def add_revenue(self, event: int, *, event_name: str, currency: str, revenue: str) -> None:
        """Store the revenue of an event."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO revenue VALUES (?, ?, ?, ?)", (event, event_name, currency, revenue))

    def add_problem(self, fields: Mapping[str, Any]) -> None:
        """Note what Umami would have dropped, refused or changed."""
        with self._transaction() as connection:
            self._insert(connection, "inbox_problem", fields)

    def _insert(self, connection: sqlite3.Connection, table: str, fields: Mapping[str, Any], ending: str = "") -> int:
        names, marks = ", ".join(fields), ", ".join("?" * len(fields))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) {ending}"  # noqa: S608 - our own names
        return connection.execute(statement, tuple(fields.values())).lastrowid or 0

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
