"""A service leaves the city's catalogue: its people hear it once, nobody asks for it, and it can come back."""

from typing import Any

from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, PASSPORT, World

from termin_bot.bot import Bot
from termin_bot.services.watching import MISSING_SECONDS
from termin_bot.simulation.telegram import Person

SAID = {"en": "no longer offers this online", "de": "nicht mehr online an"}
NAME = "Abholung elektronischer Aufenthaltstitel (eAT)"
HOUR = 3600


def withdraw(world: World, service_id: int) -> list[Any]:
    """Have the city offer a service nowhere, and return what it needs to offer it again."""
    relations = world.city.catalogue["relations"]
    gone = [each for each in relations if each["serviceId"] == service_id]
    relations[:] = [each for each in relations if each["serviceId"] != service_id]
    return gone


async def hours(world: World, bot: Bot, seconds: float) -> None:
    """Let time go by with a cycle every hour."""
    for _ in range(int(seconds // HOUR)):
        world.clock.pass_(seconds=HOUR)
        await bot.watch_once()


def heard(person: Person) -> int:
    """Return how often a person was told that the service is gone."""
    return sum(any(said in each.text for said in SAID.values()) for each in person.inbox)


async def test_people_hear_it_once_and_it_can_come_back(world: World, bot: Bot) -> None:
    """In their language and by its name; it is paused from then on, and /status says why nobody looks."""
    anna, ben = await world.watcher(), await world.watcher(EAT, 0, "de")
    cleo = await world.watcher(PASSPORT, 0)
    await bot.watch_once()
    offered = withdraw(world, EAT)
    await hours(world, bot, MISSING_SECONDS)
    assert [heard(each) for each in (anna, ben, cleo)] == [0, 0, 0]
    assert "does not offer it online at the moment" in await world.say(anna, "/status")

    await hours(world, bot, 3 * HOUR)
    assert [heard(each) for each in (anna, ben, cleo)] == [1, 1, 0]
    assert SAID["de"] in ben.last.text
    assert NAME in ben.last.text
    await hours(world, bot, MISSING_SECONDS)
    assert [heard(each) for each in (anna, ben, cleo)] == [1, 1, 0]

    world.city.catalogue["relations"].extend(offered)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await hours(world, bot, HOUR)
    assert "paused" in await world.say(anna, "/myservices")
    await world.press(anna, "Resume")
    await bot.watch_once()
    assert "Free now" in anna.last.text
    assert "Free now" not in ben.last.text


async def test_a_catalogue_with_a_hole_for_a_night_is_nobodys_news(world: World, bot: Bot) -> None:
    """What comes back within hours was never gone."""
    anna = await world.watcher()
    await bot.watch_once()
    for _ in range(3):
        offered = withdraw(world, EAT)
        await hours(world, bot, MISSING_SECONDS - HOUR)
        world.city.catalogue["relations"].extend(offered)
        await hours(world, bot, 2 * HOUR)
    assert heard(anna) == 0


async def test_it_is_not_said_in_quiet_hours(world: World, bot: Bot) -> None:
    """It can wait until they are over."""
    anna = await world.watcher()
    await world.say(anna, "/quiet 13-23")
    await bot.watch_once()
    withdraw(world, EAT)
    await hours(world, bot, 10 * HOUR)
    assert heard(anna) == 0
    await hours(world, bot, 2 * HOUR)
    assert heard(anna) == 1


async def test_who_could_not_be_told_is_told_in_the_next_cycle(world: World, bot: Bot) -> None:
    """Only what Telegram took counts as said."""
    anna = await world.watcher()
    await bot.watch_once()
    withdraw(world, EAT)
    await hours(world, bot, MISSING_SECONDS)
    world.telegram.fail("sendMessage", 500, "Internal Server Error", chat_id=anna.id)
    await hours(world, bot, 2 * HOUR)
    assert heard(anna) == 1
