"""The endpoints of the simulated city's API: what each one takes, checks and answers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from .city_appointments import Appointments, Booking, calendar_entry
from .city_calendar import Question, answer
from .city_captcha import CityCaptcha
from .city_catalogue import Json
from .city_errors import CityRefusedError

MAX_DAYS: Final = 365
MAX_COUNT: Final = 25
LARGEST_ID: Final = 2**31 - 1
AUTH_KEY_LENGTHS: Final = (4, 64)


@dataclass(frozen=True)
class Call:
    """One request, as the endpoints see it."""

    query: Mapping[str, str]
    body: Mapping[str, Any]
    ip: str


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: its only method, and what it does; raises CityRefusedError."""

    method: str
    handle: Callable[[Call], Json]


class CityApi:
    """All endpoints, over one catalogue, one slot board and one captcha."""

    def __init__(self, catalogue: Json, appointments: Appointments, captcha: CityCaptcha) -> None:
        self._catalogue = catalogue
        self._appointments = appointments
        self._captcha = captcha
        self._scopes = {office["id"]: office["scope"] for office in catalogue["offices"]}
        self._services = {service["id"]: service for service in catalogue["services"]}
        self._offered = {(entry["serviceId"], entry["officeId"]) for entry in catalogue["relations"]}
        self.endpoints = self._endpoints()

    def offers(self, service_id: int, office_id: int) -> bool:
        """Return whether the office keeps appointments for the service, public or not."""
        return (service_id, office_id) in self._offered

    def _endpoints(self) -> Mapping[str, Endpoint]:
        board = self._appointments
        return {
            "offices-and-services": Endpoint("GET", lambda _: self._catalogue),
            "captcha-details": Endpoint("GET", lambda _: _captcha_details()),
            "captcha-challenge": Endpoint("GET", lambda _: self._captcha.challenge()),
            "captcha-verify": Endpoint("POST", lambda call: self._captcha.verify(call.body.get("payload"), call.ip)),
            "available-calendar": Endpoint("GET", self._calendar),
            "reserve-appointment": Endpoint("POST", self._reserve),
            "update-appointment": Endpoint(
                "POST", lambda call: self._thinned(board.update(*_opening(call.body), call.body))
            ),
            "preconfirm-appointment": Endpoint(
                "POST", lambda call: self._thinned(board.preconfirm(*_opening(call.body)))
            ),
            "confirm-appointment": Endpoint("POST", lambda call: self._thinned(board.confirm(*_opening(call.body)))),
            "appointment": Endpoint("GET", lambda call: self._thinned(board.read(*_opening(call.query)))),
            "cancel-appointment": Endpoint("POST", lambda call: self._thinned(board.cancel(*_opening(call.body)))),
            "my-appointments": Endpoint("GET", _only_for_logged_in),
        }

    def _calendar(self, call: Call) -> Json:
        question = self._question(call.query)
        self._offers(question.service_ids, question.office_ids)
        self._want_captcha(question.office_ids, call.query.get("captchaToken"), call.ip)
        service_id = question.service_ids[0]
        return answer(
            question,
            self._appointments.free(service_id, question.office_ids),
            self._appointments.rumoured(service_id, question.office_ids),
        )

    def _question(self, query: Mapping[str, str]) -> Question:
        codes: list[str] = []
        start, end = (_day(query, name, codes) for name in ("startDate", "endDate"))
        first, last = (
            _day(query, name, codes) if name in query else None for name in ("slotsStartDate", "slotsEndDate")
        )
        office_ids = _ids(query.get("officeIds", ""), "invalidOfficeId", codes)
        service_ids = _ids(query.get("serviceIds", ""), "invalidServiceId", codes)
        counts = _ids(query.get("serviceCounts", ""), "invalidServiceCount", codes)
        if not all(1 <= count <= MAX_COUNT for count in counts):
            codes.append("invalidServiceCount")
        if len(counts) != len(service_ids):
            codes.append("MISMATCHED_ARRAYS")
        if first and last and first > last:
            codes.append("slotsStartDateAfterEndDate")
        if codes or start is None or end is None:
            raise CityRefusedError(*dict.fromkeys(codes))
        if start > end or end - start > timedelta(days=MAX_DAYS):
            # The city raises codes here that its own catalogue does not know.
            raise CityRefusedError("unknownError")
        window = (first or last or start, last or first or end) if first or last else None
        return Question(start=start, end=end, office_ids=office_ids, service_ids=service_ids, slots=window)

    def _reserve(self, call: Call) -> Json:
        body, codes = call.body, list[str]()
        start = body.get("timestamp")
        if not isinstance(start, int) or start <= 0:
            codes.append("invalidTimestamp")
        office_ids = _ids(str(body.get("officeId", "")), "invalidOfficeId", codes)
        services, counts = body.get("serviceId"), body.get("serviceCount")
        if not isinstance(services, list) or not isinstance(counts, list) or not services or not counts:
            raise CityRefusedError(*codes, "EMPTY_SERVICE_ARRAYS")
        service_ids = _ids(",".join(map(str, services)), "invalidServiceId", codes)
        if len(counts) != len(services):
            codes.append("MISMATCHED_ARRAYS")
        if codes or not isinstance(start, int):
            raise CityRefusedError(*codes)
        self._offers(service_ids, office_ids)
        token = body.get("captchaToken")
        self._want_captcha(office_ids, token, call.ip)
        return self._thinned(
            self._appointments.reserve(service_ids[0], office_ids[0], start, token if isinstance(token, str) else None)
        )

    def _offers(self, service_ids: Iterable[int], office_ids: Iterable[int]) -> None:
        if any(not self.offers(service, office) for service in service_ids for office in office_ids):
            raise CityRefusedError("invalidLocationAndServiceCombination")

    def _want_captcha(self, office_ids: Iterable[int], token: object, ip: str) -> None:
        if any(self._scopes[office_id]["captchaActivatedRequired"] for office_id in office_ids):
            self._captcha.check(token, ip)

    def _thinned(self, booking: Booking) -> Json:
        """Return the city's "thinned process"."""
        return thinned_process(booking, self._scopes[booking.office_id], self._services[booking.service_id]["name"])


