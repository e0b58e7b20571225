"""Umami's reading calls over one website: events, metrics, statistics and series."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import dates
from .access import Access, empty_error, unauthorized
from .errors import Refused
from .ingest import EventType
from .query import COLUMNS, BadRange, Query, read_query, unknown_metric
from .store import Store

JOINED: Final = "FROM website_event e JOIN session s USING (session_id)"
LOOSE: Final = "FROM website_event e LEFT JOIN session s USING (session_id)"
# Umami's visits, views and visitors count everything but custom events and performance.
VIEW: Final = f"e.event_type NOT IN ({EventType.CUSTOM:d}, {EventType.PERFORMANCE:d})"
CUSTOM: Final = f"e.event_type = {EventType.CUSTOM:d}"
_MOST_METRICS: Final = 500
_UNITS: Final = {
    "minute": "%Y-%m-%d %H:%M:00",
    "hour": "%Y-%m-%d %H:00:00",
    "day": "%Y-%m-%d 00:00:00",
    "month": "%Y-%m-01 00:00:00",
    "year": "%Y-01-01 00:00:00",
}

Answer = Callable[[Query, Request], Any]


class Reading:
    """Answers with the numbers that Umami would show."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    async def events(self, request: Request) -> Response:
        """GET /api/websites/:id/events: rows, newest first."""
        return await self.answer(request, self._events)

    async def metrics(self, request: Request) -> Response:
        """GET /api/websites/:id/metrics?type=: names with their counts, most frequent first."""
        return await self.answer(request, self._metrics, "type")

    async def stats(self, request: Request) -> Response:
        """GET /api/websites/:id/stats: the overview; of page views only."""
        return await self.answer(request, self._stats)

    async def events_stats(self, request: Request) -> Response:
        """GET /api/websites/:id/events/stats: the same of custom events."""
        return await self.answer(request, self._events_stats)

    async def series(self, request: Request) -> Response:
        """GET /api/websites/:id/events/series: custom events by name and time."""
        return await self.answer(request, self._series, "timezone")

    async def pageviews(self, request: Request) -> Response:
        """GET /api/websites/:id/pageviews: page views and visitors by time."""
        return await self.answer(request, self._pageviews, "timezone")

    async def daterange(self, request: Request) -> Response:
        """GET /api/websites/:id/daterange: the first and the last moment."""
        website = request.path_params["website_id"].lower()
        if not self._access.may_read(request, website):
            return unauthorized()
        [row] = self._store.query(
            "SELECT min(created_at) AS first, max(created_at) AS last FROM website_event WHERE website_id = ?",
            [website],
        )
        first, last = (None if each is None else dates.iso(each) for each in (row["first"], row["last"]))
        return JSONResponse({"startDate": first, "endDate": last})

    async def answer(self, request: Request, work: Answer, *required: str) -> Response:
        """Check the query, then the token, then do *work*: Umami's order."""
        try:
            query = read_query(request, *required)
        except Refused as refused:
            return JSONResponse(refused.body, 400)
        except BadRange:
            query = None
        if not self._access.may_read(request, request.path_params["website_id"]):
            return unauthorized()
        if query is None:
            return empty_error()
        try:
            return JSONResponse(await run_in_threadpool(work, query, request))
        except Refused as refused:
            return JSONResponse(refused.body, 400)
        except ZoneInfoNotFoundError:
            return empty_error()

    # --- rows and counts ------------------------------------------------------------------------------------------

    def _events(self, query: Query, _request: Request) -> Any:
        search = "(? = '' OR e.event_name LIKE ? OR e.url_path LIKE ?)"
        where, parameters = query.where(search), [*query.parameters, query.search, query.search, query.search]
        [total] = self._store.query(f"SELECT count(*) AS n {JOINED} WHERE {where}", parameters)
        rows = self._store.query(
            "SELECT e.*, s.browser, s.os, s.device, s.country, s.city,"  # noqa: S608 - marks
            " EXISTS (SELECT 1 FROM event_data d WHERE d.event_seq = e.seq) AS has_data"
            f" {JOINED} WHERE {where} ORDER BY e.created_at DESC, e.seq DESC LIMIT ? OFFSET ?",
            [*parameters, query.page_size, (query.page - 1) * query.page_size],
        )
        page = {"count": total["n"], "page": query.page, "pageSize": query.page_size}
        return {"data": [_event(row) for row in rows], **page}

    def _metrics(self, query: Query, request: Request) -> Any:
        kind = request.query_params["type"]
        if kind == "event":
            name, count, extra = "e.event_name", "count(*)", CUSTOM
        elif kind in COLUMNS:
            name, count, extra = COLUMNS[kind], "count(DISTINCT e.session_id)", VIEW
        else:
            raise unknown_metric()
        limit = request.query_params.get("limit", "")
        rows = self._store.query(
            f"SELECT {name} AS x, {count} AS y {LOOSE} WHERE {query.where(extra)}"
            " AND x IS NOT NULL AND x != '' GROUP BY x ORDER BY y DESC, x LIMIT ?",
            [*query.parameters, int(limit) if limit.isdigit() else _MOST_METRICS],
        )
        return [dict(row) for row in rows]

    def _stats(self, query: Query, _request: Request) -> Any:
        return self._overview(query) | {"comparison": self._overview(query.earlier())}

    def _overview(self, query: Query) -> dict[str, int]:
        rows = self._store.query(
            "SELECT e.session_id, count(*) AS views, (max(e.created_at) - min(e.created_at)) / 1000 AS seconds"
            f" {LOOSE} WHERE {query.where(VIEW)} GROUP BY e.session_id, e.visit_id",
            query.parameters,
        )
        return {
            "pageviews": sum(row["views"] for row in rows),
            "visitors": len({row["session_id"] for row in rows}),
            "visits": len(rows),
            "bounces": sum(row["views"] == 1 for row in rows),
            "totaltime": sum(row["seconds"] for row in rows),
        }

    def _events_stats(self, query: Query, _request: Request) -> Any:
        return {"data": self._totals(query) | {"comparison": self._totals(query.earlier())}}

    def _totals(self, query: Query) -> dict[str, int]:
        [row] = self._store.query(
            "SELECT count(*) AS events, count(DISTINCT e.session_id) AS visitors, count(DISTINCT e.visit_id) AS visits,"
            f" count(DISTINCT e.event_name) AS uniqueEvents {LOOSE} WHERE {query.where(CUSTOM)}",
            query.parameters,
        )
        return dict(row)

    # --- series ---------------------------------------------------------------------------------------------------

    def _series(self, query: Query, request: Request) -> Any:
        rows = self._store.query(
            f"SELECT e.event_name AS x, e.created_at {LOOSE} WHERE {query.where(CUSTOM)}",
            query.parameters,
        )
        bucket = _bucket(request)
        counts: dict[tuple[str, str], int] = {}
        for row in rows:
            key = bucket(row["created_at"]), row["x"]
            counts[key] = counts.get(key, 0) + 1
        return [{"x": name, "t": time, "y": number} for (time, name), number in sorted(counts.items())]

    def _pageviews(self, query: Query, request: Request) -> Any:
        rows = self._store.query(
            f"SELECT e.session_id, e.created_at {LOOSE} WHERE {query.where(VIEW)}",
            query.parameters,
        )
        bucket = _bucket(request)
        views: dict[str, int] = {}
        sessions: dict[str, set[str]] = {}
        for row in rows:
            time = bucket(row["created_at"])
            views[time] = views.get(time, 0) + 1
            sessions.setdefault(time, set()).add(row["session_id"])
        return {
            "pageviews": [{"x": time, "y": number} for time, number in sorted(views.items())],
            "sessions": [{"x": time, "y": len(found)} for time, found in sorted(sessions.items())],
        }


def _bucket(request: Request) -> Callable[[int], str]:
    """Return what names the hour (or another unit) of a moment in the time zone that is asked for."""
    given = request.query_params
    layout = _UNITS.get(given.get("unit", "day"), _UNITS["day"])
    try:
        zone = ZoneInfo(given["timezone"])
    except ValueError as error:
        raise ZoneInfoNotFoundError from error
    return lambda milliseconds: datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone(zone).strftime(layout)


def _event(row: Any) -> dict[str, Any]:
    return {
        "id": row["event_id"],
        "websiteId": row["website_id"],
        "sessionId": row["session_id"],
        "createdAt": dates.iso(row["created_at"]),
        "hostname": row["hostname"],
        "urlPath": row["url_path"],
        "urlQuery": row["url_query"],
        "referrerPath": row["referrer_path"],
        "referrerQuery": row["referrer_query"],
        "referrerDomain": row["referrer_domain"],
        "country": row["country"],
        "city": row["city"],
        "device": row["device"],
        "os": row["os"],
        "browser": row["browser"],
        "pageTitle": row["page_title"],
        "eventType": row["event_type"],
        "eventName": row["event_name"],
        "hasData": bool(row["has_data"]),
    }
