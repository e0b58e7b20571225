"""What a person is told of a board that is there and is not as declared."""

from collections.abc import Iterator, Mapping
from typing import Any

from otel_umami_exporter.dashboards.compile import BoardSpec


def difference(found: Mapping[str, Any], wanted: BoardSpec) -> str:
    """Return how *found*, Umami's JSON, differs from *wanted*, as in `description, + Trend, - Sides, ~ Doors`."""
    return ", ".join(_differences(found, wanted))


def _differences(found: Mapping[str, Any], wanted: BoardSpec) -> Iterator[str]:
    if found["name"] != wanted.name:
        yield f"name, was {found['name']}"
    if found["description"] != wanted.description:
        yield "description"
    if found["parameters"] == wanted.parameters:
        return
    old, new = _widgets(found["parameters"]), _widgets(wanted.parameters)
    changes = [
        *(f"+ {title}" for title in new if title not in old),
        *(f"- {title}" for title in old if title not in new),
        *(f"~ {title}" for title in new if title in old and old[title] != new[title]),
    ]
    yield from changes or ["order of the widgets"]


def _widgets(parameters: Any) -> dict[str, Any]:
    """Return components by their titles; whatever is no board of ours has none."""
    try:
        components = [column["component"] for row in parameters["rows"] for column in row["columns"]]
        return {str(each["title"]): each for each in components}
    except (KeyError, TypeError):
        return {}
