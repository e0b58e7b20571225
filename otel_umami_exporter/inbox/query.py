"""The query of a reading call: range, filters and page, as conditions over the tables `website_event e, session s`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from .errors import ErrorTree, Refused

_DEFAULT_PAGE_SIZE: Final = 20
_RANGE_MISSING: Final = "Either startAt+endAt or startDate+endDate must be provided"
# Names of filters and of types of metrics, and where they look.
COLUMNS: Final[Mapping[str, str]] = {
    "path": "e.url_path",
    "query": "e.url_query",
    "title": "e.page_title",
    "hostname": "e.hostname",
    "tag": "e.tag",
    "referrer": "e.referrer_domain",
    "utmSource": "e.utm_source",
    "utmMedium": "e.utm_medium",
    "utmCampaign": "e.utm_campaign",
    "utmContent": "e.utm_content",
    "utmTerm": "e.utm_term",
    "browser": "s.browser",
    "os": "s.os",
    "device": "s.device",
    "screen": "s.screen",
    "language": "s.language",
    "country": "s.country",
    "region": "s.region",
    "city": "s.city",
    "distinctId": "s.distinct_id",
}
_FILTERS: Final = {**COLUMNS, "event": "e.event_name", "eventType": "e.event_type"}
_OPERATORS: Final = {"eq": "IN", "neq": "NOT IN", "c": "LIKE", "dnc": "NOT LIKE"}


class BadRange(Exception):  # noqa: N818 - says what is the case
    """The range passes Umami's check and then fails in its SQL: a 500 of no bytes."""


@dataclass(frozen=True)
class Query:
    """What is asked for: milliseconds, both ends included, and SQL conditions with their parameters."""

    website_id: str
    start: int
    end: int
    conditions: str
    parameters: tuple[Any, ...]
    page: int
    page_size: int
    search: str

    def where(self, extra: str = "true") -> str:
        """Return the whole condition, for `parameters`."""
        return f"e.website_id = ? AND e.created_at BETWEEN ? AND ? AND {self.conditions} AND {extra}"

    def earlier(self) -> "Query":
        """Return the same for the range before, of the same length."""
        length = self.end - self.start
        parameters = (self.website_id, self.start - length, self.end - length, *self.parameters[3:])
        return Query(
            self.website_id,
            self.start - length,
            self.end - length,
            self.conditions,
            parameters,
            self.page,
            self.page_size,
            self.search,
        )


def read_query(request: Request, *required: str) -> Query:
    """
    Return what *request* asks for.

    Raises:
        Refused: the range, or one of the *required* parameters, is missing.
        BadRange: the range is given as dates.
    """
    given = request.query_params
    errors = ErrorTree()
    for name in required:
        if name not in given:
            errors.at(name).errors.append("Invalid input: expected string, received undefined")
    start, end = _number(given.get("startAt")), _number(given.get("endAt"))
    dated = "startDate" in given and "endDate" in given
    if (start is None or end is None) and not dated:
        errors.errors.append(_RANGE_MISSING)
    if errors:
        raise errors.refusal()
    if start is None or end is None:
        raise BadRange
    website = request.path_params["website_id"].lower()
    conditions, parameters = _filters(given)
    page, size, search = read_page(request)
    return Query(website, start, end, conditions, (website, start, end, *parameters), page, size, search)


def read_page(request: Request) -> tuple[int, int, str]:
    """Return page (from 1), page size and search."""
    given = request.query_params
    page = max(_number(given.get("page")) or 1, 1)
    size = max(_number(given.get("pageSize")) or _DEFAULT_PAGE_SIZE, 1)
    return page, size, given.get("search", "")


def unknown_metric() -> Refused:
    """Return what Umami says to a type of metrics that it does not know."""
    return Refused({"message": "Bad request", "code": "bad-request", "status": 400})


def _filters(given: Mapping[str, str]) -> tuple[str, list[Any]]:
    conditions, parameters = ["true"], []
    for name, column in _FILTERS.items():
        if name not in given:
            continue
        operator, dot, value = given[name].partition(".")
        if not dot or operator not in _OPERATORS:
            operator, value = "eq", given[name]
        if operator in ("eq", "neq"):
            values = value.split(",")
            marks = ", ".join("?" * len(values))
            conditions.append(f"CAST({column} AS TEXT) {_OPERATORS[operator]} ({marks})")
            parameters += values
        else:
            conditions.append(f"{column} {_OPERATORS[operator]} ?")
            parameters.append(f"%{value}%")
    return " AND ".join(conditions), parameters


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
