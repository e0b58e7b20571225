"""The simulated city against the recorded contract of the real one."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import altcha
import httpx
import pytest
from munich_town import CONTRACT, EMERGENCY, PASSPORT, TODAY, ManualClock, at, day

from termin_bot.simulation.city import PREFIX, SimulatedCity

ENDPOINTS = {endpoint["name"]: endpoint for endpoint in CONTRACT["endpoints"]}
RANGE = {"startDate": TODAY.isoformat(), "endDate": day(180).isoformat()}
QUESTION = RANGE | {"officeIds": "10489", "serviceIds": "1063453", "serviceCounts": "1"}


class Caller:
    """Somebody with a plain HTTP client."""

    def __init__(self, city: SimulatedCity, clock: ManualClock, http: httpx.AsyncClient) -> None:
        self.city, self.clock, self.http = city, clock, http

    async def token(self) -> str:
        """Buy a captcha token."""
        challenge = (await self.http.get("/captcha-challenge/")).json()
        solution = altcha.solve_challenge(altcha.Challenge.from_dict(challenge))
        assert solution is not None
        payload = altcha.Payload(altcha.Challenge.from_dict(challenge), solution).to_base64()
        answer = await self.http.post("/captcha-verify/", json={"payload": payload})
        return str(answer.json()["token"])

    async def walk(self) -> dict[str, Any]:
        """Go through the life of an appointment; return every endpoint's answer."""
        answers: dict[str, Any] = {}
        for name in ("offices-and-services", "captcha-details", "captcha-challenge"):
            answers[name] = (await self.http.get(f"/{name}/")).json()
        solution = altcha.solve_challenge(altcha.Challenge.from_dict(answers["captcha-challenge"]))
        assert solution is not None
        payload = {"challenge": answers["captcha-challenge"], "solution": solution.to_dict()}
        encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode()
        answers["captcha-verify"] = (await self.http.post("/captcha-verify/", json={"payload": encoded})).json()
        token = answers["captcha-verify"]["token"]
        self.city.release(*EMERGENCY, [at(day(1), 9), at(day(3), 9)])
        question = RANGE | {"officeIds": "10461", "serviceIds": "10339028", "serviceCounts": "1", "captchaToken": token}
        answers["available-calendar"] = (await self.http.get("/available-calendar/", params=question)).json()
        wish = {"timestamp": at(day(1), 9), "officeId": "10461", "serviceId": ["10339028"], "serviceCount": [1]}
        reserved = (await self.http.post("/reserve-appointment/", json=wish | {"captchaToken": token})).json()
        answers["reserve-appointment"] = reserved
        opening = {"processId": reserved["processId"], "authKey": reserved["authKey"]}
        details = opening | {"familyName": "Ada Example", "email": "ada@example.org"}
        for name in ("update-appointment", "preconfirm-appointment", "confirm-appointment"):
            answers[name] = (await self.http.post(f"/{name}/", json=details)).json()
        answers["appointment"] = (await self.http.get("/appointment/", params=opening)).json()
        answers["cancel-appointment"] = (await self.http.post("/cancel-appointment/", json=opening)).json()
        return answers


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    clock = ManualClock()
    city = SimulatedCity(clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(city.app), base_url=city.base_url) as http:
        yield Caller(city, clock, http)


