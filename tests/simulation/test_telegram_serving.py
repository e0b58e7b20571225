"""Serving an application on loopback inside the running loop."""

import asyncio
import contextlib
import signal
import socket
import statistics
from collections.abc import AsyncGenerator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from termin_bot.simulation.serving import ServingError, serve


async def _hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def test_it_answers_while_the_block_runs_and_not_after() -> None:
    """The URL works inside the block; afterwards the port is free again."""
    async with httpx.AsyncClient() as http:
        async with serve(Starlette(routes=[Route("/", _hello)])) as url:
            assert (await http.get(url)).text == "hello"
        with pytest.raises(httpx.ConnectError):
            await http.get(url)

    assert url.startswith("http://127.0.0.1:")


async def test_signals_stay_with_the_caller() -> None:
    """Ctrl-C belongs to the demo, not to its servers."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async with serve(Starlette()):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_answers_are_not_held_back() -> None:
    """Answers leave at once, without the 40 ms that an answer in two segments costs on a socket that delays."""
    clock = asyncio.get_running_loop().time
    seconds = []
    async with serve(Starlette(routes=[Route("/", _hello)])) as url, httpx.AsyncClient() as http:
        for _ in range(15):
            started = clock()
            await http.get(url)
            seconds.append(clock() - started)

    assert statistics.median(seconds) < 0.04


async def test_a_taken_port_is_an_error() -> None:
    """Two servers on one port are refused, not hidden."""
    async with serve(Starlette()) as url:
        with pytest.raises(OSError, match="in use"):
            async with serve(Starlette(), int(url.rpartition(":")[2])):
                pass


async def test_an_application_that_does_not_start_is_an_error() -> None:
    """A failing start-up ends in an exception, not in the end of the process, and frees the port."""

    @contextlib.asynccontextmanager
    async def fails(_app: Starlette) -> AsyncGenerator[None]:
        raise ZeroDivisionError
        yield

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServingError):
        async with serve(Starlette(lifespan=fails), port):
            pass

    async with serve(Starlette(), port):
        pass


async def test_an_error_in_the_block_still_stops_the_server() -> None:
    """The block's own error comes out, and the port is closed."""
    with pytest.raises(KeyError):
        async with serve(Starlette()) as url:
            raise KeyError

    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)
