"""Boards and share pages, with the shapes of Umami's answers."""

import secrets
import uuid
from collections.abc import Iterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import USER_ID, Access, empty_error, unauthorized
from .body import read_object
from .documents import Document, Documents
from .errors import ErrorTree
from .javascript import type_name
from .query import read_page

WEBSITE: Final = 1
BOARD: Final = 4
TYPES: Final = ("mixed", "website", "pixel", "link")
_SLUG_LENGTH: Final = 16
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Boards:
    """Keeps boards and shares. Board JSON is stored as it comes, unchecked, as Umami does."""

    def __init__(self, documents: Documents, access: Access) -> None:
        self._documents = documents
        self._access = access

    # --- boards ---------------------------------------------------------------------------------------------------

    async def many(self, request: Request) -> Response:
        """GET and POST /api/boards."""
        if request.method == "POST":
            return await self._create(request)
        if not self._access.may_manage(request):
            return unauthorized()
        page, size, search = read_page(request)
        found = [each for each in self._documents.all("board") if search.lower() in each["name"].lower()]
        rows = found[(page - 1) * size : page * size]
        answer = {"data": rows, "count": len(found), "page": page, "pageSize": size}
        return JSONResponse(answer | ({"search": search} if search else {}))

    async def one(self, request: Request) -> Response:
        """GET, POST and DELETE /api/boards/:id; an unknown id is null, or a 500."""
        board_id = request.path_params["board_id"]
        board = self._documents.get("board", board_id)
        if request.method == "GET":
            return JSONResponse(board) if self._access.may_read_board(request, board_id) else unauthorized()
        if not self._access.may_manage(request):
            return unauthorized()
        if board is None:
            return empty_error()
        if request.method == "DELETE":
            self._documents.delete("board", board["id"])
            return JSONResponse({"ok": True})
        body = await read_object(request)
        changes = {name: body[name] for name in ("name", "description", "parameters") if name in body}
        return JSONResponse(self._documents.change("board", board | changes))

    async def _create(self, request: Request) -> Response:
        body = await read_object(request)
        errors = ErrorTree()
        if body.get("type") not in (*TYPES, "open"):
            options = "|".join(f'"{each}"' for each in TYPES)
            errors.at("type").errors.append(f"Invalid option: expected one of {options}")
            errors.at("type").errors.append('Invalid input: expected "open"')
        _require_text(errors, body, "name")
        if errors:
            return JSONResponse(errors.refusal().body, 400)
        if not self._access.may_manage(request):
            return unauthorized()
        if not isinstance(body.get("description"), str):
            return empty_error()  # Umami's check lets it through, its database does not
        board = {
            "id": str(uuid.uuid4()),
            "type": "mixed" if body["type"] == "open" else body["type"],
            "name": body["name"],
            "description": body["description"],
            "parameters": body.get("parameters") or {},
            "userId": USER_ID,
            "teamId": None,
        }
        return JSONResponse(self._documents.add("board", board))

    # --- shares ---------------------------------------------------------------------------------------------------

    async def share_website(self, request: Request) -> Response:
        """POST /api/websites/:id/shares: a share page with a random slug."""
        return await self._share(request, request.path_params["website_id"].lower(), WEBSITE)

    async def share_board(self, request: Request) -> Response:
        """POST /api/boards/:id/shares: the same of a board."""
        return await self._share(request, request.path_params["board_id"], BOARD)

    async def share_anything(self, request: Request) -> Response:
        """POST /api/share: a share page with a slug of the caller's choice; a slug lives once."""
        body = await read_object(request)
        errors = ErrorTree()
        for name in ("entityId", "name"):
            _require_text(errors, body, name)
        if errors:
            return JSONResponse(errors.refusal().body, 400)
        if not self._access.may_manage(request):
            return unauthorized()
        slug = body.get("slug") or _random_slug()
        if self.by_slug(slug) is not None:
            return empty_error()
        return JSONResponse(self._add(body["entityId"].lower(), int(body.get("shareType") or WEBSITE), slug, body))

    async def shared(self, request: Request) -> Response:
        """GET /api/share/:slug: for anybody, with a token that reads the websites behind it."""
        share = self.by_slug(request.path_params["slug"])
        if share is None:
            return JSONResponse({"error": {"message": "Not found", "code": "not-found", "status": 404}}, 404)
        entity = "boardId" if share["shareType"] == BOARD else "websiteId"
        content = {
            "shareId": share["id"],
            "shareType": share["shareType"],
            "parameters": share["parameters"],
            entity: share["entityId"],
        }
        return JSONResponse(content | {"token": self._access.share_token(content, self.websites(share))})

    async def share(self, request: Request) -> Response:
        """GET and DELETE /api/share/id/:id."""
        if not self._access.may_manage(request):
            return unauthorized()
        share = self._documents.get("share", request.path_params["share_id"])
        if share is None:
            return empty_error()
        if request.method == "DELETE":
            self._documents.delete("share", share["id"])
            return JSONResponse({"ok": True})
        return JSONResponse(share)

    def by_slug(self, slug: str) -> Document | None:
        """Return the share of this slug, or None."""
        return next((each for each in self._documents.all("share") if each["slug"] == slug), None)

    def slug_of(self, website_id: str) -> str | None:
        """Return the slug of the first share page of a website."""
        shares = (each for each in self._documents.all("share") if each["entityId"] == website_id)
        return next((str(each["slug"]) for each in shares), None)

    def board(self, board_id: str) -> Document | None:
        """Return a board, or None."""
        return self._documents.get("board", board_id)

    def websites(self, share: Document) -> list[str]:
        """Return the websites that a share opens."""
        if share["shareType"] != BOARD:
            return [share["entityId"]]
        board = self._documents.get("board", share["entityId"])
        return sorted(set(websites_of(board))) if board else []

    async def _share(self, request: Request, entity_id: str, kind: int) -> Response:
        body = await read_object(request)
        errors = ErrorTree()
        _require_text(errors, body, "name")
        if errors:
            return JSONResponse(errors.refusal().body, 400)
        if not self._access.may_manage(request):
            return unauthorized()
        return JSONResponse(self._add(entity_id, kind, _random_slug(), body))

    def _add(self, entity_id: str, kind: int, slug: str, body: dict[str, Any]) -> Document:
        share = {
            "id": str(uuid.uuid4()),
            "entityId": entity_id,
            "name": body["name"],
            "shareType": kind,
            "slug": slug,
            "parameters": body.get("parameters") or {},
        }
        return self._documents.add("share", share)


def websites_of(board: Document) -> Iterator[str]:
    """Yield the ids of the websites on a board, whatever junk its JSON may hold."""
    parameters = board["parameters"]
    if isinstance(parameters.get("websiteId"), str):
        yield parameters["websiteId"].lower()
    for row in parameters.get("rows") or []:
        for column in row.get("columns") or []:
            component = column.get("component") or {}
            if isinstance(component.get("entityId"), str):
                yield component["entityId"].lower()


def _random_slug() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_SLUG_LENGTH))


def _require_text(errors: ErrorTree, body: dict[str, Any], name: str) -> None:
    if not isinstance(body.get(name), str):
        received = type_name(body[name]) if name in body else "undefined"
        errors.at(name).errors.append(f"Invalid input: expected string, received {received}")
