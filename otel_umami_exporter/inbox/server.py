"""Serving the inbox over HTTP: in a thread beside a test, or in the foreground for the command line."""

import logging
import socket
import threading
from types import TracebackType
from typing import Final, Self

import uvicorn
from starlette.types import ASGIApp

from otel_umami_exporter.http_server import OrderlyUvicorn, take_port

from .faults import Faults

_log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS: Final = 5  # Umami's Node closes idle connections after as many
_GRACE_SECONDS: Final = 5
_BACKLOG: Final = 128


class InboxServer:
    """
    An HTTP server for the inbox, in a thread of its own.

    stop() and start() again, on the same port, is an outage: what the inbox has stored is still there. A context
    manager: it listens when the block begins, and has stopped in good order when the block ends.
    """

    def __init__(self, app: ASGIApp, faults: Faults, *, host: str, port: int) -> None:
        self._app = app
        self._faults = faults
        self._host = host
        self._port = port
        self._running: tuple[OrderlyUvicorn, threading.Thread] | None = None

    @property
    def port(self) -> int:
        """The port; with port 0 the one that was free at the first start."""
        return self._port

    @property
    def url(self) -> str:
        """The address without a slash at the end, for UMAMI_ENDPOINT."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Listen; returns when requests are answered. Raises OSError if the port is in use."""
        if self._running is not None:
            raise RuntimeError("the inbox is already running")
        listener = self.listen()
        server = self._uvicorn()
        thread = threading.Thread(target=server.run, args=([listener],), name="inbox", daemon=True)
        thread.start()
        server.ready.wait()
        self._announce()
        self._running = server, thread

    def stop(self) -> None:
        """Close the port, let running requests finish (hanging ones are released), end the thread."""
        if self._running is None:
            return
        server, thread = self._running
        self._running = None
        server.should_exit = True
        self._faults.release()
        thread.join()

    def run(self, listener: socket.socket) -> None:
        """Serve what listen() has taken, in this thread, until SIGINT or SIGTERM."""
        self._announce()
        self._uvicorn().run([listener])

    def listen(self) -> socket.socket:
        """Take the port without answering yet. Raises OSError if it is in use."""
        listener = take_port(self._host, self._port, _BACKLOG)
        self._port = listener.getsockname()[1]
        return listener

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _announce(self) -> None:
        _log.info("inbox, a local stand-in for Umami, for development: not for production, listens on %s", self.url)

    def _uvicorn(self) -> OrderlyUvicorn:
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        return OrderlyUvicorn(config)
