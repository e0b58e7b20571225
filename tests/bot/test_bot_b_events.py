"""Each of the 25 events is caused through real updates, and arrives in the inbox with exactly what it declares."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from bot_road import Road
from bot_world import EAT, EAT_OFFICE, EMERGENCY, EMERGENCY_OFFICE, FRIDAY_TEN, World
from opentelemetry.trace import format_trace_id

from termin_bot.bot import Bot
from termin_bot.events import TAXONOMY
from termin_bot.simulation.telegram import Person

EAT_NAME = "Abholung elektronischer Aufenthaltstitel (eAT)"
NAME, EMAIL = "Anna Canary-Name", "canary.mail@example.org"
REGISTERED_AT = "2026-11-23T11:00:00+00:00"
TRACE_ID = re.compile(r"[0-9a-f]{32}")
OF_EAT = {"service_id": EAT, "service_name": EAT_NAME}


@dataclass
class Stage:
    """A world with a running bot, and the people who play in it."""

    world: World
    bot: Bot

    async def person(self, *, username: str | None = None) -> Person:
        """Return somebody who has just said hello."""
        person = self.world.telegram.person(language_code="en", username=username)
        await self.world.say(person, "/start")
        return person

    async def watcher(self) -> Person:
        """Return somebody who watches a service."""
        person = await self.person()
        await person.press_data(f"s:{EAT}")
        await self.world.telegram.settled()
        return person

    async def told(self) -> Person:
        """Return somebody who has just heard of a free appointment."""
        person = await self.watcher()
        self.world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        await self.bot.watch_once()
        return person

    async def booking(self) -> Person:
        """Return somebody who pressed "Book"."""
        person = await self.told()
        await self.world.press(person, "Book Fri 27.11. 10:00")
        return person

    async def reserved(self) -> Person:
        """Return somebody who is asked for their name."""
        person = await self.booking()
        await self.world.press(person, "Fri 27.11. 10:00")
        return person

    async def at_the_summary(self) -> Person:
        """Return somebody who only needs to confirm."""
        person = await self.reserved()
        await self.world.say(person, NAME)
        await self.world.say(person, EMAIL)
        return person

    async def bad_cycles(self, count: int) -> None:
        """Let the city send rubbish for some cycles."""
        self.world.city.fail_with("available-calendar", "html", times=None)
        for _ in range(count):
            self.world.clock.pass_(minutes=2)
            await self.bot.watch_once()

    async def block(self, person: Person) -> None:
        """Have a person block the bot, and wait until the bot is done with that."""
        await person.block()
        await self._noticed()

    async def unblock(self, person: Person) -> None:
        """Have a person let the bot in again, and wait until the bot is done with that."""
        await person.unblock()
        await self._noticed()

    async def _noticed(self) -> None:
        await self.world.telegram.settled()
        await self.bot.application.update_queue.join()

    async def visitor(self, person: Person) -> str | None:
        """Return the pseudonym in the person's row."""
        async with self.bot.database.work() as work:
            row = await work.people.by_telegram_id(person.id)
        assert row is not None
        return row.visitor


@dataclass(frozen=True)
class Expected:
    """The one event that is to arrive (the last, when there are several), and whose it is."""

    properties: Mapping[str, object]
    visitor: str | None = None


async def user_registered(stage: Stage) -> Expected:
    """Cause it: the first /start, with a username that stays here."""
    anna = await stage.person(username="anna_secret")
    return Expected({"username": "set"}, await stage.visitor(anna))


async def user_reengaged(stage: Stage) -> Expected:
    """Cause it: /start after 40 days of silence."""
    anna = await stage.person()
    stage.world.clock.pass_(days=40)
    await stage.world.say(anna, "/start")
    return Expected({"days_inactive": 40}, await stage.visitor(anna))


async def user_stopped(stage: Stage) -> Expected:
    """Cause it: /stop, confirmed, after three days with one service."""
    anna = await stage.watcher()
    visitor = await stage.visitor(anna)
    stage.world.clock.pass_(days=3)
    await stage.world.say(anna, "/stop")
    await stage.world.press(anna, "Yes, delete")
    return Expected({"days_since_registration": 3, "total_subscriptions_at_stop": 1}, visitor)


async def user_blocked_bot(stage: Stage) -> Expected:
    """Cause it: the person blocks the bot."""
    anna = await stage.person()
    await stage.block(anna)
    return Expected({"last_command_timestamp": REGISTERED_AT}, await stage.visitor(anna))