def shape(value: object) -> object:
    """Return what a value is made of: keys and types, lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


async def test_every_answer_has_the_recorded_shape(caller: Caller) -> None:
    """Keys and types of all eleven endpoints, null where the recording is null."""
    answers = await caller.walk()

    recorded = {name: shape(endpoint["response"]) for name, endpoint in ENDPOINTS.items() if name in answers}
    catalogue = recorded["offices-and-services"]
    assert isinstance(catalogue, dict)
    catalogue["offices"][0]["displayNameAlternatives"] = []  # ours have no other names
    assert {name: shape(answer) for name, answer in answers.items()} == recorded
    assert set(ENDPOINTS) - set(answers) == {"my-appointments"}


async def test_statuses_along_the_way(caller: Caller) -> None:
    """Reserved, preconfirmed, confirmed, deleted as recorded."""
    answers = await caller.walk()

    steps = [name for name in ENDPOINTS if "appointment" in name and name in answers]
    assert [answers[name]["status"] for name in steps] == [ENDPOINTS[name]["response"]["status"] for name in steps]


async def test_an_empty_calendar_is_the_recorded_one(caller: Caller) -> None:
    """The window is the whole range when there is nothing in it."""
    answer = (await caller.http.get("/available-calendar/", params=QUESTION)).json()

    recorded = ENDPOINTS["available-calendar"]["empty_response"]
    assert answer == recorded | {"endDate": day(180).isoformat(), "slotsEndDate": day(180).isoformat()}


async def test_neighbours_outside_the_shown_months(caller: Caller) -> None:
    """With a window only its months are listed; the next bookable days before and after are named."""
    caller.city.release(*PASSPORT, [at(day(offset), 9) for offset in (3, 40, 100)])
    window = {"slotsStartDate": day(40).isoformat(), "slotsEndDate": day(40).isoformat()}

    answer = (await caller.http.get("/available-calendar/", params=QUESTION | window)).json()

    assert [known["date"] for known in answer["availableDays"]] == [day(40).isoformat()]
    assert (answer["prevBookableDate"], answer["nextBookableDate"]) == (day(3).isoformat(), day(100).isoformat())


async def test_a_wide_window_shows_all_its_times(caller: Caller) -> None:
    """A window over several days has the times of each, across the turn of the year too."""
    caller.city.release(*PASSPORT, [at(day(offset), 9) for offset in (3, 40)])
    window = {"slotsStartDate": TODAY.isoformat(), "slotsEndDate": day(50).isoformat()}

    answer = (await caller.http.get("/available-calendar/", params=QUESTION | window)).json()

    assert [len(known["offices"]) for known in answer["availableDays"]] == [1, 1]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/available-calendar", 404, "notFound"),
        ("GET", "/available-days-by-office/", 404, "notFound"),
        ("GET", "/", 404, "notFound"),
        ("POST", "/available-calendar/", 405, "requestMethodNotAllowed"),
        ("GET", "/reserve-appointment/", 405, "requestMethodNotAllowed"),
        ("GET", "/my-appointments/", 403, "unauthorized"),
        ("POST", "/reserve-appointment/", 400, "invalidRequest"),
    ],
)
async def test_wrong_doors(caller: Caller, method: str, path: str, status: int, code: str) -> None:
    """The trailing slash is required, old endpoints are gone, methods are one each, bodies are JSON."""
    answer = await caller.http.request(method, PREFIX + path if path == "/" else path)

    assert (answer.status_code, answer.json()["errors"][0]["errorCode"]) == (status, code)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"startDate": ""}, ["invalidStartDate"]),
        ({"startDate": "23.11.2026", "endDate": "later"}, ["invalidStartDate", "invalidEndDate"]),
        ({"slotsStartDate": "x"}, ["invalidSlotsStartDate"]),
        ({"slotsEndDate": "x"}, ["invalidSlotsEndDate"]),
        ({"slotsStartDate": "2026-12-02", "slotsEndDate": "2026-12-01"}, ["slotsStartDateAfterEndDate"]),
        ({"officeIds": "Pasing"}, ["invalidOfficeId"]),
        ({"officeIds": "99999999999"}, ["invalidOfficeId"]),
        ({"serviceIds": ""}, ["invalidServiceId", "MISMATCHED_ARRAYS"]),
        ({"serviceCounts": "1,1"}, ["MISMATCHED_ARRAYS"]),
        ({"serviceCounts": "26"}, ["invalidServiceCount"]),
        ({"officeIds": "10471"}, ["invalidLocationAndServiceCombination"]),
        ({"startDate": "2027-12-01"}, ["unknownError"]),
    ],
)
async def test_questions_that_the_city_refuses(caller: Caller, change: dict[str, str], codes: list[str]) -> None:
    """With its own codes, all at once."""
    answer = await caller.http.get("/available-calendar/", params=QUESTION | change)

    assert [error["errorCode"] for error in answer.json()["errors"]] == codes
    assert answer.status_code == (520 if codes == ["unknownError"] else 400)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timestamp": "soon"}, "invalidTimestamp"),
        ({"officeId": None}, "invalidOfficeId"),
        ({"serviceId": []}, "EMPTY_SERVICE_ARRAYS"),
        ({"serviceId": ["x"]}, "invalidServiceId"),
        ({"serviceCount": [1, 1]}, "MISMATCHED_ARRAYS"),
        ({"officeId": "10471"}, "invalidLocationAndServiceCombination"),
        ({}, "appointmentNotAvailable"),
    ],
)
async def test_wishes_that_the_city_refuses(caller: Caller, change: dict[str, object], code: str) -> None:
    """With its own codes."""
    wish = {"timestamp": at(day(1), 9), "officeId": "10489", "serviceId": ["1063453"], "serviceCount": [1]}

    answer = await caller.http.post("/reserve-appointment/", json=wish | change)

    assert answer.json()["errors"][0]["errorCode"] == code


async def test_a_captcha_challenge_passes_altchas_own_check(caller: Caller) -> None:
    """Our signature over the nulls is what the altcha package verifies, whatever the machine's clock says."""
    caller.clock.now = 4_000_000_000.0
    await caller.token()

    assert len(caller.city.captcha.tokens) == 1


