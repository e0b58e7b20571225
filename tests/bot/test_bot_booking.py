"""Booking: reserve first, ask later, and every way to the end."""

import pytest
from bot_world import (
    EAT,
    EAT_OFFICE,
    EMERGENCY,
    EMERGENCY_OFFICE,
    FRIDAY_TEN,
    LICENCE,
    LICENCE_OFFICE,
    World,
)
from sqlalchemy import func, select

from termin_bot.bot import Bot
from termin_bot.simulation.telegram import Person
from termin_bot.storage import BookingSession

HALF_PAST = FRIDAY_TEN + 1800
NAME, EMAIL, PHONE, AZR = "Anna Canary-Name", "canary.mail@example.org", "+49 89 2330001", "AZR-CANARY"


async def told(world: World, bot: Bot, service_id: int, office_id: int, *starts: int) -> Person:
    """Return a person who watches the service and has just heard that these appointments are free."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await anna.press_data(f"s:{service_id}")
    await world.telegram.settled()
    world.city.release(service_id, office_id, starts or [FRIDAY_TEN, HALF_PAST])
    await bot.watch_once()
    assert "Free now" in anna.last.text
    return anna


async def reserved(world: World, anna: Person) -> None:
    """Press Book and take the first time."""
    await world.press(anna, "Book Fri 27.11. 10:00")
    text = await world.press(anna, "Fri 27.11. 10:00")
    assert "first and last name" in text


async def test_from_the_notification_to_the_citys_mail(world: World, bot: Bot) -> None:
    """The whole funnel: each step once, in order, with one visitor, and the duration is the booking span's."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await reserved(world, anna)
    assert world.city.free(EAT, EAT_OFFICE) == [HALF_PAST]
    world.clock.pass_(seconds=40)
    assert "e-mail address" in await world.say(anna, NAME)
    assert "plus sign" in await world.say(anna, "canary+list@example.org")
    world.clock.pass_(seconds=20)
    summary = await world.say(anna, EMAIL)
    assert NAME in summary
    assert EMAIL in summary
    world.clock.pass_(seconds=5)
    done = await world.press(anna, "Confirm booking")

    assert "Open the link in it within" in done
    (booking,) = world.city.bookings()
    assert booking.state == "preconfirmed"
    assert world.city.outbox[-1].to == EMAIL
    funnel = [
        "booking_started",
        "slot_selected",
        "name_entered",
        "email_entered",
        "booking_confirmed",
        "booking_completed",
    ]
    events = [world.only(name) for name in funnel]
    assert len({each.visitor for each in events}) == 1
    name = "Abholung elektronischer Aufenthaltstitel (eAT)"
    assert [
        {"service_id": EAT, "service_name": name, "office_id": EAT_OFFICE, "lead_time": "4-7"},
        {"service_id": EAT, "selected_time": "10:00"},
        {"service_id": EAT, "step_number": 2},
        {"service_id": EAT, "step_number": 3},
        {"service_id": EAT, "step_number": 4},
        {"service_id": EAT, "service_name": name, "status": "success"},
    ] == [each.properties for each in events]
    completed = events[-1]
    assert completed.span.name == "booking"
    assert completed.span.start_time is not None
    assert (completed.time_ns - completed.span.start_time) // 1_000_000 == 65_000
    assert completed.time_ns == completed.span.end_time
    (press,) = world.spans("button book.start")
    assert [link.context.span_id for link in completed.span.links] == [press.context.span_id]
    for operation in ("conversation booking.name", "conversation booking.email", "button book.confirm"):
        assert world.spans(operation), operation


async def test_nothing_typed_outlives_the_booking(world: World, bot: Bot) -> None:
    """The row with name, address and credentials is gone; no span ever had them."""
    anna = await told(world, bot, LICENCE, LICENCE_OFFICE)
    await reserved(world, anna)
    await world.say(anna, NAME)
    assert "telephone number" in await world.say(anna, EMAIL)
    assert "7 to 15 digits" in await world.say(anna, "call me")
    assert "+49892330001" in await world.say(anna, PHONE)
    await world.press(anna, "Confirm booking")

    assert world.only("booking_completed").properties["status"] == "success"
    assert await _bookings(bot) == 0
    everything = "".join(span.to_json() for span in world.exporter.get_finished_spans())
    for canary in (NAME, EMAIL, "2330001", "89 233", str(anna.id), *world.city.secrets()):
        assert canary not in everything


