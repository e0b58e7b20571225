"""How the city answers "what is free?": a pure function with all the oddities of the real one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

BERLIN: Final = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a valid request for the calendar asks."""

    start: date
    end: date
    office_ids: tuple[int, ...]
    service_ids: tuple[int, ...]
    slots: tuple[date, date] | None = None
    """The days whose times are wanted; without it the first bookable day of the range."""


def day_of(start: int) -> date:
    """Return the day in Munich on which an appointment starts."""
    return datetime.fromtimestamp(start, BERLIN).date()


def answer(question: Question, free: Iterable[tuple[int, int]], rumoured: Iterable[tuple[int, date]]) -> dict[str, Any]:
    """
    Return the city's JSON.

    Args:
        question: what was asked.
        free: (office, start) of every appointment that can be had.
        rumoured: (office, day) that the list of days still holds although nothing is free any more.

    """
    times: defaultdict[date, defaultdict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for office_id, start in free:
        if question.start <= day_of(start) <= question.end:
            times[day_of(start)][office_id].append(start)
    offices: defaultdict[date, set[int]] = defaultdict(set)
    for day, by_office in times.items():
        offices[day].update(by_office)
    for office_id, day in rumoured:
        if question.start <= day <= question.end:
            offices[day].add(office_id)
    window = _window(question, sorted(times))
    inside = {day for day in offices if window[0] <= day <= window[1]}
    # A day inside the window always has real times: rumours are found out there.
    listed = [day for day in sorted(offices) if day in times or day not in inside]
    shown = listed if question.slots is None else [day for day in listed if _month(day) in _months(window)]
    painted = {_month(day) for day in shown} if question.slots is None else _months(window)
    return {
        "startDate": question.start.isoformat(),
        "endDate": question.end.isoformat(),
        "slotsStartDate": window[0].isoformat(),
        "slotsEndDate": window[1].isoformat(),
        "prevBookableDate": _neighbour(reversed(listed), lambda month: bool(painted) and month < min(painted)),
        "nextBookableDate": _neighbour(listed, lambda month: bool(painted) and month > max(painted)),
        "availableDays": [_entry(day, offices[day], times[day] if day in inside else {}) for day in shown],
    }


def _window(question: Question, days_with_times: list[date]) -> tuple[date, date]:
    wanted = question.slots or (question.start, question.end)
    if not days_with_times:
        return wanted
    first = (days_with_times[0], days_with_times[0])
    if question.slots is None:
        return first
    # Nothing on the day asked for: the city silently moves to the first bookable day.
    return wanted if any(wanted[0] <= day <= wanted[1] for day in days_with_times) else first


def _entry(day: date, office_ids: Iterable[int], times: Mapping[int, list[int]]) -> dict[str, Any]:
    return {
        "date": day.isoformat(),
        "providerIDs": ",".join(map(str, sorted(office_ids))),
        "offices": [
            {"officeId": str(office_id), "appointments": sorted(set(times[office_id]))} for office_id in sorted(times)
        ],
    }


def _month(day: date) -> tuple[int, int]:
    return (day.year, day.month)


def _months(window: tuple[date, date]) -> set[tuple[int, int]]:
    (year, month), last = _month(window[0]), _month(window[1])
    months = set()
    while (year, month) <= last:
        months.add((year, month))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004  December
    return months


def _neighbour(days: Iterable[date], outside: Any) -> str | None:
    return next((day.isoformat() for day in days if outside(_month(day))), None)
