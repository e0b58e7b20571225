"""
Umami's management API, as far as dashboards need it: one method, one call.

Umami answers most of what fails inside it with a 500 of no bytes, so every error here says what was tried and what
that usually means.
"""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from otel_umami_exporter.errors import UmamiExporterError
from otel_umami_exporter.ways import USER_AGENT

SHARE_OF_WEBSITE: Final = 1
SHARE_OF_BOARD: Final = 4
TIMEOUT_SECONDS: Final = 30.0
_PAGE_SIZE: Final = 100
_MOST_PAGES: Final = 1_000

Document = dict[str, Any]


class ManagementError(UmamiExporterError):
    """Umami did not do what was asked; the message says what, and what to look at."""


class NotReachable(ManagementError):  # noqa: N818  # says what is the case
    """Nothing that speaks HTTP answers at the address."""


class NotUmami(ManagementError):  # noqa: N818  # says what is the case
    """Something else than Umami's API answers."""


class NotAllowed(ManagementError):  # noqa: N818  # says what is the case
    """The login is wrong, or this user may not."""


class NotSupported(ManagementError):  # noqa: N818  # says what is the case
    """This Umami is too old for the call."""


class ServerFailed(ManagementError):  # noqa: N818  # says what is the case
    """Umami answered 500; often with no word why."""


