"""A Telegram and people that behave oddly: unasked, too much, twice at once, and at the wrong time."""

import asyncio
import html
import re
from typing import Any

import pytest
from bot_odd import GROUP, NO_TEXT, message, push, sender
from bot_road import Road
from bot_world import EAT, EAT_OFFICE, EMERGENCY, EMERGENCY_OFFICE, FRIDAY_TEN, LICENCE, LICENCE_OFFICE, World
from opentelemetry.trace import StatusCode

from termin_bot import keyboards, keyboards_booking
from termin_bot.bot import Bot
from termin_bot.languages import LANGUAGES, Language, use_language
from termin_bot.munich import TextField, validate_email, validate_name, validate_text
from termin_bot.screens import Screen
from termin_bot.services.booking_results import Summary
from termin_bot.services.notices import Offer, SlotsFree
from termin_bot.services.reporting import StatusReport, WatchReport
from termin_bot.services.subscriptions import MAX_SUBSCRIPTIONS, ChooseOffice, Watched
from termin_bot.simulation.telegram import Person

TELEGRAM_LIMIT = 4096


async def told(world: World, bot: Bot, service_id: int = EAT, office_id: int = EAT_OFFICE) -> Person:
    """Return somebody who has just heard of two free appointments."""
    anna = world.telegram.person(language_code="en")
    await world.say(anna, "/start")
    await anna.press_data(f"s:{service_id}")
    await world.telegram.settled()
    world.city.release(service_id, office_id, [FRIDAY_TEN, FRIDAY_TEN + 1800])
    await bot.watch_once()
    return anna


async def reserved(world: World, bot: Bot, service_id: int = EAT, office_id: int = EAT_OFFICE) -> Person:
    """Return somebody who is asked for their name."""
    anna = await told(world, bot, service_id, office_id)
    await world.press(anna, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    return anna


def failed(world: World) -> list[str]:
    """Return the names of the spans that ended in an error."""
    return [each.name for each in world.exporter.get_finished_spans() if each.status.status_code is StatusCode.ERROR]


@pytest.mark.parametrize("kind", NO_TEXT)
async def test_what_is_no_text_is_no_answer(world: World, bot: Bot, kind: str) -> None:
    """Out of the blue it gets a short help; in a booking it is asked for again, and a caption is not taken for it."""
    anna = await reserved(world, bot, EMERGENCY, EMERGENCY_OFFICE)
    await push(world, message=message(world, anna, **NO_TEXT[kind]))
    assert anna.last.text == "I can read text only. Please type it."
    await world.say(anna, "Anna Canary")
    assert "The office asks" in await world.say(anna, "canary.mail@example.org")
    await push(world, message=message(world, anna, **NO_TEXT[kind]))  # this question could be skipped, but was not
    assert "text only" in anna.last.text
    assert "Is this right?" in await world.say(anna, "123456")
    await world.say(anna, "/cancel")
    await push(world, message=message(world, anna, **NO_TEXT[kind]))
    assert "did not expect a message" in anna.last.text
    assert not failed(world)


async def test_what_is_not_from_a_private_chat_is_left_alone(world: World, bot: Bot) -> None:
    """Groups, channels, edited messages and inline buttons: nobody is answered, nothing is counted or changed."""
    anna = await reserved(world, bot)
    said, counted = anna.inbox, len(world.events())
    member = {"user": {"id": 7, "is_bot": True, "first_name": "bot"}}
    change = {
        "chat": GROUP,
        "from": sender(anna),
        "date": int(world.clock()),
        "old_chat_member": {**member, "status": "member"},
        "new_chat_member": {**member, "status": "kicked", "until_date": 0},
    }
    inline = {"id": "1", "chat_instance": "1", "inline_message_id": "i", "data": "sy"}
    own = {"id": anna.id, "type": "private", "first_name": "Canarina"}
    reaction = {"chat": own, "message_id": 1, "date": int(world.clock()), "old_reaction": [], "new_reaction": []}
    odd: list[dict[str, dict[str, Any]]] = [
        {"message": message(world, anna, GROUP, text="/stop")},
        {"message": message(world, anna, GROUP, text="Anna Canary")},
        {"edited_message": message(world, anna, text="/cancel", edit_date=int(world.clock()))},
        {"channel_post": message(world, anna, {"id": -1, "type": "channel", "title": "C"}, text="/start")},
        {"my_chat_member": change},
        {"callback_query": {**inline, "from": sender(anna)}},
        {"message_reaction": {**reaction, "user": sender(anna), "from": sender(anna)}},
    ]
    for content in odd:
        await push(world, **content)

    assert said == anna.inbox
    assert counted == len(world.events())
    assert not failed(world)
    assert "e-mail address" in await world.say(anna, "Anna Canary")


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("/quiet\n22-7", "command /quiet"),
        ("/QUIET\t22-7", "command /quiet"),
        ("/quiet@demo_bot 22-7", "command /quiet"),
        ("/", "command unknown"),
        ("//", "command unknown"),
        ("/ stop", "command unknown"),
        ("/stop.", "command unknown"),
        ("\uff0fstop", "message text"),
        ("\u202e/stop", "message text"),
    ],
)
@pytest.mark.usefixtures("bot")
async def test_commands_however_they_are_typed(world: World, text: str, operation: str) -> None:
    """What stands behind a command may follow in a new line; what only looks like a command is none."""
    anna = world.telegram.person(language_code="en")
    await world.say(anna, "/start")
    await push(world, message=message(world, anna, text=text))
    assert world.spans(operation)
    if operation == "command /quiet":
        assert "quiet from 22:00 to 07:00" in anna.last.text
    assert not failed(world)


