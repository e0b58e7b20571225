"""One HTTP call to Umami; answers.py says what comes of it. The only module on the road that names the HTTP client."""

import math
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from time import monotonic
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies

import httpx
from opentelemetry import context

from otel_umami_exporter._version import __version__
from otel_umami_exporter.answers import (
    BOT_FILTER,
    NOT_UMAMI,
    Answer,
    read_answer,
    read_batch,
    read_failure,
    read_send,
)
from otel_umami_exporter.direct import Connections, ExchangeError, Reply, Server
from otel_umami_exporter.outcome import BatchRefused, Delivered, Misconfigured, Outcome, Refused, Throttled, Unavailable

# Umami's bot filter takes every User-Agent that does not look like a browser's system line, "OpenTelemetry-…" too.
USER_AGENT: Final = f"Mozilla/5.0 (X11; Linux x86_64) otel-umami-exporter/{__version__}"
BODY_LIMIT: Final = 10 * 1024 * 1024 - 64 * 1024  # Umami reads 10 MiB, and what is cut off is no JSON
ANSWER_LIMIT: Final = 16 * 1024 * 1024  # 500 failing items are 2 MB of stack traces; more is not Umami
KEEPALIVE_SECONDS: Final = 4.0  # below the server's 5 s: a connection it has just closed must not be used
CONNECT_SECONDS: Final = 5.0
SENDS_IN_FLIGHT: Final = 4  # where there are no batches
_BATCH_AGAIN_SECONDS: Final = 600.0  # a proxy may have said 404 while Umami was being replaced
# These are imported in the thread that sends first. In a child that is forked in that moment they would stay half
# imported: it could send nothing for the rest of its life.
for _name in ("certifi", "encodings.idna", "importlib.readers", *(["httpcore"] if getproxies() else [])):
    with suppress(ImportError):
        import_module(_name)

_LIMITS: Final = httpx.Limits(
    max_connections=SENDS_IN_FLIGHT, max_keepalive_connections=SENDS_IN_FLIGHT, keepalive_expiry=KEEPALIVE_SECONDS
)
# The instrumentations' public name for "create no spans here"; our own requests are nobody's business.
_SUPPRESS: Final = "suppress_instrumentation"
_NOT_TRIED: Final = Unavailable("not_tried")


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


def our_headers(credentials: tuple[str, str] | None) -> dict[str, str]:
    """Return the headers of each of our requests."""
    headers = {"User-Agent": USER_AGENT, "Content-Type": "application/json", "Accept": "application/json"}
    if credentials is not None:
        headers["Authorization"] = f"Basic {b64encode(':'.join(credentials).encode()).decode()}"
    return headers


