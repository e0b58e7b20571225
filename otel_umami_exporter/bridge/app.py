"""
The bridge as one ASGI application.

    POST /v1/traces, /v1/logs   OTLP over HTTP; success is said after the spool has committed
    GET  /healthz               the process answers
    GET  /readyz                an event could be stored now
    GET  /metrics               numbers about ourselves, for Prometheus
"""

import asyncio
import hmac
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from otel_umami_exporter.bridge import answers, body, metrics, reading
from otel_umami_exporter.bridge.body import Signal
from otel_umami_exporter.bridge.errors import Answered, Busy, NotTaken, SpoolFull, TooLarge, TooSlow, Unauthenticated
from otel_umami_exporter.bridge.road import Receipt, Road
from otel_umami_exporter.bridge.settings import Limits, Security
from otel_umami_exporter.errors import SpoolError

_log: Final = logging.getLogger(__name__)
_NS: Final = 1_000_000_000
_DRAINED: Final = 4  # a body is thrown away up to so many times the limit; beyond, the connection is cut
_READERS: Final = {"traces": reading.spans, "logs": reading.log_records}


class Bridge:
    """
    The OTLP receiver in front of *road*.

    One thread reads and stores, one request after the other: reading holds the interpreter anyway, and so at most one
    request at a time is spread out in memory.
    """

    def __init__(self, road: Road, *, security: Security | None = None, limits: Limits | None = None) -> None:
        self._road: Final = road
        self._token: Final = (security or Security()).token
        self._limits: Final = limits or Limits()
        self._worker: Final = ThreadPoolExecutor(1, thread_name_prefix="bridge")
        self._in_flight = 0
        self._numbers: Final[Counter[tuple[str, str, str]]] = Counter()
        self._said: str | None = None
        self._app: Final = Starlette(
            routes=[
                Route("/v1/traces", self._export("traces"), methods=["POST"]),
                Route("/v1/logs", self._export("logs"), methods=["POST"]),
                Route("/healthz", _health, methods=["GET"]),
                Route("/readyz", self._ready, methods=["GET"]),
                Route("/metrics", self._metrics, methods=["GET"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI application."""
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Let go of the thread; the road is closed by whoever made it."""
        self._worker.shutdown()

    def _export(self, signal: Signal) -> Callable[[Request], Awaitable[Response]]:
        async def export(request: Request) -> Response:
            try:
                self._authenticate(request)
                kind = body.content_type(request.headers.get("content-type"))
            except Answered as refusal:
                self._numbers["requests", signal, str(refusal.status)] += 1
                return answers.refusal(refusal, body.PROTOBUF)
            try:
                receipt = await self._take(request, signal, kind)
            except Answered as refusal:
                self._numbers["requests", signal, str(refusal.status)] += 1
                return answers.refusal(refusal, kind)
            except ClientDisconnect:
                self._numbers["requests", signal, "gone"] += 1
                return Response(status_code=400)
            self._count(signal, receipt)
            response = ExportTraceServiceResponse() if signal == "traces" else ExportLogsServiceResponse()
            return answers.success(response, receipt, kind)

        return export

    async def _take(self, request: Request, signal: Signal, kind: str) -> Receipt:
        raw = bytearray()
        try:
            await self._collect(request, raw, body.limit(kind, self._limits))
            data, encoding = bytes(raw), request.headers.get("content-encoding")
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, self._work, data, encoding, signal, kind)
        finally:
            self._in_flight -= len(raw)

    async def _collect(self, request: Request, raw: bytearray, most: int) -> None:
        """Fill *raw* with the body; its bytes count as in flight until the caller takes them off."""
        received = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > most * _DRAINED:
                        break
                    if received > most:
                        continue  # read to its end, so that the sender gets to read our answer
                    if self._in_flight + len(chunk) > self._limits.in_flight:
                        raise Busy("too much is being received at this moment")
                    raw += chunk
                    self._in_flight += len(chunk)
        except TimeoutError:
            raise TooSlow(f"the body did not arrive in {self._limits.body_seconds:.0f} s") from None
        if received > most:
            raise TooLarge(f"the body is more than {most} bytes")

    def _work(self, data: bytes, encoding: str | None, signal: Signal, kind: str) -> Receipt:
        """Read and store one request; in the worker thread."""
        limits = self._limits
        unpacked = body.unpack(data, encoding, body.limit(kind, limits))
        message = body.message(unpacked, kind, signal)
        now_ns = int(self._road.clock.time() * _NS)
        try:
            receipt = self._road.receive(_READERS[signal](message, limits, now_ns))
        except SpoolError as error:
            if self._said != type(error).__name__:
                _log.warning("requests are put off, their senders keep them: %s", error)
            self._said = type(error).__name__
            reason = "the spool is full" if isinstance(error, SpoolFull) else "the spool cannot be written"
            raise NotTaken(reason) from None
        if self._said is not None and receipt.stored:
            _log.info("requests are taken again")
            self._said = None
        return receipt

    def _authenticate(self, request: Request) -> None:
        if self._token is None:
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token.encode()):
            raise Unauthenticated("a bearer token is needed")

    def _count(self, signal: Signal, receipt: Receipt) -> None:
        numbers = self._numbers
        numbers["requests", signal, "200"] += 1
        numbers["items", signal, ""] += receipt.items
        numbers["events", signal, "stored"] += receipt.stored
        numbers["events", signal, "doubled"] += receipt.doubled
        for reason, number in receipt.refused.items():
            numbers["events", signal, f"refused_{reason}"] += number

    async def _ready(self, _request: Request) -> Response:
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._road.check)
        except SpoolError as error:
            full = isinstance(error, SpoolFull)
            return PlainTextResponse("the spool is full\n" if full else "the spool cannot be written\n", 503)
        return PlainTextResponse("ready\n")

    async def _metrics(self, _request: Request) -> Response:
        try:
            books = await asyncio.get_running_loop().run_in_executor(None, self._road.books)
        except SpoolError:
            books = None
        text = metrics.exposition(self._numbers, self._road.stayed_behind(), books, self._in_flight)
        return PlainTextResponse(text, media_type=metrics.CONTENT_TYPE)


async def _health(_request: Request) -> Response:
    return PlainTextResponse("alive\n")
