"""Asking the city for an appointment, and finishing what a restart interrupted; the citizen confirms, never we."""

import logging
from dataclasses import dataclass
from typing import Final

from termin_bot.events import BookingFailure
from termin_bot.munich import (
    BookingGateway,
    Contact,
    MunichBlacklisted,
    MunichCaptchaFailed,
    MunichError,
    MunichRateLimited,
    MunichRefused,
    ReservationExpired,
    SlotGone,
)
from termin_bot.services.activating import next_look
from termin_bot.services.catalogue import CatalogueShelf, service_name
from termin_bot.services.clock import Clock
from termin_bot.services.endings import Endings, credentials
from termin_bot.services.patience import Patience
from termin_bot.services.ports import Work
from termin_bot.storage import PRECONFIRMED, Appointment, BookingSession
from termin_bot.tracing import traced

_log: Final = logging.getLogger(__name__)
_MINUTE: Final = 60.0
ACTIVATION_MINUTES: Final = 15
"""For an office that left the catalogue: the shortest in the city's data."""
_DETAILS: Final = frozenset(
    {
        "invalidFamilyName",
        "invalidEmail",
        "invalidTelephone",
        "invalidCustomTextfield",
        "invalidCustomTextfield2",
        "emailIsRequired",
        "telephoneIsRequired",
    }
)


@dataclass(frozen=True, kw_only=True)
class Booked:
    """The city sends its mail; the citizen opens the link in it within *activation_minutes*."""

    service_name: str
    office: str
    start: int
    activation_minutes: int


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The booking failed, and nothing is held any more."""

    service_name: str
    reason: BookingFailure


class Submitting:
    """Writes a booking into the city's books."""

    def __init__(
        self,
        *,
        work: Work,
        city: BookingGateway,
        shelf: CatalogueShelf,
        endings: Endings,
        patience: Patience,
        clock: Clock,
    ) -> None:
        self._work = work
        self._patience = patience
        self._city = city
        self._shelf = shelf
        self._endings = endings
        self._clock = clock
        self._under_way: set[int] = set()

    def is_under_way(self, booking_id: int) -> bool:
        """Whether this process is asking the city about this booking right now."""
        return booking_id in self._under_way

    @traced("service booking.submit")
    async def submit(self, booking: BookingSession, visitor: str | None) -> Booked | Refused | None:
        """Ask the city for the reserved appointment; None when somebody else ended the booking meanwhile."""
        self._under_way.add(booking.id)
        try:
            failure = await self._ask_city(booking)
            return await self._finish(booking, visitor, failure)
        finally:
            self._under_way.discard(booking.id)

    async def take_up(self, booking: BookingSession, visitor: str | None) -> Booked | Refused | None:
        """Finish what a stopped bot began; None when there is nothing to say (yet)."""
        held = credentials(booking)
        if held is None:  # it cannot be opened any more, for want of the key
            return await self._finish(booking, visitor, "error")
        try:
            status = (await self._city.appointment(held)).status
        except ReservationExpired:
            return await self._finish(booking, visitor, "reservation_expired")
        except MunichError:
            if self._clock() < booking.deadline:
                return None
            return await self._finish(booking, visitor, "city_unavailable")
        if status in ("preconfirmed", "confirmed"):
            return await self._finish(booking, visitor, None)
        return await self.submit(booking, visitor)

    async def _ask_city(self, booking: BookingSession) -> BookingFailure | None:
        held = credentials(booking)
        assert held is not None, "a booking is submitted when it is reserved"
        contact = Contact(
            family_name=booking.name or "",
            email=booking.email or "",
            telephone=booking.telephone or "",
            custom_text=booking.custom_text or "",
            custom_text2=booking.custom_text2 or "",
        )
        try:
            await self._city.update(held, contact)
            await self._city.preconfirm(held)
        except MunichError as error:
            _log.warning("a booking failed: %s", error)
            return failure_reason(error)
        return None

    async def _finish(
        self, booking: BookingSession, visitor: str | None, failure: BookingFailure | None
    ) -> Booked | Refused | None:
        catalogue = await self._shelf.current_or_empty()
        office = catalogue.offices.get(booking.office_id)
        minutes = office.scope.activation_minutes if office is not None and office.scope else ACTIVATION_MINUTES
        # The city has decided: what it said is written down, however long that takes.
        took = False

        async def settle() -> None:
            nonlocal took
            async with self._work() as work:
                if await work.bookings.take(booking.id):
                    took = True  # also if the answer to this commit gets lost and it is not there the next time
                    if failure is None:
                        work.appointments.add(_appointment(booking, self._clock(), minutes * _MINUTE))
                await work.commit()

        await self._patience.insist(settle)
        if not took:
            return None  # by the person's /stop, say: whoever ended it told it as an end, and gave back what it held
        if failure not in (None, "reservation_expired"):
            await self._endings.give_back(booking)
        name = service_name(catalogue, booking.service_id)
        self._endings.completed(booking, visitor, name, failure)
        if failure is not None:
            return Refused(service_name=name, reason=failure)
        return Booked(
            service_name=name,
            office=office.label if office is not None else "",
            start=booking.start,
            activation_minutes=minutes,
        )


def _appointment(booking: BookingSession, now: float, seconds: float) -> Appointment:
    return Appointment(
        person_id=booking.person_id,
        service_id=booking.service_id,
        office_id=booking.office_id,
        start=booking.start,
        booked_at=now,
        state=PRECONFIRMED,
        process_id=booking.process_id,
        auth_key=booking.auth_key,
        activate_by=now + seconds,
        look_at=next_look(now, now + seconds, now),
    )


def failure_reason(error: MunichError) -> BookingFailure:
    """Return why a booking failed, in the words of analytics."""
    match error:
        case SlotGone():
            return "slot_gone"
        case ReservationExpired():
            return "reservation_expired"
        case MunichCaptchaFailed():
            return "captcha"
        case MunichRateLimited() | MunichBlacklisted():
            return "rate_limited"
        case MunichRefused(error_code="tooManyAppointmentsWithSameMail"):
            return "too_many_appointments"
        case MunichRefused() if error.error_code in _DETAILS:
            return "invalid_details"
        case MunichRefused():
            return "refused"
        case _:
            return "city_unavailable"
