"""The calls of Umami's management API that log in, and make, change and remove websites."""

import hmac
import re
import uuid
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import dates
from .access import USER_ID, Access, unauthorized
from .boards import Boards
from .body import read_object
from .errors import ErrorTree
from .faults import Faults
from .javascript import Json, NotJson, parse_json, type_name
from .store import Store

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DEFAULT_PAGE_SIZE: Final = 20


class Management:
    """Logs in and manages websites, with the shapes of Umami's answers."""

    def __init__(
        self,
        store: Store,
        access: Access,
        boards: Boards,
        faults: Faults,
        *,
        username: str,
        password: str,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._access = access
        self._boards = boards
        self._faults = faults
        self._username = username
        self._password = password
        self._clock = clock
        self._started = int(clock() * 1000)

    async def login(self, request: Request) -> Response:
        """POST /api/auth/login."""
        fields, errors = await _fields(request, {"username": "", "password": ""})
        if errors:
            return JSONResponse(errors.refusal().body, 400)
        if self._faults.database_is_down():
            return Response(status_code=500)
        known = hmac.compare_digest(fields["username"].encode(), self._username.encode())
        if not hmac.compare_digest(fields["password"].encode(), self._password.encode()) or not known:
            return unauthorized("incorrect-username-password")
        user: dict[str, Json] = {
            "id": USER_ID,
            "username": self._username,
            "role": "admin",
            "createdAt": dates.iso(self._started),
            "isAdmin": True,
        }
        token = self._access.login_token()
        return JSONResponse({"token": token, "user": user | {"teams": []}})

    async def verify(self, request: Request) -> Response:
        """POST /api/auth/verify."""
        if not self._access.may_manage(request):
            return unauthorized()
        return JSONResponse({"id": USER_ID, "username": self._username, "role": "admin", "isAdmin": True, "teams": []})

    async def websites(self, request: Request) -> Response:
        """GET and POST /api/websites."""
        if request.method == "POST":
            return await self._create(request)
        if not self._access.may_manage(request):
            return unauthorized()
        search = request.query_params.get("search", "")
        page, size = _number(request, "page", 1), _number(request, "pageSize", _DEFAULT_PAGE_SIZE)
        where = "FROM website WHERE instr(lower(name || ' ' || domain), lower(?))"
        [total] = self._store.query(f"SELECT count(*) AS n {where}", [search])
        limits = [search, size, (page - 1) * size]
        rows = self._store.query(f"SELECT website_id {where} ORDER BY name LIMIT ? OFFSET ?", limits)
        user: Json = {"username": self._username, "id": USER_ID}
        data = [(self._website(row["website_id"]) or {}) | {"user": user} for row in rows]
        answer = {"data": data, "count": total["n"], "page": page, "pageSize": size}
        return JSONResponse(answer | ({"search": search} if search else {}))

    async def website(self, request: Request) -> Response:
        """GET, POST and DELETE /api/websites/:id."""
        website_id = request.path_params["website_id"].lower()
        if request.method == "GET":
            may = self._access.may_read(request, website_id)
            return JSONResponse(self._website(website_id)) if may else unauthorized()
        if request.method == "POST":
            return await self._change(request, website_id)
        if not self._access.may_manage(request):
            return unauthorized()
        self._store.remove_website(website_id)
        return JSONResponse({"ok": True})

    async def reset(self, request: Request) -> Response:
        """POST /api/websites/:id/reset."""
        if not self._access.may_manage(request):
            return unauthorized()
        self._store.empty_website(request.path_params["website_id"].lower())
        return JSONResponse({"ok": True})

    async def _create(self, request: Request) -> Response:
        fields, errors = await _fields(request, {"name": "", "domain": "", "id": str(uuid.uuid4())})
        if not errors and not _UUID.fullmatch(fields["id"]):
            errors.at("id").errors.append("Invalid UUID")
        if errors:
            return JSONResponse(errors.refusal().body, 400)
        if not self._access.may_manage(request):
            return unauthorized()
        website_id = fields["id"].lower()
        now = int(self._clock() * 1000)
        if not self._store.add_website(website_id, name=fields["name"], domain=fields["domain"], now=now):
            return Response(status_code=500)
        return JSONResponse(self._website(website_id))

    async def _change(self, request: Request, website_id: str) -> Response:
        body = await read_object(request)
        if not self._access.may_manage(request):
            return unauthorized()
        known = self._website(website_id)
        if known is None:
            return Response(status_code=500)
        name, domain = (body[each] if isinstance(body.get(each), str) else known[each] for each in ("name", "domain"))
        self._store.change_website(website_id, name=str(name), domain=str(domain), now=int(self._clock() * 1000))
        return JSONResponse(self._website(website_id))

    def _website(self, website_id: str) -> dict[str, Json] | None:
        rows = self._store.query("SELECT * FROM website WHERE website_id = ?", [website_id])
        if not rows:
            return None
        [row] = rows
        return {
            "id": website_id,
            "name": row["name"],
            "domain": row["domain"],
            "resetAt": None,
            "userId": USER_ID,
            "teamId": None,
            "createdBy": USER_ID,
            "createdAt": dates.iso(row["created_at"]),
            "updatedAt": dates.iso(row["updated_at"]),
            "deletedAt": None,
            "replayEnabled": False,
            "replayConfig": None,
            "shareId": self._boards.slug_of(website_id),
        }


async def _fields(request: Request, defaults: dict[str, str]) -> tuple[dict[str, str], ErrorTree]:
    """Return the text fields of the body; those without a default are required."""
    errors = ErrorTree()
    try:
        body = parse_json(await request.body())
    except NotJson:
        body = {}
    if not isinstance(body, dict):
        errors.errors.append(f"Invalid input: expected object, received {type_name(body)}")
        return {}, errors
    fields: dict[str, str] = {}
    for name, default in defaults.items():
        value = body.get(name, default or None)
        if isinstance(value, str):
            fields[name] = value
        else:
            received = type_name(value) if name in body else "undefined"
            errors.at(name).errors.append(f"Invalid input: expected string, received {received}")
    return fields, errors


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return max(int(text), 1) if text.isascii() and text.isdigit() else default
