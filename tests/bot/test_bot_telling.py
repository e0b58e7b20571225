"""Many people are told beside the check cycles, once each, and nobody's commands wait for it."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, World, settings_for

from termin_bot.munich import Catalogue
from termin_bot.services.telling import AT_A_TIME, Telling
from termin_bot.simulation.telegram import Person

NOTHING = Catalogue(services={}, offices={}, relations=())


class Book:
    """Writes down who was told, and holds whoever it is asked to hold."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.most = 0
        self.held: asyncio.Event | None = None
        self.wanted = AT_A_TIME
        self.enough = asyncio.Event()
        """Set as soon as *wanted* are under way."""
        self.fails: set[int] = set()
        self._under_way: Counter[int] = Counter()

    async def tell_one(self, each: int, _catalogue: Catalogue) -> None:
        """Tell them."""
        self._under_way[each] += 1
        assert self._under_way[each] == 1, "two messages to one subscription at a time"
        self.most = max(self.most, self._under_way.total())
        if self.most >= self.wanted:
            self.enough.set()
        if self.held is not None:
            await self.held.wait()
        await asyncio.sleep(0)
        self._under_way[each] -= 1
        if each in self.fails:
            raise ConnectionError("words that nobody may see")
        self.told.append(each)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def telling(book: Book) -> Telling:
    return Telling(book, random.Random(7))  # noqa: S311  the same order every time


async def test_everybody_once_a_few_at_a_time(book: Book, telling: Telling) -> None:
    """However often the cycles ask while they wait."""
    await telling.tell(range(100), NOTHING)
    await telling.tell(range(120), NOTHING)
    assert telling.waiting == 120
    await telling.work_off()
    assert sorted(book.told) == list(range(120))
    assert book.told[:100] != list(range(100))
    assert book.most == AT_A_TIME
    assert telling.waiting == 0


async def test_who_is_being_told_is_not_told_twice(book: Book, telling: Telling) -> None:
    """A cycle that comes while a message is on its way begins no second one."""
    book.held, book.wanted = asyncio.Event(), 2
    await telling.tell([1, 2], NOTHING)
    working = asyncio.create_task(telling.work_off())
    await book.enough.wait()
    await telling.tell([1, 2, 3], NOTHING)
    book.held.set()
    await working
    assert sorted(book.told) == [1, 2, 3]


async def test_everybody_knows_when_telling_is_worked_off(book: Book, telling: Telling) -> None:
    """Also those whose message somebody else has begun."""
    book.held, book.wanted, stopping = asyncio.Event(), 1, asyncio.Event()
    running = asyncio.create_task(telling.run(stopping))
    await telling.tell([1], NOTHING)
    await book.enough.wait()
    working = asyncio.create_task(telling.work_off())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not working.done()
    book.held.set()
    await working
    assert book.told == [1]
    stopping.set()
    await running


async def test_a_small_service_does_not_wait_for_a_large_one(book: Book, telling: Telling) -> None:
    """The services take turns."""
    await telling.tell(range(1000), NOTHING)
    await telling.tell(range(5000, 5010), NOTHING)
    await telling.work_off()
    assert max(book.told.index(each) for each in range(5000, 5010)) < 30


async def test_one_that_fails_stops_nobody(book: Book, telling: Telling, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged without its words, and may be asked for again."""
    book.fails = {3, 4}
    await telling.tell(range(10), NOTHING)
    await telling.work_off()
    assert sorted(book.told) == [0, 1, 2, 5, 6, 7, 8, 9]
    assert [each.getMessage() for each in caplog.records] == ["telling failed 2 times: ConnectionError"]
    book.fails = set()
    await telling.tell([3, 4], NOTHING)
    await telling.work_off()
    assert sorted(book.told) == list(range(10))


async def test_a_stop_finishes_what_is_on_its_way(book: Book, telling: Telling) -> None:
    """And begins nothing more; it goes on when asked after the start."""
    book.held, stopping = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(telling.run(stopping))
    await telling.tell(range(50), NOTHING)
    await book.enough.wait()
    stopping.set()
    book.held.set()
    await running
    assert len(book.told) == AT_A_TIME


async def subscribed(world: World, count: int) -> list[Person]:
    """Return people who wait for the same service."""
    people = [world.telegram.person(first_name=f"P{number}") for number in range(count)]
    async with world.bot():
        for person in people:
            await person.send("/start")
        await world.telegram.settled(timeout=60)
        for person in people:
            await person.press_data(f"s:{EAT}")
        await world.telegram.settled(timeout=60)
    return people


async def test_commands_and_cycles_go_on_while_many_are_told(world: World, tmp_path: Path) -> None:
    """At one message a second: a command overtakes, the next cycle ends, a restart tells the others, each once."""
    people = await subscribed(world, 25)
    eve = world.telegram.person(first_name="Eve")
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    before = [len(person.inbox) for person in people]

    def told() -> int:
        return sum(len(person.inbox) - had for person, had in zip(people, before, strict=True))

    world.settings = settings_for(tmp_path, telegram_messages_per_second=1)
    async with world.bot() as bot:
        stopping = asyncio.Event()
        telling = asyncio.create_task(bot._telling.run(stopping))
        await bot.check_once()
        await world.telegram.until(lambda: told() > 0, timeout=60)
        await eve.send("/start")
        await eve.answer(timeout=60)
        assert told() < 10
        asked = len(world.city.requests)
        await bot.check_once()
        assert len(world.city.requests) > asked
        assert told() < 20
        stopping.set()
        await telling
        assert told() < 25

    world.settings = settings_for(tmp_path)
    async with world.bot() as bot:
        await bot.watch_once()
    assert [len(person.inbox) - had for person, had in zip(people, before, strict=True)] == [1] * 25
