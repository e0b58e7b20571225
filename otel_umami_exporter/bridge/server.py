"""Serving the bridge over HTTP: in the foreground for the command line, or in a thread beside a test."""

import signal
import socket
import threading
from types import FrameType, TracebackType
from typing import Final, Self

import uvicorn
from starlette.types import ASGIApp

from otel_umami_exporter.bridge.settings import Security
from otel_umami_exporter.http_server import OrderlyUvicorn, take_port

_KEEP_ALIVE_SECONDS: Final = 75  # a Collector keeps idle connections for 90
_GRACE_SECONDS: Final = 10
_BACKLOG: Final = 512
_CONNECTIONS: Final = 1_000  # beyond that, 503 at once


class BridgeServer:
    """
    An HTTP or, with a certificate, HTTPS server for *app*.

    As a context manager it serves in a thread: it listens when the block begins, and has stopped when it ends.
    """

    def __init__(
        self, app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, security: Security | None = None
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._security = security or Security()
        self._running: tuple[OrderlyUvicorn, threading.Thread] | None = None

    @property
    def url(self) -> str:
        """The address without a slash at the end; with port 0 the port that was free at the first start."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._security.certificate is None else 'https'}://{host}:{self._port}"

    def listen(self) -> socket.socket:
        """Take the port without answering yet. Raises OSError if it cannot be had."""
        listener = take_port(self._host, self._port, _BACKLOG)
        self._port = listener.getsockname()[1]
        return listener

    def run(self, listener: socket.socket) -> None:
        """Serve what listen() has taken, in this thread, until SIGINT or SIGTERM; then return, so that others close."""
        before = signal.signal(signal.SIGTERM, _interrupt)  # uvicorn ends in order, and then raises the signal again
        try:
            self._uvicorn().run([listener])
        except KeyboardInterrupt:
            pass  # the way to end it
        finally:
            signal.signal(signal.SIGTERM, before)

    def __enter__(self) -> Self:
        listener = self.listen()
        server = self._uvicorn()
        thread = threading.Thread(target=server.run, args=([listener],), name="bridge-server", daemon=True)
        thread.start()
        server.ready.wait()
        self._running = server, thread
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.should_exit = True
            thread.join()

    def _uvicorn(self) -> OrderlyUvicorn:
        security = self._security
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ssl_certfile=security.certificate,
            ssl_keyfile=security.key,
        )
        return OrderlyUvicorn(config)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
