"""Every way in which the city can say no, or nothing sensible, is an error of ours and never "nothing free"."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from munich_town import CONTRACT, EMERGENCY, PASSPORT, ManualClock, Town, at, day, new_client, open_town

from termin_bot.munich import (
    CITY_CODES,
    ERROR_CODES,
    MunichBlacklisted,
    MunichCaptchaFailed,
    MunichError,
    MunichMalformed,
    MunichRateLimited,
    MunichRefused,
    MunichServerError,
    MunichTimeout,
    MunichUnreachable,
    ReservationExpired,
    SlotGone,
)
from termin_bot.simulation.city_errors import SAYINGS
from termin_bot.simulation.city_gate import Shape

CATALOGUE = {error["errorCode"]: error for error in CONTRACT["error_catalogue"].values()}
BY_STATUS: dict[int, type[MunichError]] = {429: MunichRateLimited} | dict.fromkeys(
    (500, 501, 503, 520), MunichServerError
)
BY_CODE: dict[str, type[MunichError]] = {
    "IP_BLACKLISTED": MunichBlacklisted,
    "ipBlacklisted": MunichBlacklisted,
    "captchaMissing": MunichCaptchaFailed,
    "captchaInvalid": MunichCaptchaFailed,
    "captchaExpired": MunichCaptchaFailed,
    "captchaVerificationFailed": MunichCaptchaFailed,
    "captchaVerificationError": MunichCaptchaFailed,
    "appointmentNotAvailable": SlotGone,
    "processNotReservedAnymore": ReservationExpired,
    "processNotPreconfirmedAnymore": ReservationExpired,
    "preconfirmationExpired": ReservationExpired,
    "appointmentNotFound": ReservationExpired,
}


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with open_town() as opened:
        yield opened


def expected_class(code: str, status: int) -> type[MunichError]:
    return BY_CODE.get(code) or BY_STATUS.get(status) or MunichRefused


def test_our_list_of_codes_is_the_citys_catalogue() -> None:
    """No code of the catalogue is missing, and each has the catalogue's status."""
    catalogue = {code: error["statusCode"] for code, error in CATALOGUE.items()}
    undefined = {"startDateAfterEndDate", "dateRangeTooLarge", "invalidDateRange", "unknownError", "ipBlacklisted"}

    assert catalogue == {code: status for code, status in CITY_CODES.items() if code not in undefined}


def test_the_simulated_city_words_its_errors_as_the_real_one() -> None:
    """Message, kind and status of every error are the catalogue's."""
    worded = {
        code: {
            "errorCode": code,
            "errorMessage": saying.message,
            "errorType": saying.kind,
            "statusCode": saying.status,
        }
        for code, saying in SAYINGS.items()
        if code != "unknownError"
    }

    assert worded == CATALOGUE


@pytest.mark.parametrize("code", sorted(CITY_CODES))
async def test_every_code_is_an_error_of_its_kind_and_never_nothing_free(town: Town, code: str) -> None:
    """Slots are there, the city refuses: the caller gets the city's own code, not an empty calendar."""
    town.release(PASSPORT, at(day(1), 9))
    status = CITY_CODES[code]
    town.city.fail("available-calendar", status, code, times=None)

    with pytest.raises(MunichError) as caught:
        await town.look()

    error = caught.value
    # The captcha codes cost a token and a second try; the refusal stays the same.
    assert (expected_class(code, status), code, status) == (type(error), error.error_code, error.http_status)
    assert ("available-calendar", error.error_type, code) == town.observer.errors[-1]
    assert town.spans.get_finished_spans()[-1].name == "munich available-calendar"


@pytest.mark.parametrize("code", ["startDateAfterEndDate", "dateRangeTooLarge", "invalidDateRange"])
@pytest.mark.parametrize("status", [400, 520])
async def test_codes_that_the_city_forgot_to_define(town: Town, code: str, status: int) -> None:
    """Seen as 400 by others and as 520 in the source: both are errors, each of its own kind."""
    town.city.fail("available-calendar", status, code, times=None)

    with pytest.raises(MunichRefused if status == 400 else MunichServerError) as caught:
        await town.look()

    assert (code, status) == (caught.value.error_code, caught.value.http_status)


