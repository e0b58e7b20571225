"""
The two ways to Umami: the standard library's client, and httpx where there is a proxy.

The only module on the road that names an HTTP client; direct.py is the one half of it.
"""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from time import monotonic
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies

import httpx
from opentelemetry import context

from otel_umami_exporter._version import __version__
from otel_umami_exporter.direct import Connections, ExchangeError, Reply, Server

# Umami's bot filter takes every User-Agent that does not look like a browser's system line, "OpenTelemetry-…" too.
USER_AGENT: Final = f"Mozilla/5.0 (X11; Linux x86_64) otel-umami-exporter/{__version__}"
ANSWER_LIMIT: Final = 16 * 1024 * 1024  # 500 failing items are 2 MB of stack traces; more is not Umami
KEEPALIVE_SECONDS: Final = 4.0  # below the server's 5 s: a connection it has just closed must not be used
SENDS_IN_FLIGHT: Final = 4  # where there are no batches
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


class Way(Protocol):
    """How requests reach Umami."""

    def post(self, path: str, content: bytes, seconds: float, connect_seconds: float) -> Reply:
        """Send one request; return what came back within *seconds*, or raise `ExchangeError`."""

    def close(self) -> None:
        """Close the connections."""


def way_to(endpoint: str, transport: httpx.BaseTransport | None) -> Way:
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
