"""Who may read and manage: the login's bearer token, or the token of a share page for the websites behind it."""

from collections.abc import Iterable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .javascript import Json
from .tokens import Signer

USER_ID: Final = "41e2b680-648e-4b09-bcd7-3e2b10c06264"


class Access:
    """Reads the tokens of requests. A share's token stays good when the share is deleted, as Umami's does."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def login_token(self) -> str:
        """Return the token of the one user."""
        return self._signer.sign({"userId": USER_ID, "role": "admin"})

    def share_token(self, content: Mapping[str, Json], websites: Iterable[str]) -> str:
        """Return a token that reads *websites*, and tells the share's *content*."""
        return self._signer.sign({**content, "websites": [*websites]})

    def may_manage(self, request: Request) -> bool:
        """Whether the user has sent this request."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        content = self._signer.read(token) if scheme.lower() == "bearer" else None
        return bool(content and content.get("userId") == USER_ID)

    def may_read_board(self, request: Request, board_id: str) -> bool:
        """Whether the user, or somebody with a share of this board, has sent this request."""
        return self.may_manage(request) or self._shared(request).get("boardId") == board_id

    def may_read(self, request: Request, website_id: str) -> bool:
        """Whether the user, or somebody with a share of this website, has sent this request."""
        websites = self._shared(request).get("websites")
        return self.may_manage(request) or (isinstance(websites, list) and website_id.lower() in websites)

    def _shared(self, request: Request) -> dict[str, Json]:
        if not request.headers.get("x-umami-share-context"):
            return {}
        return self._signer.read(request.headers.get("x-umami-share-token", "")) or {}


def unauthorized(code: str = "unauthorized") -> Response:
    """Return Umami's 401."""
    return JSONResponse({"error": {"message": "Unauthorized", "code": code, "status": 401}}, 401)


def empty_error() -> Response:
    """Return what Umami says when something throws: 500, and not a word."""
    return Response(status_code=500)
