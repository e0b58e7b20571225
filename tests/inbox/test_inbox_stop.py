"""A server that stops leaves nobody hanging."""

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from otel_umami_exporter.bridge import BridgeServer
from otel_umami_exporter.inbox import Faults, InboxServer

SERVERS = {
    "inbox": lambda app: InboxServer(app, Faults(), host="127.0.0.1", port=0),
    "bridge": BridgeServer,
}


class Busy:
    """An application that stops the world until it is released, as a busy machine does."""

    def __init__(self) -> None:
        self.asked, self.released = threading.Event(), threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, later."""
        del scope, receive
        self.asked.set()
        self.released.wait(60)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


@pytest.mark.parametrize("make", SERVERS.values(), ids=SERVERS)
def test_who_connects_while_it_stops_is_sent_away(
    make: Callable[[ASGIApp], AbstractContextManager[InboxServer | BridgeServer]],
) -> None:
    """At once, and not by the end of the process; a request under way is answered."""
    busy = Busy()
    opened = make(busy)
    server = opened.__enter__()
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(address, 60) as first:
        first.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert busy.asked.wait(60)
        stopping = threading.Thread(target=opened.__exit__, args=(None, None, None))
        stopping.start()
        with socket.create_connection(address, 60) as late:
            stopping.join(0.3)  # longer than the server looks away
            busy.released.set()
            assert late.recv(1) == b""
        assert first.recv(12) == b"HTTP/1.1 204"
    stopping.join()
