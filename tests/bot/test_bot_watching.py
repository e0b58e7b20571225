"""Watching and telling: on the edge, once per slot, and a failed look is never "nothing free"."""

import pytest
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, PASSPORT, World

from termin_bot.bot import Bot
from termin_bot.events import HealthAlert
from termin_bot.services.health import HealthGauge
from termin_bot.services.notifying import Decision, ReminderRule, Situation, decide
from termin_bot.simulation.telegram import Person

HOUR = 3600
NAME = "Abholung elektronischer Aufenthaltstitel (eAT)"


async def watcher(world: World, service_id: int = EAT, username: str | None = None) -> Person:
    """Return a person who watches a service."""
    person = world.telegram.person(username=username)
    await world.say(person, "/start")
    await person.press_data(f"o:{service_id}:0")
    await world.telegram.settled()
    return person


def sent(world: World) -> list[str]:
    """Return the types of the notifications that Telegram accepted."""
    return [each.properties["notification_type"] for each in world.events("notification_sent")]


async def test_nothing_watched_is_nothing_asked(world: World, bot: Bot) -> None:
    """Without subscribers there is no request and no event."""
    await bot.watch_once()

    assert not world.city.requests
    assert not world.events()


async def test_everybody_hears_of_a_slot_once(world: World, bot: Bot) -> None:
    """One poll for two people, one event on the edge, one message each; the second cycle is silent."""
    anna, ben = await watcher(world), await watcher(world)
    await bot.watch_once()
    assert len(world.events("appointment_found")) == 0
    world.city.requests.clear()
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN, FRIDAY_TEN + HOUR])
    await bot.watch_once()
    asked = [request.path for request in world.city.requests]
    world.clock.pass_(minutes=2)
    await bot.watch_once()

    assert len(asked) == 1, asked
    found = world.only("appointment_found")
    assert found.properties == {
        "service_id": EAT,
        "service_name": NAME,
        "office_id": EAT_OFFICE,
        "slots_count": 2,
        "matched_users": 2,
    }
    assert found.visitor is None
    assert sent(world) == ["initial", "initial"]
    assert len({each.visitor for each in world.events("notification_sent")}) == 2
    assert {("service_id", EAT), ("service_name", NAME), ("notification_type", "initial"), ("slots_count", 2)} == set(
        world.events("notification_sent")[0].properties.items()
    )
    for person in (anna, ben):
        assert len([each for each in person.inbox if "Free now" in each.text]) == 1
    batches = [each.properties for each in world.events("appointment_check_batch")]
    assert [each["appointments_found"] for each in batches] == [0, 2, 0]
    assert {(1, 1, 0)} == {(e["total_checks"], e["successful_checks"], e["failed_checks"]) for e in batches}
    cycle = world.spans("check cycle")[1]
    (look,) = [s for s in world.spans("check service") if s.parent and s.parent.span_id == cycle.context.span_id]
    assert cycle.parent is None
    assert {"PRODUCER"} == {s.kind.name for s in world.spans("notification")}
    assert look.context.trace_id == cycle.context.trace_id


