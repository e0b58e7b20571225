"""What a step of a booking comes to; the Telegram side gives it words."""

from dataclasses import dataclass, field

from termin_bot.events import Step
from termin_bot.services.notices import Offer
from termin_bot.services.questions import Invalid


@dataclass(frozen=True, kw_only=True)
class TimesOffered:
    """Choose a time; the first is the one that was pressed."""

    booking_id: int
    service_name: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Somebody was faster; choose another time."""

    booking_id: int
    offers: tuple[Offer, ...]


@dataclass(frozen=True, kw_only=True)
class OtherTimes:
    """Choose another time; the one that is held stays held until then."""

    booking_id: int
    service_name: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class NoOtherTime:
    """Nothing else is free; the summary stands."""

    summary: "Prompt"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the person is to type next; the appointment is held until *held_until*."""

    booking_id: int
    step: Step
    label: str
    is_optional: bool
    held_until: float
    minutes_left: int
    invalid: Invalid | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything is there: confirm or cancel. What a person typed does not print itself."""

    booking_id: int
    service_name: str
    office: str
    start: int
    held_until: float
    minutes_left: int
    details: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class AlreadyBooking:
    """One booking at a time; *is_holding* when an appointment is held, so that it can be gone on with."""

    booking_id: int
    service_name: str
    is_holding: bool


@dataclass(frozen=True)
class NoBooking:
    """There is no such booking (any more)."""


@dataclass(frozen=True)
class SlotUnavailable:
    """This appointment is not free any more."""


Prompt = Question | Summary
