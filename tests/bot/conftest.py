"""Fixtures: what the spans said, a world, and a bot running in it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import bot_databases
import pytest
from bot_road import Relay, Road, lay
from bot_world import DATABASES, NOON, ManualClock, World, settings_for
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_umami_exporter import UmamiSpanProcessor
from otel_umami_exporter.inbox import Inbox, InboxServer
from termin_bot.bot import Bot
from termin_bot.simulation.city import SimulatedCity
from termin_bot.simulation.telegram import SimulatedTelegram


@pytest.fixture(scope="session")
def _exporter() -> InMemorySpanExporter:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def exporter(_exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    """Return what was recorded in this test."""
    _exporter.clear()
    yield _exporter
    _exporter.clear()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL server for all tests."""
    with bot_databases.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_kind(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Give the test a database of its own, on either system; `settings_for(tmp_path)` names it."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    async with bot_databases.database(request.getfixturevalue("postgresql")) as url:
        DATABASES[tmp_path] = url
        yield "postgresql"
        del DATABASES[tmp_path]


@pytest.fixture
def make_world(tmp_path: Path, exporter: InMemorySpanExporter) -> Callable[[], World]:
    """Return what makes a quiet Monday noon on this test's database."""

    def make() -> World:
        clock = ManualClock(NOON.timestamp())
        return World(
            telegram=SimulatedTelegram(clock=clock),
            city=SimulatedCity(clock, rate_rule="off"),
            clock=clock,
            settings=settings_for(tmp_path),
            exporter=exporter,
        )

    return make


@pytest.fixture
def world(make_world: Callable[[], World], database_kind: str) -> World:  # noqa: ARG001  makes the database
    """Return a quiet Monday noon."""
    return make_world()


@pytest.fixture
async def bot(world: World) -> AsyncIterator[Bot]:
    """Run the bot in that world."""
    async with world.bot() as running:
        yield running


@pytest.fixture(scope="module")
def inbox() -> Iterator[tuple[Inbox, InboxServer]]:
    """Serve one inbox for all tests of a module."""
    kept = Inbox()
    with kept.serve() as server:
        yield kept, server


@pytest.fixture(scope="session")
def _relay(_exporter: InMemorySpanExporter) -> Relay:
    relay = Relay()
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(relay)
    return relay


@pytest.fixture
def road(inbox: tuple[Inbox, InboxServer], _relay: Relay, tmp_path: Path) -> Iterator[Road]:
    """Lay a road to a website of this test's own."""
    laid = lay(*inbox, tmp_path)
    _relay.road = UmamiSpanProcessor(pipeline=laid.pipeline)
    yield laid
    _relay.road = None
    laid.pipeline.shutdown()
