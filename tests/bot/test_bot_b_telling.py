"""When a telephone may ring: quiet hours, a day's cap, abundance, one's own slot; and who cannot be reached."""

from datetime import datetime

import pytest
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, World
from opentelemetry.trace import StatusCode

from termin_bot.bot import Bot
from termin_bot.munich import BERLIN
from termin_bot.services.deciding import ABUNDANCE, MAX_PUSHES, Decision, ReminderRule, Situation, decide
from termin_bot.simulation.telegram import Person

HALF_HOUR = 1800


async def watcher(world: World) -> Person:
    """Return a person who watches the service."""
    person = world.telegram.person(language_code="en")
    await world.say(person, "/start")
    await person.press_data(f"o:{EAT}:0")
    await world.telegram.settled()
    return person


async def quiet(world: World, person: Person, start: int, end: int) -> None:
    """Have a person choose quiet hours."""
    await world.say(person, f"/quiet {start}-{end}")


def kinds(world: World) -> list[str]:
    """Return the types of the notifications that Telegram accepted."""
    return [each.properties["notification_type"] for each in world.events("notification_sent")]


def pushes(person: Person) -> int:
    """Return how many messages about free appointments made a sound."""
    return len([each for each in person.inbox if "Free now" in each.text or "Still free" in each.text])


async def test_quiet_hours_wait_until_they_are_over(world: World, bot: Bot) -> None:
    """Nothing rings between 22 and 7; what is free in the morning is told then, and what came and went never."""
    anna = await watcher(world)
    await quiet(world, anna, 22, 7)
    world.clock.now = datetime(2026, 11, 23, 23, 30, tzinfo=BERLIN).timestamp()
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    for _ in range(7):
        await bot.watch_once()
        assert pushes(anna) == 0
        world.clock.pass_(minutes=60)
    world.clock.now = datetime(2026, 11, 24, 7, 0, tzinfo=BERLIN).timestamp()
    await bot.watch_once()
    await bot.watch_once()
    assert pushes(anna) == 1
    assert kinds(world) == ["initial"]


async def test_a_known_message_changes_silently_in_quiet_hours(world: World, bot: Bot) -> None:
    """An edit makes no sound, so "gone" is said at once."""
    anna = await watcher(world)
    await quiet(world, anna, 12, 13)
    world.clock.pass_(minutes=-5)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    world.clock.pass_(minutes=6)
    world.city.take(EAT, EAT_OFFICE)
    await bot.watch_once()
    assert "gone at 12:01" in anna.last.text


async def test_six_pushes_a_day_and_then_without_a_sound(world: World, bot: Bot) -> None:
    """The seventh find of a day is a silent digest; the next day rings again."""
    anna = await watcher(world)
    for number in range(MAX_PUSHES + 3):
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + number * HALF_HOUR])
        await bot.watch_once()
        world.clock.pass_(minutes=15)
        world.city.take(EAT, EAT_OFFICE)
        await bot.watch_once()
        world.clock.pass_(minutes=5)
    sounds = [each.silent for each in anna.inbox if "gone at" in each.text]
    assert sounds == [False] * MAX_PUSHES + [True] * 3
    world.clock.now = datetime(2026, 11, 24, 9, 0, tzinfo=BERLIN).timestamp()
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    assert not anna.last.silent


async def test_plenty_is_summed_up_once_an_hour(world: World, bot: Bot) -> None:
    """One message for 25 appointments; those that follow wait for the hour, and are told then."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + number * 300 for number in range(25)])
    await bot.watch_once()
    assert "+19 more" in anna.last.text
    assert "at most once an hour" in anna.last.text
    for number in range(5):
        world.clock.pass_(minutes=11)
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + 9000 + number * 300])
        await world.say(anna, "/help")
        await bot.watch_once()
    assert kinds(world) == ["initial"]
    world.clock.pass_(minutes=11)
    await bot.watch_once()
    assert kinds(world) == ["initial", "update"]
    assert "+24 more" in anna.last.text
    world.clock.pass_(minutes=2)
    await world.say(anna, "/help")
    await bot.watch_once()
    assert len(kinds(world)) == 2


async def test_ones_own_slot_is_never_gone(world: World, bot: Bot) -> None:
    """For everybody else it is gone; for the person who reserved it nothing is, and after the booking it is theirs."""
    anna, ben = await watcher(world), await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    notice = anna.last.id
    await world.press(anna, "Book Fri 27.11. 10:00")
    await world.press(anna, "Fri 27.11. 10:00")
    world.clock.pass_(minutes=2)
    await bot.watch_once()
    assert "gone at 12:02" in ben.last.text
    assert "Free now" in _message(anna, notice)

    await world.say(anna, "Anna Canary-Name")
    await world.say(anna, "canary.mail@example.org")
    await world.press(anna, "Confirm booking")
    world.clock.pass_(minutes=2)
    await bot.watch_once()
    assert "you booked one of these" in _message(anna, notice)
    assert "gone" not in "".join(each.text for each in anna.inbox)


async def test_after_giving_it_back_it_is_news_again_only_for_a_new_slot(world: World, bot: Bot) -> None:
    """A cancelled reservation puts the slot back before the next look: nobody is told of it twice."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    await world.press(anna, "Book Fri 27.11. 10:00")
    await world.press(anna, "Fri 27.11. 10:00")
    await world.say(anna, "/cancel")
    await bot.watch_once()
    assert kinds(world) == ["initial"]


