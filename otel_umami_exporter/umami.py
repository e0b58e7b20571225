"""
One HTTP call to Umami and what its answer means. The only module that names the HTTP client.

Umami's status codes are not its answers: 200 can mean that the bot filter took everything (no `cache` in the answer),
and a batch is 200 even when its database is down. So every answer is read.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import monotonic, time
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
from opentelemetry import context

from otel_umami_exporter._version import __version__
from otel_umami_exporter.outcome import BatchRefused, Delivered, Misconfigured, Outcome, Refused, Throttled, Unavailable

# Umami's bot filter takes every User-Agent that does not look like a browser's system line, "OpenTelemetry-…" too.
USER_AGENT: Final = f"Mozilla/5.0 (X11; Linux x86_64) otel-umami-exporter/{__version__}"
BODY_LIMIT: Final = 10 * 1024 * 1024 - 64 * 1024  # Umami reads 10 MiB, and what is cut off is no JSON
ANSWER_LIMIT: Final = 16 * 1024 * 1024  # 500 failing items are 2 MB of stack traces; more is not Umami
KEEPALIVE_SECONDS: Final = 4.0  # below the server's 5 s: a connection it has just closed must not be used
CONNECT_SECONDS: Final = 5.0
SENDS_IN_FLIGHT: Final = 4  # where there are no batches
RETRY_AFTER_LIMIT: Final = 3_600.0  # seconds; a server that asks for more is asked again after an hour
_BATCH_AGAIN_SECONDS: Final = 600.0  # a proxy may have said 404 while Umami was being replaced

_TEMPORARY_CODE: Final = re.compile(r"P10\d\d|P2024|P2028|P2034|P2037")  # Prisma: unreachable, timed out, conflict
_PERMANENT_CODE: Final = re.compile(r"P2\d\d\d|ERR_INVALID_URL|ENOENT")
_TEMPORARY_TEXT: Final = re.compile(
    "Connection terminated|ECONNREFUSED|ECONNRESET|DatabaseNotReachable|timed? ?out", re.IGNORECASE
)
_PERMANENT_TEXT: Final = re.compile("invalid byte sequence|Invalid time value|call stack")
# The instrumentations' public name for "create no spans here"; our own requests are nobody's business.
_SUPPRESS: Final = "suppress_instrumentation"
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
_NOT_TRIED: Final = Unavailable("not_tried")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: the status, the headers that matter, and the body as JSON (None when it is none)."""

    status: int
    document: Any
    retry_after: str | None = None

    @property
    def is_umamis(self) -> bool:
        """Whether the body is one of Umami's error bodies, and not one of a proxy before it."""
        return isinstance(self.document, Mapping) and isinstance(self.document.get("error"), Mapping)


@contextmanager
def no_spans() -> Iterator[None]:
    """Let instrumentations of HTTP clients create no spans in this block."""
    token = context.attach(context.set_value(_SUPPRESS, value=True))
    try:
        yield
    finally:
        context.detach(token)


def split_credentials(endpoint: str) -> tuple[str, tuple[str, str] | None]:
    """Return *endpoint* without `user:password@`, and these: HTTP clients log the addresses they ask."""
    parts = urlsplit(endpoint.rstrip("/"))
    address, at, host = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=host))
    user, _, password = address.partition(":")
    return bare, (unquote(user), unquote(password)) if at else None


