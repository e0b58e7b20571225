"""An ASGI application on a loopback port, inside the running event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

import uvicorn

from otel_umami_exporter.http_server import Orderly, take_port

if TYPE_CHECKING:
    from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 1
"""How long requests under way may still run once the server is asked to stop."""


class ServingError(RuntimeError):
    """The application refused to start."""


@contextlib.asynccontextmanager
async def serve(app: "ASGIApp", port: int = 0) -> AsyncGenerator[str]:
    """
    Serve *app* on loopback while the block runs, and yield its base URL without a trailing slash.

    Port 0 picks a free one. Signals stay with the caller. Raises OSError if the port is taken,
    ServingError if the application's own start-up fails. Leaving the block stops accepting at once,
    lets requests under way finish for a second, then cuts them off.
    """
    with take_port(LOOPBACK, port) as listener:
        server = _LoopServer(app)
        running = asyncio.create_task(server.run_on(listener), name="simulation server")
        started = asyncio.create_task(server.ready.wait())
        try:
            await asyncio.wait({running, started}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running  # Raises what went wrong.
            yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            started.cancel()
            server.stop.set()
            await running


class _LoopServer(Orderly):
    """uvicorn that leaves signals and logging alone, and wakes by events instead of ticking."""

    def __init__(self, app: "ASGIApp") -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http="h11",
                ws="none",
                log_config=None,
                log_level="warning",
                proxy_headers=False,
                access_log=False,  # Paths hold the bot's token.
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()

    async def run_on(self, listener: socket.socket) -> None:
        try:
            await self.serve(sockets=[listener])
        except SystemExit as exc:  # uvicorn leaves the whole process when an application does not start
            raise ServingError("the application did not start") from exc

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)  # Sets the default headers once.
        self.ready.set()
        await self.stop.wait()
