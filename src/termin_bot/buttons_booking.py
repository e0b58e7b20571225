"""The buttons of a booking, and of the appointments that come of one: typed values."""

from dataclasses import dataclass
from typing import Final, Literal

from termin_bot.operations import ButtonId

Detail = Literal["name", "email"]
_CHANGE: Final[dict[Detail, ButtonId]] = {"name": "book.change_name", "email": "book.change_email"}


@dataclass(frozen=True)
class Book:
    """Book: begin with this free appointment."""

    slot_id: int
    route: ButtonId = "book.start"


@dataclass(frozen=True)
class PickTime:
    """Reserve this free appointment."""

    slot_id: int
    route: ButtonId = "book.time"


@dataclass(frozen=True)
class SkipQuestion:
    """Leave an optional question of the booking unanswered."""

    session_id: int
    route: ButtonId = "book.skip"


@dataclass(frozen=True)
class ConfirmBooking:
    """Book what the summary shows."""

    session_id: int
    route: ButtonId = "book.confirm"


@dataclass(frozen=True)
class ChangeDetail:
    """Type this detail of the booking again."""

    session_id: int
    detail: Detail

    @property
    def route(self) -> ButtonId:
        """The button's name in analytics."""
        return _CHANGE[self.detail]


@dataclass(frozen=True)
class ChangeTime:
    """Look for another time; the one that is reserved stays so until then."""

    session_id: int
    route: ButtonId = "book.change_time"


@dataclass(frozen=True)
class KeepTime:
    """Keep the time that is reserved."""

    session_id: int
    route: ButtonId = "book.keep_time"


@dataclass(frozen=True)
class CancelBooking:
    """End the booking and give the appointment back."""

    session_id: int
    route: ButtonId = "book.cancel"


@dataclass(frozen=True)
class CalendarFile:
    """Send the calendar file of an appointment."""

    appointment_id: int
    route: ButtonId = "appointments.file"


@dataclass(frozen=True)
class CancelAppointment:
    """Ask whether this appointment is to be cancelled."""

    appointment_id: int
    route: ButtonId = "appointments.cancel"


@dataclass(frozen=True)
class ConfirmCancel:
    """Cancel this appointment at the city."""

    appointment_id: int
    route: ButtonId = "appointments.confirm"


@dataclass(frozen=True)
class KeepAppointment:
    """Keep this appointment."""

    appointment_id: int
    route: ButtonId = "appointments.keep"
