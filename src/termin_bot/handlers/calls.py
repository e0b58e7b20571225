"""What a handler gets, and what it gives back. Handlers translate; services decide."""

from dataclasses import dataclass, field

from termin_bot.events import CommandFailure
from termin_bot.recording import Behind
from termin_bot.screens import Screen
from termin_bot.services.appointments import Appointments
from termin_bot.services.booking import Booking
from termin_bot.services.calendar import Calendars
from termin_bot.services.catalogue import CatalogueShelf
from termin_bot.services.changing import Changing
from termin_bot.services.exporting import Exporting
from termin_bot.services.finding import Finding
from termin_bot.services.notices import Attachment
from termin_bot.services.people import People, Visit
from termin_bot.services.reporting import Reporting
from termin_bot.services.subscriptions import Subscriptions


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything a handler may ask."""

    people: People
    subscriptions: Subscriptions
    booking: Booking
    changing: Changing
    appointments: Appointments
    shelf: CatalogueShelf
    finding: Finding
    calendars: Calendars
    exporting: Exporting
    reporting: Reporting
    operators: frozenset[int]
    """Telegram ids of those who see details."""
    retention_days: int


@dataclass(frozen=True, kw_only=True)
class Call:
    """A registered person wants something; *text* is what they typed (for a command: behind it)."""

    visit: Visit
    services: Services
    text: str = field(default="", repr=False)
    is_new: bool = False


@dataclass(frozen=True)
class Answer:
    """
    What the person sees.

    *in_place*: the message with the pressed button becomes the screen. *attachment*: a file after it. *failure*: why a
    command did not do what it is for. *is_stale*: the button no longer means anything.
    """

    screen: Screen
    in_place: bool = False
    attachment: Attachment | None = None
    failure: CommandFailure | None = None
    behind: str | Behind | None = Behind.CURRENT
    is_stale: bool = False
