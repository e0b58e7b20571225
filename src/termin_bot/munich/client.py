"""The city's Citizen API (tag muc46 and later) behind the ports of `protocols`."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from functools import partial
from typing import Final, Self, TypeVar

import httpx
from opentelemetry.trace import Tracer, get_tracer

from .captcha import Captcha
from .errors import Endpoint, MunichCaptchaFailed
from .models import Calendar, Catalogue, Contact, Credentials, Reservation, Slot
from .parsing import OutsideContractError, parse_calendar, parse_catalogue, parse_reservation
from .protocols import Board, CaptchaMode, CaptchaSource, MunichObserver, NoBoard, SilentObserver
from .rate_limit import RateLimit, Urgency
from .solver import ProcessSolver, Solver
from .wire import Wire

T = TypeVar("T")

CATALOGUE: Final = "catalogue"
CATALOGUE_SECONDS: Final = 3540.0
"""How long instances take each other's catalogue; less than the hour after which each asks again."""
BASE_URL: Final = "https://www48.muenchen.de/buergeransicht/api/citizen"


class MunichClient:
    """
    A CatalogueSource, an AvailabilitySource and a BookingGateway.

    Args:
        user_agent: who we are and how the city reaches a person responsible, honestly.
        timeout: seconds for one request, from the first byte out to the last byte in.
        captcha_mode: `link_only` sends nothing that needs a captcha and raises MunichCaptchaFailed instead.
        solver: a ProcessSolver of its own unless given; closed together with the client.
        board: what instances of one bot share; nothing unless given.
        clock: epoch seconds. chance: a number in [0, 1).

    """

    def __init__(
        self,
        *,
        user_agent: str,
        base_url: str = BASE_URL,
        timeout: float = 15.0,
        captcha_mode: CaptchaMode = "solve",
        solver: Solver | None = None,
        observer: MunichObserver | None = None,
        board: Board | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        tracer: Tracer | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] | None = None,
    ) -> None:
        observer = observer or SilentObserver()
        self._board = board or NoBoard()
        tracer = tracer or get_tracer("termin_bot.munich")
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout,
            transport=transport,
            headers={"User-Agent": user_agent, "Accept": "application/json"},
        )
        chance = chance or random.Random().random  # noqa: S311  # jitter, no secret
        self._limit = RateLimit(clock, sleep, chance)
        self._wire = Wire(
            self._http,
            timeout=timeout,
            limit=self._limit,
            sleep=sleep,
            chance=chance,
            observer=observer,
            tracer=tracer,
        )
        self._solver = solver or ProcessSolver()
        self._captcha: CaptchaSource = Captcha(
            self._wire, self._solver, clock=clock, observer=observer, tracer=tracer, board=self._board
        )
        self._captcha_mode = captcha_mode
        # From the last catalogue, and from being told "captchaMissing" since.
        self._captcha_offices: set[int] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections and the solver."""
        await self._solver.aclose()
        await self._http.aclose()

    @property
    def blacklisted(self) -> bool:
        """Whether the city has refused this address; every call raises MunichBlacklisted until `resume`."""
        return self._limit.stopped

    def resume(self) -> None:
        """Send requests again after an operator has cleared the refusal up with the city."""
        self._limit.resume()

    async def catalogue(self) -> Catalogue:
        """Return what can be booked where; ask at most hourly."""
        async with self._board.alone(CATALOGUE):
            catalogue = _left(await self._board.get(CATALOGUE)) or await self._fetch_catalogue()
        self._captcha_offices = {office.id for office in catalogue.offices.values() if office.captcha_required}
        return catalogue

    async def _fetch_catalogue(self) -> Catalogue:
        answer, catalogue = await self._wire.call("offices-and-services", _with_answer, urgency="poll")
        await self._board.put(CATALOGUE, json.dumps(answer), CATALOGUE_SECONDS)
        return catalogue

    async def calendar(
        self, service_id: int, office_ids: Sequence[int], start: date, end: date, *, day: date | None = None
    ) -> Calendar:
        """Return the bookable days from *start* to *end*, with the times of one; see AvailabilitySource."""
        query: dict[str, str | int] = {
            "startDate": start.isoformat(),
            "endDate": end.isoformat(),
            "officeIds": ",".join(map(str, office_ids)),
            "serviceIds": service_id,
            "serviceCounts": 1,
        }
        if day is not None:
            query |= {"slotsStartDate": day.isoformat(), "slotsEndDate": day.isoformat()}

        async def ask(captcha_token: str | None) -> Calendar:
            full = query if captcha_token is None else query | {"captchaToken": captcha_token}
            return await self._wire.call(
                "available-calendar", partial(parse_calendar, service_id), urgency="poll", query=full
            )

        return await self._with_captcha("available-calendar", office_ids, "poll", ask)

    async def reserve(self, slot: Slot) -> Reservation:
        """Hold the slot; raises SlotGone when somebody was faster."""
        body: dict[str, object] = {
            "timestamp": slot.start,
            "officeId": str(slot.office_id),
            "serviceId": [str(slot.service_id)],
            "serviceCount": [1],
        }

        async def ask(captcha_token: str | None) -> Reservation:
            full = body if captcha_token is None else body | {"captchaToken": captcha_token}
            return await self._wire.call("reserve-appointment", parse_reservation, urgency="booking", body=full)

        return await self._with_captcha("reserve-appointment", [slot.office_id], "booking", ask)

    async def update(self, credentials: Credentials, contact: Contact) -> Reservation:
        """Write the citizen's details into the reservation."""
        body = _opening(credentials) | {
            "familyName": contact.family_name,
            "email": contact.email,
            "telephone": contact.telephone,
            "customTextfield": contact.custom_text,
            "customTextfield2": contact.custom_text2,
        }
        return await self._wire.call("update-appointment", parse_reservation, urgency="booking", body=body)

    async def preconfirm(self, credentials: Credentials) -> Reservation:
        """Have the city send its activation mail."""
        return await self._wire.call(
            "preconfirm-appointment", parse_reservation, urgency="booking", body=_opening(credentials)
        )

    async def appointment(self, credentials: Credentials) -> Reservation:
        """Return the appointment as it stands."""
        return await self._wire.call("appointment", parse_reservation, urgency="booking", query=_opening(credentials))

    async def cancel(self, credentials: Credentials) -> Reservation:
        """Give the slot back."""
        return await self._wire.call(
            "cancel-appointment", parse_reservation, urgency="booking", body=_opening(credentials)
        )

    async def _with_captcha(
        self, endpoint: Endpoint, office_ids: Sequence[int], urgency: Urgency, ask: Callable[[str | None], Awaitable[T]]
    ) -> T:
        """Ask with a token where the city wants one; a refused token is replaced once."""
        if self._captcha_offices.isdisjoint(office_ids):
            try:
                return await ask(None)
            except MunichCaptchaFailed:
                # The city began to ask for a captcha after our last catalogue.
                self._captcha_offices.update(office_ids)
        if self._captcha_mode == "link_only":
            raise MunichCaptchaFailed(endpoint, "captcha_link_only")
        await self._limit.admit(endpoint, urgency)  # First, so that a token does not age while we pause.
        token = await self._captcha.token()
        try:
            return await ask(token)
        except MunichCaptchaFailed:
            token = await self._captcha.renew(token)
        return await ask(token)


def _with_answer(data: object) -> tuple[object, Catalogue]:
    """Return the city's answer, for other instances, and what it says."""
    return data, parse_catalogue(data)


def _left(content: str | None) -> Catalogue | None:
    """Return the catalogue that an instance left, unless it was one of another version."""
    try:
        return None if content is None else parse_catalogue(json.loads(content))
    except (ValueError, OutsideContractError):
        return None


def _opening(credentials: Credentials) -> dict[str, str | int]:
    return {"processId": credentials.process_id, "authKey": credentials.auth_key}
