"""Several instances on one database: order per person, nobody twice, leases that pass on, the city asked once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from bot_balancer import Balancer
from bot_databases import everything_kept
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, World, settings_for
from ports import free_ports
from sqlalchemy import select
from telegram import Update

from termin_bot.bot import Bot
from termin_bot.munich import Slot
from termin_bot.services.sharing import Instance
from termin_bot.simulation.telegram import Person
from termin_bot.storage import SUBMITTING, Arrival, Subscription

COMMANDS = ("/start", "/help", "/cancel", "/pause", "/help", "/resume", "/cancel")


@asynccontextmanager
async def instances(world: World, size: int = 2, *, twice: bool = False) -> AsyncIterator[tuple[Balancer, list[Bot]]]:
    """Run several bots behind one balancer."""
    balancer = Balancer(world.telegram, size, twice=twice)
    async with AsyncExitStack() as stack:
        bots = []
        for number in range(size):
            world.telegram_line = balancer.line(number)
            bots.append(await stack.enter_async_context(world.bot()))
        await stack.enter_async_context(balancer.running())
        yield balancer, bots


async def watchers(world: World, size: int) -> list[Person]:
    """Return people who watch the same service."""
    people = [world.telegram.person(first_name=f"P{number}") for number in range(size)]
    for each in people:
        await world.say(each, "/start")
        await each.press_data(f"s:{EAT}")
        await each.wait_for("I am watching", timeout=60)
    return people


async def a_crowd_of(size: int, world: World) -> list[Person]:
    """Return people who sent all commands without waiting in between, and have their answers."""
    people = [world.telegram.person(first_name=f"P{number}") for number in range(size)]
    for command in COMMANDS:
        for each in people:
            await each.send(command)
    for each in people:
        await each.until(lambda who=each: len(who.inbox) >= len(COMMANDS), timeout=90)  # type: ignore[misc]
    await world.telegram.settled(patience=30, quiet=0.3)
    return people


def assert_each_in_order(people: list[Person], world: World) -> None:
    """Check that everybody's commands were handled once each, and in the order in which they were sent."""
    for visitor in {each.visitor for each in world.events("user_registered")}:
        ran = [each for each in world.events("command_executed") if each.visitor == visitor]
        ordered = [each.properties["command_name"] for each in sorted(ran, key=lambda each: each.span.start_time or 0)]
        assert ordered == list(COMMANDS)
    assert [len(each.inbox) for each in people] == [len(COMMANDS)] * len(people)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.parametrize("twice", [False, True])
