"""From the summary on: second thoughts, the last two minutes, the link in the mail, the calendar file, cancelling."""

from pathlib import Path

import pytest
from bot_databases import everything_kept
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, World, settings_for
from cryptography.fernet import Fernet
from sqlalchemy import text

from termin_bot.bot import Bot
from termin_bot.services.activating import next_look
from termin_bot.simulation.telegram import Person
from termin_bot.storage.sealing import key_is_usable

HALF_PAST = FRIDAY_TEN + 1800
NAME, EMAIL = "Anna Canary-Name", "canary.mail@example.org"
MINUTE = 60.0


async def told(world: World, bot: Bot, *starts: int) -> Person:
    """Return a person who has just heard that these appointments are free."""
    anna = world.telegram.person(language_code="en")
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    world.city.release(EAT, EAT_OFFICE, starts or [FRIDAY_TEN, HALF_PAST])
    await bot.watch_once()
    return anna


async def at_the_summary(world: World, bot: Bot, *starts: int) -> Person:
    """Return a person who only needs to confirm."""
    anna = await told(world, bot, *starts)
    await world.press(anna, "Book Fri 27.11. 10:00")
    await world.press(anna, "Fri 27.11. 10:00")
    await world.say(anna, NAME)
    await world.say(anna, EMAIL)
    return anna


async def booked(world: World, bot: Bot) -> Person:
    """Return a person whose appointment waits to be activated; the city gives them 30 minutes."""
    anna = await at_the_summary(world, bot)
    assert "Open the link in it within 30 minutes" in await world.press(anna, "Confirm booking")
    return anna


def asked(world: World) -> list[str]:
    """Return the endpoints that the city was asked."""
    return [each.path.strip("/").rpartition("/")[2] for each in world.city.requests]


async def test_the_countdown_is_the_offices(world: World, bot: Bot) -> None:
    """Each question says until when, and for how many minutes, the appointment is held."""
    anna = await told(world, bot)
    await world.press(anna, "Book Fri 27.11. 10:00")
    assert "until 12:05 (5 min)" in await world.press(anna, "Fri 27.11. 10:00")
    world.clock.pass_(seconds=61)
    assert "until 12:05 (4 min)" in await world.say(anna, NAME)
    world.clock.pass_(seconds=120)
    assert "until 12:05 (2 min)" in await world.say(anna, EMAIL)


async def test_name_and_address_can_be_changed_at_the_summary(world: World, bot: Bot) -> None:
    """Only what was asked anew is asked; the city gets the last words."""
    anna = await at_the_summary(world, bot)
    assert "first and last name" in await world.press(anna, "Change name")
    assert "Bella Canary" in await world.say(anna, "Bella Canary")
    assert "e-mail address" in await world.press(anna, "Change e-mail")
    assert "b@example.org" in await world.say(anna, "b@example.org")
    await world.press(anna, "Confirm booking")

    (kept,) = world.city.bookings()
    assert (kept.family_name, kept.email, kept.state) == ("Bella Canary", "b@example.org", "preconfirmed")
    assert len(world.events("name_entered")) == 2


async def test_another_time_is_reserved_before_the_first_is_given_back(world: World, bot: Bot) -> None:
    """Who looks at other times loses nothing; the name need not be typed again; the countdown begins anew."""
    anna = await at_the_summary(world, bot)
    world.clock.pass_(minutes=3)
    assert "held until the new one is reserved" in await world.press(anna, "Change time")
    assert "10:00" in await world.press(anna, "Keep this time")
    assert world.city.free(EAT, EAT_OFFICE) == [HALF_PAST]
    await world.press(anna, "Change time")
    summary = await world.press(anna, "Fri 27.11. 10:30")

    assert "Is this right?" in summary
    assert "until 12:08 (5 min)" in summary
    assert NAME in summary
    assert world.city.free(EAT, EAT_OFFICE) == [FRIDAY_TEN]
    await world.press(anna, "Confirm booking")
    assert [each.state for each in world.city.bookings()] == ["deleted", "preconfirmed"]
    assert [each.properties["selected_time"] for each in world.events("slot_selected")] == ["10:00", "10:30"]


