"""Funnels and goals: saved, and run over the stored events."""

import fnmatch
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import USER_ID, Access, empty_error, unauthorized
from .body import read_object
from .documents import Documents
from .errors import ErrorTree, Refused
from .ingest import EventType
from .javascript import Json, type_name
from .query import read_page
from .store import Store

TYPES: Final = (
    *("attribution", "breakdown", "funnel", "goal", "journey"),
    *("performance", "retention", "revenue", "utm"),
)
_FEWEST_STEPS: Final = 2
_MINUTE_MS: Final = 60_000
_UNDEFINED: Final = "Invalid input: expected {}, received undefined"


class Reports:
    """Keeps reports, and runs funnels and goals."""

    def __init__(self, store: Store, access: Access, documents: Documents) -> None:
        self._store = store
        self._access = access
        self._documents = documents

    async def many(self, request: Request) -> Response:
        """GET and POST /api/reports."""
        if request.method == "POST":
            return await self._create(request)
        website = request.query_params.get("websiteId")
        if website is None:
            errors = ErrorTree()
            errors.at("websiteId").errors.append(_UNDEFINED.format("string"))
            return JSONResponse(errors.refusal().body, 400)
        if not self._access.may_read(request, website):
            return unauthorized()
        kind = request.query_params.get("type")
        found = [
            each
            for each in self._documents.all("report")
            if each["websiteId"] == website.lower() and kind in (None, each["type"])
        ]
        page, size, _ = read_page(request)
        rows = found[(page - 1) * size : page * size]
        return JSONResponse({"data": rows, "count": len(found), "page": page, "pageSize": size})

    async def one(self, request: Request) -> Response:
        """GET and DELETE /api/reports/:id."""
        report = self._documents.get("report", request.path_params["report_id"])
        if not self._access.may_manage(request):
            return unauthorized()
        if request.method == "GET":
            return JSONResponse(report)
        if report is None:
            return empty_error()
        self._documents.delete("report", report["id"])
        return JSONResponse({"ok": True})

    async def funnel(self, request: Request) -> Response:
        """POST /api/reports/funnel: how many went from step to step."""
        return await self._run(request, self._funnel)

    async def goal(self, request: Request) -> Response:
        """POST /api/reports/goal: to how many of all visitors it happened."""
        return await self._run(request, self._goal)

    async def _create(self, request: Request) -> Response:
        body = await read_object(request)
        errors = ErrorTree()
        for name in ("websiteId", "name"):
            if not isinstance(body.get(name), str):
                errors.at(name).errors.append(_expected("string", body, name))
        if body.get("type") not in TYPES:
            options = "|".join(f'"{each}"' for each in TYPES)
            errors.at("type").errors.append(f"Invalid option: expected one of {options}")
        if errors:
            return JSONResponse(errors.refusal().body, 400)
        if not self._access.may_manage(request):
            return unauthorized()
        report = {
            "id": str(uuid.uuid4()),
            "userId": USER_ID,
            "websiteId": body["websiteId"].lower(),
            "type": body["type"],
            "name": body["name"],
            "description": body.get("description") or "",
            "parameters": body.get("parameters"),
        }
        return JSONResponse(self._documents.add("report", report))

    async def _run(self, request: Request, work: Callable[[str, int, int, dict[str, Any]], Any]) -> Response:
        body = await read_object(request)
        try:
            parameters = _checked(body)
        except Refused as refused:
            return JSONResponse(refused.body, 400)
        if not self._access.may_read(request, body["websiteId"]):
            return unauthorized()
        try:
            start, end = (_milliseconds(parameters[name]) for name in ("startDate", "endDate"))
        except (KeyError, TypeError, ValueError):
            return empty_error()
        return JSONResponse(await run_in_threadpool(work, body["websiteId"].lower(), start, end, parameters))

    # --- numbers --------------------------------------------------------------------------------------------------

    def _funnel(self, website: str, start: int, end: int, parameters: dict[str, Any]) -> Any:
        window = int(parameters.get("window") or 0) * _MINUTE_MS
        reached: dict[str, list[int]] = {}
        answer: list[dict[str, Any]] = []
        for number, step in enumerate(parameters["steps"]):
            times = self._times(website, start, end, step)
            if number:
                times = {
                    session: [
                        each for each in found if any(0 <= each - before <= window for before in reached[session])
                    ]
                    for session, found in times.items()
                    if session in reached
                }
            reached = {session: found for session, found in times.items() if found}
            answer.append(_step(step, len(reached), answer))
        return answer

    def _goal(self, website: str, start: int, end: int, parameters: dict[str, Any]) -> Any:
        rows = self._store.query(
            "SELECT count(DISTINCT session_id) AS n FROM website_event"
            " WHERE website_id = ? AND created_at BETWEEN ? AND ?",
            [website, start, end],
        )
        return {"num": len(self._times(website, start, end, parameters)), "total": rows[0]["n"]}

    def _times(self, website: str, start: int, end: int, step: dict[str, Any]) -> dict[str, list[int]]:
        """Return when each session did what *step* says."""
        column = "event_name" if step.get("type") == "event" else "url_path"
        kind = "=" if step.get("type") == "event" else "!="
        rows = self._store.query(
            f"SELECT seq, session_id, created_at, {column} AS name FROM website_event"  # noqa: S608 - our own names
            f" WHERE website_id = ? AND created_at BETWEEN ? AND ? AND event_type {kind} {EventType.CUSTOM:d}"
            " ORDER BY created_at",
            [website, start, end],
        )
        wanted = re.compile(fnmatch.translate(str(step.get("value", "")).replace("[", "[[]")))
        found: dict[str, list[int]] = {}
        for row in rows:
            if row["name"] and wanted.fullmatch(row["name"]) and self._fits(row["seq"], step.get("filters") or []):
                found.setdefault(row["session_id"], []).append(row["created_at"])
        return found

    def _fits(self, event: int, filters: list[dict[str, Any]]) -> bool:
        for each in filters:
            rows = self._store.query(
                "SELECT string_value FROM event_data WHERE event_seq = ? AND data_key = ?",
                [event, each.get("property")],
            )
            equal = any(row["string_value"].removesuffix(".0000") == str(each.get("value")) for row in rows)
            if equal != (each.get("operator") == "eq"):
                return False
        return True


