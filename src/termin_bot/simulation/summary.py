"""What a run of the demo came to: numbers, a table, JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Durations:
    """How long bookings took from "Book" to the city's answer, in milliseconds."""

    count: int
    median: int
    p90: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """
    The counts of a run. The same seed and number of citizens give the same `counts`.

    *tally* is what boards show of them: people by event, and events and people by value.
    """

    citizens: int
    seed: int
    events: Mapping[str, int]
    views: int
    visitors: int
    lost: int
    bookings: Durations | None
    seconds: float
    tally: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, Any]:
        """What does not depend on the speed of the machine."""
        return {
            "citizens": self.citizens,
            "seed": self.seed,
            "events": dict(sorted(self.events.items())),
            "views": self.views,
            "visitors": self.visitors,
            "lost": self.lost,
        }

    def write(self, path: Path) -> None:
        """Write the summary as JSON."""
        took = None if self.bookings is None else {"median": self.bookings.median, "p90": self.bookings.p90}
        content = self.counts | dict(self.tally) | {"booking_duration_ms": took, "seconds": round(self.seconds, 1)}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def table(self, order: Sequence[str]) -> Table:
        """Return the table to show: events in *order*, with their counts."""
        table = Table(title=f"{self.citizens} citizens, seed {self.seed}", title_justify="left")
        table.add_column("event")
        table.add_column("count", justify="right")
        for name in order:
            table.add_row(name, str(self.events.get(name, 0)), style=None if self.events.get(name) else "dim")
        table.add_section()
        table.add_row("page views", str(self.views))
        table.add_row("visitors", str(self.visitors))
        table.add_row("lost", str(self.lost), style="red" if self.lost else "green")
        if self.bookings is not None:
            table.add_section()
            table.add_row("bookings: median", f"{self.bookings.median} ms")
            table.add_row("bookings: p90", f"{self.bookings.p90} ms")
        return table


def durations(milliseconds: Sequence[int]) -> Durations | None:
    """Return the median and the 90th percentile (nearest rank); None without a booking."""
    ordered = sorted(milliseconds)
    if not ordered:
        return None
    return Durations(count=len(ordered), median=_rank(ordered, 0.5), p90=_rank(ordered, 0.9))


def _rank(ordered: Sequence[int], share: float) -> int:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