async def test_an_optional_question_can_be_skipped(world: World, bot: Bot) -> None:
    """The office's own question is asked in its words, behind a captcha too, and Skip leaves it open."""
    anna = await told(world, bot, EMERGENCY, EMERGENCY_OFFICE)
    await reserved(world, anna)
    await world.say(anna, NAME)
    assert "AZR-Nummer" in await world.say(anna, EMAIL)
    assert "Is this right?" in await world.press(anna, "Skip")
    assert "Open the link" in await world.press(anna, "Confirm booking")
    assert world.events("captcha_solved")
    assert {True} == {each.properties["success"] for each in world.events("captcha_solved")}
    assert {None} == {each.visitor for each in world.events("captcha_solved")}


@pytest.mark.parametrize("by", ["button", "command"])
async def test_cancelling_gives_the_appointment_back(world: World, bot: Bot, by: str) -> None:
    """At once, and for others to book."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await reserved(world, anna)
    await world.say(anna, NAME)

    text = await (world.press(anna, "Cancel booking") if by == "button" else world.say(anna, "/cancel"))

    assert "free for others" in text
    assert world.city.free(EAT, EAT_OFFICE) == [FRIDAY_TEN, HALF_PAST]
    assert (world.only("booking_cancelled").properties) == {
        "service_id": EAT,
        "cancelled_at_step": "email_entry",
        "reason": "user_initiated",
    }
    assert await _bookings(bot) == 0
    assert not world.events("booking_session_expired")


async def test_a_booking_that_runs_out_is_told_once(world: World, bot: Bot) -> None:
    """Both events once each, on the booking's span; the appointment goes back; typing on is answered."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await reserved(world, anna)
    world.clock.pass_(minutes=4, seconds=59)
    await bot.sweep_once()
    assert not world.events("booking_session_expired")
    world.clock.pass_(seconds=2)

    assert "is over" in await world.say(anna, NAME)
    await bot.sweep_once()
    await bot.sweep_once()

    assert "time ran out" in anna.last.text
    expired, cancelled = world.only("booking_session_expired"), world.only("booking_cancelled")
    assert expired.properties == {"expired_at_step": "name_entry", "minutes_since_start": 5}
    assert cancelled.properties == {"service_id": EAT, "cancelled_at_step": "name_entry", "reason": "session_expired"}
    assert expired.visitor == cancelled.visitor == world.only("user_registered").visitor
    assert world.city.free(EAT, EAT_OFFICE) == [FRIDAY_TEN, HALF_PAST]


async def test_trouble_at_one_end_does_not_take_the_others(world: World, bot: Bot) -> None:
    """Two bookings run out; telling of one fails in an unforeseen way: the other is given back, recorded and told."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await reserved(world, anna)
    ben = await told(world, bot, LICENCE, LICENCE_OFFICE)
    await reserved(world, ben)
    world.clock.pass_(minutes=40)
    unforeseen = "/sendMessage"
    world.telegram.fail("sendMessage", 200, unforeseen, chat_id=anna.id)
    await bot.sweep_once()
    assert len(world.events("booking_session_expired")) == 2
    assert "time ran out" in ben.last.text
    assert {each.state for each in world.city.bookings()} <= {"deleted"}


async def test_a_restart_in_the_middle_loses_nothing(world: World) -> None:
    """The person types on where they were, and the duration counts from the first press."""
    async with world.bot() as bot:
        anna = await told(world, bot, EAT, EAT_OFFICE)
        await reserved(world, anna)
        await world.say(anna, NAME)
    world.clock.pass_(minutes=2)
    async with world.bot():
        assert "Is this right?" in await world.say(anna, EMAIL)
        assert "Open the link" in await world.press(anna, "Confirm booking")

    completed = world.only("booking_completed")
    assert completed.span.start_time is not None
    assert (completed.time_ns - completed.span.start_time) // 1_000_000 == 120_000
    assert completed.visitor == world.only("booking_started").visitor


async def test_a_booking_that_a_stop_interrupted_at_the_city_is_finished(world: World) -> None:
    """Whether the city had taken it or not: after the restart it is booked once, and the person hears of it."""
    async with world.bot() as bot:
        anna = await told(world, bot, EAT, EAT_OFFICE)
        await reserved(world, anna)
        await world.say(anna, NAME)
        await world.say(anna, EMAIL)
        async with bot.database.work() as work:
            (booking,) = (await work.bookings.overdue(2e10)) or ()
            booking.step = "submitting"
            await work.commit()
    async with world.bot() as bot:
        world.city.fail_with("appointment", "html", times=None)
        await bot.sweep_once()
        assert not world.events("booking_completed")
        world.city.recover()
        world.clock.pass_(seconds=20)
        await bot.sweep_once()
        await bot.sweep_once()

    assert "accepted your booking" in anna.last.text
    assert {"status": "success"}.items() <= world.only("booking_completed").properties.items()
    assert len(world.city.outbox) == 1


async def test_somebody_was_faster(world: World, bot: Bot) -> None:
    """The next times are offered; when there are none, the booking ends and says so."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await world.press(anna, "Book Fri 27.11. 10:00")
    world.city.take(EAT, EAT_OFFICE, [FRIDAY_TEN])
    assert "Somebody was faster" in await world.press(anna, "Fri 27.11. 10:00")
    world.city.take(EAT, EAT_OFFICE, [HALF_PAST])
    assert "did not work" in await world.press(anna, "Fri 27.11. 10:30")

    assert {"status": "failure", "failure_reason": "slot_gone"}.items() <= (
        world.only("booking_completed").properties.items()
    )
    assert len(world.events("slot_selected")) == 2
    assert await _bookings(bot) == 0