async def test_captcha_failures_come_as_200(caller: Caller) -> None:
    """A wrong, a forged, a late and a used solution."""
    challenge = (await caller.http.get("/captcha-challenge/")).json()
    solution = altcha.solve_challenge(altcha.Challenge.from_dict(challenge))
    assert solution is not None
    key = solution.derived_key
    forged = {"parameters": challenge["parameters"] | {"cost": 2}, "signature": challenge["signature"]}

    async def verify(challenge: dict[str, Any], counter: int) -> httpx.Response:
        found = {"counter": counter, "derivedKey": key, "time": 1}
        payload = base64.b64encode(json.dumps({"challenge": challenge, "solution": found}).encode()).decode()
        return await caller.http.post("/captcha-verify/", json={"payload": payload})

    failures = [
        await caller.http.post("/captcha-verify/", json={"payload": "nonsense"}),
        await verify(forged, solution.counter),
    ]
    good = await verify(challenge, solution.counter)
    failures.append(await verify(challenge, solution.counter))
    late = (await caller.http.get("/captcha-challenge/")).json()
    caller.clock.now += 300
    failures.append(await verify(late, solution.counter))

    assert good.json()["meta"]["success"] is True
    assert {failure.status_code for failure in failures} == {200}
    assert [failure.json() for failure in failures] == [ENDPOINTS["captcha-verify"]["failure_http_200"]] * 4


@pytest.mark.parametrize("kind", ["missing", "garbage", "forged", "expired"])
async def test_captcha_tokens_are_checked(caller: Caller, kind: str) -> None:
    """captchaMissing, captchaInvalid, captchaExpired."""
    token = await caller.token()
    question = RANGE | {"officeIds": "10461", "serviceIds": "10339028", "serviceCounts": "1"}
    if kind == "expired":
        caller.clock.now += 300
    sent = {"missing": "", "garbage": "x", "forged": token[:-3] + "abc", "expired": token}[kind]

    answer = await caller.http.get("/available-calendar/", params=question | {"captchaToken": sent})

    code = {"missing": "captchaMissing", "expired": "captchaExpired"}.get(kind, "captchaInvalid")
    assert (answer.status_code, answer.json()["errors"][0]["errorCode"]) == (400, code)


async def test_generic_errors_are_the_recorded_ones(caller: Caller) -> None:
    """Byte for byte what the contract holds, and rate-limit headers on success only."""
    recorded = [error for error in CONTRACT["generic_errors"] if isinstance(error["body"], dict)]
    for error in recorded:
        if "errors" in error["body"]:
            caller.city.fail("appointment", error["http"], error["body"]["errors"][0]["errorCode"])
        else:
            caller.city.fail_with("appointment", "gateway" if error["http"] == 400 else "error_object")
        answer = await caller.http.get("/appointment/")
        assert (answer.status_code, answer.json()) == (error["http"], error["body"])
        assert not [name for name in answer.headers if name.startswith("x-ratelimit")]

    good = await caller.http.get("/captcha-details/")
    assert set(CONTRACT["headers_on_success"]) == {
        name for name in CONTRACT["headers_on_success"] if name.lower() in good.headers
    }


async def test_faults_end_when_they_are_told_to(caller: Caller) -> None:
    """Ordered for everything and without an end, until the city recovers."""
    caller.city.fail("*", 503, "serviceUnavailable", times=None)
    broken = [
        await caller.http.get(path) for path in ("/captcha-details/", "/available-calendar/", "/captcha-details/")
    ]
    caller.city.recover()
    healed = await caller.http.get("/captcha-details/")

    assert ([answer.status_code for answer in broken], healed.status_code) == ([503] * 3, 200)


def test_slots_are_released_only_where_the_service_is() -> None:
    """A demo that releases slots nobody can find is wrong."""
    with pytest.raises(ValueError, match="does not offer"):
        SimulatedCity(ManualClock()).release(PASSPORT[0], EMERGENCY[1], [at(day(1), 9)])
