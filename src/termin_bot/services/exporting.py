"""Everything the bot keeps about a person, as a document for that person."""

import json
from datetime import date
from typing import Final

from sqlalchemy import inspect

from termin_bot.services.clock import timestamp
from termin_bot.services.notices import Attachment
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.storage import Table
from termin_bot.tracing import traced

FILE_NAME: Final = "my-data.json"
LEFT_OUT: Final = frozenset({"process_id", "auth_key"})
"""What opens an appointment at the city: files get forwarded."""
_EPOCH: Final = "start"
Json = dict[str, object]


class Exporting:
    """Writes a person's data down: every column of every row that hangs on them, so that a new one is not forgotten."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @traced("service export")
    async def document(self, visit: Visit) -> Attachment:
        """Return all of it as JSON, except `LEFT_OUT`."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            watched = [
                _row(each) | {"told": [_row(slot) | _row(told) for told, slot in await work.slots.told_of(each.id)]}
                for each in await work.subscriptions.of(visit.person_id)
            ]
            booking = await work.bookings.of(visit.person_id)
            booked = await work.appointments.of(visit.person_id)
        content: Json = {
            "person": None if person is None else _row(person),
            "subscriptions": watched,
            "booking": None if booking is None else _row(booking),
            "appointments": [_row(each) for each in booked],
        }
        return Attachment(name=FILE_NAME, content=json.dumps(content, ensure_ascii=False, indent=2).encode())


def _row(row: Table) -> Json:
    columns = (each.key for each in inspect(type(row)).column_attrs)
    return {column: _plain(column, getattr(row, column)) for column in columns if column not in LEFT_OUT}


def _plain(column: str, value: object) -> object:
    """Return a value as people read it; every number with a fraction in our tables is a moment."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) or (column == _EPOCH and isinstance(value, int)):
        return timestamp(value)
    return value
