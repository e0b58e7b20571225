"""Canaries in every input, looked for in every output: spans, logs, events, and the database file."""

import json
import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from bot_databases import everything_kept
from bot_odd import CAPTION, FIRST_NAME, GROUP, NO_TEXT, TELEPHONE, TITLE, message, push
from bot_road import Road
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
from opentelemetry.sdk.trace import ReadableSpan

from termin_bot import operations
from termin_bot.bot import Bot
from termin_bot.simulation.telegram import DEMO_TOKEN, Person
from termin_bot.tracing import span

TYPED = {
    "name": "Canaria Nomen",
    "email": "canary.mail@example.org",
    "telephone": "+49 89 1112223334",
    "normalised": "+49891112223334",
    "text": "canary-azr-99",
    "message": "canary-message-to-nobody",
    "argument": "canary-argument",
    "username": "canary_username",
    "first_name": "Canarina",
    "date": "27.11.2026",
    "day": "2026-11-27",
    "start": str(FRIDAY_TEN),
    "token": DEMO_TOKEN.partition(":")[2],
    "caption": CAPTION,
    "contact": TELEPHONE,
    "friend": FIRST_NAME,
    "group": TITLE,
}


class Detector:
    """Knows every secret of a world, and finds them in texts."""

    def __init__(self, world: World, people: Iterable[Person]) -> None:
        ids = {str(each.id) for each in people} | {str(each.process_id) for each in world.city.bookings()}
        words = set(TYPED.values()) | set(world.city.secrets())
        # Numbers count when they stand alone: the hexadecimal ids of spans have all digits by chance.
        self._seeks = {word: re.compile(re.escape(word)) for word in words} | {
            number: re.compile(rf"(?<![0-9a-f.]){number}(?![0-9a-f])") for number in ids
        }

    def found_in(self, text: str) -> list[str]:
        """Return the secrets in *text*."""
        return [word for word, seek in self._seeks.items() if seek.search(text)]


def outputs(world: World, road: Road, caplog: pytest.LogCaptureFixture) -> dict[str, list[str]]:
    """Return everything that left the bot, besides what it told the person and the city."""
    spans = world.exporter.get_finished_spans()
    logged = [logging.Formatter().format(each) + repr(each.args) for each in caplog.records]
    return {
        "spans": [_without_times(each) for each in spans],
        "logs": logged,
        "events": [repr(each) for each in road.all()],
    }


def _without_times(span: ReadableSpan) -> str:
    """Return a span as text, without when it was: that is the day of the test's run, which may be a canary's day."""
    content = json.loads(span.to_json())
    for timed in (content, *content["events"]):
        for moment in ("start_time", "end_time", "timestamp"):
            timed.pop(moment, None)
    return json.dumps(content, ensure_ascii=False)


def leaks(world: World, road: Road, caplog: pytest.LogCaptureFixture) -> dict[str, set[str]]:
    """Return where which canary turned up."""
    detector = Detector(world, world.telegram.people)
    seen = {
        where: {word for text in texts for word in detector.found_in(text)}
        for where, texts in outputs(world, road, caplog).items()
    }
    return {where: words for where, words in seen.items() if words}


async def newcomer(world: World) -> Person:
    """Return a person full of canaries who said hello."""
    person = world.telegram.person(first_name=TYPED["first_name"], username=TYPED["username"], language_code="en")
    await world.say(person, f"/start {TYPED['argument']}")
    return person


async def watcher(world: World, bot: Bot, service_id: int, office_id: int) -> Person:
    """Return one who heard of a free appointment."""
    person = await newcomer(world)
    await person.press_data(f"s:{service_id}")
    await world.telegram.settled()
    world.city.release(service_id, office_id, [FRIDAY_TEN, FRIDAY_TEN + 1800])
    await bot.watch_once()
    return person


async def all_commands(world: World, bot: Bot) -> None:
    """Give every command, with and without something behind it, and unknown ones, and words in between."""
    anna = await watcher(world, bot, EAT, EAT_OFFICE)
    for name in (*operations.COMMANDS, TYPED["argument"].replace("-", "_")):
        await world.say(anna, f"/{name}")
        await world.say(anna, TYPED["message"])
        await world.say(anna, f"/{name} {TYPED['argument']} {TYPED['email']}")
    await world.say(anna, "/setdates")
    await world.say(anna, f"24.11.2026-{TYPED['date']}")
    for data in (TYPED["argument"], f"b:{TYPED['start']}", "c:1"):
        await anna.press_data(data)
        await world.telegram.settled()


