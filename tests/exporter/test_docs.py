"""The pages say what is true."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from road import WEBSITE, payload

from otel_umami_exporter import Event, Privacy, Prop, Taxonomy, record
from otel_umami_exporter.spool import Spool

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """A guest placed an order."""

    name: ClassVar[str] = "order_placed"

    dish: Annotated[str, Prop("What", Privacy.PUBLIC, source="the menu")]


def test_the_example_of_a_test_is_a_test_that_passes() -> None:
    """As it stands on the page, beside a program that records an order."""
    page = (DOCS / "testing.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {
        "TAXONOMY": Taxonomy([OrderPlaced]),
        "place_order": lambda dish: record(OrderPlaced(dish=dish)),
    }

    exec(found[1], names)  # noqa: S102  # our own page
    names["test_an_order_is_counted"]()


def test_the_program_of_the_readme_works_and_has_eight_lines(tmp_path: Path) -> None:
    """As it stands there, with an Umami that is away: two events and a page view are on disk afterwards."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    program, visitor = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    environment = {
        "UMAMI_ENDPOINT": "http://127.0.0.1:9",
        "UMAMI_WEBSITE_ID": WEBSITE,
        "UMAMI_SPOOL": str(tmp_path / "spool.db"),
    }
    (tmp_path / "shop.py").write_text(program + visitor, encoding="utf-8")

    subprocess.run([sys.executable, tmp_path / "shop.py"], env=os.environ | environment, timeout=300, check=True)  # noqa: S603

    spool = Spool(tmp_path / "spool.db")
    found = [(sent.get("name"), sent["url"], sent.get("id")) for sent in map(payload, spool.bodies())]
    spool.close()
    assert found == [
        ("order_placed", "/event/order_placed", None),
        (None, "/POST/orders", "v-8c1f"),
        ("order_placed", "/event/order_placed", "v-8c1f"),
    ]
    lines = [line for line in program.splitlines() if line and not line.startswith(("from ", "import "))]
    assert len(lines) == 8
