"""What stands before the simulated city's API: the rate limit, and trouble on demand."""

import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from .city_errors import error_body

Shape = Literal["html", "empty", "gateway", "error_object", "other_keys", "captcha_failure", "timeout"]
"""
How an answer can be wrong: an HTML page or nothing at all with HTTP 200, the gateway's and the framework's own error
forms, JSON that is not the contract's, a captcha failure (which comes as HTTP 200), or no answer until the caller
hangs up.
"""

RateRule = Literal["renewing", "fixed", "off"]
"""`renewing` is the real city's: every allowed request starts the minute anew; a steady caller is never forgiven."""

RATE_SECONDS: Final = 60.0


@dataclass
class Fault:
    """Trouble for the next requests to an endpoint."""

    endpoint: str
    times: float
    answer: Callable[[], Response] | None
    """None: no answer."""


class Faults:
    """Trouble, first ordered first met."""

    def __init__(self) -> None:
        self._waiting: deque[Fault] = deque()

    def add(self, endpoint: str, times: int | None, answer: Callable[[], Response] | None) -> None:
        """Order trouble for *times* requests, or until `clear`."""
        self._waiting.append(Fault(endpoint, float("inf") if times is None else times, answer))

    def clear(self) -> None:
        """Forget all trouble that was ordered."""
        self._waiting.clear()

    async def meet(self, endpoint: str, request: Request) -> Response | None:
        """Return the trouble that waits for this request, if any."""
        fault = next((known for known in self._waiting if known.endpoint in (endpoint, "*")), None)
        if fault is None:
            return None
        fault.times -= 1
        if fault.times <= 0:
            self._waiting.remove(fault)
        if fault.answer is not None:
            return fault.answer()
        await _until_hung_up(request)
        return Response(status_code=504)


def shaped(shape: Shape, status: int | None) -> Callable[[], Response] | None:
    """Return how to answer in this wrong shape, with another status than usual if given."""
    match shape:
        case "html":
            page = "<html><head><title>Request Rejected</title></head><body>Support ID: 4711</body></html>"
            return lambda: HTMLResponse(page, status or 200)
        case "empty":
            return lambda: Response(b"", status or 200)
        case "gateway":
            return lambda: JSONResponse({"status": status or 400, "error": "Bad Request"}, status or 400)
        case "error_object":
            error = {"message": "An internal error has occurred.", "code": 0}
            return lambda: JSONResponse({"error": error}, status or 500)
        case "other_keys":
            return lambda: JSONResponse({"days": []}, status or 200)
        case "captcha_failure":
            meta = {"success": False, "error": "Request error: simulated"}
            return lambda: JSONResponse({"meta": meta, "data": None}, status or 200)
        case "timeout":
            return None


def refused(status: int, code: str) -> Callable[[], Response]:
    """Return how to answer with one error of the city's."""
    return lambda: JSONResponse(error_body(code, status=status), status)


class RateCounter:
    """Counts requests per address, as oddly as the city does. Clock: epoch seconds."""

    def __init__(self, clock: Callable[[], float], rule: RateRule, limit: int) -> None:
        self.rule: RateRule = rule
        self.limit = limit
        self.refused = 0
        """How many requests were one too many."""
        self._clock = clock
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._ends: defaultdict[str, float] = defaultdict(float)

    def count(self, ip: str) -> dict[str, str] | None:
        """Return the headers for an allowed request, or None when it is one too many."""
        now = self._clock()
        if now >= self._ends[ip]:
            self._counts[ip] = 0
        if self.rule != "off" and self._counts[ip] >= self.limit:
            self.refused += 1
            return None
        if self._counts[ip] == 0 or self.rule == "renewing":
            self._ends[ip] = now + RATE_SECONDS
        self._counts[ip] += 1
        remaining = self.limit - self._counts[ip] if self.rule != "off" else self.limit
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(int(self._ends[ip])),
        }


async def _until_hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def parsed(content: bytes) -> object:
    """Return a JSON body, or None when it is none."""
    try:
        return json.loads(content)
    except ValueError:
        return None
