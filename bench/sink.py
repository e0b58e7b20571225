"""
A server that takes what every peer sends and says yes, in a process of its own.

It reads one line of JSON for each order on a control port, and answers with one:

    {"do": "normal"}                 answer at once
    {"do": "hang"}                   read, and never answer
    {"do": "slow", "seconds": 0.007} work so long for each event, one after the other, as a real Umami does on one core
    {"do": "down"}, {"do": "up"}     nobody listens any more; somebody listens again
    {"do": "distinct"}               from now on look at each event, not only at their number
    {"do": "count"}                  how many events came; and of those of one run, if the sink looks: how many
                                     different ones, and how old those were whose number is their time
    {"do": "reset"}                  forget the counts
"""

import asyncio
import gzip
import json
import re
import sys
import time
from collections import defaultdict
from typing import Any, Final

_MARK: Final = b"ref-"
_ITEM: Final = b'"type":"event"'
_REFERENCE: Final = re.compile(rb"ref-(\d+)-(\d+)")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_GZIP: Final = re.compile(rb"\r\ncontent-encoding: *gzip", re.IGNORECASE)
_MICROSECONDS: Final = 1_000_000
_IS_TIME: Final = 10**15  # a number beyond this is a time in microseconds
_PLAIN: Final = "application/json"


class Sink:
    """What has come, and how the sink behaves now."""

    def __init__(self) -> None:
        self.mode = "normal"
        self.seconds = 0.0
        self.looks = False
        self.connections: set[Connection] = set()
        self.forget()

    def forget(self) -> None:
        """Begin to count anew."""
        self.events = 0
        self.seen: dict[int, set[int]] = defaultdict(set)
        self.ages: dict[int, list[float]] = defaultdict(list)

    def take(self, body: bytes) -> int:
        """Count the events in one request; return how many."""
        events = body.count(_MARK)
        if self.mode == "slow":
            for _ in range(events):
                _work(self.seconds)
        if self.mode != "hang":
            self.events += events
            if self.looks:
                self._look(body)
        return events

    def _look(self, body: bytes) -> None:
        now = time.time()
        for run, digits in _REFERENCE.findall(body):
            number = int(digits)
            if number > _IS_TIME:
                self.ages[int(run)].append(now - number / _MICROSECONDS)
            self.seen[int(run)].add(number)

    def count(self, run: int | None) -> dict[str, Any]:
        """Return what has come; of one *run* in detail."""
        found: dict[str, Any] = {"events": self.events}
        if run is not None:
            found |= {"distinct": len(self.seen[run]), "ages": self.ages[run]}
        return found


def _work(seconds: float) -> None:
    """Use one core for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class Connection(asyncio.Protocol):
    """One connection of a client: as much of HTTP/1.1 as those need that we know."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's interface
        """Forget it."""
        self._sink.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = _LENGTH.search(head)
            length = int(found.group(1)) if found else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, gzip.decompress(body) if _GZIP.search(head) else body)

    def abort(self) -> None:
        """Break it off."""
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, head: bytes, body: bytes) -> None:
        events = self._sink.take(body)
        if self._sink.mode == "hang" or self._transport is None:
            return
        kind, content = _content(head.split(b" ", 2)[1], events, body)
        self._transport.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
        )


def _content(path: bytes, events: int, body: bytes) -> tuple[str, bytes]:
    """Return what the server of that path says when all is well."""
    if path.startswith(b"/api/batch"):
        size = body.count(_ITEM)  # the bot's events carry no mark
        answer: dict[str, Any] = {"size": size, "processed": size, "errors": 0, "details": [], "cache": "c"}
    elif path.startswith(b"/api/send"):
        answer = {"cache": "c", "sessionId": "s", "visitId": "v"}
    elif path.startswith(b"/v1/traces"):
        return "application/x-protobuf", b""
    elif path.startswith((b"/v2/track", b"/v2.1/track")):
        answer = {"itemsReceived": 2 * events, "itemsAccepted": 2 * events, "errors": []}
    else:
        answer = {"status": 1, "success": True}
    return _PLAIN, json.dumps(answer).encode()


class Control:
    """Does what the orders say."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._server: asyncio.Server | None = None
        self.port = 0

    async def up(self) -> None:
        """Listen; at the same port as before, if there was one."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Connection(self._sink), "127.0.0.1", self.port, backlog=256)
            self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Listen no more, and break off what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for each in list(self._sink.connections):
            each.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read orders until the other side hangs up."""
        while line := await reader.readline():
            answer = await self._do(json.loads(line))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _do(self, order: dict[str, Any]) -> dict[str, Any]:
        sink = self._sink
        match order["do"]:
            case "up":
                await self.up()
            case "down":
                await self.down()
            case "distinct":
                sink.looks = True
            case "reset":
                sink.forget()
                sink.looks = False
            case "count":
                return sink.count(order.get("run"))
            case mode:
                if sink.mode == "hang":  # whoever waits for an answer gets none any more
                    for each in list(sink.connections):
                        each.abort()
                sink.mode, sink.seconds = mode, order.get("seconds", 0.0)
        return {}


async def _main() -> None:
    control = Control(Sink())
    await control.up()
    orders = await asyncio.start_server(control.serve, "127.0.0.1", 0)
    print(json.dumps({"port": control.port, "control": orders.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until the parent is gone


if __name__ == "__main__":
    asyncio.run(_main())
