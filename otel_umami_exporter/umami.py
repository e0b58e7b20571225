"""
One HTTP call to Umami and what its answer means. The only module that names the HTTP client.

Umami's status codes are not its answers: 200 can mean that the bot filter took everything (no `cache` in the answer),
and a batch is 200 even when its database is down. So every answer is read.
"""

import json
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from time import time
from types import TracebackType
from typing import Any, Final, Self

import httpx

from otel_umami_exporter._version import __version__
from otel_umami_exporter.outcome import BatchRefused, Delivered, Misconfigured, Outcome, Refused, Throttled, Unavailable

# Umami's bot filter takes every User-Agent that does not look like a browser's system line, "OpenTelemetry-…" too.
USER_AGENT: Final = f"Mozilla/5.0 (X11; Linux x86_64) otel-umami-exporter/{__version__}"
BODY_LIMIT: Final = 10 * 1024 * 1024 - 64 * 1024  # Umami reads 10 MiB, and what is cut off is no JSON
KEEPALIVE_SECONDS: Final = 4.0  # below the server's 5 s: a connection it has just closed must not be used
CONNECT_SECONDS: Final = 5.0

_TEMPORARY_CODE: Final = re.compile(r"P10\d\d|P2024|P2028|P2034|P2037")  # Prisma: unreachable, timed out, conflict
_TEMPORARY_TEXT: Final = ("Connection terminated", "ECONNREFUSED", "timeout", "DatabaseNotReachable")
_BOT_FILTER: Final = Misconfigured(
    "bot_filter",
    "Umami's bot filter took everything: let the User-Agent header through, or set DISABLE_BOT_CHECK=1 on Umami",
)
_NO_WEBSITE: Final = Misconfigured(
    "website_not_found", "Umami knows no website of this id: check UMAMI_WEBSITE_ID, or create the website"
)
_REDIRECT: Final = Misconfigured(
    "redirect", "the endpoint redirects: set UMAMI_ENDPOINT to the address where Umami itself answers"
)
_NOT_UMAMI: Final = Misconfigured("not_umami", "what answers at UMAMI_ENDPOINT is not Umami's API: check the address")


