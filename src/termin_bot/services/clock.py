"""Time as an argument."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from termin_bot.munich import BERLIN

Clock = Callable[[], float]
"""Epoch seconds."""

DAY_SECONDS: Final = 86_400
NS: Final = 1_000_000_000


def today(now: float) -> date:
    """Return the day it is in Munich."""
    return datetime.fromtimestamp(now, BERLIN).date()


def day_of(start: int) -> date:
    """Return the day in Munich on which an appointment is."""
    return datetime.fromtimestamp(start, BERLIN).date()


def day_ends(now: float) -> float:
    """Return the next midnight in Munich."""
    return datetime.combine(today(now) + timedelta(days=1), time(), BERLIN).timestamp()


def time_of_day(moment: float) -> str:
    """Return HH:MM on Munich's clock."""
    return f"{datetime.fromtimestamp(moment, BERLIN):%H:%M}"


def timestamp(moment: float) -> str:
    """Return a moment in ISO 8601, UTC, in whole seconds."""
    return datetime.fromtimestamp(int(moment), UTC).isoformat()


def whole_days(seconds: float) -> int:
    """Return how many whole days *seconds* are, at least 0."""
    return max(0, int(seconds // DAY_SECONDS))