async def test_a_failed_look_is_never_nothing_free(world: World, bot: Bot) -> None:
    """While the city sends rubbish nothing is "gone", nobody hears anything, and the other services are checked."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    before = anna.last.text
    world.city.fail_with("available-calendar", "html", times=None)
    for _ in range(2):
        world.clock.pass_(minutes=2)
        await bot.watch_once()
    assert before == anna.last.text
    assert {"total_checks": 1, "successful_checks": 0, "failed_checks": 1}.items() <= (
        world.events("appointment_check_batch")[-1].properties.items()
    )
    assert "parsing_error" in {each.properties["error_type"] for each in world.events("api_error")}
    assert not world.events("health_alert")
    for _ in range(4):
        world.clock.pass_(minutes=2)
        await bot.watch_once()
    assert [each.properties["consecutive_failures"] for each in world.events("health_alert")] == [3, 6]

    assert before == anna.last.text

    world.city.recover()
    world.clock.pass_(minutes=2)
    await bot.watch_once()
    assert "Still free" in anna.last.text
    assert len(world.events("appointment_found")) == 1


async def test_one_failing_service_does_not_stop_the_others(world: World, bot: Bot) -> None:
    """The cycle goes on, and says how many failed."""
    await watcher(world)
    await watcher(world, service_id=PASSPORT)
    await bot.watch_once()
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    world.city.fail("available-calendar", 400, "invalidServiceId", times=1)
    world.clock.pass_(minutes=2)
    await bot.watch_once()

    assert {"total_checks": 2, "successful_checks": 1, "failed_checks": 1}.items() <= (
        world.events("appointment_check_batch")[-1].properties.items()
    )
    assert sent(world) == ["initial"]


async def test_more_slots_change_the_message_and_gone_says_so(world: World, bot: Bot) -> None:
    """Within ten minutes news is an edit, not a push; when all are taken, the message says since when."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    messages = len(anna.inbox)
    world.clock.pass_(minutes=4)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + HOUR])
    await bot.watch_once()
    assert messages == len(anna.inbox)
    assert "11:00" in anna.last.text
    assert sent(world) == ["initial", "update"]

    world.clock.pass_(minutes=4)
    world.city.take(EAT, EAT_OFFICE)
    await bot.watch_once()
    assert messages == len(anna.inbox)
    assert "gone at 12:08" in anna.last.text
    assert not anna.last.keyboard

    world.clock.pass_(minutes=2)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    assert messages + 1 == len(anna.inbox)
    assert len(world.events("appointment_found")) == 3


async def test_a_reminder_comes_once_and_only_to_the_silent(world: World, bot: Bot) -> None:
    """Ten minutes later, if slots are still free and the person did nothing since."""
    await watcher(world)
    ben = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    world.clock.pass_(minutes=5)
    await world.say(ben, "/help")
    for _ in range(3):
        world.clock.pass_(minutes=10)
        await bot.watch_once()

    assert sent(world) == ["initial", "initial", "reminder"]


async def test_days_without_times_are_asked_for_before_anybody_hears(world: World, bot: Bot) -> None:
    """A rumoured day that has nothing is never told; a listed day that has something is."""
    anna = await watcher(world)
    friday, monday, tuesday = FRIDAY_TEN, FRIDAY_TEN + 3 * 24 * HOUR, FRIDAY_TEN + 4 * 24 * HOUR
    world.city.release(EAT, EAT_OFFICE, [friday, tuesday])
    world.city.rumour(EAT, EAT_OFFICE, monday)
    await bot.watch_once()

    assert "Fri 27.11. 10:00" in anna.last.text
    assert "Tue 01.12. 10:00" in anna.last.text
    assert "Mon 30.11." not in anna.last.text
    assert world.only("appointment_found").properties["slots_count"] == 2


async def test_only_the_days_that_suit_are_told(world: World, bot: Bot) -> None:
    """A date range keeps other days away; when its last day has passed, the subscription is cleaned up."""
    anna = await watcher(world)
    await anna.press_data("dp:0:7")
    await world.telegram.settled()
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + 14 * 24 * HOUR])
    await bot.watch_once()
    assert not sent(world)
    assert world.only("appointment_found").properties["matched_users"] == 0

    world.clock.pass_(days=8)
    await bot.watch_once()
    assert "your dates have passed" in anna.last.text
    removed = world.only("subscription_removed")
    assert removed.properties == {"service_id": EAT, "service_name": NAME, "reason": "auto_cleanup"}
    assert world.only("user_registered").visitor == removed.visitor


async def test_a_blocked_message_pauses_and_others_still_hear(world: World, bot: Bot) -> None:
    """Forbidden is one block and one failed notification; unblocking brings what was missed."""
    anna, ben = await watcher(world), await watcher(world)
    world.telegram.fail("sendMessage", 403, "Forbidden: bot was blocked by the user", chat_id=anna.id)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    await bot.watch_once()

    assert world.only("notification_failed").properties == {"error_type": "user_blocked_bot", "service_id": EAT}
    assert world.only("user_blocked_bot").visitor == world.only("notification_failed").visitor
    assert "Free now" in ben.last.text
    await world.say(anna, "/help")
    world.only("user_unblocked")
    await bot.watch_once()
    assert "Free now" in anna.last.text


