"""Time as Umami keeps it: milliseconds since 1970, in years far beyond Python's 9999."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from .javascript import RangeError

_DATE: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3})(?:(Z)|\+(\d\d):(\d\d))?)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_LAST_MONTH, _LAST_DAY, _LAST_HOUR, _LAST_MINUTE = 12, 31, 23, 59


@dataclass(frozen=True)
class Day:
    """A day of the Gregorian calendar, in any year."""

    year: int
    month: int
    day: int


def day_of(milliseconds: int) -> Day:
    """Return the day in UTC (Howard Hinnant's civil_from_days)."""
    days = milliseconds // _DAY_MS + 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9  # noqa: PLR2004 - the year begins in March here
    year = year_of_era + era * 400 + (month <= 2)  # noqa: PLR2004 - January and February belong to the next year
    return Day(year, month, day_of_year - (153 * shifted_month + 2) // 5 + 1)


def iso(milliseconds: int) -> str:
    """Return the time as Umami shows it: `2026-03-02T10:00:00.000Z`, and `58136-07-25T…` for a far year."""
    day = day_of(milliseconds)
    seconds, fraction = divmod(milliseconds % _DAY_MS, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:03}"
    return f"{day.year:04}-{day.month:02}-{day.day:02}T{clock}Z"


def as_datetime(milliseconds: int) -> datetime:
    """Return an aware datetime; times outside of Python's years become its first or last moment."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _LAST if milliseconds > 0 else _FIRST


def month_of(milliseconds: int) -> str:
    """Return what is the same for all times of one calendar month."""
    day = day_of(milliseconds)
    return f"{day.year}-{day.month}"


def hour_of(milliseconds: int) -> int:
    """Return what is the same for all times of one clock hour."""
    return milliseconds // _HOUR_MS


def looks_like_date(text: str) -> bool:
    """Say whether Umami takes *text* for a date; Z and offsets count only after milliseconds."""
    return _DATE.fullmatch(text) is not None


def parse_date(text: str) -> int:
    """
    Return the milliseconds of a text that looks like a date, as `new Date(text)` reads it.

    Days up to 31 are accepted in every month and run over into the next. Raises RangeError for other impossible parts.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise RangeError("Invalid time value")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    ahead_hours, ahead_minutes = int(match[9] or 0), int(match[10] or 0)
    midnight = hour == _LAST_HOUR + 1 and not (minute or second or int(match[7] or 0))
    if not (
        1 <= month <= _LAST_MONTH
        and 1 <= day <= _LAST_DAY
        and (hour <= _LAST_HOUR or midnight)
        and max(minute, second, ahead_minutes) <= _LAST_MINUTE
        and ahead_hours <= _LAST_HOUR
    ):
        raise RangeError("Invalid time value")
    days = _days_from_civil(year, month, 1) + day - 1
    seconds = (hour - ahead_hours) * 3600 + (minute - ahead_minutes) * 60 + second
    return days * _DAY_MS + seconds * 1000 + int(match[7] or 0)


def _days_from_civil(year: int, month: int, day: int) -> int:
    year -= month <= 2  # noqa: PLR2004 - January and February belong to the year before
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468
