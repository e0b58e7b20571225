"""
What the bot wants of a city. `MunichClient` is the one adapter.

The city changed its API four times in eighteen months: whatever it does next, these ports stay.
Every method raises a `MunichError` of `errors` and nothing else; an empty answer means that the city said so.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import date
from typing import Literal, Protocol

from .errors import Endpoint, ErrorType
from .models import Calendar, Catalogue, Contact, Credentials, Reservation, Slot

CaptchaMode = Literal["solve", "link_only"]
"""`link_only`: no request that needs a captcha; people get the link to the city's own page instead."""


class CatalogueSource(Protocol):
    """Knows what can be booked where."""

    async def catalogue(self) -> Catalogue:
        """Return the catalogue; the city renews it hourly, so ask no more often."""
        ...


class AvailabilitySource(Protocol):
    """Knows what is free."""

    async def calendar(
        self, service_id: int, office_ids: Sequence[int], start: date, end: date, *, day: date | None = None
    ) -> Calendar:
        """
        Return the bookable days from *start* to *end* (inclusive, at most 365 days apart).

        Times come for the first bookable day only, or for *day* when given (and if that has none, for the next).
        """
        ...


class BookingGateway(Protocol):
    """Holds, fills in and gives back appointments. Confirming is the citizen's own step, in the city's mail."""

    async def reserve(self, slot: Slot) -> Reservation:
        """Hold the slot for `scope.reservation_minutes`; raises `SlotGone` when somebody was faster."""
        ...

    async def update(self, credentials: Credentials, contact: Contact) -> Reservation:
        """Write the citizen's details into the reservation; raises `ReservationExpired` when it is over."""
        ...

    async def preconfirm(self, credentials: Credentials) -> Reservation:
        """Have the city send its mail; the citizen has `scope.activation_minutes` from now."""
        ...

    async def appointment(self, credentials: Credentials) -> Reservation:
        """Return the appointment as it stands; raises `ReservationExpired` when there is none any more."""
        ...

    async def cancel(self, credentials: Credentials) -> Reservation:
        """Give the slot back, in any state before the appointment itself."""
        ...


class CaptchaSource(Protocol):
    """Has captcha tokens."""

    async def token(self) -> str:
        """Return a token that will still hold for some seconds; the same one as long as possible."""
        ...

    async def renew(self, refused: str) -> str:
        """Return another token than *refused*."""
        ...


class Board(Protocol):
    """Where instances of one bot leave things from the city for each other. Raises nothing."""

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        """Get something from the city while no other instance does."""
        ...

    async def get(self, name: str) -> str | None:
        """Return what was left under that name, while it is good; it is sealed where it is kept."""
        ...

    async def put(self, name: str, content: str, seconds: float) -> None:
        """Leave something there for so many seconds."""
        ...


class NoBoard:
    """There are no other instances."""

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  see Board
        """Wait for nobody."""
        return nullcontext()

    async def get(self, name: str) -> None:
        """Find nothing."""

    async def put(self, name: str, content: str, seconds: float) -> None:
        """Keep nothing."""


class MunichObserver(Protocol):
    """Hears what happens between the bot and the city. Must neither raise nor wait."""

    def on_captcha(self, success: bool, duration_ms: int, consecutive_failures: int) -> None:  # noqa: FBT001  an outcome, not a mode
        """Hear that an attempt to get a token ended; *consecutive_failures* includes this one and is 0 on success."""
        ...

    def on_answer(self, endpoint: Endpoint) -> None:
        """Hear that the city answered a request as its contract says."""
        ...

    def on_api_error(self, endpoint: Endpoint, error_type: ErrorType, error_code: str) -> None:
        """Hear that one request to the city failed; also when a repetition of it succeeds."""
        ...


class SilentObserver:
    """Hears and forgets."""

    def on_captcha(self, success: bool, duration_ms: int, consecutive_failures: int) -> None:  # noqa: FBT001  see MunichObserver
        """Do nothing."""

    def on_answer(self, endpoint: Endpoint) -> None:
        """Do nothing."""

    def on_api_error(self, endpoint: Endpoint, error_type: ErrorType, error_code: str) -> None:
        """Do nothing."""