async def user_unblocked(stage: Stage) -> Expected:
    """Cause it: the person lets the bot in again, two days later."""
    anna = await stage.person()
    await stage.block(anna)
    stage.world.clock.pass_(days=2)
    await stage.unblock(anna)
    return Expected({"days_blocked": 2}, await stage.visitor(anna))


async def command_executed(stage: Stage) -> Expected:
    """Cause it: a command that fails for a reason."""
    anna = await stage.person()
    await stage.world.say(anna, "/myservices")
    said = {"command_name": "/myservices", "source": "typed", "status": "failure", "failure_reason": "no_subscriptions"}
    return Expected(said, await stage.visitor(anna))


async def button_clicked(stage: Stage) -> Expected:
    """Cause it: a press in the menu."""
    anna = await stage.person()
    await stage.world.press(anna, "Watch a service")
    return Expected({"button_id": "menu.subscribe", "context": "menu_message"}, await stage.visitor(anna))


async def subscription_added(stage: Stage) -> Expected:
    """Cause it: a service with one office."""
    anna = await stage.person()
    await anna.press_data(f"o:{EAT}:{EAT_OFFICE}")
    await stage.world.telegram.settled()
    return Expected(OF_EAT | {"office_id": EAT_OFFICE}, await stage.visitor(anna))


async def subscription_removed(stage: Stage) -> Expected:
    """Cause it: "Stop watching"."""
    anna = await stage.watcher()
    await stage.world.say(anna, "/myservices")
    await stage.world.press(anna, "Stop watching")
    return Expected(OF_EAT | {"office_id": EAT_OFFICE, "reason": "user_initiated"}, await stage.visitor(anna))


async def date_range_set(stage: Stage) -> Expected:
    """Cause it: a preset."""
    anna = await stage.watcher()
    await stage.world.say(anna, "/setdates")
    await stage.world.press(anna, "Next 2 weeks")
    return Expected({"range_days": 14, "range_direction": "set"}, await stage.visitor(anna))


async def appointment_check_batch(stage: Stage) -> Expected:
    """Cause it: one check cycle that finds something."""
    await stage.told()
    counts = {"total_checks": 1, "successful_checks": 1, "failed_checks": 0, "appointments_found": 1}
    return Expected(counts | {"duration_ms": 0})


async def appointment_found(stage: Stage) -> Expected:
    """Cause it: a slot becomes free."""
    await stage.told()
    return Expected(OF_EAT | {"office_id": EAT_OFFICE, "slots_count": 1, "matched_users": 1})


async def notification_sent(stage: Stage) -> Expected:
    """Cause it: Telegram takes the news."""
    anna = await stage.told()
    return Expected(OF_EAT | {"notification_type": "initial", "slots_count": 1}, await stage.visitor(anna))


async def notification_failed(stage: Stage) -> Expected:
    """Cause it: Telegram does not take the news."""
    anna = await stage.watcher()
    stage.world.telegram.fail("sendMessage", 500, "Internal Server Error", chat_id=anna.id)
    stage.world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await stage.bot.watch_once()
    return Expected({"error_type": "telegram_api_error", "service_id": EAT}, await stage.visitor(anna))


async def captcha_solved(stage: Stage) -> Expected:
    """Cause it: an attempt that the city does not accept; it comes as HTTP 200."""
    anna = await stage.person()
    await anna.press_data(f"s:{EMERGENCY}")
    await stage.world.telegram.settled()
    stage.world.city.release(EMERGENCY, EMERGENCY_OFFICE, [FRIDAY_TEN])
    stage.world.city.fail_with("captcha-verify", "captcha_failure", times=1)
    await stage.bot.watch_once()
    return Expected({"success": False, "duration_ms": 0, "consecutive_failures": 1})


async def booking_started(stage: Stage) -> Expected:
    """Cause it: "Book"."""
    anna = await stage.booking()
    return Expected(OF_EAT | {"office_id": EAT_OFFICE, "lead_time": "4-7"}, await stage.visitor(anna))


async def slot_selected(stage: Stage) -> Expected:
    """Cause it: a time."""
    anna = await stage.reserved()
    return Expected({"service_id": EAT, "selected_time": "10:00"}, await stage.visitor(anna))


async def name_entered(stage: Stage) -> Expected:
    """Cause it: a name."""
    anna = await stage.reserved()
    await stage.world.say(anna, NAME)
    return Expected({"service_id": EAT, "step_number": 2}, await stage.visitor(anna))


async def email_entered(stage: Stage) -> Expected:
    """Cause it: an address."""
    anna = await stage.at_the_summary()
    return Expected({"service_id": EAT, "step_number": 3}, await stage.visitor(anna))


