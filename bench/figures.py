"""Median, percentile, spread: what is said of repeated measurements."""

import statistics
from collections.abc import Sequence
from typing import Any


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which *share* (0 to 1) of *values* lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """Return the middle of *values*."""
    return float(statistics.median(values))


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the median of the rounds, the lowest and the highest, and all of them."""
    return {"median": median(values), "low": min(values), "high": max(values), "rounds": list(values)}