async def test_a_time_that_is_taken_meanwhile_leaves_the_old_one(world: World, bot: Bot) -> None:
    """Somebody was faster with the other time: the summary stands, and can be confirmed."""
    anna = await at_the_summary(world, bot)
    await world.press(anna, "Change time")
    world.city.take(EAT, EAT_OFFICE, [HALF_PAST])
    assert "Nothing else is free" in await world.press(anna, "Fri 27.11. 10:30")
    assert "Nothing else is free" in await world.press(anna, "Change time")
    assert "Open the link" in await world.press(anna, "Confirm booking")
    (kept,) = world.city.bookings()
    assert (kept.start, kept.state) == (FRIDAY_TEN, "preconfirmed")


async def test_two_minutes_before_the_end_there_is_one_warning(world: World, bot: Bot) -> None:
    """Once, not before, and not after a restart again."""
    anna = await told(world, bot)
    await world.press(anna, "Book Fri 27.11. 10:00")
    await world.press(anna, "Fri 27.11. 10:00")
    world.clock.pass_(minutes=2, seconds=59)
    await bot.sweep_once()
    assert "first and last name" in anna.last.text
    world.clock.pass_(seconds=1)
    await bot.sweep_once()
    assert "2 minutes left" in anna.last.text
    messages = len(anna.inbox)
    world.clock.pass_(seconds=30)
    await bot.sweep_once()
    assert messages == len(anna.inbox)
    assert "e-mail address" in await world.say(anna, NAME)


