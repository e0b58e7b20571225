"""The pages say what is true."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from otel_umami_exporter import Event, Privacy, Prop, Taxonomy, record

DOCS = Path(__file__).parents[2] / "docs"


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
