"""
A POST to one server over connections that are kept, by the standard library's HTTP client.

httpx takes more than twice as long for the same, for much that nobody asks for here: so there are no proxies, redirects
or cookies. What a server may answer to a POST is read in full.
"""

import select
import socket
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ssl import SSLContext
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from io import BufferedReader

_PIECE: Final = 64 * 1024
_PACKED: Final = ("gzip", "x-gzip", "deflate")
_ANY_PACKING: Final = zlib.MAX_WBITS | 32  # zlib sees which
_SWITCHED: Final = 101
_OK: Final = 200


class Reply(NamedTuple):
    """What a server said: its status, its body, unpacked, and its Retry-After."""

    status: int
    body: bytes
    retry_after: str | None


class ExchangeError(Exception):
    """No reply: *reason* is why, as in `Unavailable`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Server:
    """
    Where to connect, and what is the same in all requests.

    Args:
        host: its name, or its address; IPv6 without brackets.
        port: its port.
        tls: how to encrypt; None for http.
        headers: the headers of each request, Host included.
        keepalive_seconds: a connection that was idle for so long is not used again.
        body_limit: bytes of a body, packed or not; one that is longer is malformed.
    """

    host: str
    port: int
    tls: SSLContext | None = field(repr=False)
    headers: dict[str, str] = field(repr=False)  # a password may be in there
    keepalive_seconds: float
    body_limit: int


class Connections:
    """The kept connections to one server. For several threads: each has a connection of its own meanwhile."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[_Connection] = []

    def post(self, target: str, content: bytes, seconds: float, connect_seconds: float) -> Reply:
        """
        Send one request; return what the server said within *seconds*, or raise `ExchangeError`.

        What was sent is never sent again here, whatever happens: only the caller knows whether it may come twice.
        """
        give_up_at = monotonic() + seconds
        connection = self._kept() or _connect(self._server, connect_seconds)
        is_reusable = False
        try:
            reply, is_reusable = connection.exchange(target, content, give_up_at)
        except TimeoutError:
            raise ExchangeError("timeout") from None
        except (OSError, HTTPException):
            raise ExchangeError("connection_lost") from None
        finally:
            if is_reusable:
                connection.idle_since = monotonic()
                self._idle.append(connection)
            else:
                connection.close()
        return reply

    def _kept(self) -> "_Connection | None":
        """Return the connection that was used last if the server still holds it; close those that are too old."""
        oldest = monotonic() - self._server.keepalive_seconds
        with suppress(IndexError):  # another thread may take the last one
            while self._idle:
                found = self._idle.pop()
                if found.idle_since >= oldest and not found.has_something_to_read():
                    return found
                found.close()  # with it go the older ones, as this comes to them
        return None

    def close(self) -> None:
        """Close the connections."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _connect(server: Server, seconds: float) -> "_Connection":
    """Return a new connection, made in *seconds*; a certificate that is not trusted is as good as a refusal."""
    if server.tls is None:
        client = HTTPConnection(server.host, server.port, timeout=seconds)
    else:
        client = HTTPSConnection(server.host, server.port, timeout=seconds, context=server.tls)
    try:
        client.connect()
    except TimeoutError:
        client.close()
        raise ExchangeError("connect_timeout") from None
    except (OSError, UnicodeError):  # a name that is none
        client.close()
        raise ExchangeError("connection_refused") from None
    return _Connection(client, client.sock, server)


class _FinalResponse(HTTPResponse):
    """A response that is no interim one: the standard library skips 100, and takes 103 for the answer."""

    def begin(self) -> None:
        """Read the head."""
        super().begin()
        while self.status < _OK and self.status != _SWITCHED:
            self.headers = self.msg = None  # type: ignore[assignment]  # so that the next head is read
            super().begin()


class _Connection:
    """One connection, for one exchange after the other."""

    __slots__ = ("_client", "_fields", "_server", "_socket", "_watch", "idle_since")

    def __init__(self, client: HTTPConnection, connected: socket.socket, server: Server) -> None:
        self.idle_since = 0.0
        self._client = client
        self._server = server
        self._fields = "".join([f"{name}: {value}\r\n" for name, value in server.headers.items()])
        self._socket = connected
        self._watch = None
        if hasattr(select, "poll"):  # there is none on Windows
            self._watch = select.poll()
            self._watch.register(connected, select.POLLIN)

    def has_something_to_read(self) -> bool:
        """Whether bytes came, or the end: after an answer nothing should."""
        if self._watch is not None:
            return bool(self._watch.poll(0))
        return bool(select.select([self._socket], [], [], 0)[0])

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def exchange(self, target: str, content: bytes, give_up_at: float) -> tuple[Reply, bool]:
        """Send a request; return the reply, and whether the connection can be used again. Raises `OSError`."""
        is_sent = True
        head = f"POST {target} HTTP/1.1\r\n{self._fields}Content-Length: {len(content)}\r\n\r\n".encode("latin-1")
        self._socket.settimeout(_left(give_up_at))
        try:
            self._socket.sendall(head + content)
        except TimeoutError:
            raise
        except OSError:  # it may have answered before it hung up: that it is too large
            is_sent = False
        response = _FinalResponse(self._socket, method="POST")
        try:
            response.begin()
            if len(set(response.headers.get_all("Content-Length", ()))) > 1:
                raise HTTPException("two lengths")
            body = self._read(response, give_up_at)
            is_kept = is_sent and not response.will_close and not self._has_more(response)
        finally:
            response.close()
        if response.headers.get("Content-Encoding", "").lower() in _PACKED:
            body = _unpacked(body, self._server.body_limit)
        return Reply(response.status, body, response.headers.get("Retry-After")), is_kept

    def _read(self, response: HTTPResponse, give_up_at: float) -> bytes:
        limit = self._server.body_limit
        missing = response.length  # None: in chunks, or until the end
        if (missing or 0) > limit:
            raise ExchangeError("malformed_answer")
        # A response that has come to its length closes its reader, and with it what came after: so not by the response.
        reader: BufferedReader | HTTPResponse = response if missing is None else response.fp
        pieces: list[bytes] = []
        total = 0
        while missing != total:
            self._socket.settimeout(_left(give_up_at))
            piece = reader.read1(_PIECE if missing is None else min(_PIECE, missing - total))
            if not piece:
                break
            pieces.append(piece)
            total += len(piece)
            if total > limit:
                raise ExchangeError("malformed_answer")
        if missing is not None and missing != total:
            raise HTTPException("cut off")
        return b"".join(pieces)

    def _has_more(self, response: HTTPResponse) -> bool:
        """Whether more came than the answer: what nobody asked for must not be taken for the next one."""
        reader: BufferedReader | None = response.fp  # None after the last chunk
        more = b""
        if reader is not None:
            self._socket.settimeout(0.0)
            with suppress(OSError):  # there is nothing: encrypted, that is an error
                more = reader.peek(1)
        return bool(more)


def _left(give_up_at: float) -> float:
    left = give_up_at - monotonic()
    if left <= 0:  # each piece alone was in time
        raise TimeoutError
    return left


def _unpacked(body: bytes, limit: int) -> bytes:
    """Return *body* unpacked; one that becomes too long is not unpacked to its end."""
    try:
        unpacked = zlib.decompressobj(_ANY_PACKING).decompress(body, limit + 1)
    except zlib.error:
        raise ExchangeError("malformed_answer") from None
    if len(unpacked) > limit:
        raise ExchangeError("malformed_answer")
    return unpacked
