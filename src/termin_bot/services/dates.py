"""Two days as people type them. Pure."""

import re
from datetime import date
from typing import Final

_DATE: Final = r"(\d{1,2})\.\s*(\d{1,2})\.?(?:\s*(\d{4}|\d{2}))?"
_RANGE: Final = re.compile(rf"\s*{_DATE}\s*(?:-|–|—|to|bis)\s*{_DATE}\s*", re.IGNORECASE | re.ASCII)  # noqa: RUF001  people type dashes
_CENTURY: Final = 2000
_SHORT: Final = 100


def read_range(text: str, today: date) -> tuple[date, date] | None:
    """
    Read `24.11.2026-15.12.2026`, also with short years or none: then the next such day is meant.

    None when these are no two days. Whether they suit is for others to say.
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    day, month, year, last_day, last_month, last_year = (None if each is None else int(each) for each in found.groups())
    assert day is not None
    assert month is not None
    assert last_day is not None
    assert last_month is not None
    try:
        if year is None and last_year is not None:
            end = date(_full(last_year), last_month, last_day)
            start = date(end.year, month, day)
            return (start if start <= end else date(end.year - 1, month, day)), end
        start = _next(month, day, today) if year is None else date(_full(year), month, day)
        end = _next(last_month, last_day, start) if last_year is None else date(_full(last_year), last_month, last_day)
    except ValueError:
        return None
    return start, end


def _full(year: int) -> int:
    return year + _CENTURY if year < _SHORT else year


def _next(month: int, day: int, since: date) -> date:
    this_year = date(since.year, month, day)
    return this_year if this_year >= since else date(since.year + 1, month, day)
