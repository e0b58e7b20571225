"""
What an answer of Umami means: pure functions of its status, its Retry-After, and its body.

Umami's status codes are not its answers: 200 can mean that the bot filter took everything (no `cache` in the answer),
and a batch is 200 even when its database is down. So every answer is read.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import time
from typing import Any, Final

from otel_umami_exporter.outcome import DELIVERED, BatchRefused, Misconfigured, Outcome, Refused, Throttled, Unavailable

RETRY_AFTER_LIMIT: Final = 3_600.0  # seconds; a server that asks for more is asked again after an hour
_TEXT_LIMIT: Final = 4_096  # characters of an answer that is no JSON; a token has some 300

_TEMPORARY_CODE: Final = re.compile(r"P10\d\d|P2024|P2028|P2034|P2037")  # Prisma: unreachable, timed out, conflict
_PERMANENT_CODE: Final = re.compile(r"P2\d\d\d|ERR_INVALID_URL|ENOENT")
_TEMPORARY_TEXT: Final = re.compile(
    "Connection terminated|ECONNREFUSED|ECONNRESET|DatabaseNotReachable|timed? ?out", re.IGNORECASE
)
_PERMANENT_TEXT: Final = re.compile("invalid byte sequence|Invalid time value|call stack")
# Umami before 2.17 answers an event with the token alone: text, and no JSON.
_BARE_TOKEN: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_NO_WEBSITE_TEXT: Final = "Website not found"

BOT_FILTER: Final = Misconfigured(
    "bot_filter",
    "Umami's bot filter took everything: let the User-Agent header through, or set DISABLE_BOT_CHECK=1 on Umami",
)
NOT_UMAMI: Final = Misconfigured("not_umami", "what answers at UMAMI_ENDPOINT is not Umami's API: check the address")
_NO_WEBSITE: Final = Misconfigured(
    "website_not_found", "Umami knows no website of this id: check UMAMI_WEBSITE_ID, or create the website"
)
_REDIRECT: Final = Misconfigured(
    "redirect", "the endpoint redirects: set UMAMI_ENDPOINT to the address where Umami itself answers"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: the status, the headers that matter, and the body, as JSON (None when it is none)."""

    status: int
    body: bytes
    document: Any
    retry_after: str | None = None

    @property
    def is_umamis(self) -> bool:
        """Whether the body is one of Umami's error bodies, and not one of a proxy before it."""
        return isinstance(self.document, Mapping) and isinstance(self.document.get("error"), Mapping)

    @property
    def has_no_route(self) -> bool:
        """Whether the server does not know the path, or not with POST."""
        return self.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)

    @property
    def text(self) -> str:
        """The beginning of the body, as text."""
        return self.body[:_TEXT_LIMIT].decode(errors="replace").strip()


def read_answer(status: int, body: bytes, retry_after: str | None) -> Answer:
    """Return what a server said, with its body as JSON if it is JSON."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return Answer(status, body, document, retry_after)


def read_send(answer: Answer) -> Outcome:
    """Return what the answer of `/api/send` says of its one event."""
    if answer.status == HTTPStatus.OK:
        if isinstance(answer.document, Mapping):
            return DELIVERED if answer.document.get("cache") else BOT_FILTER
        return DELIVERED if _BARE_TOKEN.fullmatch(answer.text) else Unavailable("malformed_answer")
    if answer.has_no_route:
        return NOT_UMAMI
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR) and not answer.is_umamis:
        # Umami before 2.17 has but words for what is wrong with one event; it must not hold up the others.
        no_website = answer.text.startswith(_NO_WEBSITE_TEXT)
        return _NO_WEBSITE if no_website else Unavailable(f"http_{answer.status}", doubtful=True)
    return read_failure(answer)


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
    rest: Outcome = DELIVERED if document.get("cache") else BOT_FILTER
    return [failed.get(index, rest) for index in range(size)] if failed else [rest] * size


def read_error(document: object) -> Outcome:
    """Return what an error body of Umami, or one item's error in a batch, means for its event."""
    error = document.get("error") if isinstance(document, Mapping) else None
    if not isinstance(error, Mapping):
        return Unavailable("malformed_answer", doubtful=True)
    status = error.get("status")
    if status == HTTPStatus.BAD_REQUEST:
        return _NO_WEBSITE if error.get("message") == "Website not found." else Refused("bad_request")
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(HTTPStatus.FORBIDDEN)
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


def read_failure(answer: Answer) -> Outcome:
    """Return what an answer that is not 200 says of everything that was sent."""
    status = answer.status
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return Throttled(retry_after(answer.retry_after, time()))
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _REDIRECT
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return BatchRefused("too_large")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _forbidden(status)
    if status == HTTPStatus.BAD_REQUEST or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return read_error(answer.document) if answer.is_umamis else Unavailable(f"http_{status}")
    return Misconfigured(f"http_{status}", NOT_UMAMI.remedy)


def _forbidden(status: int) -> Misconfigured:
    return Misconfigured(f"http_{status}", "Umami, or a proxy before it, forbids this address: see IGNORE_IP")


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
