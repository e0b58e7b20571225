"""The page that draws boards, where Umami has it: /share/:slug, /boards/:id, /websites/:id/funnels and /goals."""

from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import Access
from .boards import Boards, websites_of
from .documents import Documents

PATHS: Final = (
    "/share/{slug}",
    "/boards/{board_id}",
    "/websites/{website_id}/funnels",
    "/websites/{website_id}/goals",
)
FILES: Final = {
    "/inbox/board.css": ("board.css", "text/css"),
    "/inbox/board.js": ("board.js", "text/javascript"),
    "/inbox/charts.js": ("charts.js", "text/javascript"),
    "/inbox/vendor/chart.umd.min.js": ("vendor/chart.umd.min.js", "text/javascript"),
}
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class BoardPage:
    """
    Serves the page and what it needs beside Umami's own calls.

    A share page lives on its share's token alone, as Umami's does. Internal boards open without a login here, to read:
    the inbox shows every event on its first page anyway.
    """

    def __init__(self, boards: Boards, documents: Documents, access: Access) -> None:
        self._boards = boards
        self._documents = documents
        self._access = access
        folder = files(__package__).joinpath("page")
        self._page = folder.joinpath("board.html").read_bytes()
        self._contents = {path: (folder.joinpath(name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    async def page(self, _request: Request) -> Response:
        """Answer with the page; it reads from its own address what to draw."""
        return Response(self._page, headers=_HEADERS, media_type="text/html")

    async def file(self, request: Request) -> Response:
        """Answer with one of the page's files."""
        content, media_type = self._contents[request.url.path]
        return Response(content, headers=_HEADERS, media_type=media_type)

    async def open_board(self, request: Request) -> Response:
        """GET /inbox/boards/:id: a board, the reports of its websites, and a token that reads them."""
        board = self._boards.board(request.path_params["board_id"])
        if board is None:
            return Response(status_code=404)
        return self._opened(board, sorted(set(websites_of(board))))

    async def open_website(self, request: Request) -> Response:
        """GET /inbox/websites/:id: the reports of a website, and a token that reads it."""
        return self._opened(None, [request.path_params["website_id"].lower()])

    def _opened(self, board: dict[str, object] | None, websites: list[str]) -> Response:
        reports = [each for each in self._documents.all("report") if each["websiteId"] in websites]
        token = self._access.share_token({}, websites)
        return JSONResponse({"board": board, "reports": reports, "token": token}, headers=_HEADERS)
