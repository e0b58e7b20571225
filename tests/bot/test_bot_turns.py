"""A check cycle looks at those for whom something has changed or is due, and nobody else misses anything by that."""

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, PASSPORT, World, settings_for
from sqlalchemy import event, update

from termin_bot.bot import Bot
from termin_bot.services.deciding import MAX_PUSHES
from termin_bot.simulation.telegram import Person
from termin_bot.storage import AT_ONCE, Subscription

HOUR, DAY = 3600, 86_400
OFFICES = (54261, 10489)


@contextmanager
def reading() -> Iterator[list[int]]:
    """Write down the ids of the subscriptions that are read from the database in the block."""
    read: list[int] = []

    def note(row: Subscription, _: object) -> None:
        read.append(row.id)

    event.listen(Subscription, "load", note)
    try:
        yield read
    finally:
        event.remove(Subscription, "load", note)


async def read_in_cycle(bot: Bot) -> set[int]:
    """Run a cycle, and return which subscriptions were read."""
    with reading() as read:
        await bot.watch_once()
    return set(read)


def told(person: Person) -> int:
    """Return how many messages told a person of something free."""
    return len([each for each in person.inbox if "Free now" in each.text or "Still free" in each.text])


async def test_who_has_nothing_to_hear_is_not_looked_at(world: World, bot: Bot) -> None:
    """Of thirteen people none is read while nothing changes, and each once when something does."""
    people = [await world.watcher() for _ in range(12)]
    await world.watcher(PASSPORT, 0)
    assert len(await read_in_cycle(bot)) == 13, "everybody once, for what was free before they came"
    for _ in range(3):
        world.clock.pass_(minutes=2)
        assert await read_in_cycle(bot) == set()

    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    world.clock.pass_(minutes=2)
    assert len(await read_in_cycle(bot)) == 12
    assert [told(each) for each in people] == [1] * 12
    for _ in range(3):
        world.clock.pass_(minutes=2)
        assert await read_in_cycle(bot) == set()


async def test_a_change_concerns_those_who_may_wait_for_it(world: World, bot: Bot) -> None:
    """News of one office is none for those who wait elsewhere, nor for those whose days are others."""
    anywhere = await world.watcher(PASSPORT, 0)
    here, elsewhere = [await world.watcher(PASSPORT, each) for each in OFFICES]
    later = await world.watcher(PASSPORT, OFFICES[0])
    await later.press_data("dp:0:7")
    await world.telegram.settled()
    await bot.watch_once()
    world.city.release(PASSPORT, OFFICES[0], [FRIDAY_TEN + 14 * DAY])
    world.clock.pass_(minutes=2)
    assert len(await read_in_cycle(bot)) == 2
    assert [told(each) for each in (anywhere, here, elsewhere, later)] == [1, 1, 0, 0]


async def test_what_comes_with_time_comes(world: World, bot: Bot) -> None:
    """A reminder is looked for when it is due, not before and not after; the end of quiet hours as well."""
    anna, ben = await world.watcher(), await world.watcher()
    await world.say(ben, "/quiet 12-13")
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    assert len(await read_in_cycle(bot)) == 2
    world.clock.pass_(minutes=9)
    assert await read_in_cycle(bot) == set()
    world.clock.pass_(minutes=2)
    assert len(await read_in_cycle(bot)) == 1
    assert (told(anna), told(ben)) == (2, 0)
    world.clock.pass_(minutes=48)
    assert await read_in_cycle(bot) == set()
    world.clock.pass_(minutes=1)
    assert len(await read_in_cycle(bot)) == 1
    assert (told(anna), told(ben)) == (2, 1)


async def test_a_reminder_waits_for_the_end_of_quiet_hours(world: World, bot: Bot) -> None:
    """Told shortly before, reminded when they are over; nobody looks in between."""
    anna = await world.watcher()
    await world.say(anna, "/quiet 13-15")
    world.clock.pass_(minutes=55)
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    world.clock.pass_(minutes=12)
    assert len(await read_in_cycle(bot)) == 1
    world.clock.pass_(minutes=52)
    assert await read_in_cycle(bot) == set()
    assert told(anna) == 1
    world.clock.pass_(minutes=61)
    assert len(await read_in_cycle(bot)) == 1
    assert told(anna) == 2


async def test_a_reminder_waits_for_the_end_of_a_days_cap(world: World, bot: Bot) -> None:
    """The sixth push was today's last: its reminder comes after midnight."""
    anna = await world.watcher()
    for number in range(MAX_PUSHES):
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + number * HOUR // 2])
        await bot.watch_once()
        if number < MAX_PUSHES - 1:
            world.clock.pass_(minutes=3)
            world.city.take(EAT, EAT_OFFICE)
            await bot.watch_once()
    before = len(anna.inbox)
    for minutes in (11, 600):
        world.clock.pass_(minutes=minutes)
        await bot.watch_once()
    assert len(anna.inbox) == before
    world.clock.pass_(minutes=120)
    await bot.watch_once()
    assert len(anna.inbox) == before + 1
    assert "Still free" in anna.last.text


