"""Umami's reading calls over properties and sessions: event-data and sessions."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import dates
from .access import Access, empty_error, unauthorized
from .properties import DataType
from .query import Query
from .reading import CUSTOM, JOINED, LOOSE, VIEW, Reading
from .store import Store

_MOST_VALUES: Final = 100
_WITH_DATA: Final = f"{LOOSE} JOIN event_data d ON d.event_seq = e.seq"


class PropertyData:
    """Answers with properties and sessions."""

    def __init__(self, store: Store, access: Access, reading: Reading) -> None:
        self._store = store
        self._access = access
        self._reading = reading

    async def page(self, request: Request) -> Response:
        """GET /api/websites/:id/event-data: events with their properties, newest first."""
        return await self._reading.answer(request, self._page)

    async def one(self, request: Request) -> Response:
        """GET /api/websites/:id/event-data/:event: the properties of one event."""
        if not self._access.may_read(request, request.path_params["website_id"]):
            return unauthorized()
        rows = self._store.query(
            "SELECT e.website_id, e.event_id, e.event_name, e.created_at, d.* FROM website_event e"
            " JOIN event_data d ON d.event_seq = e.seq WHERE e.event_id = ? AND e.website_id = ? ORDER BY d.data_key",
            [request.path_params["event_id"], request.path_params["website_id"].lower()],
        )
        named = [{"websiteId": r["website_id"], "eventId": r["event_id"], "eventName": r["event_name"]} for r in rows]
        return JSONResponse([name | _property(row) for name, row in zip(named, rows, strict=True)])

    async def values(self, request: Request) -> Response:
        """GET /api/websites/:id/event-data/values?propertyName=: values with their counts."""
        return await self._reading.answer(request, self._values, "propertyName")

    async def names(self, request: Request) -> Response:
        """GET /api/websites/:id/event-data/properties: which events have which properties."""
        return await self._reading.answer(request, self._names)

    async def stats(self, request: Request) -> Response:
        """GET /api/websites/:id/event-data/stats: counts; records is a text."""
        return await self._reading.answer(request, self._stats)

    async def events(self, request: Request) -> Response:
        """GET /api/websites/:id/event-data/events: with an event its values; without one an error in Umami's SQL."""
        if "event" not in request.query_params:
            return empty_error()
        return await self._reading.answer(request, self._event_values)

    async def sessions(self, request: Request) -> Response:
        """GET /api/websites/:id/sessions: last active first."""
        return await self._reading.answer(request, self._sessions)

    async def sessions_stats(self, request: Request) -> Response:
        """GET /api/websites/:id/sessions/stats: custom events count here."""
        return await self._reading.answer(request, self._sessions_stats)

    async def session(self, request: Request) -> Response:
        """GET /api/websites/:id/sessions/:session: one of them; some of its numbers are texts."""
        website = request.path_params["website_id"].lower()
        if not self._access.may_read(request, website):
            return unauthorized()
        parameters = [website, request.path_params["session_id"]]
        rows = self._store.query(
            f"{_SESSIONS} WHERE e.website_id = ? AND e.session_id = ? GROUP BY s.session_id", parameters
        )
        if not rows:
            return JSONResponse(None)
        [row] = rows
        found = {name: value for name, value in _session(row).items() if name not in ("hostname", "createdAt")}
        seconds = sum(
            each["seconds"]
            for each in self._store.query(
                "SELECT (max(created_at) - min(created_at)) / 1000 AS seconds FROM website_event"
                " WHERE website_id = ? AND session_id = ? GROUP BY visit_id",
                parameters,
            )
        )
        texts = {"views": str(row["views"]), "events": str(row["events"]), "totaltime": str(seconds)}
        return JSONResponse(found | {"distinctId": row["distinct_id"]} | texts)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _page(self, query: Query, _request: Request) -> Any:
        having = "EXISTS (SELECT 1 FROM event_data d WHERE d.event_seq = e.seq)"
        where = query.where(having)
        [total] = self._store.query(f"SELECT count(*) AS n {LOOSE} WHERE {where}", query.parameters)
        events = self._store.query(
            f"SELECT e.* {LOOSE} WHERE {where} ORDER BY e.created_at DESC, e.seq DESC LIMIT ? OFFSET ?",
            [*query.parameters, query.page_size, (query.page - 1) * query.page_size],
        )
        data = []
        for event in events:
            rows = self._store.query(
                "SELECT d.*, ? AS created_at FROM event_data d WHERE event_seq = ? ORDER BY data_key",
                [event["created_at"], event["seq"]],
            )
            names = {"websiteId": event["website_id"], "eventId": event["event_id"], "eventName": event["event_name"]}
            data.append(names | {"eventProperties": [_property(row) for row in rows]})
        return {"data": data, "count": total["n"], "page": query.page, "pageSize": query.page_size}

    def _values(self, query: Query, request: Request) -> Any:
        rows = self._store.query(
            "SELECT d.data_type, d.string_value, count(*) AS n"
            f" {_WITH_DATA} WHERE {query.where('d.data_key = ?')} GROUP BY d.data_type, d.string_value",
            [*query.parameters, request.query_params["propertyName"]],
        )
        totals: dict[str, int] = {}
        for row in rows:
            text = _value(row)
            totals[text] = totals.get(text, 0) + row["n"]
        ordered = sorted(totals.items(), key=lambda each: (-each[1], each[0]))
        return [{"value": value, "total": total} for value, total in ordered[:_MOST_VALUES]]

    def _names(self, query: Query, _request: Request) -> Any:
        rows = self._store.query(
            "SELECT e.event_name AS eventName, d.data_key AS propertyName, count(*) AS total"
            f" {_WITH_DATA} WHERE {query.where()} GROUP BY eventName, propertyName"
            " ORDER BY total DESC, eventName, propertyName",
            query.parameters,
        )
        return [dict(row) for row in rows]

    def _stats(self, query: Query, _request: Request) -> Any:
        [row] = self._store.query(
            "SELECT count(DISTINCT e.seq) AS events, count(DISTINCT d.data_key) AS properties, count(*) AS records"
            f" {_WITH_DATA} WHERE {query.where()}",
            query.parameters,
        )
        return dict(row) | {"records": str(row["records"])}

    def _event_values(self, query: Query, _request: Request) -> Any:
        rows = self._store.query(
            "SELECT e.event_name AS eventName, d.data_key AS propertyName, d.data_type AS dataType,"
            f" d.string_value AS propertyValue, count(*) AS total {_WITH_DATA} WHERE {query.where()}"
            " GROUP BY eventName, propertyName, dataType, propertyValue"
            " ORDER BY total DESC, propertyName, propertyValue",
            query.parameters,
        )
        return [dict(row) for row in rows]

    def _sessions(self, query: Query, _request: Request) -> Any:
        where = query.where()
        [total] = self._store.query(
            f"SELECT count(DISTINCT e.session_id) AS n {JOINED} WHERE {where}",
            query.parameters,
        )
        rows = self._store.query(
            f"{_SESSIONS} WHERE {where} GROUP BY s.session_id ORDER BY last DESC LIMIT ? OFFSET ?",
            [*query.parameters, query.page_size, (query.page - 1) * query.page_size],
        )
        page = {"count": total["n"], "page": query.page, "pageSize": query.page_size}
        return {"data": [_session(row) for row in rows], **page}

    def _sessions_stats(self, query: Query, _request: Request) -> Any:
        [row] = self._store.query(
            "SELECT count(*) AS pageviews, count(DISTINCT e.session_id) AS visitors,"
            f" count(DISTINCT e.visit_id) AS visits, count(DISTINCT s.country) AS countries, total({CUSTOM}) AS events"
            f" {LOOSE} WHERE {query.where()}",
            query.parameters,
        )
        return {name: {"value": int(value)} for name, value in dict(row).items()}