def open_http(endpoint: str, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Return an HTTP client for the API at *endpoint* that looks like ours, and follows no redirect to another host."""
    address, credentials = split_credentials(endpoint)
    return httpx.Client(
        base_url=f"{address}/api/",
        headers=our_headers(credentials),
        limits=_LIMITS,
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
        self._doubted = False  # whether a batch of one had no token, though its event was stored by itself
        self._way = _way_to(endpoint, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._way.close()

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Send *bodies*, one JSON item each; return one outcome each, in order. Never raises for what a server does."""
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
        if answer.has_no_route:
            return None
        if answer.status == httpx.codes.OK:
            return self._made_sure(bodies, read_batch(answer.document, len(bodies)))
        outcome = read_failure(answer)
        if isinstance(outcome, Refused):  # one of them is to blame, not all
            outcome = BatchRefused(outcome.reason)
        return [outcome] * len(bodies)

    def _made_sure(self, bodies: Sequence[bytes], outcomes: list[Outcome]) -> list[Outcome]:
        """
        Return *outcomes*, or the truth if this server never puts a token into the answer of a batch.

        Older ones do not, so that a batch that was stored looks like one that the bot filter took. To guess would be to
        lose every event, or to store it again and again: so one of them is sent by itself, and another as a batch of
        one. If that has no token either, though the filter lets us pass, all of them were stored, and each goes by
        itself from then on. There these two arrive twice; where the filter has just ended, nothing does.

        A batch of one has no second event to try: the next one is that, so that rare events do not come twice for ever.
        """
        undecided = [index for index, each in enumerate(outcomes) if each is BOT_FILTER]
        if not undecided:
            self._doubted = False
            return outcomes
        first, *others = undecided
        outcomes[first] = alone = self._send_one(bodies[first])
        if not isinstance(alone, Delivered):
            return outcomes
        if not others:
            if self._doubted:
                self._batch_from = math.inf
            self._doubted = True
            return outcomes
        second = others[0]
        answer = self._post("batch", b"[" + bodies[second] + b"]", 1)
        if isinstance(answer, Answer) and answer.status == httpx.codes.OK:
            [outcomes[second]] = read_batch(answer.document, 1)
            if outcomes[second] is BOT_FILTER:
                self._batch_from = math.inf
                return [alone if each is BOT_FILTER else each for each in outcomes]
        return outcomes

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

        # Daemons: a server that never answers must not keep the interpreter from ending.
        helpers = [
            threading.Thread(target=work, name=f"umami-send-{number}", daemon=True)
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
        return read_send(answer) if isinstance(answer, Answer) else answer

    def _seconds(self, items: int) -> float:
        # The server goes on after we hung up, so hanging up early means sending twice: be patient with large batches.
        return self._timeout + 0.2 * items

    def _post(self, path: str, content: bytes, items: int) -> Answer | Outcome:
        try:
            status, body, wait = self._way.post(
                path, content, self._seconds(items), min(self._timeout, CONNECT_SECONDS)
            )
        except ExchangeError as error:
            return Unavailable(error.reason)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            return NOT_UMAMI
        return read_answer(status, body, wait)


class _Way(Protocol):
    """How requests reach Umami."""

    def post(self, path: str, content: bytes, seconds: float, connect_seconds: float) -> Reply:
        """Send one request; return what came back within *seconds*, or raise `ExchangeError`."""

    def close(self) -> None:
        """Close the connections."""


def _way_to(endpoint: str, transport: httpx.BaseTransport | None) -> _Way:
    """Return the shortest way to *endpoint*: httpx costs more than all else that is done for a batch."""
    if transport is None:
        address, credentials = split_credentials(endpoint)
        urls = {path: httpx.URL(f"{address}/api/{path}") for path in ("batch", "send")}
        url = urls["batch"]
        if url.scheme in ("http", "https") and url.host and not _is_proxied(url.scheme):
            return _Direct(urls, our_headers(credentials))
    return _ThroughHttpx(endpoint, transport)


def _is_proxied(scheme: str) -> bool:
    """Whether the environment names a proxy for addresses of *scheme*; which of them it is for, httpx' client knows."""
    proxies = getproxies()
    return scheme in proxies or "all" in proxies


class _Direct:
    """The standard library's client, with nothing before the server."""

    def __init__(self, urls: dict[str, httpx.URL], headers: dict[str, str]) -> None:
        url = urls["batch"]
        tls = None
        if url.scheme == "https":
            tls = httpx.create_ssl_context()  # trusts what httpx trusts, SSL_CERT_FILE and SSL_CERT_DIR included
            tls.set_alpn_protocols(["http/1.1"])
        fields = {"Host": url.netloc.decode("ascii")} | headers | {"Accept-Encoding": "gzip"}
        server = Server(
            host=url.raw_host.decode("ascii"),
            port=url.port or (80 if tls is None else 443),
            tls=tls,
            headers=fields,
            keepalive_seconds=KEEPALIVE_SECONDS,
            body_limit=ANSWER_LIMIT,
        )
        self._connections = Connections(server)
        self._targets = {path: each.raw_path.decode("ascii") for path, each in urls.items()}

    def post(self, path: str, content: bytes, seconds: float, connect_seconds: float) -> Reply:
        with no_spans():
            return self._connections.post(self._targets[path], content, seconds, connect_seconds)

    def close(self) -> None:
        self._connections.close()


class _ThroughHttpx:
    """What needs more than a connection: proxies, and the tests' own transports."""

    def __init__(self, endpoint: str, transport: httpx.BaseTransport | None) -> None:
        self._http = open_http(endpoint, transport)
        self._http.headers["Accept-Encoding"] = "gzip"

    def post(self, path: str, content: bytes, seconds: float, connect_seconds: float) -> Reply:
        timeout = httpx.Timeout(seconds, connect=connect_seconds)
        give_up_at = monotonic() + seconds
        try:
            with no_spans(), self._http.stream("POST", path, content=content, timeout=timeout) as response:
                body = _read(response, give_up_at)
        except httpx.TimeoutException as error:
            reason = "connect_timeout" if isinstance(error, httpx.ConnectTimeout) else "timeout"
            raise ExchangeError(reason) from None
        except httpx.UnsupportedProtocol:
            raise
        except httpx.TransportError as error:
            reason = "connection_refused" if isinstance(error, httpx.ConnectError) else "connection_lost"
            raise ExchangeError(reason) from None
        except httpx.HTTPError:
            raise ExchangeError("malformed_answer") from None
        return Reply(response.status_code, body, response.headers.get("Retry-After"))

    def close(self) -> None:
        self._http.close()


def _read(response: httpx.Response, give_up_at: float) -> bytes:
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > ANSWER_LIMIT:
            raise ExchangeError("malformed_answer")
        if monotonic() > give_up_at:  # each piece alone was in time
            raise ExchangeError("timeout")
    return body
