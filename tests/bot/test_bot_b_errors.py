"""Every error of the city's catalogue, met by the bot: what is seen, what is traced, and never "nothing free"."""

import json
from pathlib import Path
from typing import get_args

import pytest
from bot_world import EAT, EAT_OFFICE, EMERGENCY, EMERGENCY_OFFICE, FRIDAY_TEN, World
from opentelemetry.trace import StatusCode

from termin_bot.bot import Bot
from termin_bot.events import BookingFailure
from termin_bot.munich import CITY_CODES
from termin_bot.munich.errors import error_for
from termin_bot.services.submitting import failure_reason
from termin_bot.simulation.city_gate import Shape
from termin_bot.simulation.telegram import Person

CONTRACT = json.loads((Path(__file__).parents[1] / "contracts" / "munich-citizen-api.json").read_text(encoding="utf-8"))
CATALOGUE: dict[str, int] = {each["errorCode"]: each["statusCode"] for each in CONTRACT["error_catalogue"].values()} | {
    code: CITY_CODES[code] for code in ("unknownError", "startDateAfterEndDate", "dateRangeTooLarge")
}
STOPS = {"IP_BLACKLISTED"}
"""These end all polling, and have a test of their own."""
SHAPES: list[tuple[Shape, int | None, str]] = [
    ("html", None, "malformed_body"),
    ("html", 502, "http_502"),
    ("empty", None, "malformed_body"),
    ("empty", 503, "http_503"),
    ("gateway", None, "http_400"),
    ("error_object", None, "http_500"),
    ("other_keys", None, "malformed_body"),
    ("captcha_failure", None, "malformed_body"),
]


def hurried(world: World) -> World:
    """Have the pauses between two tries pass on the clock only, and nobody reminded meanwhile."""

    async def sleep(seconds: float) -> None:
        world.clock.pass_(seconds=seconds)

    world.sleep = sleep
    world.settings = world.settings.model_copy(update={"reminders_enabled": False})
    return world


async def told(world: World, bot: Bot) -> Person:
    """Return a person who has just heard of a free appointment."""
    anna = world.telegram.person(language_code="en")
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    return anna


async def assert_blind_for_one_cycle(world: World, bot: Bot, anna: Person, code: str) -> None:
    """Run a cycle into the trouble that was ordered, and one after it."""
    before, known = anna.inbox, len(world.events("appointment_found"))
    world.exporter.clear()
    world.clock.pass_(minutes=3)
    await bot.watch_once()
    assert before == anna.inbox, code
    batch = world.only("appointment_check_batch").properties
    assert (batch["successful_checks"], batch["failed_checks"], batch["appointments_found"]) == (0, 1, 0), code
    (look,) = world.spans("check service")
    assert look.status.status_code is StatusCode.ERROR, code
    assert look.status.description is None, code
    asked = world.spans("munich available-calendar")
    assert {code} == {(each.attributes or {})["error.type"] for each in asked}
    assert {StatusCode.ERROR} == {each.status.status_code for each in asked}, code
    errors = [each for each in world.events("api_error") if each.properties["endpoint"] == "available-calendar"]
    assert {code} == {each.properties["error_message"] for each in errors}
    assert {None} == {each.visitor for each in errors}
    world.city.recover()
    world.clock.pass_(minutes=3)
    await bot.watch_once()
    assert world.events("appointment_check_batch")[-1].properties["successful_checks"] == 1, code
    assert before == anna.inbox, code
    assert known == 1 or not world.events("appointment_found"), code


def test_the_catalogue_is_whole() -> None:
    """What is met below is every code of the contract."""
    assert set(CATALOGUE) - {"unknownError", "startDateAfterEndDate", "dateRangeTooLarge"} == {
        each["errorCode"] for each in CONTRACT["error_catalogue"].values()
    }
    assert len(CATALOGUE) > 60


@pytest.mark.parametrize("status", sorted(set(CATALOGUE.values())))
async def test_no_code_is_ever_nothing_free(world: World, status: int) -> None:
    """While the city refuses, nobody hears "gone", nothing is forgotten, and each code is traced and counted."""
    async with hurried(world).bot() as bot:
        anna = await told(world, bot)
        for code in sorted(each for each, own in CATALOGUE.items() if own == status and each not in STOPS):
            world.city.fail("available-calendar", status, code, times=None)
            await assert_blind_for_one_cycle(world, bot, anna, code)


@pytest.mark.parametrize(("shape", "status", "code"), SHAPES)
async def test_no_odd_shape_is_ever_nothing_free(world: World, shape: Shape, status: int | None, code: str) -> None:
    """HTML, nothing, the gateway's words, other keys: an answer outside the contract is no answer."""
    async with hurried(world).bot() as bot:
        anna = await told(world, bot)
        world.city.fail_with("available-calendar", shape, times=None, status=status)
        await assert_blind_for_one_cycle(world, bot, anna, code)


def test_every_shape_is_met() -> None:
    """A new odd shape of the simulated city needs a line above; no answer at all has its own test below."""
    assert set(get_args(Shape)) - {"timeout"} == {shape for shape, _, _ in SHAPES}


