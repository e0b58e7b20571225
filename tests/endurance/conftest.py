"""An inbox for each test, and a place for the figures, which are printed at the end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from world import Sink

from otel_umami_exporter.inbox import Inbox, InboxServer

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    yield inbox
    inbox.close()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[InboxServer]:
    with inbox.serve() as server:
        yield server
        inbox.faults.clear()


@pytest.fixture
def sink(inbox: Inbox) -> Sink:
    return Sink(inbox)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return where a test says its figures, in one line."""
    lines = request.config.stash.setdefault(_FIGURES, [])
    return lambda line: lines.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures."""
    lines = config.stash.get(_FIGURES, [])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.line(line)
