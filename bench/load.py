"""The work that every peer does: one and the same business event, with a mark by which the sink knows it again."""

from typing import Final

NAME: Final = "order_placed"
VISITOR: Final = "v-4f1c9e0b7a"
WEBSITE: Final = "0b1f6c1e-0000-4000-8000-00000000be7c"
Scalar = bool | int | float | str


def reference(run: int, number: int) -> str:
    """Return the mark of one event; it stands once in whatever a peer makes of it."""
    return f"ref-{run}-{number}"


def properties(run: int, number: int) -> dict[str, Scalar]:
    """Return what the event says: the usual four, of the usual types."""
    return {
        "service_id": 1_063_441,
        "office_id": 54,
        "channel": "telegram",
        "reference": reference(run, number),
    }