async def test_two_presses_at_once_are_one_booking(world: World, bot: Bot) -> None:
    """Whatever is pressed twice before the bot can answer: one reservation, one booking, one end of each."""
    anna = await told(world, bot)
    for label in ("Book Fri", "Fri 27.11. 10:00"):
        await _press_twice(world, anna, label)
    await world.say(anna, "Anna Canary")
    await world.say(anna, "canary.mail@example.org")
    await _press_twice(world, anna, "Confirm")

    assert len(world.city.bookings()) == 1
    for name in ("booking_started", "slot_selected", "booking_confirmed", "booking_completed"):
        world.only(name)
    assert "Almost done" in anna.last.text
    assert anna.notices[-1].text == "This booking is over. When something becomes free, I write to you again."
    await world.say(anna, "/stop")
    await _press_twice(world, anna, "Yes, delete")
    world.only("user_stopped")
    assert not failed(world)


async def _press_twice(world: World, person: Person, label: str) -> None:
    """Queue the same press twice, before the bot has seen either."""
    key = next(key for seen in reversed(person.inbox) for key in seen.buttons if key.label.startswith(label))
    assert key.data is not None
    await asyncio.gather(person.press_data(key.data), person.press_data(key.data))
    await world.telegram.settled(patience=15, quiet=0.06)


async def test_tags_and_umlauts_arrive_as_they_were_typed(world: World, bot: Bot) -> None:
    """What a person types is shown and sent to the city letter by letter; it is never markup."""
    anna = await reserved(world, bot, LICENCE, LICENCE_OFFICE)
    name = 'Jürgen "Groß" <i>Œuf</i> & Söhne'
    await world.say(anna, name)
    await world.say(anna, "juergen@example.org")
    assert name in await world.say(anna, "+49 (89) 123-4567")
    await world.press(anna, "Confirm booking")
    update = next(each for each in world.city.requests if each.path.endswith("/update-appointment/"))
    assert isinstance(update.body, dict)
    assert (update.body["familyName"], update.body["telephone"]) == (name, "+49891234567")


async def test_too_much_text_breaks_nothing(world: World, bot: Bot) -> None:
    """4096 letters at every question: a plain refusal, or what the city would read of it."""
    anna = await reserved(world, bot, EMERGENCY, EMERGENCY_OFFICE)
    much = "ä" * TELEGRAM_LIMIT
    assert "too long" in await world.say(anna, much)
    await world.say(anna, "Anna Canary")
    assert "too long" in await world.say(anna, "a" * 4000 + "@example.org")
    await world.say(anna, "canary.mail@example.org")
    assert "too long" in await world.say(anna, much)
    said = await world.say(anna, f"<{'b' * 4000}>AZR 1")
    assert "AZR 1" in said
    assert "bbb" not in said
    assert "Almost done" in await world.press(anna, "Confirm booking")
    behind = (f"/start {much[:4000]}", f"/quiet {much[:4000]}", f"/{'x' * 4000}")
    for text in (*behind, "/setdates", much, "/subscribe", much):
        await world.say(anna, text)
    await world.say(anna, "a e " * 1000)  # every name has these
    assert not failed(world)


async def test_an_answer_is_shown_although_the_waiting_sign_stays(world: World, bot: Bot) -> None:
    """Telegram refuses to acknowledge the press; the city has booked, and that is what the person hears."""
    anna = await reserved(world, bot)
    await world.say(anna, "Anna Canary")
    await world.say(anna, "canary.mail@example.org")
    world.telegram.fail("answerCallbackQuery", 500, "Internal Server Error", times=1)
    assert "Almost done" in await world.press(anna, "Confirm booking")
    assert failed(world) == ["telegram answerCallbackQuery"]
    world.telegram.fail("answerCallbackQuery", 500, "Internal Server Error", times=1)
    await anna.press_data("r:999")
    assert "out of date" in (await anna.answer()).text


