"""The captcha: bought rarely, used long, and its failures seen although they come as HTTP 200."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from munich_town import EMERGENCY, PASSPORT, ManualClock, Town, at, day, new_client, open_town

from termin_bot.munich import InlineSolver, MunichCaptchaFailed, MunichMalformed, ProcessSolver
from termin_bot.simulation.city import SimulatedCity


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with open_town() as opened:
        await opened.client.catalogue()
        opened.release(EMERGENCY, at(day(1), 9), at(day(1), 10))
        yield opened


async def test_one_token_serves_until_shortly_before_its_end(town: Town) -> None:
    """A second question costs no second challenge; after 280 of 300 seconds a new one is bought."""
    await town.look(EMERGENCY)
    town.clock.now += 279
    await town.look(EMERGENCY)
    assert town.asked("captcha-challenge") == 1

    town.clock.now += 1
    await town.look(EMERGENCY)
    assert town.asked("captcha-challenge") == 2
    assert town.observer.captchas == [(True, 0, 0), (True, 0, 0)]
    assert town.observer.errors == []


async def test_reserving_uses_the_same_token(town: Town) -> None:
    """The captcha stands before the calendar and before the reservation, and nowhere else."""
    calendar = await town.look(EMERGENCY)
    reservation = await town.client.reserve(calendar.slots[0])
    await town.client.appointment(reservation.credentials)

    assert town.asked("captcha-challenge") == 1
    assert town.city.requests[-2].body == {
        "timestamp": at(day(1), 9),
        "officeId": "10461",
        "serviceId": ["10339028"],
        "serviceCount": [1],
        "captchaToken": town.city.captcha.tokens[0],
    }


async def test_where_no_captcha_is_asked_for_none_is_solved(town: Town) -> None:
    """Challenges grow dearer with every one: they are not bought for nothing."""
    await town.look(PASSPORT)

    assert town.asked("captcha-challenge") == 0


async def test_many_questions_at_once_share_one_challenge(town: Town) -> None:
    """Nobody solves in parallel."""
    calendars = await asyncio.gather(*(town.look(EMERGENCY) for _ in range(5)))

    assert [len(calendar.slots) for calendar in calendars] == [2] * 5
    assert town.asked("captcha-challenge") == 1


async def test_without_a_catalogue_the_city_tells_us() -> None:
    """CaptchaMissing is an instruction: solve one and ask again."""
    async with open_town() as town:
        slot = town.release(EMERGENCY, at(day(1), 9))
        reservation = await town.client.reserve(slot)
        await town.look(EMERGENCY)

    assert reservation.status == "reserved"
    assert town.observer.errors == [("reserve-appointment", "captcha", "captchaMissing")]
    assert town.asked("captcha-challenge") == 1


@pytest.mark.parametrize("code", ["captchaInvalid", "captchaExpired", "captchaVerificationError"])
async def test_a_refused_token_is_replaced_once(town: Town, code: str) -> None:
    """One new token, one new try."""
    town.city.fail("available-calendar", 400, code, times=1)

    assert len((await town.look(EMERGENCY)).slots) == 2
    assert town.asked("captcha-challenge") == 2


async def test_a_token_that_is_refused_again_is_given_up(town: Town) -> None:
    """No endless buying."""
    town.city.fail("available-calendar", 400, "captchaInvalid", times=None)

    with pytest.raises(MunichCaptchaFailed) as caught:
        await town.look(EMERGENCY)

    assert caught.value.error_code == "captchaInvalid"
    assert town.asked("captcha-challenge") == 2


async def test_a_token_bound_to_another_address_is_replaced(town: Town) -> None:
    """Our address changed: the city's captchaInvalid leads to a token for the new one."""
    await town.look(EMERGENCY)
    moved = httpx.ASGITransport(town.city.app, client=("192.0.2.7", 4711))
    stolen = town.city.captcha.tokens[0]
    async with httpx.AsyncClient(transport=moved, base_url=SimulatedCity.base_url) as elsewhere:
        query = {"startDate": "2026-11-23", "endDate": "2026-12-23", "officeIds": "10461", "serviceIds": "10339028"}
        answer = await elsewhere.get(
            "/available-calendar/", params=query | {"serviceCounts": "1", "captchaToken": stolen}
        )

    assert answer.json()["errors"][0]["errorCode"] == "captchaInvalid"


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [("captcha-challenge", "captcha_challenge_failed"), ("captcha-verify", "captcha_rejected")],
)
async def test_failures_that_come_as_200_are_failures(town: Town, endpoint: str, code: str) -> None:
    """meta.success counts, not the status; the next attempt starts afresh."""
    town.city.fail_with(endpoint, "captcha_failure", times=2)
    for failures in (1, 2):
        with pytest.raises(MunichCaptchaFailed) as caught:
            await town.look(EMERGENCY)
        assert (caught.value.error_code, town.observer.captchas[-1]) == (code, (False, 0, failures))

    await town.look(EMERGENCY)

    assert town.observer.captchas[-1] == (True, 0, 0)
    assert town.observer.errors == [(endpoint, "captcha", code)] * 2


