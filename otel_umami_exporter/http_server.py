"""uvicorn beside its caller: it tells when it listens, and leaves no connection behind when it stops; for extras."""

import asyncio
import socket
import threading
from typing import Final

import uvicorn

_LOOK_SECONDS: Final = 0.05


def take_port(host: str, port: int, backlog: int | None = None) -> socket.socket:
    """
    Take *port* of *host* without answering yet; with a *backlog*, connections may already queue.

    Raises:
        OSError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: only then asyncio switches Nagle's algorithm off, which else costs 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        if backlog is not None:
            listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


class Orderly(uvicorn.Server):
    """A server that leaves no connection open."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """
        Stop, and close every connection.

        One that comes in at this moment is not among those that uvicorn asks to close. It would wait for its client
        until the time for requests under way is over, and its socket would stay open even then.
        """
        asking = asyncio.create_task(self._ask_all_to_close())
        try:
            await super().shutdown(sockets)
        finally:
            asking.cancel()
        for each in list(self.server_state.connections):
            each.transport.abort()
        await asyncio.sleep(0)  # their turn, to close their sockets

    async def _ask_all_to_close(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for each in list(self.server_state.connections):
                if not each.transport.is_closing():
                    each.shutdown()


class OrderlyUvicorn(Orderly):
    """A server for one thread; *ready* is set when it listens, so that nobody has to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.ready.set()