async def whole_booking(world: World, bot: Bot) -> None:
    """Book with everything an office can ask, change it, activate it, read it, cancel it, and leave."""
    anna = await watcher(world, bot, LICENCE, LICENCE_OFFICE)
    await world.press(anna, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    await world.say(anna, TYPED["name"])
    await world.say(anna, "canary+" + TYPED["email"])
    await world.say(anna, TYPED["email"])
    await world.say(anna, TYPED["telephone"])
    await world.press(anna, "Change name")
    await world.say(anna, TYPED["name"])
    await world.press(anna, "Change time")
    await world.press(anna, "Fri 27.11. 10:30")
    await world.press(anna, "Confirm booking")
    world.city.activate(world.city.bookings()[-1].process_id)
    world.clock.pass_(minutes=2)
    await bot.sweep_once()
    await world.say(anna, "/appointments")
    await world.press(anna, "Calendar file")
    await world.press(anna, "Cancel appointment")
    await world.press(anna, "Yes, cancel it")
    await world.say(anna, "/stop")
    await world.press(anna, "Yes, delete")


async def behind_a_captcha(world: World, bot: Bot) -> None:
    """Book with the office's own question, and let it run out."""
    anna = await watcher(world, bot, EMERGENCY, EMERGENCY_OFFICE)
    await world.press(anna, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    await world.say(anna, TYPED["name"])
    await world.say(anna, TYPED["email"])
    await world.say(anna, TYPED["text"])
    world.clock.pass_(minutes=30)
    await bot.sweep_once()


async def the_city_in_trouble(world: World, bot: Bot) -> None:
    """Meet refusals, HTML and failures at every step of a booking."""
    anna = await watcher(world, bot, EAT, EAT_OFFICE)
    await world.press(anna, "Book Fri")
    world.city.fail_with("reserve-appointment", "html")
    await world.press(anna, "Fri 27.11. 10:00")
    await world.press(anna, "Fri 27.11. 10:00")
    await world.say(anna, TYPED["name"])
    await world.say(anna, TYPED["email"])
    world.city.fail("update-appointment", 406, "tooManyAppointmentsWithSameMail")
    world.city.fail_with("cancel-appointment", "other_keys")
    await world.press(anna, "Confirm booking")
    world.city.fail_with("available-calendar", "html", times=None)
    for _ in range(4):
        world.clock.pass_(minutes=2)
        await bot.watch_once()


async def the_database_in_trouble(world: World, bot: Bot) -> None:
    """Lose a table in the middle of typing, of a command, of a press and of a sweep."""
    anna = await watcher(world, bot, EAT, EAT_OFFICE)
    await world.press(anna, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    for table in ("booking_session", "subscription"):
        async with bot.database.engine.begin() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO elsewhere")
        for text in (TYPED["name"], f"/myservices {TYPED['argument']}", "/cancel"):
            await anna.send(text)
            await world.telegram.settled()
        await anna.press_data("x:1")
        await world.telegram.settled()
        async with bot.database.engine.begin() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE elsewhere RENAME TO {table}")
    await world.say(anna, TYPED["name"])


async def telegram_in_trouble(world: World, bot: Bot) -> None:
    """Be refused, cut off and told to wait by Telegram, in answers and in notifications."""
    anna = await watcher(world, bot, EAT, EAT_OFFICE)
    world.telegram.fail("sendMessage", 500, f"Internal Server Error {TYPED['message']}")
    await anna.send(f"/help {TYPED['argument']}")
    await world.telegram.settled()
    world.telegram.drop_connection("sendMessage")
    await anna.send(TYPED["message"])
    await world.telegram.settled()
    world.city.take(EAT, EAT_OFFICE)
    world.telegram.fail("editMessageText", 400, f"Bad Request: chat not found {TYPED['message']}")
    await bot.watch_once()
    await anna.block()
    await world.telegram.settled()


async def what_is_no_text(world: World, bot: Bot) -> None:
    """Send pictures with captions, a friend's number and a place, out of the blue and in a booking; then in a group."""
    anna = await watcher(world, bot, EAT, EAT_OFFICE)
    for kind in NO_TEXT.values():
        await push(world, message=message(world, anna, **kind))
    await world.press(anna, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    for kind in NO_TEXT.values():
        await push(world, message=message(world, anna, **kind))
        await push(world, message=message(world, anna, GROUP, **kind))
    await push(world, message=message(world, anna, GROUP, text=TYPED["message"]))
    await push(world, edited_message=message(world, anna, text=TYPED["name"], edit_date=1))


@pytest.mark.parametrize(
    "path",
    [
        all_commands,
        what_is_no_text,
        whole_booking,
        behind_a_captcha,
        the_city_in_trouble,
        the_database_in_trouble,
        telegram_in_trouble,
    ],
)
async def test_no_canary_gets_out(
    path: Callable[[World, Bot], "object"],
    world: World,
    road: Road,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """No name, address, number, text, day, id, token or credential in a span, a log line or an event."""
    with caplog.at_level(logging.DEBUG):
        async with world.bot() as bot:
            await path(world, bot)  # type: ignore[misc]  # each of them is a coroutine function
    assert leaks(world, road, caplog) == {}
    kept = outputs(world, road, caplog)
    assert kept["spans"]
    assert kept["events"]
    database = _file(tmp_path) + await everything_kept(world.settings)
    for word in (TYPED["name"], TYPED["email"], TYPED["normalised"], TYPED["text"], *world.city.secrets()):
        assert word not in database


async def test_the_detector_can_fail(world: World, road: Road, caplog: pytest.LogCaptureFixture) -> None:
    """Each canary is found where it is planted: in a span, in a log line, in an event."""
    async with world.bot() as bot:
        await whole_booking(world, bot)
    (anna,) = world.telegram.people
    planted = [*TYPED.values(), str(anna.id), *world.city.secrets(), str(world.city.bookings()[0].process_id)]
    detector = Detector(world, [anna])
    assert [each for each in planted if each not in detector.found_in(f"before {each} after")] == []
    log = logging.getLogger("termin_bot.somewhere")
    with caplog.at_level(logging.DEBUG):
        log.warning("booking for %s", TYPED["name"])
    with span("service somewhere", attributes={"who": TYPED["email"]}):
        pass
    assert leaks(world, road, caplog) == {"spans": {TYPED["email"]}, "logs": {TYPED["name"]}}


def _file(folder: Path) -> str:
    """Return what lies in the database file and its log, as text."""
    return b"".join(each.read_bytes() for each in folder.glob("bot.db*")).decode("utf-8", "replace")
