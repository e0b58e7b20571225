"""Serving an application on loopback inside the running loop."""

import contextlib
import os
import signal
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

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
    async with httpx.AsyncClient(timeout=60) as http:
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

    async def answer(request: Request) -> PlainTextResponse:
        assert request.client is not None
        return PlainTextResponse(str(_is_undelayed(request.client.port)))

    async with serve(Starlette(routes=[Route("/", answer)])) as url, httpx.AsyncClient(timeout=60) as http:
        assert (await http.get(url)).text == "True"


def _is_undelayed(peer: int) -> bool:
    """Whether this process' socket to that port sends every segment at once."""
    mine = [each for each in Path("/proc/self/fd").iterdir() if each.is_socket()]
    for each in mine:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(each.name))) as found:
            if found.family == socket.AF_INET and found.getpeername()[1] == peer:
                return bool(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    return False


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

    async with httpx.AsyncClient(timeout=60) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)
