"""
One request to the city: its span, its deadline, its error.

This is the only module that sees a URL with a captcha token or an auth key. Foreign exceptions carry that URL, so
they end here: ours are raised outside the `except` block, with neither cause nor context, since a traceback would
print both.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, TypeVar

import httpx
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from .errors import (
    Endpoint,
    MunichBlacklisted,
    MunichError,
    MunichMalformed,
    MunichRateLimited,
    MunichServerError,
    MunichTimeout,
    MunichUnreachable,
    error_for,
)
from .parsing import OutsideContractError, carries_errors, error_code
from .protocols import MunichObserver
from .rate_limit import RateLimit, Urgency

_log: Final = logging.getLogger(__name__)

T = TypeVar("T")

METHODS: Final[Mapping[Endpoint, Literal["GET", "POST"]]] = {
    "offices-and-services": "GET",
    "captcha-challenge": "GET",
    "captcha-verify": "POST",
    "available-calendar": "GET",
    "reserve-appointment": "POST",
    "update-appointment": "POST",
    "preconfirm-appointment": "POST",
    "appointment": "GET",
    "cancel-appointment": "POST",
}

RETRY_PAUSE: Final = 2.0
"""Seconds before a GET is repeated once, give or take a half. A POST may have worked: it is never repeated."""


class Wire:
    """Sends requests and returns parsed answers, or raises a MunichError."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        timeout: float,
        limit: RateLimit,
        sleep: Callable[[float], Awaitable[object]],
        chance: Callable[[], float],
        observer: MunichObserver,
        tracer: Tracer,
    ) -> None:
        self._http = http
        self._timeout = timeout
        self._limit = limit
        self._sleep = sleep
        self._chance = chance
        self._observer = observer
        self._tracer = tracer

    async def call(
        self,
        endpoint: Endpoint,
        parse: Callable[[object], T],
        *,
        urgency: Urgency,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> T:
        """Return the parsed answer; a GET that met trouble on the way is repeated once."""
        await self._limit.admit(endpoint, urgency)
        try:
            return await self._attempt(endpoint, parse, query, body)
        except (MunichUnreachable, MunichTimeout, MunichServerError):
            if METHODS[endpoint] != "GET":
                raise
        await self._sleep(RETRY_PAUSE * (0.5 + self._chance()))
        await self._limit.admit(endpoint, urgency)
        return await self._attempt(endpoint, parse, query, body)

    async def _attempt(
        self,
        endpoint: Endpoint,
        parse: Callable[[object], T],
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> T:
        attributes = {
            "http.request.method": METHODS[endpoint],
            "server.address": self._http.base_url.host,
            "url.template": f"/{endpoint}/",
        }
        with self._tracer.start_as_current_span(
            f"munich {endpoint}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                response = await self._exchange(endpoint, query, body)
                return self._read(endpoint, response, parse, span)
            except MunichError as error:
                self._failed(error, span)
                raise

    async def _exchange(
        self, endpoint: Endpoint, query: Mapping[str, str | int] | None, body: Mapping[str, Any] | None
    ) -> httpx.Response:
        failure: MunichError
        try:
            # httpx limits every phase by itself; this is the limit of all of them together.
            async with asyncio.timeout(self._timeout):
                return await self._http.request(METHODS[endpoint], f"/{endpoint}/", params=query, json=body)
        except (TimeoutError, httpx.TimeoutException):
            failure = MunichTimeout(endpoint, "timeout")
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            failure = MunichUnreachable(endpoint, "network_error")
        raise failure

    def _read(self, endpoint: Endpoint, response: httpx.Response, parse: Callable[[object], T], span: Span) -> T:
        """Return the parsed body of a well-formed 200; nothing else counts as an answer."""
        span.set_attribute("http.response.status_code", response.status_code)
        data = _json(response)
        if response.status_code != httpx.codes.OK or carries_errors(data):
            raise error_for(endpoint, response.status_code, error_code(data))
        self._limit.succeeded(response.headers)
        where = "body"
        try:
            parsed = parse(data)
        except OutsideContractError as outside:
            where = outside.where
        else:
            self._observer.on_answer(endpoint)
            return parsed
        _log.warning("%s answered outside the contract at %s", endpoint, where)
        raise MunichMalformed(endpoint, "malformed_body", response.status_code)

    def _failed(self, error: MunichError, span: Span) -> None:
        if isinstance(error, MunichRateLimited):
            error.retry_after = self._limit.exceeded()
        elif isinstance(error, MunichBlacklisted):
            self._limit.stop()
        span.set_attribute("error.type", error.error_code)
        span.set_status(StatusCode.ERROR)
        self._observer.on_api_error(error.endpoint, error.error_type, error.error_code)
        _log.info("%s", error)


def _json(response: httpx.Response) -> object:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None
