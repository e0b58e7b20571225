"""Lines that can be cut: between the bot and its database, and at the very moment when somebody answered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx
from sqlalchemy import make_url


class Line:
    """A loopback port in front of PostgreSQL's socket."""

    def __init__(self, url: str) -> None:
        self._parsed = make_url(url)
        self._socket = f"{self._parsed.query['host']}/.s.PGSQL.5432"
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """The database's address on this side of the line."""
        here = self._parsed.set(host="127.0.0.1", port=self._port).difference_update_query(["host"])
        return here.render_as_string(hide_password=False)

    async def mend(self) -> None:
        """Let connections through, on the same port as before."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for each in list(self._connections):
            each.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, over_there = await asyncio.open_unix_connection(self._socket)
        self._connections |= {writer, over_there}
        for source, sink in ((reader, over_there), (there, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        self._connections.discard(sink)
        sink.close()

    async def close(self) -> None:
        """Cut it for good."""
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    """Lay a line to a database for the block."""
    line = Line(url)
    await line.mend()
    try:
        yield line
    finally:
        await line.close()


class Hooked(httpx.AsyncBaseTransport):
    """Calls *hook* once, when the first answer to a request with *part* in its path has come and nobody has it yet."""

    def __init__(self, inner: httpx.AsyncBaseTransport, part: str, hook: Callable[[], object]) -> None:
        self._inner = inner
        self._part = part
        self._hook = hook
        self.is_armed = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on."""
        answer = await self._inner.handle_async_request(request)
        if self.is_armed and self._part in request.url.path:
            self.is_armed = False
            self._hook()
        return answer
