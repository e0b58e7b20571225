"""
A small Munich for the demo and the tests: one ASGI app that keeps the contract of the city's Citizen API.

    city = SimulatedCity(clock)
    city.release(1063475, 10489, [start])                       # slots appear …
    client = MunichClient(base_url=city.base_url, transport=httpx.ASGITransport(city.app), …)
    …                                                           # … somebody books …
    city.activate(city.outbox[-1].process_id)                   # … and opens the link in the mail

Over TCP any ASGI server runs `city.app`. Everything happens on the clock that was passed in.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import city_gate
from .city_api import Call, CityApi
from .city_appointments import Appointments, Booking, Mail
from .city_captcha import CityCaptcha
from .city_catalogue import Json, build_catalogue
from .city_errors import SAYINGS, CityRefusedError, error_body
from .city_gate import Faults, RateCounter, RateRule, Shape

__all__ = ["Booking", "CityRefusedError", "Mail", "RecordedRequest", "Shape", "SimulatedCity"]

PREFIX: Final = "/buergeransicht/api/citizen"
KEPT_REQUESTS: Final = 50_000


@dataclass(frozen=True, kw_only=True)
class RecordedRequest:
    """What somebody sent to the city."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object
    at: float
    """Epoch seconds."""


class SimulatedCity:
    """
    The city.

    Args:
        clock: epoch seconds, for slots, timers, tokens and the rate limit.
        captcha_cost: hashes per try; 1 is solved in a millisecond.
        rate_rule: "renewing" is the real city's odd rule, "fixed" a plain window, "off" none.
        rate_limit: allowed requests.
        catalogue: offices, services and relations as offices-and-services sends them.

    """

    base_url: Final = f"http://city.example{PREFIX}"

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        captcha_cost: int = 1,
        rate_rule: RateRule = "renewing",
        rate_limit: int = 120,
        catalogue: Json | None = None,
    ) -> None:
        self.catalogue = catalogue or build_catalogue()
        self.captcha = CityCaptcha(clock, captcha_cost)
        self.rate = RateCounter(clock, rate_rule, rate_limit)
        self.requests: deque[RecordedRequest] = deque(maxlen=KEPT_REQUESTS)
        self._clock = clock
        scopes = {office["id"]: office["scope"] for office in self.catalogue["offices"]}
        self._appointments = Appointments(clock, scopes)
        self._api = CityApi(self.catalogue, self._appointments, self.captcha)
        self._faults = Faults()
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        self.app = Starlette(routes=[Route("/{path:path}", self._serve, methods=methods)])

    # What a director of the simulation does.

    def release(self, service_id: int, office_id: int, starts: Iterable[int]) -> None:
        """Make appointments free; *starts* are epoch seconds."""
        if not self._api.offers(service_id, office_id):
            raise ValueError(f"office {office_id} does not offer service {service_id}")
        self._appointments.release(service_id, office_id, starts)

    def take(self, service_id: int, office_id: int, starts: Iterable[int] | None = None) -> None:
        """Let other people book; all free appointments of this service and office without *starts*."""
        self._appointments.take(service_id, office_id, starts)

    def rumour(self, service_id: int, office_id: int, start: int) -> None:
        """List a day as bookable although nothing is free on it, as the city does for days outside the window."""
        self._appointments.rumour(service_id, office_id, start)

    def fail(self, endpoint: str, status: int, code: str, times: int | None = 1) -> None:
        """Refuse the next requests to an endpoint ("*" for any) with an error of the city's; None: until `recover`."""
        self._faults.add(endpoint, times, city_gate.refused(status, code))

    def fail_with(self, endpoint: str, shape: Shape, times: int | None = 1, *, status: int | None = None) -> None:
        """Answer the next requests to an endpoint ("*" for any) in a wrong shape; None: until `recover`."""
        self._faults.add(endpoint, times, city_gate.shaped(shape, status))

    def recover(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def activate(self, process_id: int) -> Booking:
        """Open the link in the mail, as the citizen does on the city's page; raises CityRefusedError when too late."""
        return self._appointments.confirm(process_id, self._appointments.booking(process_id).auth_key)

    # What can be seen afterwards.

    @property
    def outbox(self) -> list[Mail]:
        """Mails to citizens, oldest first."""
        return self._appointments.outbox

    def bookings(self) -> tuple[Booking, ...]:
        """Return every booking ever made, deleted ones too, oldest first."""
        return self._appointments.all()

    def booking(self, process_id: int) -> Booking:
        """Return one booking."""
        return self._appointments.booking(process_id)

    def free(self, service_id: int, office_id: int) -> list[int]:
        """Return the starts that anybody could book now."""
        return [start for _, start in self._appointments.free(service_id, [office_id])]

    def secrets(self) -> frozenset[str]:
        """Return every credential the city gave away; none of them may turn up anywhere else."""
        return frozenset(self.captcha.tokens) | {booking.auth_key for booking in self.bookings()}

    # The API.

    async def _serve(self, request: Request) -> Response:
        path = "/" + request.path_params["path"]
        await self._record(request, path)
        name = path.removeprefix(PREFIX).strip("/")
        if path.endswith("/") and (trouble := await self._faults.meet(name, request)) is not None:
            return trouble
        ip = request.client.host if request.client else "unknown"
        headers = self.rate.count(ip)
        if headers is None:
            return _errors("rateLimitExceeded")
        endpoint = self._api.endpoints.get(name)
        if endpoint is None or not path.endswith("/"):
            return _errors("notFound")
        if request.method != endpoint.method:
            return _errors("requestMethodNotAllowed")
        body = city_gate.parsed(await request.body()) if request.method == "POST" else {}
        if not isinstance(body, dict):
            return _errors("invalidRequest")
        try:
            return JSONResponse(endpoint.handle(Call(request.query_params, body, ip)), headers=headers)
        except CityRefusedError as refusal:
            return _errors(*refusal.codes)

    async def _record(self, request: Request, path: str) -> None:
        self.requests.append(
            RecordedRequest(
                method=request.method,
                path=path,
                query=dict(request.query_params),
                headers=dict(request.headers),
                body=city_gate.parsed(await request.body()),
                at=self._clock(),
            )
        )


def _errors(*codes: str) -> Response:
    return JSONResponse(error_body(*codes), max(SAYINGS[code].status for code in codes))
