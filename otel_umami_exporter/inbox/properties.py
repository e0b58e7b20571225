"""The `data` of an event or a session as rows: typed, flattened, and refused as a whole when one value is refused."""

import json
import math
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from . import columns, dates, javascript
from .errors import ServerError
from .javascript import Json, RangeError

_YEAR_ZERO_ENDS: Final = dates.parse_date("0001-01-01T00:00:00")

Value = str | int | float | bool | datetime | list["Value"] | dict[str, "Value"] | None


class DataType(IntEnum):
    """Umami's numbers for the types of a property."""

    STRING = 1
    NUMBER = 2
    BOOLEAN = 3
    DATE = 4
    ARRAY = 5


@dataclass(frozen=True, kw_only=True)
class DataRow:
    """One row of event_data or session_data."""

    data_key: str
    data_type: DataType
    string_value: str
    number_value: str | None = None
    date_value: int | None = None

    def value(self) -> Value:
        """Return the value with its Python type; whole numbers are int, an array is what its JSON says."""
        match self.data_type:
            case DataType.STRING:
                return self.string_value
            case DataType.NUMBER:
                number = float(self.number_value or self.string_value)
                return int(number) if number.is_integer() else number
            case DataType.BOOLEAN:
                return self.string_value == "true"
            case DataType.DATE:
                return dates.as_datetime(self.date_value or 0)
            case DataType.ARRAY:
                parsed: Value = json.loads(self.string_value)
                return parsed


@dataclass(frozen=True)
class _Draft:
    """A row on its way to the database; the number may still be too large, the text too long."""

    key: str
    type: DataType
    text: str
    number: float | None = None
    date: int | None = None

    def row(self) -> DataRow:
        texts = {"data_key": self.key, "string_value": self.text}
        columns.refuse_too_long(texts, {"data_key": columns.KEY_LIMIT, "string_value": columns.VALUE_LIMIT})
        number = None if self.number is None or math.isinf(self.number) else columns.numeric(self.number)
        return DataRow(
            data_key=self.key, data_type=self.type, string_value=self.text, number_value=number, date_value=self.date
        )


def event_rows(data: dict[str, Json]) -> list[DataRow]:
    """Return the rows of an event, all or none: raises ServerError for the first value that cannot be stored."""
    drafts = _drafts(data)
    for draft in drafts:
        _refuse_unbindable(draft)
    return [draft.row() for draft in drafts]


def session_rows(data: dict[str, Json]) -> tuple[list[DataRow], ServerError | None]:
    """Return the rows of a session up to the first that cannot be stored, and the error of that one."""
    rows: list[DataRow] = []
    try:
        for draft in _drafts(data):
            _refuse_unbindable(draft)
            rows.append(draft.row())
    except ServerError as error:
        return rows, error
    return rows, None


def _drafts(data: dict[str, Json]) -> list[_Draft]:
    try:
        return [_draft(javascript.scrub(key), value) for key, value in javascript.flatten(data)]
    except RangeError as exc:
        raise ServerError("RangeError") from exc


def _refuse_unbindable(draft: _Draft) -> None:
    """Refuse what the database cannot even read, before it looks at any row."""
    columns.refuse_nul([draft.key, draft.text])
    if draft.date is not None and draft.date < _YEAR_ZERO_ENDS:
        raise ServerError("postgres")


def _draft(key: str, value: Json) -> _Draft:
    match value:
        case bool():
            return _Draft(key, DataType.BOOLEAN, "true" if value else "false")
        case int() | float():
            return _Draft(key, DataType.NUMBER, javascript.to_fixed(value), number=value)
        case str():
            if dates.looks_like_date(value):
                moment = dates.parse_date(value)
                return _Draft(key, DataType.DATE, dates.iso(moment), date=moment)
            return _Draft(key, DataType.STRING, javascript.scrub(value))
        case _:
            return _Draft(key, DataType.ARRAY, javascript.stringify(value))
