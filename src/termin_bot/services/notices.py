"""What the bot tells people of its own accord, as values; the Telegram side gives them words."""

from dataclasses import dataclass, field
from typing import Literal

from termin_bot.events import BookingFailure as FailureReason
from termin_bot.events import NotificationType


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A free appointment that can be booked by its row id."""

    slot_id: int
    start: int
    office: str


@dataclass(frozen=True, kw_only=True)
class SlotsFree:
    """
    There are free appointments; *offers* are the earliest, *total* is how many there are.

    *digest* says why the next news will be summed up: there is an abundance, or enough was said for today.
    """

    kind: NotificationType
    service_name: str
    link: str
    offers: tuple[Offer, ...]
    total: int
    digest: Literal["abundance", "daily"] | None = None


@dataclass(frozen=True, kw_only=True)
class SlotsGone:
    """The appointments that a message listed are all taken."""

    service_name: str
    at: float


@dataclass(frozen=True, kw_only=True)
class BookingExpired:
    """A booking ran out of time, and the appointment was given back."""

    service_name: str


@dataclass(frozen=True, kw_only=True)
class BookingSucceeded:
    """The city accepted a booking that was under way when the bot was stopped."""

    service_name: str
    activation_minutes: int


@dataclass(frozen=True, kw_only=True)
class BookingFailed:
    """The city refused a booking that was under way when the bot was stopped."""

    service_name: str
    reason: FailureReason


@dataclass(frozen=True, kw_only=True)
class DatesOver:
    """The last day that suited a person has passed, and the bot stopped looking."""

    service_name: str


@dataclass(frozen=True, kw_only=True)
class ServiceLeft:
    """The city no longer offers a service where it was watched, and the bot stopped looking until told to."""

    service_name: str


@dataclass(frozen=True, kw_only=True)
class SlotsBooked:
    """The appointments that a message listed are gone, and this very person took one of them."""

    service_name: str


@dataclass(frozen=True, kw_only=True)
class TimeRunningOut:
    """A booking ends soon: the appointment is held for *minutes* more, until *held_until*."""

    service_name: str
    held_until: float
    minutes: int


@dataclass(frozen=True, kw_only=True)
class ActivationDue:
    """The link in the city's mail was not opened yet, and there are only *minutes* left for it."""

    service_name: str
    minutes: int


@dataclass(frozen=True, kw_only=True)
class Activated:
    """The link was opened: the appointment is the citizen's."""

    service_name: str
    office: str
    start: int


@dataclass(frozen=True, kw_only=True)
class NotActivated:
    """The link was not opened in time: the city gave the appointment to others."""

    service_name: str


@dataclass(frozen=True, kw_only=True)
class AppointmentVanished:
    """The city no longer has an appointment that was booked here: somebody cancelled it there."""

    service_name: str
    start: int


@dataclass(frozen=True, kw_only=True)
class CityBlind:
    """For operators: *cycles* check cycles in a row brought nothing, since *since*."""

    cycles: int
    since: float


@dataclass(frozen=True, kw_only=True)
class CityBack:
    """For operators: the city answers again; it did not since *since*."""

    since: float


@dataclass(frozen=True, kw_only=True)
class AddressRefused:
    """For operators: the city refuses this bot's address, and nothing is asked any more."""


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file for a person."""

    name: str
    content: bytes = field(repr=False)


Notice = (
    SlotsFree
    | SlotsGone
    | SlotsBooked
    | BookingExpired
    | BookingSucceeded
    | BookingFailed
    | DatesOver
    | ServiceLeft
    | TimeRunningOut
    | ActivationDue
    | Activated
    | NotActivated
    | AppointmentVanished
    | CityBlind
    | CityBack
    | AddressRefused
)
