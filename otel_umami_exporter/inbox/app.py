"""The ASGI application: Umami's endpoints, the page at / and its feed under /inbox/."""

import secrets
from importlib.resources import files
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .collector import Collector
from .management import Management
from .readback import Readback

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
        """GET /inbox/feed?epoch=&since=: everything, or what came after event number *since* of the same epoch."""
        since = request.query_params.get("since", "")
        known = request.query_params.get("epoch") == self._epoch and since.isascii() and since.isdigit()
        return JSONResponse(
            {"epoch": self._epoch, **self._readback.feed(int(since) if known else 0)}, headers=_PAGE_HEADERS
        )


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


def build(collector: Collector, management: Management, page: Page) -> ASGIApp:
    """Return the application; the order of routes means nothing, no two of them match the same path."""
    routes = [
        Route("/api/send", collector.send, methods=["POST"]),
        Route("/api/batch", collector.batch, methods=["POST"]),
        Route("/api/heartbeat", collector.heartbeat),
        Route("/api/auth/login", management.login, methods=["POST"]),
        Route("/api/auth/verify", management.verify, methods=["POST"]),
        Route("/api/websites", management.websites, methods=["GET", "POST"]),
        Route("/api/websites/{website_id}", management.website, methods=["GET", "DELETE"]),
        Route("/api/websites/{website_id}/reset", management.reset, methods=["POST"]),
        Route("/inbox/feed", page.feed),
        *(Route(path, page.file) for path in _PAGE_FILES),
    ]
    app = Starlette(routes=routes, exception_handlers={405: _empty, 404: _empty})
    app.router.redirect_slashes = False
    return _WithoutTrailingSlash(app)


async def _empty(_request: Request, error: Exception) -> Response:
    return Response(status_code=getattr(error, "status_code", 500), headers=getattr(error, "headers", None))
