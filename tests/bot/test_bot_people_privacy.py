"""What people are promised: not to be counted, to see what is kept, to be forgotten."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bot_databases import everything_kept
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, VISITOR, World, settings_for
from sqlalchemy import inspect

from termin_bot.bot import Bot
from termin_bot.simulation.telegram import Person
from termin_bot.storage import Table

BOOKING = {
    "booking_started",
    "slot_selected",
    "name_entered",
    "email_entered",
    "booking_confirmed",
    "booking_completed",
}


async def _book(world: World, bot: Bot, person: Person) -> None:
    await person.press_data(f"s:{EAT}")
    await world.telegram.settled()
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    await world.press(person, "Book Fri")
    await world.press(person, "Fri 27.11. 10:00")
    await world.say(person, "Anna Canary")
    await world.say(person, "anna@example.org")
    assert "Almost done" in await world.press(person, "Confirm booking")


async def test_who_is_not_counted_leaves_no_event_and_everything_works(world: World, bot: Bot) -> None:
    """From /analytics off on: no event of that person, traces without a pseudonym, and a booking to the end."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    visitor = world.only("user_registered").visitor
    assert "not counted any more" in await world.say(anna, "/analytics off")
    world.exporter.clear()

    await _book(world, bot, anna)
    for command in ("/help", "/status", "/setdates", "/cancel", "/export", "/pause", "/resume", "/whatever"):
        await world.say(anna, command)
    await anna.block()
    await world.handled("blocked")
    await anna.unblock()
    await world.say(anna, "/start")
    await world.say(anna, "/stop")
    assert "is deleted" in await world.press(anna, "Yes, delete")

    assert {each.name for each in world.events()} <= {"appointment_check_batch", "appointment_found"}
    assert world.spans("command /status")
    assert world.spans("booking")
    spans = world.exporter.get_finished_spans()
    assert not [each.name for each in spans if VISITOR in (each.attributes or {})]
    assert not [each.name for each in spans if str(visitor) in each.to_json()]


@pytest.mark.usefixtures("bot")
async def test_who_changes_their_mind_is_another_visitor(world: World) -> None:
    """Counted again, by a button, under a new number; what was counted before points at nobody."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    first = world.only("user_registered").visitor
    assert "You are counted" in await world.say(anna, "/analytics")
    assert "not counted any more" in await world.press(anna, "Do not count me")
    assert str(first) not in await everything_kept(world.settings)
    counted = len(world.events("command_executed"))
    assert "not counted." in await world.say(anna, "/analytics")
    assert len(world.events("command_executed")) == counted
    assert "counted again" in await world.press(anna, "Count me")
    await world.say(anna, "/analytics on")
    await world.say(anna, "/analytics perhaps")

    later = world.events("command_executed")[counted:]
    assert [each.properties.get("failure_reason") for each in later] == [None, "invalid_input"]
    assert {each.visitor for each in later} & {first, None} == set()


async def test_stop_then_start_is_another_visitor_and_nothing_joins_them(world: World, bot: Bot) -> None:
    """Neither the first pseudonym nor anything else of the first life is left in the database."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await _book(world, bot, anna)
    await world.say(anna, "/stop")
    await world.press(anna, "Yes, delete")
    assert str(anna.id) not in await everything_kept(world.settings)

    await world.say(anna, "/start")
    first, second = (each.visitor for each in world.events("user_registered"))
    assert first
    assert second
    assert first != second
    kept = await everything_kept(world.settings)
    assert first not in kept
    assert second in kept
    for trace in ("Canary", "anna@example.org"):
        assert trace not in kept


@pytest.fixture
async def unlinking(world: World, tmp_path: Path) -> AsyncIterator[Bot]:
    """Run the bot with ANALYTICS_UNLINK_SERVICES=true."""
    world.settings = settings_for(tmp_path, analytics_unlink_services=True)
    async with world.bot() as running:
        yield running


async def test_unlinked_services_leave_a_funnel_and_no_person(world: World, unlinking: Bot) -> None:
    """What names a service has no pseudonym and no trace in common with the person; a booking has one of its own."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await _book(world, unlinking, anna)
    await world.say(anna, "/myservices")
    await world.press(anna, "Stop watching")

    visitor = world.only("user_registered").visitor
    personal = [each for each in world.events() if each.visitor == visitor]
    service = [each for each in world.events() if "service_id" in each.properties]
    funnel = [each for each in world.events() if each.name in BOOKING]
    assert {each.name for each in personal} == {"user_registered", "command_executed", "button_clicked"}
    assert {each.name for each in service} > {"subscription_added", "subscription_removed", "notification_sent"}
    assert {each.name for each in funnel} == BOOKING
    (alias,) = {each.visitor for each in funnel}
    assert alias
    assert alias != visitor
    people = {each.visitor for each in service if each.name not in BOOKING | {"appointment_found"}}
    assert len(people) == 1, "the library's word for nobody"
    assert not people & {visitor, alias}
    traces = {each.span.context.trace_id for each in personal}
    assert not traces & {each.span.context.trace_id for each in service}
    (booking,) = world.spans("booking")
    assert (booking.attributes or {})[VISITOR] == alias
    completed = world.only("booking_completed")
    assert completed.time_ns == booking.end_time


async def test_unlinked_traces_do_not_lead_back_to_the_person(world: World, unlinking: Bot) -> None:
    """Where a service is named there is no pseudonym in the whole trace, and no link to a trace that has one."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await _book(world, unlinking, anna)
    visitor = world.only("user_registered").visitor
    spans = world.exporter.get_finished_spans()
    personal = {each.context.trace_id for each in spans if each.context and visitor in (each.attributes or {}).values()}
    named = [
        each
        for each in spans
        if "termin_bot.service_id" in (each.attributes or {})
        or any("service_id" in (said.attributes or {}) for said in each.events)
    ]
    assert len(named) > 5
    assert not [each.name for each in named if each.context and each.context.trace_id in personal]
    assert not [each.name for each in named for link in each.links if link.context.trace_id in personal]