def _step(step: dict[str, Any], visitors: int, before: list[dict[str, Any]]) -> dict[str, Any]:
    previous = before[-1]["visitors"] if before else 0
    first = before[0]["visitors"] if before else visitors
    return {
        "type": step.get("type"),
        "value": step.get("value"),
        "visitors": visitors,
        "previous": previous,
        "dropped": previous - visitors if before else 0,
        "dropoff": _whole(1 - visitors / previous) if previous else None,
        "remaining": _whole(visitors / first) if first else (0 if before else 1),
    }


def _whole(number: float) -> float:
    """JSON from JavaScript writes 1, not 1.0."""
    return int(number) if number.is_integer() else number


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    errors = ErrorTree()
    if not isinstance(body.get("websiteId"), str):
        errors.at("websiteId").errors.append(_expected("string", body, "websiteId"))
    for name in ("filters", "parameters"):
        if not isinstance(body.get(name), dict):
            errors.at(name).errors.append(_expected("object", body, name))
    parameters = body.get("parameters")
    if body.get("type") == "funnel" and isinstance(parameters, dict):
        steps = parameters.get("steps")
        if not isinstance(steps, list):
            errors.at("parameters", "steps").errors.append(_expected("array", parameters, "steps"))
        elif len(steps) < _FEWEST_STEPS:
            errors.at("parameters", "steps").errors.append("Too small: expected array to have >=2 items")
    if errors:
        raise errors.refusal()
    return dict(body["parameters"])


def _expected(wanted: str, body: dict[str, Json], name: str) -> str:
    received = type_name(body[name]) if name in body else "undefined"
    return f"Invalid input: expected {wanted}, received {received}"


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