class ManagementClient:
    """
    A logged-in connection to one Umami. A context manager. Not for several threads.

    Args:
        endpoint: the address of Umami, without `/api`.
        transport: httpx' seam for tests.
    """

    def __init__(self, endpoint: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.endpoint: Final = endpoint.rstrip("/")
        self._http: Final = httpx.Client(
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def login(self, username: str, password: str) -> None:
        """Log in; all other calls need it."""
        answer = self._object("POST", "/auth/login", {"username": username, "password": password})
        token = answer.get("token")
        if not isinstance(token, str):
            raise NotUmami(f"{self.endpoint} gave no token at login: is this Umami?")
        self._http.headers["Authorization"] = f"Bearer {token}"

    # --- websites -------------------------------------------------------------------------------------------------

    def website(self, website_id: str) -> Document | None:
        """Return the website, or None when there is none."""
        answer = self._call("GET", f"/websites/{website_id}")
        return answer if isinstance(answer, dict) else None

    def websites(self, search: str) -> list[Document]:
        """Return the websites whose name or domain holds *search*."""
        return list(self._pages("/websites", {"search": search}))

    def create_website(self, website_id: str, *, name: str, domain: str) -> None:
        """Make a website of this id; 500 when the id is taken."""
        self._object("POST", "/websites", {"id": website_id, "name": name, "domain": domain})

    def update_website(self, website_id: str, *, name: str, domain: str, share_id: str | None = None) -> None:
        """Change its name and domain; *share_id* is the slug of its share page in an Umami before 3.1."""
        share = {} if share_id is None else {"shareId": share_id}
        self._object("POST", f"/websites/{website_id}", {"name": name, "domain": domain} | share)

    def delete_website(self, website_id: str) -> None:
        """Remove a website with everything it has received."""
        self._object("DELETE", f"/websites/{website_id}")

    # --- boards and shares ----------------------------------------------------------------------------------------

    def boards(self) -> list[Document]:
        """Return every board of this user. NotSupported before Umami 3.1."""
        return list(self._pages("/boards", {}))

    def board(self, board_id: str) -> Document | None:
        """Return the board, or None when there is none."""
        answer = self._call("GET", f"/boards/{board_id}")
        return answer if isinstance(answer, dict) else None

    def create_board(self, *, name: str, description: str, parameters: Mapping[str, Any]) -> str:
        """Make a board; return its id, which Umami chooses."""
        body = {"type": "mixed", "name": name, "description": description, "parameters": parameters}
        return str(self._object("POST", "/boards", body)["id"])

    def update_board(self, board_id: str, *, name: str, description: str, parameters: Mapping[str, Any]) -> None:
        """Change a board."""
        body = {"name": name, "description": description, "parameters": parameters}
        self._object("POST", f"/boards/{board_id}", body)

    def delete_board(self, board_id: str) -> None:
        """Remove a board; its shares stay."""
        self._object("DELETE", f"/boards/{board_id}")

    def share(self, slug: str) -> Document | None:
        """Return the share of this slug with its `entityId`, or None. NotSupported before Umami 3.1."""
        answer = self._request("GET", f"/share/{slug}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found = self._read(answer, "GET", f"/share/{slug}")
        if not isinstance(found, dict) or "shareId" not in found:
            raise NotSupported(f"{self.endpoint} shares websites in the way of an Umami before 3.1")
        return self._object("GET", f"/share/id/{found['shareId']}")

    def create_share(self, *, entity_id: str, share_type: int, name: str, slug: str) -> None:
        """Make a share page of our own slug; 500 when the slug is taken."""
        body = {"entityId": entity_id, "shareType": share_type, "name": name, "slug": slug, "parameters": {}}
        self._object("POST", "/share", body)

    def delete_share(self, share_id: str) -> None:
        """Remove a share page. Tokens that it gave out stay good."""
        self._object("DELETE", f"/share/id/{share_id}")

    # --- reports --------------------------------------------------------------------------------------------------

    def reports(self, website_id: str) -> list[Document]:
        """Return the saved reports of a website."""
        return list(self._pages("/reports", {"websiteId": website_id}))

    def create_report(
        self, *, website_id: str, kind: str, name: str, description: str, parameters: Mapping[str, Any]
    ) -> str:
        """Save a report; return its id."""
        body = {
            "websiteId": website_id,
            "type": kind,
            "name": name,
            "description": description,
            "parameters": parameters,
        }
        return str(self._object("POST", "/reports", body)["id"])

    def delete_report(self, report_id: str) -> None:
        """Remove a saved report."""
        self._object("DELETE", f"/reports/{report_id}")

    # --- inside ---------------------------------------------------------------------------------------------------

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[Document]:
        seen = 0
        for page in range(1, _MOST_PAGES):
            answer = self._object("GET", path, query={**query, "page": str(page), "pageSize": str(_PAGE_SIZE)})
            rows = answer.get("data")
            if not isinstance(rows, list):
                raise NotUmami(f"GET {path} gave no list: is {self.endpoint} Umami?")
            yield from rows
            seen += len(rows)
            if not rows or seen >= answer.get("count", 0):
                return

    def _object(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> Document:
        answer = self._call(method, path, body, query=query)
        if not isinstance(answer, dict):
            raise NotUmami(f"{method} {path} gave no JSON object: is {self.endpoint} Umami?")
        return answer

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> Any:
        return self._read(self._request(method, path, body, query=query), method, path)

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        try:
            return self._http.request(method, f"{self.endpoint}/api{path}", json=body, params=query)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise NotReachable("the endpoint is no address like https://analytics.example.org") from None
        except httpx.HTTPError as error:
            raise NotReachable(f"nothing answered {method} {path}: {type(error).__name__}") from error

    def _read(self, answer: httpx.Response, method: str, path: str) -> Any:
        what, status = f"{method} {path}", answer.status_code
        if answer.is_redirect:
            raise NotUmami(f"{what} was redirected: use the address where Umami itself answers")
        if path == "/auth/login" and status == httpx.codes.UNAUTHORIZED:
            raise NotAllowed("Umami does not know this user and password (UMAMI_USERNAME, UMAMI_PASSWORD)")
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NotAllowed(f"{what}: Umami says {status}: this user may not; an admin, or the website's owner, may")
        if status in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
            raise NotSupported(f"{what}: Umami says {status}: it is too old for this call, or a proxy hides it")
        if answer.is_server_error:
            said = f": {_message(answer)}" if answer.content else " and nothing else"
            raise ServerFailed(f"{what}: Umami says {status}{said}; its own log tells why")
        if not answer.is_success:
            raise ManagementError(f"{what}: Umami says {status}: {_message(answer)}")
        try:
            return answer.json()
        except ValueError:
            raise NotUmami(f"{what} gave no JSON: is {self.endpoint} Umami?") from None


def _message(answer: httpx.Response) -> str:
    try:
        error = answer.json()["error"]
        wrong = ", ".join(error.get("properties", {}))
        return f"{error['message']}{f' ({wrong})' if wrong else ''}"[:200]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "an answer that is not Umami's"
