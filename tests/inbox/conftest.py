"""One inbox and its server for all tests, emptied for each; and a client that looks like a browser to it."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from otel_umami_exporter.inbox import Inbox, InboxServer

BROWSER_LIKE = "Mozilla/5.0 (X11; Linux x86_64) inbox-test/1.0"


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[Inbox, InboxServer]]:
    inbox = Inbox()
    with inbox.serve() as server:
        yield inbox, server
    inbox.close()


@pytest.fixture
def inbox(_served: tuple[Inbox, InboxServer]) -> Iterator[Inbox]:
    inbox, _ = _served
    yield inbox
    inbox.faults.clear()
    inbox.faults.wait_for_hanging(0)
    inbox.clear()


@pytest.fixture
def server(_served: tuple[Inbox, InboxServer], inbox: Inbox) -> InboxServer:
    """Return the running server; *inbox* empties what it stored when the test is over."""
    del inbox
    return _served[1]


@pytest.fixture
def client(server: InboxServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"user-agent": BROWSER_LIKE}, timeout=60) as client:
        yield client


@pytest.fixture
def website() -> str:
    return str(uuid.uuid4())
