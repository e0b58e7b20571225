from collections.abc import Iterator
from pathlib import Path

import pytest
from bridge_kit import Sink, road, serving

from otel_umami_exporter.bridge import BridgeServer, Road


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def way(tmp_path: Path, sink: Sink) -> Road:
    return road(tmp_path / "spool.db", sink)


@pytest.fixture
def server(way: Road) -> Iterator[BridgeServer]:
    with serving(way) as running:
        yield running