async def test_an_unknown_code_is_told_by_its_status_only(town: Town) -> None:
    """What the city invents tomorrow does not become free text in our events."""
    town.city.fail("available-calendar", 418, "somethingNewFromMunich", times=None)

    with pytest.raises(MunichRefused) as caught:
        await town.look()

    assert caught.value.error_code == "http_418"


@pytest.mark.parametrize(
    ("shape", "status", "kind", "code"),
    [
        ("html", None, MunichMalformed, "malformed_body"),
        ("html", 403, MunichRefused, "http_403"),
        ("html", 404, MunichRefused, "http_404"),
        ("html", 429, MunichRateLimited, "http_429"),
        ("html", 502, MunichServerError, "http_502"),
        ("html", 302, MunichMalformed, "http_302"),
        ("empty", None, MunichMalformed, "malformed_body"),
        ("empty", 204, MunichMalformed, "http_204"),
        ("empty", 503, MunichServerError, "http_503"),
        ("gateway", None, MunichRefused, "http_400"),
        ("gateway", 200, MunichMalformed, "http_200"),
        ("error_object", None, MunichServerError, "http_500"),
        ("error_object", 200, MunichMalformed, "http_200"),
        ("other_keys", None, MunichMalformed, "malformed_body"),
        ("captcha_failure", None, MunichMalformed, "malformed_body"),
    ],
)
async def test_odd_answers_are_errors_and_never_nothing_free(
    town: Town, shape: Shape, status: int | None, kind: type[MunichError], code: str
) -> None:
    """HTML pages, empty bodies, the gateway's and the framework's own forms."""
    town.release(PASSPORT, at(day(1), 9))
    town.city.fail_with("available-calendar", shape, times=None, status=status)

    with pytest.raises(MunichError) as caught:
        await town.look()

    assert (kind, code) == (type(caught.value), caught.value.error_code)


@pytest.mark.parametrize(
    ("code", "kind"), [("internalError", MunichServerError), ("appointmentNotAvailable", SlotGone)]
)
async def test_an_error_sent_as_200_is_still_an_error(town: Town, code: str, kind: type[MunichError]) -> None:
    """The body counts when the status lies."""
    town.city.fail("available-calendar", 200, code, times=None)

    with pytest.raises(kind):
        await town.look()


@pytest.mark.parametrize("body", [b"[]", b"null", b"42", b'"no"', b"{}", b"\xff\xfe", b"[" * 100_000])
async def test_json_that_is_no_calendar_is_no_answer(body: bytes) -> None:
    """A 200 counts only when it is the contract's 200."""
    client = new_client(ManualClock(), httpx.MockTransport(lambda _: httpx.Response(200, content=body)))

    async with client:
        with pytest.raises(MunichMalformed):
            await client.calendar(*PASSPORT[:1], [PASSPORT[1]], day(0), day(9))


def without(*path: str | int) -> dict[str, Any]:
    """Return the contract's calendar without the value at the path."""
    return changed(None, *path, delete=True)


def changed(value: object, *path: str | int, delete: bool = False) -> dict[str, Any]:
    """Return the contract's calendar with another value at the path."""
    answer = calendar_answer()
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    if delete:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return answer


def calendar_answer() -> dict[str, Any]:
    endpoint = next(known for known in CONTRACT["endpoints"] if known["name"] == "available-calendar")
    response: dict[str, Any] = httpx.Response(200, json=endpoint["response"]).json()  # a deep copy
    return response


@pytest.mark.parametrize(
    "answer",
    [
        without("availableDays"),
        changed(None, "availableDays"),
        changed({}, "availableDays"),
        without("slotsStartDate"),
        changed("tomorrow", "slotsStartDate"),
        changed(20261124, "slotsEndDate"),
        changed("2026-11-24", "availableDays", 0),
        without("availableDays", 0, "date"),
        without("availableDays", 0, "providerIDs"),
        changed("Ruppertstraße", "availableDays", 0, "providerIDs"),
        without("availableDays", 0, "offices"),
        without("availableDays", 0, "offices", 0, "officeId"),
        without("availableDays", 0, "offices", 0, "appointments"),
        changed(["09:00"], "availableDays", 0, "offices", 0, "appointments"),
        changed([True], "availableDays", 0, "offices", 0, "appointments"),
        changed([1795507200.5], "availableDays", 0, "offices", 0, "appointments"),
    ],
)
async def test_a_calendar_that_lost_a_part_is_no_answer(answer: dict[str, Any]) -> None:
    """A renamed key is noticed, instead of being read as a quiet day."""
    client = new_client(ManualClock(), httpx.MockTransport(lambda _: httpx.Response(200, json=answer)))

    async with client:
        with pytest.raises(MunichMalformed):
            await client.calendar(EMERGENCY[0], [EMERGENCY[1]], day(0), day(9))