class UmamiClient:
    """
    A connection to one Umami. Not for several threads: each sender thread has its own.

    Args:
        endpoint: the address of Umami, without `/api`.
        timeout_seconds: how long a batch of one event may take; a larger one gets more time.
        transport: httpx' seam for tests.
    """

    def __init__(
        self, endpoint: str, *, timeout_seconds: float = 10.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._timeout = timeout_seconds
        self._has_batch = True
        self._http = httpx.Client(
            base_url=endpoint.rstrip("/") + "/api/",
            headers={"User-Agent": USER_AGENT, "Content-Type": "application/json", "Accept": "application/json"},
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS),
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

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Send *bodies*, one JSON item each; return one outcome each, in order. Never raises for what a server does."""
        if self._has_batch:
            outcomes = self._send_batch(bodies)
            if outcomes is not None:
                return outcomes
            self._has_batch = False  # Umami before 2.17, and some hosts
        return [self._send_one(body) for body in bodies]

    def _send_batch(self, bodies: Sequence[bytes]) -> list[Outcome] | None:
        """Send one batch; None when this server has no batches."""
        content = b"[" + b",".join(bodies) + b"]"
        if len(content) > BODY_LIMIT:
            return [BatchRefused("too_large")] * len(bodies)
        answer = self._post("batch", content, len(bodies))
        if not isinstance(answer, httpx.Response):
            return [answer] * len(bodies)
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
            return None
        if answer.status_code == httpx.codes.BAD_REQUEST and _is_umamis(answer):
            return [BatchRefused("bad_request")] * len(bodies)
        if answer.status_code != httpx.codes.OK:
            return [_failure(answer)] * len(bodies)
        return read_batch(_json(answer), len(bodies))

    def _send_one(self, body: bytes) -> Outcome:
        answer = self._post("send", body, 1)
        if not isinstance(answer, httpx.Response):
            return answer
        if answer.status_code == httpx.codes.OK:
            document = _json(answer)
            if not isinstance(document, Mapping):
                return Unavailable("malformed_answer")
            return Delivered() if document.get("cache") else _BOT_FILTER
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
            return _NOT_UMAMI
        return _failure(answer)

    def _post(self, path: str, content: bytes, items: int) -> httpx.Response | Outcome:
        # The server goes on after we hung up, so hanging up early means sending twice: be patient with large batches.
        timeout = httpx.Timeout(self._timeout + 0.2 * items, connect=min(self._timeout, CONNECT_SECONDS))
        try:
            return self._http.post(path, content=content, timeout=timeout)
        except httpx.TimeoutException as error:
            return Unavailable("connect_timeout" if isinstance(error, httpx.ConnectTimeout) else "timeout")
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            return _NOT_UMAMI
        except httpx.DecodingError:
            return Unavailable("malformed_answer")
        except httpx.TransportError as error:
            return Unavailable("connection_refused" if isinstance(error, httpx.ConnectError) else "connection_lost")


def read_batch(document: object, size: int) -> list[Outcome]:
    """
    Return what the 200 answer of `/api/batch` says of each of *size* items.

    An answer that does not add up is no answer: nothing of it counts as delivered.
    """
    if not isinstance(document, Mapping) or document.get("size") != size:
        return [Unavailable("malformed_answer")] * size
    details = document.get("details")
    failed: dict[int, Outcome] = {}
    for detail in details if isinstance(details, list) else []:
        index = detail.get("index") if isinstance(detail, Mapping) else None
        if not isinstance(index, int) or not 0 <= index < size:
            return [Unavailable("malformed_answer")] * size
        failed[index] = read_error(detail.get("response"))
    if document.get("errors", 0) != len(failed) or document.get("processed") != size - len(failed):
        return [Unavailable("malformed_answer")] * size
    # No token at all: none of the items that were not refused was stored either.
    rest: Outcome = Delivered() if document.get("cache") else _BOT_FILTER
    return [failed.get(index, rest) for index in range(size)]


def read_error(document: object) -> Outcome:
    """Return what an error body of Umami, or one item's error in a batch, means for its event."""
    error = document.get("error") if isinstance(document, Mapping) else None
    if not isinstance(error, Mapping):
        return Unavailable("malformed_answer", doubtful=True)
    status = error.get("status")
    if status == httpx.codes.BAD_REQUEST:
        return _NO_WEBSITE if error.get("message") == "Website not found." else Refused("bad_request")
    cause = error.get("errorObject")
    code = str(cause.get("code") or "") if isinstance(cause, Mapping) else ""
    text = json.dumps(error)[:20_000]
    if _TEMPORARY_CODE.fullmatch(code) or any(each in text for each in _TEMPORARY_TEXT):
        return Unavailable(code or "connection_terminated")
    if code in ("P2000", "P2002", "P2010", "P2020", "ERR_INVALID_URL", "ENOENT"):
        return Refused(code)
    return Unavailable(code or f"http_{status}", doubtful=True)


def _failure(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        return Throttled(retry_after(answer.headers.get("Retry-After"), time()))
    if answer.has_redirect_location or answer.is_redirect:
        return _REDIRECT
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return BatchRefused("too_large")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return Misconfigured(f"http_{status}", "Umami, or a proxy before it, forbids this address: see IGNORE_IP")
    if status == httpx.codes.BAD_REQUEST or answer.is_server_error:
        return read_error(_json(answer)) if _is_umamis(answer) else Unavailable(f"http_{status}")
    return Misconfigured(f"http_{status}", _NOT_UMAMI.remedy)


def _is_umamis(answer: httpx.Response) -> bool:
    document = _json(answer)
    return isinstance(document, Mapping) and isinstance(document.get("error"), Mapping)


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def retry_after(header: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as seconds or as an HTTP date, or None."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except ValueError:
        return None
