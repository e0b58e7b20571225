"""The hours in which a person does not want to hear a telephone."""

from datetime import datetime

from termin_bot.munich import BERLIN
from termin_bot.storage import Person


def is_quiet(person: Person, now: float) -> bool:
    """Whether *now* (epoch seconds) is in the person's quiet hours, on Munich's clock; 22-7 goes past midnight."""
    start, end = person.quiet_from, person.quiet_until
    if start is None or end is None or start == end:
        return False
    hour = datetime.fromtimestamp(now, BERLIN).hour
    return start <= hour < end if start < end else hour >= start or hour < end