def open_http(endpoint: str, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Return an HTTP client for the API at *endpoint* that looks like ours, and follows no redirect to another host."""
    address, credentials = split_credentials(endpoint)
    return httpx.Client(
        base_url=f"{address}/api/",
        auth=credentials,
        headers={"User-Agent": USER_AGENT, "Content-Type": "application/json", "Accept": "application/json"},
        limits=httpx.Limits(
            max_connections=SENDS_IN_FLIGHT,
            max_keepalive_connections=SENDS_IN_FLIGHT,
            keepalive_expiry=KEEPALIVE_SECONDS,
        ),
        follow_redirects=False,
        transport=transport,
    )


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
        self._batch_from = 0.0  # when there is no /api/batch: the time to look again
        self._http = open_http(endpoint, transport)

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
        with no_spans():
            if monotonic() >= self._batch_from:
                outcomes = self._send_batch(bodies)
                if outcomes is not None:
                    return outcomes
                self._batch_from = monotonic() + _BATCH_AGAIN_SECONDS  # Umami before 2.17, and some hosts
            return self._send_each(bodies)

    def _send_batch(self, bodies: Sequence[bytes]) -> list[Outcome] | None:
        """Send one batch; None when this server has no batches."""
        content = b"[" + b",".join(bodies) + b"]"
        if len(content) > BODY_LIMIT:
            return [BatchRefused("too_large")] * len(bodies)
        answer = self._post("batch", content, len(bodies))
        if not isinstance(answer, Answer):
            return [answer] * len(bodies)
        if answer.status in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
            return None
        if answer.status == httpx.codes.OK:
            return read_batch(answer.document, len(bodies))
        outcome = _failure(answer)
        if isinstance(outcome, Refused):  # one of them is to blame, not all
            outcome = BatchRefused(outcome.reason)
        return [outcome] * len(bodies)

    def _send_each(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Send each by itself, a few in flight; stops at the first outcome that would be the same for all."""
        outcomes: list[Outcome] = [_NOT_TRIED] * len(bodies)
        positions = iter(range(len(bodies)))
        lock, stop = threading.Lock(), threading.Event()
        give_up_at = monotonic() + self._seconds(len(bodies))

        def work() -> None:
            while not stop.is_set() and monotonic() < give_up_at:
                with lock:
                    position = next(positions, None)
                if position is None:
                    return
                outcomes[position] = outcome = self._send_one(bodies[position])
                if isinstance(outcome, Throttled | Misconfigured) or (
                    isinstance(outcome, Unavailable) and not outcome.doubtful
                ):
                    stop.set()

        with_suppression = _in_this_context(work)
        # Daemons: a server that never answers must not keep the interpreter from ending.
        helpers = [
            threading.Thread(target=with_suppression, name=f"umami-send-{number}", daemon=True)
            for number in range(min(SENDS_IN_FLIGHT, len(bodies)) - 1)
        ]
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
        return outcomes

    def _send_one(self, body: bytes) -> Outcome:
        answer = self._post("send", body, 1)
        if not isinstance(answer, Answer):
            return answer
        if answer.status == httpx.codes.OK:
            if not isinstance(answer.document, Mapping):
                return Unavailable("malformed_answer")
            return Delivered() if answer.document.get("cache") else _BOT_FILTER
        if answer.status in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
            return _NOT_UMAMI
        return _failure(answer)

    def _seconds(self, items: int) -> float:
        # The server goes on after we hung up, so hanging up early means sending twice: be patient with large batches.
        return self._timeout + 0.2 * items

    def _post(self, path: str, content: bytes, items: int) -> Answer | Outcome:
        seconds = self._seconds(items)
        timeout = httpx.Timeout(seconds, connect=min(self._timeout, CONNECT_SECONDS))
        try:
            return self._exchange(path, content, timeout, monotonic() + seconds)
        except httpx.TimeoutException as error:
            return Unavailable("connect_timeout" if isinstance(error, httpx.ConnectTimeout) else "timeout")
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            return _NOT_UMAMI
        except httpx.TransportError as error:
            return Unavailable("connection_refused" if isinstance(error, httpx.ConnectError) else "connection_lost")
        except httpx.HTTPError:
            return Unavailable("malformed_answer")

    def _exchange(self, path: str, content: bytes, timeout: httpx.Timeout, give_up_at: float) -> Answer | Outcome:
        with self._http.stream("POST", path, content=content, timeout=timeout) as response:
            body = b""
            for piece in response.iter_bytes():
                body += piece
                if len(body) > ANSWER_LIMIT:
                    return Unavailable("malformed_answer")
                if monotonic() > give_up_at:  # each piece alone was in time
                    return Unavailable("timeout")
        return Answer(response.status_code, _json(body), response.headers.get("Retry-After"))


def _in_this_context(work: Callable[[], None]) -> Callable[[], None]:
    current = context.get_current()

    def run() -> None:
        context.attach(current)
        work()

    return run


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
    if status == httpx.codes.FORBIDDEN:
        return _forbidden(httpx.codes.FORBIDDEN)
    cause = error.get("errorObject")
    code = str(cause.get("code") or "") if isinstance(cause, Mapping) else ""
    if _TEMPORARY_CODE.fullmatch(code):
        return Unavailable(code)
    if _PERMANENT_CODE.fullmatch(code):
        return Refused(code)
    text = json.dumps(error)[:20_000]
    if _PERMANENT_TEXT.search(text):
        return Refused("not_storable")
    if _TEMPORARY_TEXT.search(text):
        return Unavailable(code or "connection_terminated")
    return Unavailable(code or f"http_{status}", doubtful=True)


def _failure(answer: Answer) -> Outcome:
    status = answer.status
    if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        return Throttled(retry_after(answer.retry_after, time()))
    if httpx.codes.is_redirect(status):
        return _REDIRECT
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return BatchRefused("too_large")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return _forbidden(status)
    if status == httpx.codes.BAD_REQUEST or httpx.codes.is_server_error(status):
        return read_error(answer.document) if answer.is_umamis else Unavailable(f"http_{status}")
    return Misconfigured(f"http_{status}", _NOT_UMAMI.remedy)


def _forbidden(status: int) -> Misconfigured:
    return Misconfigured(f"http_{status}", "Umami, or a proxy before it, forbids this address: see IGNORE_IP")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def retry_after(header: str | None, now: float) -> float | None:
    """Return the seconds (at most an hour) that a Retry-After header asks for, as a number or an HTTP date, or None."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), RETRY_AFTER_LIMIT)
    try:
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - now), RETRY_AFTER_LIMIT)
    except (ValueError, OverflowError):
        return None