@pytest.mark.parametrize(
    ("status", "code", "reason", "says"),
    [
        (406, "tooManyAppointmentsWithSameMail", "too_many_appointments", "no more appointments with this e-mail"),
        (409, "processNotReservedAnymore", "reservation_expired", "run out"),
        (400, "invalidEmail", "invalid_details", "did not accept the details"),
        (503, "serviceUnavailable", "city_unavailable", "did not answer"),
        (404, "scopeNotFound", "refused", "refused it"),
    ],
)
async def test_a_refused_booking_says_why(
    world: World, bot: Bot, status: int, code: str, reason: str, says: str
) -> None:
    """Every refusal of the city ends the booking with a closed reason and plain words."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await reserved(world, anna)
    await world.say(anna, NAME)
    await world.say(anna, EMAIL)
    world.city.fail("update-appointment", status, code, times=None)

    assert says in await world.press(anna, "Confirm booking")

    completed = world.only("booking_completed")
    assert ("failure", reason) == (completed.properties["status"], completed.properties["failure_reason"])
    assert world.events("api_error")
    assert {None} == {each.visitor for each in world.events("api_error")}
    assert {code} == {each.properties["error_message"] for each in world.events("api_error")}
    assert await _bookings(bot) == 0


async def test_a_question_about_dates_does_not_catch_the_name(world: World, bot: Bot) -> None:
    """Whoever was asked for dates and books instead is understood."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await world.say(anna, "/setdates")
    await reserved(world, anna)
    assert "e-mail address" in await world.say(anna, NAME)


async def test_one_booking_at_a_time(world: World, bot: Bot) -> None:
    """A second Book, an old Confirm and a second time change nothing."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await reserved(world, anna)
    assert "in the middle of booking" in await world.press(anna, "Book Fri 27.11. 10:30")
    assert "first and last name" in await world.press(anna, "Go on with it")
    assert "first and last name" in await world.press(anna, "Fri 27.11. 10:30, ")
    await anna.press_data("c:1")
    await world.telegram.settled()
    assert "first and last name" in anna.last.text
    assert len(world.events("booking_started")) == 1
    assert world.city.free(EAT, EAT_OFFICE) == [HALF_PAST]


async def test_the_city_away_at_the_reservation_leaves_the_choice_open(world: World, bot: Bot) -> None:
    """No answer is no refusal: the same time can be pressed again."""
    anna = await told(world, bot, EAT, EAT_OFFICE)
    await world.press(anna, "Book Fri 27.11. 10:00")
    world.city.fail_with("reserve-appointment", "html", times=None)
    assert "does not answer" in await world.press(anna, "Fri 27.11. 10:00")
    world.city.recover()
    assert "first and last name" in await world.press(anna, "Fri 27.11. 10:00")


async def _bookings(bot: Bot) -> int:
    async with bot.database.engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(BookingSession.__table__))).scalar_one()