async def test_a_well_formed_200_without_days_is_nothing_free(town: Town) -> None:
    """The one answer that means it."""
    calendar = await town.look()

    assert (calendar.days, calendar.slots) == ((), ())
    assert town.observer.errors == []


def raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise error

    return refuse


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), MunichUnreachable),
        (httpx.ReadError("reset"), MunichUnreachable),
        (httpx.RemoteProtocolError("closed"), MunichUnreachable),
        (httpx.DecodingError("gzip"), MunichUnreachable),
        (httpx.ProxyError("proxy"), MunichUnreachable),
        (httpx.TooManyRedirects("loop"), MunichUnreachable),
        (ConnectionResetError("reset"), MunichUnreachable),
        (httpx.ConnectTimeout("slow"), MunichTimeout),
        (httpx.ReadTimeout("slow"), MunichTimeout),
        (httpx.PoolTimeout("busy"), MunichTimeout),
    ],
)
async def test_trouble_on_the_way_is_translated(error: Exception, kind: type[MunichError]) -> None:
    """Callers meet our errors only."""
    client = new_client(ManualClock(), httpx.MockTransport(raising(error)))

    async with client:
        with pytest.raises(kind) as caught:
            await client.catalogue()

    assert (None, caught.value.error_type) == (caught.value.http_status, caught.value.error_code)


async def test_no_answer_is_a_timeout() -> None:
    """A city that holds the line without a word does not hold us."""
    async with open_town(timeout=0.02) as town:
        town.city.fail_with("available-calendar", "timeout", times=None)

        with pytest.raises(MunichTimeout):
            await town.look()

    assert town.observer.errors == [("available-calendar", "timeout", "timeout")] * 2


async def test_a_question_is_repeated_once_after_trouble(town: Town) -> None:
    """One 503 is healed after a short pause, and still counted."""
    town.release(PASSPORT, at(day(1), 9))
    town.city.fail("available-calendar", 503, "serviceUnavailable", times=1)

    calendar = await town.look()

    assert len(calendar.slots) == 1
    assert town.clock.slept == [2.0]
    assert town.observer.errors == [("available-calendar", "server_error", "serviceUnavailable")]


async def test_a_booking_step_is_never_repeated(town: Town) -> None:
    """It may have worked: repeating it could book twice or lose the slot."""
    slot = town.release(PASSPORT, at(day(1), 9))
    town.city.fail("reserve-appointment", 503, "serviceUnavailable", times=1)

    with pytest.raises(MunichServerError):
        await town.client.reserve(slot)

    assert town.asked("reserve-appointment") == 1


async def test_a_refusal_is_not_repeated(town: Town) -> None:
    """A 400 is our mistake: the same question gets the same answer."""
    town.city.fail("available-calendar", 400, "invalidStartDate", times=1)

    with pytest.raises(MunichRefused):
        await town.look()

    assert town.asked("available-calendar") == 1


def test_every_error_code_is_on_the_closed_list() -> None:
    """Whatever an error is made with, its code is one that may be counted."""
    error = MunichRefused("appointment", "the city's free text", 409)

    assert error.error_code == "http_409"
    assert {"http_502", "timeout", "IP_BLACKLISTED"} <= ERROR_CODES
    assert "free text" not in str(error)


async def test_the_gravest_of_several_errors_counts() -> None:
    """The city answers with the highest status of its errors; so do we."""
    errors = [
        {"errorCode": "invalidStartDate", "errorMessage": "", "statusCode": 400, "errorType": "warning"},
        {"errorCode": "internalError", "errorMessage": "", "statusCode": 500, "errorType": "error"},
        "not even an error",
    ]
    client = new_client(ManualClock(), httpx.MockTransport(lambda _: httpx.Response(500, json={"errors": errors})))

    async with client:
        with pytest.raises(MunichServerError) as caught:
            await client.catalogue()

    assert caught.value.error_code == "internalError"