async def test_two_bookings_are_two_unlinked_funnels(world: World, unlinking: Bot) -> None:
    """Nobody can be followed from one booking to the next."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await unlinking.watch_once()
    for _ in range(2):
        await world.press(anna, "Book Fri")
        world.clock.pass_(days=0.01)
    await world.say(anna, "/cancel")
    await world.press(anna, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    world.clock.pass_(minutes=6)
    await unlinking.sweep_once()

    first, second = (each.visitor for each in world.events("booking_started"))
    assert first != second
    assert world.only("booking_session_expired").visitor == second
    assert [each.visitor for each in world.events("booking_cancelled")] == [first, second]


async def test_people_see_everything_that_is_kept(world: World, bot: Bot) -> None:
    """/export is a JSON document of the person's own rows, without what opens the city's appointment."""
    anna = world.telegram.person()
    ben = world.telegram.person(first_name="Ben")
    await world.say(anna, "/start")
    await world.say(ben, "/start")
    await world.say(anna, "/quiet 22-7")
    await _book(world, bot, anna)
    await anna.press_data("s:1071896")
    await world.telegram.settled()

    await world.say(anna, "/export")

    (document,) = anna.documents
    told = json.loads(document.content)
    assert document.name == "my-data.json"
    assert told["person"]["telegram_id"] == anna.id
    assert (told["person"]["quiet_from"], told["person"]["quiet_until"]) == (22, 7)
    assert [each["service_id"] for each in told["subscriptions"]] == [EAT, 1071896]
    assert [each["state"] for each in told["appointments"]] == ["preconfirmed"]
    assert told["booking"] is None
    text = document.content.decode()
    assert str(ben.id) not in text
    assert "auth" not in text
    assert "process" not in text


async def test_the_export_has_every_column_of_every_table_about_the_person(world: World, bot: Bot) -> None:
    """A table or a column that is added later and hangs on a person is in it, or this test fails."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await _book(world, bot, anna)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + 3600])
    await bot.watch_once()
    await world.press(anna, "Book Fri 27.11. 11:00")
    await world.press(anna, "Fri 27.11. 11:00")
    await world.say(anna, "Anna Canary")
    await world.say(anna, "/export")
    told = json.loads(anna.documents[0].content)

    sections = {
        "person": told["person"],
        "subscription": told["subscriptions"][0],
        "told_slot": told["subscriptions"][0]["told"][0],
        "booking_session": told["booking"],
        "appointment": told["appointments"][0],
    }
    about_people = {"person"}
    for table in Table.metadata.sorted_tables:  # those that are pointed at come first
        if {key.column.table.name for key in table.foreign_keys} & about_people:
            about_people.add(table.name)
    assert about_people == set(sections)
    for name, section in sections.items():
        mapped = next(each for each in Table.__subclasses__() if each.__tablename__ == name)
        columns = {each.key for each in inspect(mapped).column_attrs}
        assert columns - set(section) == columns & {"process_id", "auth_key"}, name
    assert told["booking"]["name"] == "Anna Canary"
    assert told["subscriptions"][0]["told"][0]["start"] == "2026-11-27T09:00:00+00:00"
    for secret in world.city.secrets():
        assert secret not in anna.documents[0].content.decode()


@pytest.mark.usefixtures("bot")
async def test_privacy_is_told_honestly(world: World) -> None:
    """What is counted, what goes to the city, how long it is kept, and the ways out."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    text = await world.say(anna, "/privacy")
    for said in ("pseudonymous, not anonymous", "go to the city when you book", "90 days", "/stop", "/analytics off"):
        assert said in text
    assert {each.label for each in anna.last.buttons} == {"Counting", "My data as a file", "Delete my data"}


async def test_what_is_old_is_forgotten_without_being_asked(world: World, bot: Bot) -> None:
    """Appointments go 90 days after they were; people who left 90 days ago go with everything of theirs."""
    anna, ben, eve = (world.telegram.person(first_name=name) for name in ("Anna", "Ben", "Eve"))
    for person in (anna, ben, eve):
        await world.say(person, "/start")
    await _book(world, bot, anna)
    await ben.press_data("s:1071896")
    await world.telegram.settled()
    await ben.block()
    await world.handled("blocked")

    world.clock.pass_(days=89)
    await bot.sweep_once()
    async with bot.database.work() as work:
        assert await work.people.by_telegram_id(ben.id) is not None
        assert await work.people.by_telegram_id(eve.id) is not None
    world.clock.pass_(days=6)
    await bot.sweep_once()

    async with bot.database.work() as work:
        known = await work.people.by_telegram_id(anna.id)
        assert known is not None
        assert not await work.appointments.of(known.id)
        assert await work.people.by_telegram_id(ben.id) is None
        assert await work.people.by_telegram_id(eve.id) is None
    removed = world.only("subscription_removed")
    assert removed.properties["reason"] == "auto_cleanup"
    assert "slot: (" not in await everything_kept(world.settings)
