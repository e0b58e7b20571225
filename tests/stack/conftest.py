"""
Tests against a real Collector and a real Jaeger. `make test-stack` builds both and runs them.

Any other run leaves them out; chosen by their marker they never skip: what is missing is a failure.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_ports
from stack_kit import TOOLS, Jaeger, Umami

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the stack tests out unless they were asked for by their marker."""
    if "stack" in config.option.markexpr:
        return
    ours = [item for item in items if _HERE in item.path.parents]
    if ours:
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    missing = [name for name in ("bin/otelcol-umami", "bin/jaeger", "node/package.json") if not (TOOLS / name).exists()]
    if missing:
        pytest.fail(f"{', '.join(missing)} missing in .tools: run `make stack-tools`")


@pytest.fixture
def umami() -> Iterator[Umami]:
    """Return the stand-in for Umami, listening."""
    with Umami() as running:
        yield running


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """Return one Jaeger for all tests: they tell their traces apart by the service name."""
    with Jaeger(tmp_path_factory.mktemp("jaeger"), free_ports(3)) as running:
        yield running


assert sys.platform != "win32", "the stack tests need signals"