async def test_the_activation_is_watched_politely(world: World, bot: Bot) -> None:
    """The city is asked at the contract's times only; then "activated", and the calendar file. We never confirm."""
    anna = await booked(world, bot)
    world.city.requests.clear()
    looks = []
    for second in range(0, 8 * 60, 10):
        await bot.sweep_once()
        if "appointment" in asked(world):
            looks.append(second // 60)
            world.city.requests.clear()
        world.clock.pass_(seconds=10)
    assert looks == [1, 3, 7]
    world.city.activate(world.city.bookings()[0].process_id)
    world.clock.pass_(minutes=7)
    await bot.sweep_once()
    await bot.sweep_once()

    assert "Activated: the appointment is yours" in anna.inbox[-2].text
    (document,) = anna.documents
    assert document.name == "appointment.ics"
    assert document.content.startswith(b"BEGIN:VCALENDAR")
    assert "confirm-appointment" not in asked(world)
    world.clock.pass_(minutes=30)
    world.city.requests.clear()
    await bot.sweep_once()
    assert not asked(world)


async def test_news_of_the_activation_is_told_until_telegram_takes_it(world: World, bot: Bot) -> None:
    """It is too important for a hiccup: a minute later it comes again, and then no more."""
    anna = await booked(world, bot)
    world.city.activate(world.city.bookings()[0].process_id)
    world.telegram.fail("sendMessage", 500, "Internal Server Error", times=1)
    for _ in range(4):
        world.clock.pass_(minutes=1)
        await bot.sweep_once()
    assert len([each for each in anna.inbox if "Activated: the appointment is yours" in each.text]) == 1
    assert len(anna.documents) == 1


async def test_the_link_that_nobody_opens_is_warned_of_and_lost(world: World, bot: Bot) -> None:
    """Two minutes before the end, and when it is over; the credentials are gone with it."""
    anna = await booked(world, bot)
    for _ in range(32 * 6):
        world.clock.pass_(seconds=10)
        await bot.sweep_once()

    said = [each.text for each in anna.inbox]
    assert len([each for each in said if "2 minutes left. Open the link" in each]) == 1
    assert "not opened in time" in said[-1]
    assert world.city.free(EAT, EAT_OFFICE) == [FRIDAY_TEN, HALF_PAST]
    assert await sealed(bot, "appointment") == [None]


async def test_an_appointment_cancelled_elsewhere_is_told(world: World, bot: Bot) -> None:
    """Whoever cancels by the link in the mail hears that we know."""
    anna = await booked(world, bot)
    opened = world.city.bookings()[0]
    world.city.activate(opened.process_id)
    world.clock.pass_(minutes=1)
    await bot.sweep_once()
    world.city.fail("appointment", 404, "appointmentNotFound", times=None)
    listed = await world.say(anna, "/appointments")
    assert "is cancelled" in listed
    world.city.recover()


async def test_a_silent_city_is_no_answer_about_the_activation(world: World, bot: Bot) -> None:
    """HTML or an error says nothing: the warning still comes, and the last question is asked until it is answered."""
    anna = await booked(world, bot)
    world.city.fail_with("appointment", "html", times=None)
    for _ in range(33):
        world.clock.pass_(minutes=1)
        await bot.sweep_once()
    said = "".join(each.text for each in anna.inbox)
    assert "2 minutes left" in said
    assert "not opened in time" not in said
    assert "Activated" not in said
    world.city.recover()
    world.clock.pass_(minutes=1)
    await bot.sweep_once()
    assert "not opened in time" in anna.last.text


async def test_a_restart_while_the_mail_waits_goes_on(world: World) -> None:
    """What is to be asked is in the database."""
    async with world.bot() as bot:
        anna = await booked(world, bot)
    world.city.activate(world.city.bookings()[0].process_id)
    world.clock.pass_(minutes=4)
    async with world.bot() as bot:
        await bot.sweep_once()
        assert "Activated" in anna.inbox[-2].text


async def test_the_list_of_appointments(world: World, bot: Bot) -> None:
    """Status as the city has it, the calendar file when there is one, and cancelling after one question."""
    anna = world.telegram.person(language_code="en")
    await world.say(anna, "/start")
    assert "booked nothing here" in await world.say(anna, "/appointments")
    anna = await booked(world, bot)
    listed = await world.say(anna, "/appointments")
    assert "Fri 27.11. 10:00" in listed
    assert "open the link in the city's mail by 12:30" in listed
    await world.press(anna, "Calendar file")
    assert [each.name for each in anna.documents] == ["appointment.ics"]
    world.city.activate(world.city.bookings()[0].process_id)
    assert "is yours" in await world.say(anna, "/appointments")
    assert "Shall I cancel" in await world.press(anna, "Cancel appointment")
    assert "stays yours" in await world.press(anna, "No, keep the appointment")
    await world.say(anna, "/appointments")
    await world.press(anna, "Cancel appointment")
    world.city.fail_with("cancel-appointment", "html")
    assert "does not answer" in await world.press(anna, "Yes, cancel it")
    await world.press(anna, "Yes, cancel it")
    assert [each for each in anna.inbox if "cancelled, and free" in each.text]

    assert world.city.free(EAT, EAT_OFFICE) == [FRIDAY_TEN, HALF_PAST]
    assert await sealed(bot, "appointment") == [None]
    await world.press(anna, "Calendar file")
    assert "over or cancelled" in anna.notices[-1].text
    ran = [each.properties.get("failure_reason") for each in world.events("command_executed")]
    assert ran[:2] == [None, "no_appointments"]


async def test_too_late_to_cancel_is_said(world: World, bot: Bot) -> None:
    """The city's own word, in ours; the appointment stays."""
    anna = await booked(world, bot)
    await world.say(anna, "/appointments")
    await world.press(anna, "Cancel appointment")
    world.city.fail("cancel-appointment", 406, "appointmentCanNotBeCanceled")
    assert "does not let this appointment be cancelled" in await world.press(anna, "Yes, cancel it")
    assert await sealed(bot, "appointment") != [None]


@pytest.mark.parametrize("data", ["cd:9:name", "cd:9:canary", "ct:9", "kt:9", "af:9", "ac:9", "ay:9"])
async def test_buttons_of_others_are_answered_kindly(world: World, bot: Bot, data: str) -> None:
    """An appointment or a booking of somebody else is none of one's own."""
    await booked(world, bot)
    eve = world.telegram.person(language_code="en")
    await world.say(eve, "/start")
    for each in (data, data.replace("9", "1")):
        await eve.press_data(each)
        await world.telegram.settled()
    assert len(eve.notices) == 2
    assert all(notice.text for notice in eve.notices)
    assert len(world.city.bookings()) == 1


async def sealed(bot: Bot, table: str) -> list[str | None]:
    """Return the auth keys as they lie in the database."""
    async with bot.database.engine.connect() as connection:
        return list((await connection.execute(text(f"SELECT auth_key FROM {table}"))).scalars())  # noqa: S608  ours


async def test_nothing_lies_open_in_the_database(world: World, bot: Bot, tmp_path: Path) -> None:
    """Neither what was typed nor what opens the appointment; on SQLite not even in what the file forgot."""
    anna = await at_the_summary(world, bot)
    drafts = _bytes_of(tmp_path) + (await everything_kept(world.settings)).encode()
    (reserved,) = world.city.bookings()
    await world.press(anna, "Confirm booking")
    kept = _bytes_of(tmp_path) + (await everything_kept(world.settings)).encode()

    for canary in (NAME, EMAIL, reserved.auth_key):
        assert canary.encode() not in drafts
        assert canary.encode() not in kept
    assert b"booking_session: (" in drafts  # the detector reads the right database
    assert [each[:4] for each in await sealed(bot, "appointment") if each] == ["gAAA"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("bot")
async def test_the_key_is_beside_the_file_for_its_owner_only(tmp_path: Path) -> None:
    """PostgreSQL has no file to keep one beside, and needs ENCRYPTION_KEYS."""
    key = tmp_path / "bot.db.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key_is_usable(key.read_text(encoding="ascii").strip())


async def test_the_credentials_are_deleted_after_the_appointment(world: World, bot: Bot) -> None:
    """The row says that there was one; nothing opens it any more."""
    await booked(world, bot)
    world.city.activate(world.city.bookings()[0].process_id)
    world.clock.pass_(minutes=2)
    await bot.sweep_once()
    assert await sealed(bot, "appointment") != [None]
    world.clock.pass_(days=5)
    await bot.sweep_once()
    assert await sealed(bot, "appointment") == [None]


async def test_keys_can_be_changed_and_a_lost_key_ends_a_booking_kindly(world: World, tmp_path: Path) -> None:
    """The old key still opens behind the new one; without it the booking asks again, and nothing breaks."""
    old, new, other = (Fernet.generate_key().decode() for _ in range(3))
    world.settings = settings_for(tmp_path, encryption_keys=old)
    async with world.bot() as bot:
        anna = await told(world, bot)
        await world.press(anna, "Book Fri 27.11. 10:00")
        await world.press(anna, "Fri 27.11. 10:00")
        await world.say(anna, NAME)
    world.settings = settings_for(tmp_path, encryption_keys=f"{new}, {old}")
    async with world.bot():
        assert NAME in await world.say(anna, EMAIL)
    assert not (tmp_path / "bot.db.key").exists()
    assert old not in repr(world.settings)
    world.settings = settings_for(tmp_path, encryption_keys=other)
    async with world.bot() as bot:
        await bot.sweep_once()
        assert "times above" in await world.say(anna, "hello")
        assert "cancelled" in await world.say(anna, "/cancel")


@pytest.mark.parametrize(
    ("minutes", "looks"), [(30, [1, 3, 7, 15, 27, 28]), (15, [1, 3, 7, 12, 13]), (5, [1, 2, 3]), (1, [])]
)
def test_when_the_city_is_asked(minutes: int, looks: list[int]) -> None:
    """+1, +3, +7, +15 minutes, 3 and 2 before the end, and at the end; then once a minute for ten minutes at most."""
    end = minutes * MINUTE
    found, now = [], 0.0
    while (upcoming := next_look(0.0, end, now)) is not None and upcoming < end:
        found.append(round(upcoming / MINUTE))
        now = upcoming
    assert looks == found
    assert next_look(0.0, end, end - 1) == end + 10
    assert next_look(0.0, end, end + 10) == end + 70
    assert next_look(0.0, end, end + 600) is None


def _bytes_of(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(folder.glob("bot.db*")) if each.suffix != ".key")
