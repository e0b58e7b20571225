"""Meeting the bot: commands, strangers, blocking, leaving, and what is counted of it."""

import re

import pytest
from bot_databases import NOBODYS
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, PASSPORT, World
from sqlalchemy import func, select

from termin_bot.bot import Bot
from termin_bot.storage import Table


@pytest.mark.usefixtures("bot")
async def test_the_first_start_registers_a_visitor(world: World) -> None:
    """A person becomes a random visitor; the operation and the events carry it, and never the Telegram id."""
    anna = world.telegram.person(username="anna_secret")

    text = await world.say(anna, "/start")

    assert text.startswith("Hello!")
    registered = world.only("user_registered")
    command = world.only("command_executed")
    assert registered.properties == {"username": "set"}
    assert command.properties == {"command_name": "/start", "source": "typed", "status": "success"}
    (span,) = world.spans("command /start")
    assert span.attributes is not None
    assert registered.visitor == command.visitor == span.attributes["enduser.pseudo.id"]
    assert span.attributes["messaging.system"] == "telegram"
    assert span.attributes["messaging.operation.type"] == "process"
    assert "termin_bot.update.lag_ms" in span.attributes
    assert str(anna.id) not in str(registered.visitor)


@pytest.mark.usefixtures("bot")
async def test_the_second_start_registers_nobody(world: World) -> None:
    """A known person is welcomed back; they are reengaged only after more than 30 days of silence."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    world.clock.pass_(days=20)
    await world.say(anna, "/help")
    world.clock.pass_(days=20)
    await world.say(anna, "/start")
    assert len(world.events("user_registered")) == 1
    assert not world.events("user_reengaged")

    world.clock.pass_(days=31)
    assert await world.say(anna, "/start") == "Welcome back! What would you like to do?"

    assert world.only("user_reengaged").properties == {"days_inactive": 31}


@pytest.mark.usefixtures("bot")
async def test_a_stranger_is_asked_for_start_and_is_no_event(world: World) -> None:
    """Whoever has not sent /start is answered and traced, and counted nowhere."""
    eve = world.telegram.person()

    assert "/start" in await world.say(eve, "/subscribe")
    assert "/start" in await world.say(eve, "hello")

    assert not world.events()
    (span,) = world.spans("command /subscribe")
    assert "enduser.pseudo.id" not in (span.attributes or {})


@pytest.mark.usefixtures("bot")
async def test_an_unknown_command_never_names_an_operation(world: World) -> None:
    """What people type is no span name and no property."""
    anna = world.telegram.person()
    await world.say(anna, "/start")

    assert "/help" in await world.say(anna, "/my_secret_name")

    assert (world.events("command_executed")[-1].properties) == {
        "command_name": "unknown",
        "source": "typed",
        "status": "failure",
        "failure_reason": "unknown_command",
    }
    assert world.spans("command unknown")
    assert not [span for span in world.exporter.get_finished_spans() if "my_secret_name" in span.to_json()]


@pytest.mark.usefixtures("bot")
async def test_every_command_answers(world: World) -> None:
    """Nothing is left without an answer, and the menu does what the commands do."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    assert "pseudonymous, not anonymous" in await world.say(anna, "/help")
    assert "Which service" in await world.say(anna, "/subscribe")
    assert "do not watch" in await world.say(anna, "/myservices")
    assert "do not watch" in await world.say(anna, "/setdates")
    assert "nothing to cancel" in await world.say(anna, "/cancel")
    assert "delete everything" in await world.say(anna, "/stop")
    assert "did not expect" in await world.say(anna, "hello?")
    await world.say(anna, "/start")
    assert "Which service" in await world.press(anna, "Watch a service")

    ran = [(each.properties["command_name"], each.properties["source"]) for each in world.events("command_executed")]
    assert ran[-1] == ("/subscribe", "menu_selection")
    clicked = world.only("button_clicked")
    assert clicked.properties == {"button_id": "menu.subscribe", "context": "menu_message"}
    assert world.spans("message text")
    assert world.spans("button menu.subscribe")


@pytest.mark.usefixtures("bot")
async def test_blocking_is_noticed_once_and_ends_with_any_sign_of_life(world: World) -> None:
    """Told by Telegram, a block is one event; coming back is one event with the days between."""
    anna = world.telegram.person()
    await world.say(anna, "/start")

    await anna.block()
    await world.handled("blocked")
    world.clock.pass_(days=3)
    await anna.unblock()
    await world.handled("unblocked")
    await world.say(anna, "/help")

    blocked = world.only("user_blocked_bot")
    assert blocked.properties == {"last_command_timestamp": "2026-11-23T11:00:00+00:00"}
    assert world.only("user_unblocked").properties == {"days_blocked": 3}
    assert blocked.visitor == world.only("user_registered").visitor == world.only("user_unblocked").visitor
    assert world.spans("blocked")
    assert world.spans("unblocked")