async def test_what_telegram_did_not_take_stays_due_across_a_restart(world: World) -> None:
    """It is nobody's news any more, and is told all the same."""
    async with world.bot() as bot:
        anna, ben = await world.watcher(), await world.watcher()
        world.telegram.fail("sendMessage", 500, "Internal Server Error", chat_id=anna.id)
        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        await bot.watch_once()
    assert (told(anna), told(ben)) == (0, 1)
    async with world.bot() as bot:
        assert len(await read_in_cycle(bot)) == 1
        assert await read_in_cycle(bot) == set()
    assert (told(anna), told(ben)) == (1, 1)


async def test_what_began_while_nobody_looked_is_over(world: World, bot: Bot) -> None:
    """No cycle saw these appointments go, and they are forgotten: their message says so all the same."""
    anna = await world.told(bot)
    world.clock.pass_(minutes=11)
    await bot.watch_once()
    assert "Still free" in anna.last.text
    world.clock.pass_(days=7)
    await bot.sweep_once()
    assert "gone" not in anna.last.text
    await bot.watch_once()
    assert "gone at" in anna.last.text


class Meanwhile(httpx.AsyncBaseTransport):
    """Does something between Telegram's taking the next notification and the bot's hearing of it."""

    def __init__(self, world: World) -> None:
        self._line = world.telegram.transport()
        self.what: Callable[[], Awaitable[object]] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on."""
        answer = await self._line.handle_async_request(request)
        if self.what is not None and request.url.path.endswith("/sendMessage"):
            what, self.what = self.what, None
            await what()
        return answer


async def test_news_that_comes_while_somebody_is_told_is_not_lost(world: World) -> None:
    """Telegram has their message, and the next look finds more before that is noted: it is theirs a cycle later."""
    world.telegram_line = line = Meanwhile(world)
    async with world.bot() as bot:
        anna = await world.watcher()

        async def more() -> None:
            world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN + HOUR])
            await bot.check_once()

        world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        line.what = more
        await bot.watch_once()
        assert "11:00" not in anna.last.text
        await bot.watch_once()
        assert "11:00" in anna.last.text
        assert await read_in_cycle(bot) == set()


STEPS = (
    *(("release",) * 3),
    *(("take", "take all", "wait long", "quiet") * 2),
    *(("wait",) * 5),
    *("help", "loud", "pause", "resume"),
)


async def live(world: World, seed: int, *, looks_at_all: bool) -> list[list[tuple[str, bool]]]:
    """Let a random fortnight go by, and return what each of three people has in their chat at its end."""
    chance = random.Random(seed)  # noqa: S311  the same fortnight in both lives
    async with world.bot() as bot:
        people = [await world.watcher() for _ in range(3)]
        for _ in range(40):
            person, step = chance.choice(people), chance.choice(STEPS)
            start = FRIDAY_TEN + chance.randrange(6) * DAY + chance.randrange(12) * HOUR // 2
            match step:
                case "release":
                    world.city.release(EAT, EAT_OFFICE, [start + 900 * n for n in range(chance.choice((1, 1, 2, 25)))])
                case "take":
                    world.city.take(EAT, EAT_OFFICE, world.city.free(EAT, EAT_OFFICE)[:2])
                case "take all":
                    world.city.take(EAT, EAT_OFFICE)
                case "wait long":
                    world.clock.pass_(minutes=chance.choice((45, 90, 300, 700)))
                case "wait":
                    world.clock.pass_(minutes=chance.choice((3, 7, 11, 31)))
                case "quiet":
                    await world.say(person, f"/quiet {chance.randrange(24)}-{chance.randrange(24)}")
                case "loud":
                    await world.say(person, "/quiet off")
                case said:
                    await world.say(person, f"/{said}")
            if looks_at_all:
                async with bot.database.engine.begin() as connection:
                    await connection.execute(update(Subscription).values(look_at=AT_ONCE))
            world.clock.pass_(minutes=1)
            await bot.watch_once()
    return [[(each.text, each.silent) for each in person.inbox] for person in people]


@pytest.mark.parametrize("seed", range(4))
async def test_nobody_misses_anything(seed: int, make_world: Callable[[], World], tmp_path: Path) -> None:
    """Whatever happens, everybody hears what they would hear if each cycle looked at everybody."""
    chats = []
    for folder, looks_at_all in (("due", False), ("all", True)):
        world = make_world()
        world.settings = settings_for(tmp_path / folder)
        chats.append(await live(world, seed, looks_at_all=looks_at_all))
    assert chats[0] == chats[1]
    said = "".join(text for chat in chats[0] for text, _ in chat)
    assert "gone at" in said or "Free now" in said, "nothing happened"