async def test_what_telegram_did_not_take_is_not_told(world: World, bot: Bot) -> None:
    """An error of Telegram's is counted, and the next cycle tries again."""
    anna = await watcher(world)
    world.telegram.fail("sendMessage", 500, "Internal Server Error", chat_id=anna.id)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    assert world.only("notification_failed").properties == {"error_type": "telegram_api_error", "service_id": EAT}
    assert not sent(world)
    await bot.watch_once()
    assert sent(world) == ["initial"]
    assert len(world.events("appointment_found")) == 1


async def test_a_rate_limit_that_lasts_is_named(world: World, bot: Bot) -> None:
    """Telegram's "not so fast" is waited out by the rate limiter; if it lasts, the next cycle tries again."""
    anna = await watcher(world)
    world.telegram.retry_after("sendMessage", 0.01, times=3, chat_id=anna.id)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    assert world.only("notification_failed").properties == {"error_type": "rate_limit_exceeded", "service_id": EAT}
    await bot.watch_once()
    assert sent(world) == ["initial"]


async def test_nobody_is_told_twice_across_a_restart(world: World) -> None:
    """What was told is in the database."""
    async with world.bot() as bot:
        anna = await watcher(world)
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        await bot.watch_once()
        messages = len(anna.inbox)
    async with world.bot() as bot:
        await bot.watch_once()

    assert messages == len(anna.inbox)
    assert len(world.events("appointment_found")) == 1
    assert sent(world) == ["initial"]


def situation(**changes: object) -> Situation:
    """Return a person who was just told about one slot."""
    usual: dict[str, object] = {
        "now": 10_000.0,
        "has_message": True,
        "sent_at": 9_990.0,
        "reminded": False,
        "last_free_at": 9_990.0,
        "last_seen_at": 9_000.0,
        "free": 1,
        "fresh": 0,
    }
    return Situation(**(usual | changes))  # type: ignore[arg-type]  # a table of changes


@pytest.mark.parametrize(
    ("now", "decision"),
    [
        (situation(), "nothing"),
        (situation(free=0), "gone"),
        (situation(free=0, has_message=False), "nothing"),
        (situation(fresh=1), "update_message"),
        (situation(fresh=1, sent_at=9_400.0), "new_message"),
        (situation(fresh=1, has_message=False), "new_message"),
        (situation(fresh=1, has_message=False, sent_at=None, last_free_at=None), "initial"),
        (situation(fresh=1, has_message=False, last_free_at=8_200.0), "initial"),
        (situation(sent_at=9_400.0), "reminder"),
        (situation(sent_at=9_400.0, reminded=True), "nothing"),
        (situation(sent_at=9_400.0, last_seen_at=9_500.0), "nothing"),
    ],
)
def test_what_one_person_hears(now: Situation, decision: Decision) -> None:
    """The rules for initial, update, reminder and gone, one by one."""
    assert decision == decide(now, ReminderRule(600))
    if decision == "reminder":
        assert decide(now, ReminderRule(None)) == "nothing"


def test_alerts_come_at_the_threshold_and_on_doubling() -> None:
    """Blindness and half-blindness each alert at 3, 6, 12 bad cycles; a good cycle starts again."""
    gauge = HealthGauge(3)
    alerts = [gauge.after_cycle(0, 2) for _ in range(12)]
    assert {3, 6, 12} == {i for i, alert in enumerate(alerts, 1) if alert}
    assert gauge.is_blind
    assert gauge.after_cycle(2, 0) is None
    assert not gauge.is_blind
    assert [None, None, HealthAlert(alert_type="high_error_rate", consecutive_failures=3)] == [
        gauge.after_cycle(1, 3) for _ in range(3)
    ]