async def test_a_persons_updates_stay_in_order_whichever_instance_gets_them(world: World, twice: bool) -> None:  # noqa: FBT001
    """Each is handled once, in order, though every other one arrives elsewhere, or every one arrives at both."""
    async with instances(world, twice=twice) as (balancer, _):
        people = await a_crowd_of(8, world)
        assert all(balancer.handed_out)
    assert_each_in_order(people, world)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_behind_one_webhook_they_are_one_bot(world: World, tmp_path: Path) -> None:
    """Telegram brings updates to an address, and a balancer spreads them; nobody notices that they are two."""
    ports = free_ports(2)
    world.telegram.route("https://bot.example.org", *(f"http://127.0.0.1:{port}" for port in ports))
    async with AsyncExitStack() as stack:
        for port in ports:
            world.settings = settings_for(tmp_path, webhook_url="https://bot.example.org/telegram", webhook_port=port)
            await stack.enter_async_context(world.bot())
        await stack.enter_async_context(world.telegram.delivering())
        people = await a_crowd_of(6, world)
    assert_each_in_order(people, world)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_one_instance_does_the_rounds_and_nobody_is_told_twice(world: World) -> None:
    """Both look at the same moment: the city is asked once; when the one dies, the other goes on where it was."""
    async with instances(world) as (_, (first, second)):
        people = await watchers(world, 5)
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        before = _asked(world)
        await asyncio.gather(first.watch_once(), second.watch_once())
        assert _asked(world) == before + 1
        assert [_told(each) for each in people] == [1] * 5

        world.clock.pass_(seconds=5)
        await second.beat_once()
        await second.watch_once()
        assert _asked(world) == before + 1, "the first one is alive"
        world.clock.pass_(seconds=world.settings.lease_seconds)
        await second.watch_once()
        assert _asked(world) == before + 2
        await first.watch_once()
        assert _asked(world) == before + 2, "it stays with the one that has it"
        assert [_told(each) for each in people] == [1] * 5


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_an_instance_that_stops_leaves_everything_at_once(world: World) -> None:
    """Nobody waits for a lease of somebody who said goodbye."""
    async with instances(world) as (_, (first, second)):
        (anna,) = await watchers(world, 1)
        await first.watch_once()
        for _ in range(2):  # either instance answers, and only the first one has looked
            assert "checked 0 s ago" in await world.say(anna, "/status")
        before = _asked(world)
        await first.stop()
        await second.watch_once()
        assert _asked(world) == before + 1


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_two_instances_that_tell_at_the_same_time_tell_once(world: World) -> None:
    """Even if both believe that the rounds are theirs, each notification is one instance's."""
    async with instances(world) as (_, bots):
        people = await watchers(world, 6)
        async with bots[0].database.work() as work:
            ids = await work.subscriptions.due(EAT, {str(EAT_OFFICE)}, world.clock())
            work.slots.add([Slot(EAT, EAT_OFFICE, FRIDAY_TEN)], world.clock())
            await work.commit()
        catalogue = await bots[0]._watching._shelf.current()
        telling = [bot._telling._notifying.tell_one(each, catalogue) for each in ids for bot in bots]
        await asyncio.gather(*telling)
        assert [_told(each) for each in people] == [1] * 6
        async with bots[0].database.engine.connect() as connection:
            tellers = (await connection.execute(select(Subscription.teller))).scalars().all()
        assert set(tellers) == {None}


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_what_a_killed_instance_had_taken_is_handled_by_another(world: World, bot: Bot) -> None:
    """Its updates pass on when its lease is over, not before; and its notification as well."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    killed = Instance(bot.database.work, world.clock, lease_seconds=world.settings.lease_seconds, shared=True)
    await killed.beat()
    message = {
        "message_id": 999,
        "date": int(world.clock()),
        "text": "/help",
        "chat": {"id": anna.id, "type": "private", "first_name": "Anna"},
        "from": {"id": anna.id, "is_bot": False, "first_name": "Anna"},
    }
    update = Update.de_json({"update_id": 900_000_000, "message": message}, None)
    async with bot.database.work() as work:
        assert await work.arrivals.add(update.update_id, anna.id, update.to_json(), killed.id, world.clock())
        assert not await work.arrivals.add(update.update_id, anna.id, update.to_json(), "another", world.clock())
        await work.commit()

    await bot.beat_once()
    assert len(anna.inbox) == 1
    world.clock.pass_(seconds=world.settings.lease_seconds)
    await bot.beat_once()
    await anna.until(lambda: len(anna.inbox) == 2, timeout=60)
    assert "/subscribe" in anna.last.text
    async with asyncio.timeout(60):
        while str(anna.id) in await _arrivals(bot):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_booking_that_another_instance_submits_is_left_alone_until_it_dies(world: World, bot: Bot) -> None:
    """The city is asked about it by one instance at a time; what a killed one began is finished, and told."""
    (anna,) = await watchers(world, 1)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    for label in ("Book Fri", "Fri 27.11. 10:00"):
        await world.press(anna, label)
    for typed in ("Anna Example", "anna@example.org"):
        await world.say(anna, typed)
    killed = Instance(bot.database.work, world.clock, lease_seconds=world.settings.lease_seconds, shared=True)
    await killed.beat()
    async with bot.database.work() as work:
        person = await work.people.by_telegram_id(anna.id)
        assert person
        booking = await work.bookings.of(person.id)
        assert booking
        booking.step, booking.submitter = SUBMITTING, killed.id
        await work.commit()

    await bot.sweep_once()
    assert not _calls(world, "preconfirm-appointment")
    world.clock.pass_(seconds=world.settings.lease_seconds)
    await bot.sweep_once()
    assert len(_calls(world, "preconfirm-appointment")) == 1
    assert "the city accepted your booking" in anna.last.text


async def _arrivals(bot: Bot) -> str:
    async with bot.database.engine.connect() as connection:
        return str((await connection.execute(select(Arrival.telegram_id))).all())


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_the_catalogue_and_the_captcha_token_are_shared(world: World) -> None:
    """The city is asked once for each; the token lies sealed in the database."""
    async with instances(world) as (_, (first, second)):
        catalogues = [await each._city.catalogue() for each in (first, second)]
        assert catalogues[0] == catalogues[1]
        assert len(_calls(world, "offices-and-services")) == 1
        tokens = [await each._city._captcha.token() for each in (first, second)]
        assert tokens[0] == tokens[1]
        assert len(_calls(world, "captcha-challenge")) == 1
        assert tokens[0] not in await everything_kept(world.settings)

        world.clock.pass_(seconds=1)
        another = await second._city._captcha.renew(tokens[1])
        assert another != tokens[0]
        assert await first._city._captcha.token() == tokens[0], "an address of its own: not shared any more"


def _calls(world: World, endpoint: str) -> list[float]:
    return [each.at for each in world.city.requests if each.path.endswith(f"/{endpoint}/")]


def _asked(world: World) -> int:
    return len(_calls(world, "available-calendar"))


def _told(person: Person) -> int:
    return len([each for each in person.inbox if "Free now" in each.text])
