"""What the page about dashboards says, and what is derived for other tools, is so."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from otel_umami_exporter.dashboards import Dashboards
from otel_umami_exporter.registry_text import to_registry
from termin_bot.dashboards import DASHBOARDS
from termin_bot.events import TAXONOMY

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
REGISTRY: Final = to_registry(TAXONOMY, namespace="test")


def copies() -> dict[str, int]:
    """Return how many copies are made of each event, at most."""
    return {
        event.name: sum(
            each.source == "everything" or (each.source == "events" and event.name in each.events)
            for each in DASHBOARDS.projections
        )
        for event in TAXONOMY.events
    }


def test_the_table_of_costs_is_the_one_of_the_declarations() -> None:
    """An event that is copied more than once is named; all others are copied once."""
    table = PAGE.partition("<!-- copies -->")[2].partition("<!-- /copies -->")[0]
    said = {
        name: int(row.split("|")[2].split("(")[0])
        for row in table.splitlines()
        for name in re.findall(r"`([a-z]+_[a-z_]+)`", row)
    }

    assert {name: number for name, number in copies().items() if number != 1} == said


def test_the_example_of_the_page_runs() -> None:
    """It declares dashboards with one public widget."""
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}

    exec(compile(example, "docs/dashboards.md", "exec"), names)  # noqa: S102  # our own page

    dashboards = names["DASHBOARDS"]
    assert isinstance(dashboards, Dashboards)
    assert [each.key for each in dashboards.projections] == ["bookings"]


@pytest.mark.parametrize("event", TAXONOMY.events, ids=lambda event: event.name)
def test_the_registry_has_every_event_with_its_properties(event: object) -> None:
    """Each event once, each property as a reference."""
    name, properties = getattr(event, "name", ""), getattr(event, "properties", {})

    [group] = re.findall(rf"  - id: event\.{name}\n(.*?)(?=\n  - id: |\Z)", REGISTRY, re.DOTALL)

    assert re.findall(r"- ref: (\w+)", group) == list(properties)
    assert f"name: {name}\n" in group


def test_the_registry_defines_every_property_once() -> None:
    """As Weaver wants it; events only refer to them."""
    defined = re.findall(r"^      - id: (\w+)$", REGISTRY, re.MULTILINE)

    assert sorted(defined) == sorted({name for event in TAXONOMY.events for name in event.properties})


def test_members_of_one_property_have_ids_of_their_own() -> None:
    """Also where values differ in signs only."""
    for block in re.split(r"^      - id: ", REGISTRY, flags=re.MULTILINE)[1:]:
        members = re.findall(r"^            - id: (\S+)$", block.split("\n  - id: event.")[0], re.MULTILINE)
        assert len(members) == len(set(members)), block.splitlines()[0]
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", each) for each in members)


def test_what_is_written_is_fresh() -> None:
    """The registry in the repository is the one of the declarations."""
    written = (ROOT / "registry" / "events.yaml").read_text(encoding="utf-8")

    assert written == to_registry(TAXONOMY, namespace="munich_appointment_bot")


def test_nothing_that_is_derived_is_stale() -> None:
    """taxonomy.json, projections.json, the registry and the generated pages: as `make generate` would write them."""
    command = [sys.executable, str(ROOT / "scripts" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ours

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