_SESSIONS: Final = (
    "SELECT s.*, min(e.created_at) AS first, max(e.created_at) AS last, count(DISTINCT e.visit_id) AS visits,"
    f" CAST(total({VIEW}) AS INTEGER) AS views, CAST(total({CUSTOM}) AS INTEGER) AS events, e.hostname {JOINED}"
)


def _session(row: Any) -> dict[str, Any]:
    names = ("browser", "os", "device", "screen", "language", "country", "region", "city")
    return {
        "id": row["session_id"],
        "websiteId": row["website_id"],
        "hostname": row["hostname"],
        **{name: row[name] for name in names},
        "firstAt": dates.iso(row["first"]),
        "lastAt": dates.iso(row["last"]),
        "visits": row["visits"],
        "views": row["views"],
        "events": row["events"],
        "createdAt": dates.iso(row["last"]),
    }


def _property(row: Any) -> dict[str, Any]:
    return {
        "dataKey": row["data_key"],
        "stringValue": row["string_value"],
        "numberValue": _number(row["number_value"]),
        "dateValue": None if row["date_value"] is None else dates.iso(row["date_value"]),
        "dataType": row["data_type"],
        "createdAt": dates.iso(row["created_at"]),
    }


def _number(text: str | None) -> str | None:
    return text.rstrip("0").rstrip(".") if text and "." in text else text


def _value(row: Any) -> str:
    """Return a value as the list of values names it: whole numbers without decimals, dates to the hour."""
    text: str = row["string_value"]
    if row["data_type"] == DataType.NUMBER:
        return text.removesuffix(".0000")
    if row["data_type"] == DataType.DATE:
        return f"{text[:13]}:00:00Z"
    return text
