"""A server on loopback that says byte for byte what a test wants, and the two ways on which we reach it."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from types import TracebackType
from typing import Literal, Self

import httpx
import pytest

from otel_umami_exporter.umami import UmamiClient

NAME = "umami.example"
ENDPOINT = f"http://{NAME}"
Way = Literal["direct", "proxied"]
WAYS: tuple[Way, ...] = ("direct", "proxied")
# A response keeps the connection; pieces of bytes are sent one by one, and then the connection ends.
Said = httpx.Response | Iterator[bytes]
Handler = Callable[[httpx.Request], Said]


class Loopback:
    """Serves *handler*, each connection in a thread of its own; it is also the proxy for any address."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.ended = threading.Semaphore(0)  # released when the server has ended a connection
        self._handler = handler
        self._tls = tls
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._threads[0].join()
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as reader:
                while (request := self._read(reader)) is not None:
                    said = self._handler(request)
                    if isinstance(said, httpx.Response):
                        connection.sendall(_bytes_of(said))
                        continue
                    for piece in said:
                        connection.sendall(piece)
                    break
        connection.close()
        self.ended.release()

    def _read(self, reader: BufferedReader) -> httpx.Request | None:
        line = reader.readline().split()
        if not line:
            return None
        headers = []
        while (field := reader.readline().rstrip(b"\r\n")) != b"":
            name, _, value = field.partition(b":")
            headers.append((name, value.strip()))
        fields = httpx.Headers(headers)
        content = reader.read(int(fields["Content-Length"]))
        url = line[1].decode().removeprefix(ENDPOINT)
        assert fields["Host"] in (NAME, self.address)
        return httpx.Request(line[0].decode(), ENDPOINT + url, headers=headers, content=content)


def _bytes_of(response: httpx.Response) -> bytes:
    status = f"HTTP/1.1 {response.status_code} {response.reason_phrase}\r\n".encode()
    fields = b"".join(b"%b: %b\r\n" % each for each in response.headers.raw if each[0].lower() != b"content-length")
    if response.status_code == httpx.codes.NO_CONTENT:
        return status + fields + b"\r\n"
    assert isinstance(response.stream, httpx.ByteStream)
    content = b"".join(response.stream)  # packed, if it is
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(content), content)


@contextmanager
def reaching(
    server: Loopback, way: Way, endpoint: str = ENDPOINT, timeout_seconds: float = 60.0
) -> Iterator[UmamiClient]:
    """Yield a client whose requests reach *server*, whatever host *endpoint* names."""
    with pytest.MonkeyPatch.context() as patch:
        if way == "proxied":
            patch.setenv("HTTP_PROXY", f"http://{server.address}")
        else:
            endpoint = endpoint.replace(NAME, server.address)
        with UmamiClient(endpoint, timeout_seconds=timeout_seconds) as client:
            yield client