@pytest.mark.parametrize(
    ("status", "said", "why", "counted"),
    [
        (403, "Forbidden: bot was blocked by the user", "bot_was_blocked", "user_blocked_bot"),
        (403, "Forbidden: user is deactivated", "user_is_deactivated", "user_blocked_bot"),
        (400, "Bad Request: chat not found", "chat_not_found", "telegram_api_error"),
        (500, "Internal Server Error", "telegram_api_error", "telegram_api_error"),
    ],
)
async def test_each_refusal_is_handled_as_what_it_is(
    world: World, bot: Bot, status: int, said: str, why: str, counted: str
) -> None:
    """Whoever cannot be reached is left in peace; trouble of Telegram's own is tried again."""
    anna = await watcher(world)
    world.telegram.fail("sendMessage", status, said, chat_id=anna.id)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    await bot.watch_once()

    assert world.only("notification_failed").properties == {"error_type": counted, "service_id": EAT}
    failed = world.spans("notification")[0]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description is None
    assert (failed.attributes or {})["error.type"] == why
    is_gone = why != "telegram_api_error"
    assert len(world.events("user_blocked_bot")) == is_gone
    assert kinds(world) == ([] if is_gone else ["initial"])
    calls = world.spans("telegram sendMessage")
    assert {"CLIENT"} == {each.kind.name for each in calls}
    assert {"/bot{token}/sendMessage"} == {(each.attributes or {})["url.template"] for each in calls}


async def test_a_message_that_was_deleted_makes_no_noise_at_night(world: World, bot: Bot) -> None:
    """What was to be changed silently is gone: in quiet hours that is no reason to ring; by day it is told anew."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    await quiet(world, anna, 12, 13)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + HALF_HOUR])
    world.telegram.fail("editMessageText", 400, "Bad Request: message to edit not found")
    for _ in range(3):
        world.clock.pass_(minutes=2)
        await bot.watch_once()
    assert pushes(anna) == 1
    await quiet(world, anna, 1, 2)
    await bot.watch_once()
    assert pushes(anna) == 2
    assert kinds(world) == ["initial", "update"]
    assert not world.events("notification_failed")


async def test_under_the_news_everything_can_be_paused(world: World, bot: Bot) -> None:
    """One press, and the message itself stays as it is."""
    anna = await watcher(world)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    assert [each.label for each in anna.last.buttons][-3:] == ["Open on muenchen.de", "My services", "Pause"]
    assert "I say nothing" in await world.press(anna, "Pause")
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + HALF_HOUR])
    world.clock.pass_(minutes=2)
    await bot.watch_once()
    assert pushes(anna) == 1


def situation(**changes: object) -> Situation:
    """Return a person who was told of one slot an hour ago and hears of another."""
    usual: dict[str, object] = {
        "now": 10_000.0,
        "has_message": True,
        "sent_at": 6_000.0,
        "reminded": False,
        "last_free_at": 9_990.0,
        "last_seen_at": 9_000.0,
        "free": 2,
        "fresh": 1,
    }
    return Situation(**(usual | changes))  # type: ignore[arg-type]  # a table of changes


@pytest.mark.parametrize(
    ("now", "decision"),
    [
        (situation(), "new_message"),
        (situation(is_quiet=True), "wait"),
        (situation(is_quiet=True, sent_at=9_900.0), "update_message"),
        (situation(is_quiet=True, free=0, fresh=0), "gone"),
        (situation(is_quiet=True, fresh=0, last_seen_at=1.0), "nothing"),
        (situation(pushes=MAX_PUSHES), "update_message"),
        (situation(pushes=MAX_PUSHES, has_message=False), "digest"),
        (situation(pushes=MAX_PUSHES, fresh=0, last_seen_at=1.0), "nothing"),
        (situation(fresh=0, last_seen_at=1.0), "reminder"),
        (situation(free=ABUNDANCE + 2, sent_at=9_900.0), "wait"),
        (situation(free=ABUNDANCE + 2, sent_at=7_000.0), "wait"),
        (situation(free=ABUNDANCE + 2), "new_message"),
        (situation(free=ABUNDANCE + 1, fresh=1, sent_at=9_900.0), "update_message"),
        (situation(own="reserved"), "wait"),
        (situation(own="reserved", free=0, fresh=0), "wait"),
        (situation(own="booked", free=0, fresh=0), "booked"),
        (situation(own="booked"), "new_message"),
    ],
)
def test_what_one_person_hears_now(now: Situation, decision: Decision) -> None:
    """The rules one by one; a push needs leave from all of them, an edit does not."""
    if now.sent_at == 6_000.0 and now.free > ABUNDANCE:
        assert now.now - now.sent_at > 3600
    assert decision == decide(now, ReminderRule(600))


def _message(person: Person, message_id: int) -> str:
    return next(each.text for each in person.inbox if each.id == message_id)