@pytest.mark.parametrize("status", sorted(set(CATALOGUE.values())))
async def test_what_the_person_sees_at_the_reservation(world: World, status: int) -> None:
    """Somebody was faster is said as that; everything else leaves the choice open, and says that the city is away."""
    async with hurried(world).bot() as bot:
        anna = await told(world, bot)
        await world.press(anna, "Book Fri 27.11. 10:00")
        for code in sorted(each for each, own in CATALOGUE.items() if own == status and each not in STOPS):
            if code == "appointmentNotAvailable":
                continue
            world.exporter.clear()
            world.city.fail("reserve-appointment", status, code, times=None)
            said = await world.press(anna, "Fri 27.11. 10:00")
            assert "The city's calendar does not answer" in said, code
            assert code not in said
            (press,) = world.spans("button book.time")
            assert press.status.status_code is StatusCode.ERROR, code
            assert (world.spans("munich reserve-appointment")[-1].attributes or {})["error.type"] == code
            assert code in {each.properties["error_message"] for each in world.events("api_error")}
            world.city.recover()
            world.clock.pass_(seconds=75)  # so that a 429 is over; the person's 20 minutes are counted, too
            await world.say(anna, "/cancel")
            await world.press(anna, "Book Fri 27.11. 10:00")
        if status == CATALOGUE["appointmentNotAvailable"]:
            world.city.fail("reserve-appointment", 404, "appointmentNotAvailable")
            assert "somebody else was faster" in await world.press(anna, "Fri 27.11. 10:00")


SAYS: dict[BookingFailure, str] = {
    "slot_gone": "somebody else was faster",
    "reservation_expired": "the reservation had run out",
    "too_many_appointments": "no more appointments with this e-mail address",
    "captcha": "protection against robots",
    "invalid_details": "did not accept the details",
    "refused": "the city refused it",
    "rate_limited": "lets me ask no more",
    "city_unavailable": "did not answer",
}
REPRESENTATIVES: dict[BookingFailure, tuple[str, ...]] = {
    "slot_gone": ("appointmentNotAvailable",),
    "reservation_expired": ("processNotReservedAnymore", "appointmentNotFound", "preconfirmationExpired"),
    "too_many_appointments": ("tooManyAppointmentsWithSameMail",),
    "captcha": ("captchaInvalid",),
    "invalid_details": ("invalidEmail", "telephoneIsRequired"),
    "refused": ("authKeyMismatch",),
    "rate_limited": ("rateLimitExceeded", "IP_BLACKLISTED"),
    "city_unavailable": ("serviceUnavailable", "unknownError", "notImplemented"),
}


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_ends_a_booking_with_a_reason_of_the_closed_list(code: str) -> None:
    """Whichever step it meets: no code is unknown to us, and none is "error"."""
    for endpoint in ("reserve-appointment", "update-appointment", "preconfirm-appointment", "appointment"):
        reason = failure_reason(error_for(endpoint, CATALOGUE[code], code))
        assert reason in SAYS
    named = next((reason for reason, codes in REPRESENTATIVES.items() if code in codes), None)
    assert named in (None, reason)


@pytest.mark.parametrize(
    ("reason", "code"), [(reason, each) for reason, codes in REPRESENTATIVES.items() for each in codes]
)
async def test_what_the_person_sees_at_the_confirmation(world: World, reason: BookingFailure, code: str) -> None:
    """The booking ends with plain words, a closed reason, and the city's own code in the trace."""
    async with hurried(world).bot() as bot:
        anna = await told(world, bot)
        await world.press(anna, "Book Fri 27.11. 10:00")
        await world.press(anna, "Fri 27.11. 10:00")
        await world.say(anna, "Anna Canary-Name")
        await world.say(anna, "canary.mail@example.org")
        world.city.fail("preconfirm-appointment", CATALOGUE[code], code, times=None)
        said = await world.press(anna, "Confirm booking")
    assert SAYS[reason] in said
    completed = world.only("booking_completed").properties
    assert (completed["status"], completed["failure_reason"]) == ("failure", reason)
    assert (world.spans("munich preconfirm-appointment")[-1].attributes or {})["error.type"] == code
    assert (world.spans("booking")[0].attributes or {})["termin_bot.booking.outcome"] == "failed"


async def test_no_answer_at_all_is_no_answer(world: World) -> None:
    """A dead line at the city's end: the cycle says so, and nobody hears anything."""
    async with hurried(world).bot() as bot:
        anna = await told(world, bot)
        before = anna.inbox
        world.city.fail("available-calendar", 504, "zmsClientCommunicationError", times=2)
        world.clock.pass_(minutes=2)
        await bot.watch_once()
        assert before == anna.inbox
        assert world.events("appointment_check_batch")[-1].properties["failed_checks"] == 1


@pytest.mark.parametrize("endpoint", ["captcha-challenge", "captcha-verify"])
async def test_a_captcha_failure_with_http_200_is_a_failure(world: World, endpoint: str) -> None:
    """It is counted with its row, traced as an error, and says nothing about free appointments."""
    async with hurried(world).bot() as bot:
        anna = world.telegram.person(language_code="en")
        await world.say(anna, "/start")
        await anna.press_data(f"s:{EMERGENCY}")
        await world.telegram.settled()
        world.city.release(EMERGENCY, EMERGENCY_OFFICE, [FRIDAY_TEN])
        await bot.watch_once()
        assert "Free now" in anna.last.text
        before = anna.inbox
        world.city.fail_with(endpoint, "captcha_failure", times=None)
        for _ in range(2):
            world.clock.pass_(minutes=6)  # so that the token is over
            await bot.watch_once()
            assert before == anna.inbox
        failed = [each.properties for each in world.events("captcha_solved") if not each.properties["success"]]
        assert [each["consecutive_failures"] for each in failed] == [1, 2]
        assert world.spans("munich captcha")[-1].status.status_code is StatusCode.ERROR