async def booking_confirmed(stage: Stage) -> Expected:
    """Cause it: "Confirm"."""
    anna = await stage.at_the_summary()
    await stage.world.press(anna, "Confirm booking")
    return Expected({"service_id": EAT, "step_number": 4}, await stage.visitor(anna))


async def booking_completed(stage: Stage) -> Expected:
    """Cause it: the city says no, 90 seconds after "Book"."""
    anna = await stage.at_the_summary()
    stage.world.clock.pass_(seconds=90)
    stage.world.city.fail("update-appointment", 406, "tooManyAppointmentsWithSameMail")
    await stage.world.press(anna, "Confirm booking")
    answer = {"status": "failure", "failure_reason": "too_many_appointments", "duration_ms": 90_000}
    return Expected(OF_EAT | answer, await stage.visitor(anna))


async def booking_cancelled(stage: Stage) -> Expected:
    """Cause it: /cancel."""
    anna = await stage.reserved()
    await stage.world.say(anna, "/cancel")
    ended = {"service_id": EAT, "cancelled_at_step": "name_entry", "reason": "user_initiated"}
    return Expected(ended, await stage.visitor(anna))


async def api_error(stage: Stage) -> Expected:
    """Cause it: a gateway in between."""
    await stage.watcher()
    stage.world.city.fail_with("available-calendar", "html", status=502, times=2)
    await stage.bot.watch_once()
    return Expected({"endpoint": "available-calendar", "error_type": "server_error", "error_message": "http_502"})


async def health_alert(stage: Stage) -> Expected:
    """Cause it: three cycles without an answer."""
    await stage.watcher()
    await stage.bad_cycles(3)
    return Expected({"alert_type": "consecutive_failures", "consecutive_failures": 3})


async def booking_session_expired(stage: Stage) -> Expected:
    """Cause it: nobody types a name for six minutes."""
    anna = await stage.reserved()
    stage.world.clock.pass_(minutes=6)
    await stage.bot.sweep_once()
    return Expected({"expired_at_step": "name_entry", "minutes_since_start": 6}, await stage.visitor(anna))


SCENARIOS: dict[str, Callable[[Stage], Awaitable[Expected]]] = {
    each.__name__: each
    for each in (
        user_registered,
        user_reengaged,
        user_stopped,
        user_blocked_bot,
        user_unblocked,
        command_executed,
        button_clicked,
        subscription_added,
        subscription_removed,
        date_range_set,
        appointment_check_batch,
        appointment_found,
        notification_sent,
        notification_failed,
        captcha_solved,
        booking_started,
        slot_selected,
        name_entered,
        email_entered,
        booking_confirmed,
        booking_completed,
        booking_cancelled,
        api_error,
        health_alert,
        booking_session_expired,
    )
}


def test_every_event_of_the_taxonomy_has_its_scenario() -> None:
    """A new event without a scenario fails here."""
    assert len(TAXONOMY.events) == 25
    assert [each.name for each in TAXONOMY.events] == list(SCENARIOS)


@pytest.mark.parametrize("name", [each.name for each in TAXONOMY.events])
async def test_an_event_arrives_as_it_is_declared(name: str, world: World, road: Road) -> None:
    """Exactly the declared properties, with the right values, and the right visitor or none."""
    declaration = TAXONOMY.get(name)
    assert declaration is not None
    async with world.bot() as bot:
        expected = await SCENARIOS[name](Stage(world, bot))

    # By its trace: what was sent side by side is stored in any order.
    context = world.events(name)[-1].span.context
    assert context is not None
    trace = format_trace_id(context.trace_id)
    arrived = [each for each in road.arrived(name) if each.data["trace_id"] == trace][-1]

    data = dict(arrived.data)
    assert TRACE_ID.fullmatch(str(data.pop("trace_id")))
    assert expected.properties == {key: _plain(value, expected.properties.get(key)) for key, value in data.items()}
    required = {each.name for each in declaration.properties.values() if each.required}
    assert required <= data.keys() <= set(declaration.properties)
    assert declaration.person is (expected.visitor is not None)
    assert expected.visitor == arrived.visitor
    assert arrived.url_path == f"/event/{name}"


def _plain(value: Any, wanted: object) -> object:
    """Return a value as it was sent: Umami stores numbers as decimals, truth and moments as text."""
    if isinstance(wanted, bool):
        return str(value).lower() == "true"
    return int(value) if isinstance(wanted, int) else value