async def test_a_restart_between_all_steps_keeps_the_place_and_the_time(world: World, road: Road) -> None:
    """Each answer reaches another process than the question; the duration is from "Book" to the city's answer."""
    async with world.bot() as bot:
        anna = await told(world, bot)
        await world.press(anna, "Book Fri")
    began = world.clock()
    steps = [
        ("press", "Fri 27.11. 10:00", "first and last name"),
        ("say", "Anna Canary", "e-mail address"),
        ("say", "canary.mail@example.org", "Is this right?"),
        ("press", "Change e-mail", "e-mail address"),
        ("say", "other.canary@example.org", "other.canary@example.org"),
        ("press", "Confirm booking", "Almost done"),
    ]
    for how, what, expected in steps:
        world.clock.pass_(seconds=21.007)
        async with world.bot():
            said = await (world.say(anna, what) if how == "say" else world.press(anna, what))
            assert expected in said
    (booking,) = world.spans("booking")
    assert booking.start_time is not None
    assert booking.end_time is not None
    length = (booking.end_time - booking.start_time) / 1e9
    assert length == pytest.approx(world.clock() - began, abs=0.001)
    assert world.only("booking_completed").time_ns == booking.end_time
    (arrived,) = road.arrived("booking_completed")
    assert int(str(arrived.data["duration_ms"])) == (booking.end_time - booking.start_time) // 1_000_000


async def test_stop_in_the_middle_of_what_a_dead_bot_began(world: World) -> None:
    """Somebody leaves while the city is being asked about their booking: it ends once, as cancelled, and is free."""
    async with world.bot() as bot:
        anna = await reserved(world, bot)
        await world.say(anna, "Anna Canary")
        await world.say(anna, "canary.mail@example.org")
        async with bot.database.engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE booking_session SET step = 'submitting'")
    asking, gone = asyncio.Event(), asyncio.Event()

    async def sleep(_seconds: float) -> None:
        asking.set()
        await gone.wait()

    world.sleep = sleep
    world.city.fail_with("appointment", "html", status=502)  # so that it is asked for again, after that sleep
    async with world.bot() as bot:
        taking_up = asyncio.create_task(bot.sweep_once())
        await asking.wait()
        await world.say(anna, "/stop")
        assert "is deleted" in await world.press(anna, "Yes, delete")
        gone.set()
        await taking_up
    assert not world.events("booking_completed")
    assert world.only("booking_cancelled").properties["cancelled_at_step"] == "confirmation"
    assert [each.state for each in world.city.bookings()] == ["deleted"]
    assert "is deleted" in anna.last.text


def said(screen: Screen) -> str:
    """Return the text of a screen as Telegram counts it: without tags."""
    return html.unescape(re.sub(r"</?\w+>", "", screen.text))


LONG = "Ä&" * 48 + "!"
"""As long as the longest name in the city's catalogue."""
OFFICE = f"{LONG[:65]} (Ä&{'9' * 30})"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fullest_screens_fit_telegram(language: Language) -> None:
    """Five services at twelve offices each; a summary with all that can be typed; twenty offices to choose from."""
    watched = Watched(
        id=2**62,
        service_id=10339028,
        service_name=LONG,
        offices=tuple(OFFICE for _ in range(12)),
        date_from=None,
        date_to=None,
        is_paused=False,
    )
    report = StatusReport(
        now=2.0, blind_since=1.0, watching=(WatchReport(watched=watched, checked_at=1.0),) * MAX_SUBSCRIPTIONS
    )
    name, email, text = "&" * 100, "a" * 242 + "@example.org", "<" * 250
    assert [validate_name(name), validate_email(email), validate_text(text, TextField(activated=True))] == [None] * 3
    summary = Summary(
        booking_id=1,
        service_name=LONG,
        office=OFFICE,
        start=FRIDAY_TEN,
        held_until=1.0,
        minutes_left=20,
        details=(name, email, "+" + "9" * 15, text, text),
    )
    offers = tuple(Offer(slot_id=2**62, start=FRIDAY_TEN, office=OFFICE) for _ in range(6))
    news = SlotsFree(
        kind="initial", service_name=LONG, link="https://x.example", offers=offers, total=99, digest="abundance"
    )
    choice = ChooseOffice(1, LONG, tuple((each, OFFICE) for each in range(1, 21)), frozenset({1}))
    with use_language(language):
        screens = [
            keyboards.my_services(report),
            keyboards_booking.summary(summary),
            keyboards.notice(news),
            keyboards.offices(choice),
        ]
    assert [each for each in map(said, screens) if len(each) > TELEGRAM_LIMIT] == []
    assert all(len(key.label) <= 120 for screen in screens for row in screen.rows for key in row)
