"""The hours in which a person does not want to hear a telephone."""

from datetime import datetime
from typing import Final

from termin_bot.munich import BERLIN
from termin_bot.storage import Person

_HOUR: Final = 3600


def is_quiet(person: Person, now: float) -> bool:
    """Whether *now* (epoch seconds) is in the person's quiet hours, on Munich's clock; 22-7 goes past midnight."""
    start, end = person.quiet_from, person.quiet_until
    if start is None or end is None or start == end:
        return False
    hour = datetime.fromtimestamp(now, BERLIN).hour
    return start <= hour < end if start < end else hour >= start or hour < end


def quiet_until(person: Person, now: float) -> float:
    """Return when the quiet hours that *now* is in are over; *now* when it is in none."""
    moment = now
    while is_quiet(person, moment):
        moment = (moment // _HOUR + 1) * _HOUR  # Munich's hours begin where everybody's do
    return moment
