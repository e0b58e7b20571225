"""How a booking ends: the appointment goes back where it must, and the `booking` span tells how long it all took."""

import logging
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags

from otel_umami_exporter import Event
from termin_bot.events import (
    BookingCancelled,
    BookingCompleted,
    BookingFailure,
    BookingSessionExpired,
    CancelReason,
    Step,
)
from termin_bot.munich import BookingGateway, Credentials, MunichError, ReservationExpired
from termin_bot.recording import may_point_at_person, name_on_span, record
from termin_bot.services.clock import NS, Clock
from termin_bot.storage import SUBMITTING, BookingSession
from termin_bot.tracing import say_who, tracer

_log: Final = logging.getLogger(__name__)
_MINUTE_NS: Final = 60 * NS
_HEX: Final = 16


class Endings:
    """Ends bookings: on the city's side, and in the trace."""

    def __init__(self, city: BookingGateway, clock: Clock) -> None:
        self._city = city
        self._clock = clock

    async def give_back(self, booking: BookingSession) -> None:
        """Cancel what the booking holds at the city; if that fails, the city's own deadline does it."""
        await self.hand_back(credentials(booking))

    async def hand_back(self, held: Credentials | None) -> None:
        """Cancel a reservation at the city, if there is one."""
        if held is None:
            return
        try:
            await self._city.cancel(held)
        except ReservationExpired:
            return  # it had gone back by itself
        except MunichError as error:
            _log.warning("a reservation could not be given back: %s", error)

    def cancelled(self, booking: BookingSession, visitor: str | None) -> None:
        """Record that the person ended it."""
        self._end(booking, visitor, "cancelled", self._cancelled(booking, "user_initiated"))

    def expired(self, booking: BookingSession, visitor: str | None) -> None:
        """Record that it ran out of time."""
        minutes = max(0, self._now_ns() - booking.started_at_ns) // _MINUTE_NS
        expired = BookingSessionExpired(expired_at_step=step_of(booking), minutes_since_start=minutes)
        self._end(booking, visitor, "expired", expired, self._cancelled(booking, "session_expired"))

    def completed(
        self, booking: BookingSession, visitor: str | None, service_name: str, failure: BookingFailure | None
    ) -> None:
        """Record that the city answered; the duration is the span's."""
        event = BookingCompleted(
            service_id=booking.service_id,
            service_name=service_name,
            status="success" if failure is None else "failure",
            failure_reason=failure,
        )
        self._end(booking, visitor, "completed" if failure is None else "failed", event)

    def _cancelled(self, booking: BookingSession, reason: CancelReason) -> BookingCancelled:
        return BookingCancelled(service_id=booking.service_id, cancelled_at_step=step_of(booking), reason=reason)

    def _end(self, booking: BookingSession, visitor: str | None, outcome: str, *events: Event) -> None:
        end_ns = max(self._now_ns(), booking.started_at_ns)
        span = _booking_span(booking)
        span.set_attribute("termin_bot.booking.outcome", outcome)
        say_who(span, name_on_span(visitor, booking.alias))
        for event in events:
            record(event, visitor=visitor, alias=booking.alias, span=span, time_ns=end_ns)
        span.end(end_ns)

    def _now_ns(self) -> int:
        return int(self._clock() * NS)


def _booking_span(booking: BookingSession) -> Span:
    """Begin the span where the person pressed "Book", which may have been before a restart."""
    first_press = SpanContext(
        trace_id=int(booking.trace_id, _HEX),
        span_id=int(booking.span_id, _HEX),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return tracer.start_span(
        "booking",
        context=Context(),
        kind=SpanKind.INTERNAL,
        links=[Link(first_press)] if first_press.is_valid and may_point_at_person() else None,
        start_time=booking.started_at_ns,
    )


def credentials(booking: BookingSession) -> Credentials | None:
    """Return what opens the reservation at the city, if there is one."""
    if booking.process_id is None or booking.auth_key is None:
        return None
    return Credentials(booking.process_id, booking.auth_key)


def step_of(booking: BookingSession) -> Step:
    """Return the step a booking has reached, as analytics know it."""
    step: Step = "confirmation" if booking.step == SUBMITTING else booking.step  # type: ignore[assignment]  # our list
    return step
