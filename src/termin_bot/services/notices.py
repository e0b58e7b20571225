"""What the bot tells people of its own accord, as values; the Telegram side gives them words."""

from dataclasses import dataclass

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
    """There are free appointments; *offers* are the earliest, *total* is how many there are."""

    kind: NotificationType
    service_name: str
    link: str
    offers: tuple[Offer, ...]
    total: int


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


Notice = SlotsFree | SlotsGone | BookingExpired | BookingSucceeded | BookingFailed | DatesOver
