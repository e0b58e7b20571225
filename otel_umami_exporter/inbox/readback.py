"""What came in, read back: typed events for tests, totals as Umami counts them, raw rows, and the feed of the page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from . import dates
from .ingest import EventType
from .properties import DataRow, DataType, Value
from .store import Store

_FEED: Final = 200
_PROPERTIES_SHOWN: Final = 40
_EVENT_COLUMNS: Final = ("event_type", "event_name", "url_path", "url_query", "hostname", "page_title", "tag")
_OPTIONAL_COLUMNS: Final = (
    *("referrer_domain", "referrer_path", "referrer_query"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),
    *("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid"),
)
_SESSION_COLUMNS: Final = (
    *("browser", "os", "device", "screen", "language", "country", "region", "city", "distinct_id"),
)
# Umami's visits, views and visitors count everything but custom events and performance.
_COUNTS_AS_VIEW: Final = f"event_type NOT IN ({EventType.CUSTOM:d}, {EventType.PERFORMANCE:d})"


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """
    An event or a page view as it is in the database; *name* is None for a view.

    *visitor* is the id that was sent with the first event of its session, None without one. *created_at* is aware, and
    the last moment of the year 9999 for times beyond (milliseconds that were sent as seconds).
    """

    name: str | None
    url_path: str
    website_id: str
    visitor: str | None
    session_id: str
    created_at: datetime
    hostname: str | None
    tag: str | None
    data: Mapping[str, Value] = field(default_factory=dict)


class Readback:
    """Queries over the store; nothing here writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def events(self, website: str | None) -> list[StoredEvent]:
        """Return events and views in the order they were stored."""
        where, parameters = _of(website, "e.")
        rows = self._store.query(
            "SELECT e.*, s.distinct_id FROM website_event e LEFT JOIN session s USING (session_id)"  # noqa: S608 - a constant
            f" WHERE {where} ORDER BY seq",
            parameters,
        )
        data = self._data([row["seq"] for row in rows])
        return [
            StoredEvent(
                name=row["event_name"],
                url_path=row["url_path"],
                website_id=row["website_id"],
                visitor=row["distinct_id"],
                session_id=row["session_id"],
                created_at=dates.as_datetime(row["created_at"]),
                hostname=row["hostname"],
                tag=row["tag"],
                data={item.data_key: item.value() for item in data.get(row["seq"], [])},
            )
            for row in rows
        ]

    def counts(self, website: str | None) -> dict[str, int]:
        """Return how often each custom event is stored, most frequent first."""
        where, parameters = _of(website)
        rows = self._store.query(
            f"SELECT event_name, count(*) AS n FROM website_event WHERE {where}"  # noqa: S608 - a constant
            f" AND event_type = {EventType.CUSTOM:d} GROUP BY event_name ORDER BY n DESC, event_name",
            parameters,
        )
        return {row["event_name"]: row["n"] for row in rows}

    def views(self, website: str | None) -> int:
        """Return the number of page views."""
        return self._number("count(*)", _COUNTS_AS_VIEW, website)

    def visitors(self, website: str | None) -> int:
        """Return the number of sessions that have a page view."""
        return self._number("count(DISTINCT session_id)", _COUNTS_AS_VIEW, website)

    def rows(self, websites: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of some websites in the form of the recorded cases, with real ids and times."""
        marks = ", ".join("?" * len(websites))
        events = self._store.query(
            f"SELECT * FROM website_event WHERE website_id IN ({marks}) ORDER BY seq",  # noqa: S608 - only marks
            websites,
        )
        sessions = self._store.query(
            f"SELECT * FROM session WHERE website_id IN ({marks}) ORDER BY rowid",  # noqa: S608 - only marks
            websites,
        )
        session_data = self._store.query(
            f"SELECT * FROM session_data WHERE website_id IN ({marks})"  # noqa: S608 - only marks
            " ORDER BY session_id, data_key",
            websites,
        )
        index = {row["seq"]: position for position, row in enumerate(events)}
        data = self._data(index)
        revenue = self._store.query("SELECT * FROM revenue ORDER BY event_seq")
        tables: dict[str, list[dict[str, Any]]] = {
            "website_event": [_event(row) for row in events],
            "event_data": [{"event": index[seq]} | _data(item) for seq in index for item in data.get(seq, [])],
            "session": [_session(row) for row in sessions],
            "session_data": [{"session": row["session_id"]} | _data(_data_row(row)) for row in session_data],
            "revenue": [
                {
                    "event": index[row["event_seq"]],
                    **{name: row[name] for name in ("event_name", "currency", "revenue")},
                }
                for row in revenue
                if row["event_seq"] in index
            ],
        }
        optional = ("session_data", "revenue")
        return {name: found for name, found in tables.items() if found or name not in optional}

    def feed(self, since: int, website: str | None = None) -> dict[str, Any]:
        """
        Return what the page shows: totals, counts, problems in groups, the latest events after number *since*.

        With *website* only what was sent there; problems are shown wherever they were.
        """
        where, parameters = _of(website, "e.")
        rows = self._store.query(
            "SELECT e.*, s.distinct_id FROM website_event e LEFT JOIN session s USING (session_id)"  # noqa: S608 - a constant
            f" WHERE {where} AND seq > ? ORDER BY seq DESC LIMIT ?",
            [*parameters, since, _FEED],
        )
        data = self._data([row["seq"] for row in rows])
        problems = self._store.query(
            "SELECT severity, reason, message, remedy, kept,"
            " count(*) AS times, max(at) AS last, max(event_name) AS event FROM inbox_problem"
            " GROUP BY severity, reason, message, remedy, kept ORDER BY max(seq) DESC LIMIT ?",
            [_FEED],
        )
        [problem_count] = self._store.query("SELECT count(*) AS n FROM inbox_problem")
        counts = self.counts(website)
        return {
            "totals": {
                "events": sum(counts.values()),
                "views": self.views(website),
                "visitors": self.visitors(website),
                "problems": problem_count["n"],
            },
            "counts": [{"name": name, "count": count} for name, count in counts.items()],
            "events": [_shown(row, data.get(row["seq"], [])) for row in rows],
            "problems": [{**dict(row), "last": dates.iso(row["last"])} for row in problems],
        }

    def _number(self, expression: str, condition: str, website: str | None) -> int:
        where, parameters = _of(website)
        statement = f"SELECT {expression} AS n FROM website_event WHERE {where} AND {condition}"  # noqa: S608 - constants
        [row] = self._store.query(statement, parameters)
        return int(row["n"])

    def _data(self, events: Iterable[int]) -> dict[int, list[DataRow]]:
        numbers = sorted(events)
        if not numbers:
            return {}
        rows = self._store.query(
            "SELECT * FROM event_data WHERE event_seq BETWEEN ? AND ? ORDER BY event_seq, data_key, data_type",
            [numbers[0], numbers[-1]],
        )
        found: dict[int, list[DataRow]] = {}
        for row in rows:
            found.setdefault(row["event_seq"], []).append(_data_row(row))
        return found


def _of(website: str | None, table: str = "") -> tuple[str, list[str]]:
    return ("true", []) if website is None else (f"{table}website_id = ?", [website.lower()])


def _data_row(row: Any) -> DataRow:
    return DataRow(
        data_key=row["data_key"],
        data_type=DataType(row["data_type"]),
        string_value=row["string_value"],
        number_value=row["number_value"],
        date_value=row["date_value"],
    )


def _data(row: DataRow) -> dict[str, Any]:
    date = None if row.date_value is None else dates.iso(row.date_value)
    return {**vars(row), "data_type": int(row.data_type), "date_value": date}


def _event(row: Any) -> dict[str, Any]:
    ids = {"website": row["website_id"], "session": row["session_id"], "visit": row["visit_id"]}
    optional = {name: row[name] for name in _OPTIONAL_COLUMNS if row[name] is not None}
    return ids | {name: row[name] for name in _EVENT_COLUMNS} | {"created_at": dates.iso(row["created_at"])} | optional


def _session(row: Any) -> dict[str, Any]:
    ids = {"website": row["website_id"], "session": row["session_id"]}
    return ids | {name: row[name] for name in _SESSION_COLUMNS} | {"created_at": dates.iso(row["created_at"])}


def _shown(row: Any, data: Sequence[DataRow]) -> dict[str, Any]:
    return {
        "seq": row["seq"],
        "name": row["event_name"],
        "path": row["url_path"],
        "at": dates.iso(row["created_at"]),
        "visitor": row["distinct_id"],
        "session": row["session_id"],
        "website": row["website_id"],
        "hostname": row["hostname"],
        "tag": row["tag"],
        "data": [{"key": item.data_key, "value": _display(item)} for item in data[:_PROPERTIES_SHOWN]],
        "more": max(len(data) - _PROPERTIES_SHOWN, 0),
    }


def _display(row: DataRow) -> str:
    if row.data_type is DataType.NUMBER:
        return row.string_value.removesuffix(".0000")
    return row.string_value