async def test_stop_deletes_every_row_and_gives_the_reservation_back(world: World, bot: Bot) -> None:
    """After /stop no table that belongs to people has a row, and the appointment is free again."""
    anna = world.telegram.person()
    await world.say(anna, f"/start svc_{EAT}")
    await world.press(anna, "Watch: Abholung")
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    await world.press(anna, "Book Fri")
    await world.press(anna, "Fri 27.11. 10:00")
    assert not world.city.free(EAT, EAT_OFFICE)
    world.clock.pass_(days=0.0001)

    await world.say(anna, "/stop")
    assert "is deleted" in await world.press(anna, "Yes, delete")

    assert world.city.free(EAT, EAT_OFFICE) == [FRIDAY_TEN]
    async with bot.database.engine.connect() as connection:
        left = {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in Table.metadata.sorted_tables
        }
    assert {name: 0 for name in left if name not in NOBODYS} == {
        name: count for name, count in left.items() if name not in NOBODYS
    }
    stopped = world.only("user_stopped")
    assert stopped.properties == {"days_since_registration": 0, "total_subscriptions_at_stop": 1}
    assert (world.only("booking_cancelled").properties) == {
        "service_id": EAT,
        "cancelled_at_step": "name_entry",
        "reason": "user_initiated",
    }

    await world.say(anna, "/start")
    first, second = world.events("user_registered")
    assert first.visitor != second.visitor


@pytest.mark.usefixtures("bot")
async def test_a_stale_button_answers_kindly(world: World) -> None:
    """Buttons of old messages, of other people and of nobody are answered, and change nothing."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    before = len(anna.inbox)

    for data in (
        "r:999",
        "b:999",
        "t:1",
        "c:7",
        "x:7",
        "k:7",
        "dt:9",
        "dp:9:7",
        "nonsense",
        "s:x",
        "m:cancel",
        "9" * 64,
    ):
        await anna.press_data(data)
        await world.telegram.settled()

    assert all(notice.text for notice in anna.notices), anna.notices
    assert len(anna.notices) == 12
    assert before == len(anna.inbox)
    assert len([each for each in world.events("button_clicked") if each.properties["button_id"] == "unknown"]) == 4


@pytest.mark.usefixtures("bot")
async def test_the_list_of_services_has_pages_and_offices_a_choice(world: World) -> None:
    """A service with several offices asks for one or any; subscribing twice widens, never doubles."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await world.say(anna, "/subscribe")
    await world.press(anna, "More »")
    await world.press(anna, "« Back")
    await world.press(anna, "Reisepass")
    assert "watching" in await world.press(anna, "Bürgerbüro Pasing")
    await world.say(anna, "/subscribe")
    await world.press(anna, "Reisepass")
    assert "any office" in await world.press(anna, "Any office")

    added = [each.properties for each in world.events("subscription_added")]
    assert added == [
        {"service_id": PASSPORT, "service_name": "Reisepass", "office_id": 54261},
        {"service_id": PASSPORT, "service_name": "Reisepass"},
    ]
    mine = await world.say(anna, "/myservices")
    assert len(re.findall("Reisepass", mine)) == 1
    assert "no longer watch" in await world.press(anna, "Stop watching Reisepass")
    assert (world.only("subscription_removed").properties) == {
        "service_id": PASSPORT,
        "service_name": "Reisepass",
        "reason": "user_initiated",
    }


async def test_the_last_command_may_have_been_a_button(world: World, bot: Bot) -> None:
    """What is chosen from a menu is a command, too: a block says when the last one was, whichever way it came."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    world.clock.pass_(minutes=10)
    await world.press(anna, "My services")
    world.clock.pass_(minutes=10)
    await anna.press_data("r:1")  # no command
    await world.telegram.settled()
    await anna.block()
    await world.handled("blocked")
    await bot.application.update_queue.join()
    assert world.only("user_blocked_bot").properties == {"last_command_timestamp": "2026-11-23T11:10:00+00:00"}


@pytest.mark.usefixtures("bot")
async def test_five_services_are_enough(world: World) -> None:
    """The sixth service is refused with a reason."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    for service_id in (EAT, 1071907, 1071896, 1063741, 10339028):
        await anna.press_data(f"s:{service_id}")
        await world.telegram.settled()
    await anna.press_data("s:10339027")
    await world.telegram.settled()

    assert "as many services" in anna.last.text
    assert len(world.events("subscription_added")) == 5


@pytest.mark.usefixtures("bot")
async def test_dates_come_from_buttons_and_from_typing(world: World) -> None:
    """Ranges are set, widened and narrowed; what is no range is explained, /cancel leaves it be."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()

    await world.say(anna, "/setdates")
    assert "any date" not in await world.press(anna, "Next 2 weeks")
    await world.say(anna, "/setdates")
    assert "did not understand" in await world.say(anna, "tomorrow")
    assert "did not understand" in await world.say(anna, "15.12.2026-24.11.2026")
    assert "01.12.2026" in await world.say(anna, "24.11.2026 – 01.12.2026")  # noqa: RUF001  as phones type it
    await world.say(anna, "/setdates")
    assert "stay as they are" in await world.say(anna, "/cancel")
    await world.say(anna, "/setdates")
    await world.press(anna, "Next 3 months")

    assert [each.properties for each in world.events("date_range_set")] == [
        {"range_days": 14, "range_direction": "set"},
        {"range_days": 8, "range_direction": "narrowed"},
        {"range_days": 90, "range_direction": "expanded"},
    ]
    assert len(world.spans("conversation setdates.range")) == 3