def thinned_process(booking: Booking, scope: Json, service_name: str) -> Json:
    """Return a booking as the city's endpoints show it."""
    confirmed = booking.state == "confirmed"
    return {
        "processId": booking.process_id,
        "timestamp": str(booking.start),
        "authKey": booking.auth_key,
        "familyName": booking.family_name,
        "customTextfield": booking.custom_text,
        "customTextfield2": booking.custom_text2,
        "email": booking.email,
        "telephone": booking.telephone,
        "officeName": None,
        "officeId": booking.office_id,
        "scope": scope,
        "subRequestCounts": [],
        "serviceId": booking.service_id,
        "serviceName": service_name,
        "serviceCount": 1,
        "status": booking.state,
        "captchaToken": booking.captcha_token if confirmed else None,
        "slotCount": 1,
        "displayNumber": str(booking.process_id) if confirmed else None,
        "icsContent": calendar_entry(booking) if booking.state in ("preconfirmed", "confirmed") else None,
    }


def _captcha_details() -> Json:
    host = "https://captcha.city.example/api/v1/captcha"
    return {
        "siteKey": "SITE",
        "captchaChallenge": f"{host}/challenge",
        "captchaVerify": f"{host}/verify",
        "captchaEnabled": True,
    }


def _only_for_logged_in(_: Call) -> Json:
    raise CityRefusedError("unauthorized")


def _opening(given: Mapping[str, Any]) -> tuple[int, str]:
    """Return the process id and auth key of a request."""
    codes: list[str] = []
    process_id = str(given.get("processId", ""))
    if not process_id.isascii() or not process_id.isdigit() or not 0 < int(process_id) <= LARGEST_ID:
        codes.append("invalidProcessId")
    auth_key = given.get("authKey")
    if not isinstance(auth_key, str) or len(auth_key) not in AUTH_KEY_LENGTHS:
        codes.append("invalidAuthKey")
    if codes or not isinstance(auth_key, str):
        raise CityRefusedError(*codes)
    return int(process_id), auth_key


def _day(query: Mapping[str, str], name: str, codes: list[str]) -> date | None:
    try:
        return date.fromisoformat(query.get(name, ""))
    except ValueError:
        codes.append(f"invalid{name[0].upper()}{name[1:]}")
        return None


def _ids(text: str, code: str, codes: list[str]) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part) <= LARGEST_ID for part in parts):
        codes.append(code)
        return ()
    return tuple(map(int, parts))