async def test_after_three_failures_the_city_is_left_in_peace(town: Town) -> None:
    """For a minute nothing is asked; then once more."""
    town.city.fail_with("captcha-verify", "captcha_failure", times=3)
    for _ in range(5):
        with pytest.raises(MunichCaptchaFailed) as caught:
            await town.look(EMERGENCY)
    assert (town.asked("captcha-challenge"), caught.value.error_code) == (3, "captcha_cooling_down")

    town.clock.now += 60
    assert len((await town.look(EMERGENCY)).slots) == 2


async def test_other_trouble_with_the_captcha_is_an_attempt_too(town: Town) -> None:
    """HTML instead of a challenge is what it is everywhere, and counts as a failed attempt."""
    town.city.fail_with("captcha-challenge", "html", times=1)

    with pytest.raises(MunichMalformed):
        await town.look(EMERGENCY)

    assert town.observer.captchas == [(False, 0, 1)]


class Idle:
    """Finds nothing."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def solve(self, challenge: object, seconds: float) -> None:  # noqa: ARG002  it does not even look
        """Give up at once."""
        self.seconds.append(seconds)

    async def aclose(self) -> None:
        """Do nothing."""


async def test_no_solution_in_time() -> None:
    """The solver gets at most 90 seconds, and its failure is a captcha failure."""
    idle = Idle()
    async with open_town(solver=idle) as town:
        with pytest.raises(MunichCaptchaFailed) as caught:
            await town.client.reserve(town.release(EMERGENCY, at(day(1), 9)))

    assert (caught.value.error_code, idle.seconds) == ("captcha_unsolved", [90.0])
    assert town.asked("captcha-verify") == 0


async def test_link_only_sends_nothing_that_needs_a_captcha() -> None:
    """The operator decided: people get the link, the city gets no question."""
    async with open_town(captcha_mode="link_only") as town:
        await town.client.catalogue()
        with pytest.raises(MunichCaptchaFailed) as caught:
            await town.look(EMERGENCY)
        await town.look(PASSPORT)

    assert caught.value.error_code == "captcha_link_only"
    assert [request.path.split("/")[-2] for request in town.city.requests] == [
        "offices-and-services",
        "available-calendar",
    ]
    assert town.observer.errors == []


async def test_the_challenge_goes_back_unchanged(town: Town) -> None:
    """Nulls and unknown keys too: the signature covers them."""
    await town.look(EMERGENCY)

    sent = next(request for request in town.city.requests if request.path.endswith("/captcha-verify/"))
    assert isinstance(sent.body, dict)
    assert set(sent.body) == {"payload"}


CHALLENGE: dict[str, Any] = SimulatedCity(ManualClock()).captcha.challenge()


def parameters(**other: object) -> dict[str, Any]:
    return {"parameters": CHALLENGE["parameters"] | other, "signature": CHALLENGE["signature"]}


@pytest.mark.parametrize(
    "challenge",
    [
        [],
        {"parameters": None, "signature": "00"},
        {"parameters": CHALLENGE["parameters"]},
        parameters(cost="1000"),
        parameters(expiresAt="soon"),
    ],
)
async def test_a_challenge_outside_the_contract(challenge: object) -> None:
    """ALTCHA v1, or anything else that is no v2 challenge, is noticed before it is solved."""
    client = new_client(ManualClock(), answers({"captcha-challenge": challenge}))

    async with client:
        with pytest.raises(MunichMalformed):
            await client.calendar(EMERGENCY[0], [EMERGENCY[1]], day(0), day(9))


@pytest.mark.parametrize(
    "challenge", [parameters(algorithm="MD5"), parameters(nonce="xyz"), parameters(keyPrefix="gg")]
)
async def test_a_challenge_that_nobody_can_solve(challenge: object) -> None:
    """An algorithm we do not know is a failed attempt, not a crash."""
    client = new_client(ManualClock(), answers({"captcha-challenge": challenge}))

    async with client:
        with pytest.raises(MunichCaptchaFailed) as caught:
            await client.calendar(EMERGENCY[0], [EMERGENCY[1]], day(0), day(9))

    assert caught.value.error_code == "captcha_unsolved"


@pytest.mark.parametrize("token", ["", "no.jwt", "a.e30.c", "a.W10.c", 7])
async def test_a_token_that_is_none(token: object) -> None:
    """Without its two times we would not know how long it holds."""
    grant = {"meta": {"success": True}, "data": {"valid": True}, "token": token}
    client = new_client(ManualClock(), answers({"captcha-challenge": CHALLENGE, "captcha-verify": grant}))

    async with client:
        with pytest.raises(MunichMalformed):
            await client.calendar(EMERGENCY[0], [EMERGENCY[1]], day(0), day(9))


def answers(bodies: dict[str, object]) -> httpx.MockTransport:
    """Answer by endpoint, and ask for a captcha everywhere else."""
    missing = {"errors": [{"errorCode": "captchaMissing", "errorMessage": "", "statusCode": 400, "errorType": "error"}]}

    def answer(request: httpx.Request) -> httpx.Response:
        body = bodies.get(request.url.path.split("/")[-2])
        return httpx.Response(400, json=missing) if body is None else httpx.Response(200, json=body)

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("new_solver", [InlineSolver, ProcessSolver])
async def test_solvers_find_real_solutions(new_solver: Callable[[], InlineSolver | ProcessSolver]) -> None:
    """Here and in a process of its own; an impossible challenge ends at its deadline."""
    solver, city = new_solver(), SimulatedCity(ManualClock())
    try:
        challenge = city.captcha.challenge()
        solution = await solver.solve(challenge, 120.0)
        assert solution is not None
        assert solution.derived_key.startswith("00")

        challenge["parameters"]["keyPrefix"] = "00" * 32
        assert await solver.solve(challenge, 0.01) is None
        assert await solver.solve(challenge, -1.0) is None
    finally:
        await solver.aclose()
    await solver.aclose()


async def test_a_worker_in_the_middle_of_an_impossible_challenge_is_stopped() -> None:
    """Ctrl-C does not wait for a proof of work."""
    solver, city = ProcessSolver(), SimulatedCity(ManualClock())
    challenge = city.captcha.challenge()
    challenge["parameters"]["keyPrefix"] = "00" * 32
    solving = asyncio.create_task(solver.solve(challenge, 600.0))
    await asyncio.sleep(0)  # its turn: the worker is started and has its task
    assert multiprocessing.active_children()
    solving.cancel()

    async with asyncio.timeout(300):
        await solver.aclose()

    assert not multiprocessing.active_children()
    assert await asyncio.gather(solving, return_exceptions=True)
