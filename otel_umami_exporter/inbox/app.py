"""The ASGI application: Umami's endpoints, the page at / and its feed under /inbox/."""

import secrets
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .boardpage import FILES as BOARD_FILES
from .boardpage import PATHS as BOARD_PATHS
from .boardpage import BoardPage
from .boards import Boards
from .collector import Collector
from .management import Management
from .propertydata import PropertyData
from .readback import Readback
from .reading import Reading
from .reports import Reports

_PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_PAGE_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/inbox/inbox.css": ("inbox.css", "text/css"),
    "/inbox/inbox.js": ("inbox.js", "text/javascript"),
    "/inbox/icon.svg": ("icon.svg", "image/svg+xml"),
}


class Page:
    """The page that shows what arrives, and the feed that it asks for all the time."""

    def __init__(self, readback: Readback) -> None:
        self._readback = readback
        self._epoch = secrets.token_hex(4)
        folder = files(__package__).joinpath("page")
        self._contents = {
            path: (folder.joinpath(name).read_bytes(), media_type) for path, (name, media_type) in _PAGE_FILES.items()
        }

    def begin_anew(self) -> None:
        """Tell open pages to forget what they show."""
        self._epoch = secrets.token_hex(4)

    async def file(self, request: Request) -> Response:
        """One of the page's files."""
        content, media_type = self._contents[request.url.path]
        return Response(content, headers=_PAGE_HEADERS, media_type=media_type)

    async def feed(self, request: Request) -> Response:
        """GET /inbox/feed?epoch=&since=&website=: everything, or what came after *since* of the same epoch."""
        since = request.query_params.get("since", "")
        known = request.query_params.get("epoch") == self._epoch and since.isascii() and since.isdigit()
        shown = self._readback.feed(int(since) if known else 0, request.query_params.get("website") or None)
        return JSONResponse({"epoch": self._epoch, **shown}, headers=_PAGE_HEADERS)


class _WithoutTrailingSlash:
    """Answers 308 to a path that ends in a slash, as Next.js does before it looks for a route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/" or not scope["path"].endswith("/"):
            await self._app(scope, receive, send)
            return
        # One slash in front: "//elsewhere.example/" must not become a redirect to another host.
        query = scope["query_string"].decode("latin-1")
        target = "/" + scope["raw_path"].decode("latin-1").strip("/") + (f"?{query}" if query else "")
        response = Response(target, 308, {"location": target}, media_type="text/plain")
        await response(scope, receive, send)


@dataclass(frozen=True)
class Parts:
    """Everything that answers requests."""

    collector: Collector
    management: Management
    boards: Boards
    reading: Reading
    data: PropertyData
    reports: Reports
    page: Page
    board_page: BoardPage


def build(parts: Parts) -> ASGIApp:
    """Return the application; where two routes match, the first wins."""
    collector, management, page, board_page = parts.collector, parts.management, parts.page, parts.board_page
    routes = [
        Route("/api/send", collector.send, methods=["POST"]),
        Route("/api/batch", collector.batch, methods=["POST"]),
        Route("/api/heartbeat", collector.heartbeat),
        Route("/api/auth/login", management.login, methods=["POST"]),
        Route("/api/auth/verify", management.verify, methods=["POST"]),
        Route("/api/websites", management.websites, methods=["GET", "POST"]),
        Route("/api/websites/{website_id}", management.website, methods=["GET", "POST", "DELETE"]),
        Route("/api/websites/{website_id}/reset", management.reset, methods=["POST"]),
        *_reading_routes(parts),
        *_board_routes(parts),
        Route("/inbox/boards/{board_id}", board_page.open_board),
        Route("/inbox/websites/{website_id}", board_page.open_website),
        *(Route(path, board_page.page) for path in BOARD_PATHS),
        *(Route(path, board_page.file) for path in BOARD_FILES),
        Route("/inbox/feed", page.feed),
        *(Route(path, page.file) for path in _PAGE_FILES),
    ]
    app = Starlette(routes=routes, exception_handlers={405: _empty, 404: _empty})
    app.router.redirect_slashes = False
    return _WithoutTrailingSlash(app)


def _reading_routes(parts: Parts) -> list[Route]:
    reading, data = parts.reading, parts.data
    website = "/api/websites/{website_id}"
    return [
        Route(f"{website}/events", reading.events),
        Route(f"{website}/events/stats", reading.events_stats),
        Route(f"{website}/events/series", reading.series),
        Route(f"{website}/metrics", reading.metrics),
        Route(f"{website}/stats", reading.stats),
        Route(f"{website}/pageviews", reading.pageviews),
        Route(f"{website}/daterange", reading.daterange),
        Route(f"{website}/event-data", data.page),
        Route(f"{website}/event-data/values", data.values),
        Route(f"{website}/event-data/properties", data.names),
        Route(f"{website}/event-data/stats", data.stats),
        Route(f"{website}/event-data/events", data.events),
        Route(f"{website}/event-data/{{event_id}}", data.one),
        Route(f"{website}/sessions", data.sessions),
        Route(f"{website}/sessions/stats", data.sessions_stats),
        Route(f"{website}/sessions/{{session_id}}", data.session),
    ]


def _board_routes(parts: Parts) -> list[Route]:
    boards, reports = parts.boards, parts.reports
    return [
        Route("/api/websites/{website_id}/shares", boards.share_website, methods=["POST"]),
        Route("/api/boards", boards.many, methods=["GET", "POST"]),
        Route("/api/boards/{board_id}", boards.one, methods=["GET", "POST", "DELETE"]),
        Route("/api/boards/{board_id}/shares", boards.share_board, methods=["POST"]),
        Route("/api/share", boards.share_anything, methods=["POST"]),
        Route("/api/share/{slug}", boards.shared),
        Route("/api/share/id/{share_id}", boards.share, methods=["GET", "DELETE"]),
        Route("/api/reports", reports.many, methods=["GET", "POST"]),
        Route("/api/reports/funnel", reports.funnel, methods=["POST"]),
        Route("/api/reports/goal", reports.goal, methods=["POST"]),
        Route("/api/reports/{report_id}", reports.one, methods=["GET", "DELETE"]),
    ]


async def _empty(_request: Request, error: Exception) -> Response:
    return Response(status_code=getattr(error, "status_code", 500), headers=getattr(error, "headers", None))
