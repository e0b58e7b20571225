"""
A bot that watches everything the real city has, on a clock that goes on by itself: hours pass in seconds.

Each request takes its time on the clock, and waiting for the rate limit does; nothing else takes any.
"""

import random
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import httpx

from termin_bot.app import build
from termin_bot.bot import Bot
from termin_bot.munich import InlineSolver
from termin_bot.settings import Settings
from termin_bot.storage import Person, Subscription

from .city import SimulatedCity
from .city_catalogue import build_large_catalogue
from .telegram import DEMO_TOKEN, SimulatedTelegram

ANSWER_SECONDS: Final = 0.2
_BEGIN: Final = 1_795_431_600.0  # a Monday in November, noon in Munich
_DAY: Final = 86_400
_FIRST_PERSON: Final = 8_000_000_000


class LargeTown:
    """The catalogue, the city with its odd rate rule, and a bot that can be told to watch all of it."""

    def __init__(self, folder: Path) -> None:
        self.now = _BEGIN
        self.city = SimulatedCity(self.clock, catalogue=build_large_catalogue())
        self.relations: list[tuple[int, int]] = [
            (each["serviceId"], each["officeId"]) for each in self.city.catalogue["relations"]
        ]
        self._settings = Settings.model_validate(
            {
                "telegram_bot_token": DEMO_TOKEN,
                "database_url": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
                "munich_base_url": SimulatedCity.base_url,
                "analytics_enabled": False,
            }
        )

    def clock(self) -> float:
        """Return the time, in epoch seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait: the clock goes on."""
        self.now += seconds

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[Bot]:
        """Run the bot; cycles come when they are asked for."""
        bot = build(
            self._settings,
            timers="manual",
            clock=self.clock,
            chance=random.Random(7),  # noqa: S311  the same order every time
            telegram_transport=SimulatedTelegram(clock=self.clock).transport(),
            munich_transport=_SlowLine(self),
            captcha_solver=InlineSolver(),
            sleep=self.sleep,
        )
        async with bot:
            yield bot

    async def watch(self, bot: Bot, wanted: Iterable[tuple[int, str]]) -> None:
        """Have one person for each service and its offices (ids by commas; empty is any)."""
        now = self.clock()
        async with bot.database.work() as work:
            for number, (service_id, offices) in enumerate(wanted):
                person = Person(
                    telegram_id=_FIRST_PERSON + number,
                    pseudonym=f"visitor-{number}",
                    language="en",
                    registered_at=now,
                    last_seen_at=now,
                )
                await work.people.add(person)
                await work.subscriptions.add(
                    Subscription(person_id=person.id, service_id=service_id, offices=offices, created_at=now)
                )
            await work.commit()

    def by_service(self) -> list[tuple[int, str]]:
        """Return what to watch when everybody takes any office: 156 questions."""
        return [(service_id, "") for service_id in dict(self.relations)]

    def by_office(self) -> list[tuple[int, str]]:
        """Return what to watch when everybody takes one office only: 306 questions."""
        return [(service_id, str(office_id)) for service_id, office_id in self.relations]

    def release_everywhere(self) -> None:
        """Free appointments on four days at every office, so that a cycle asks for single days as well."""
        for service_id, office_id in self.relations:
            self.city.release(service_id, office_id, [int(self.now + day * _DAY) for day in (1, 2, 3, 4)])

    @contextmanager
    def measured(self) -> Iterator["Cycle"]:
        """Measure what happens in the block."""
        cycle = Cycle()
        began, asked, refused = self.now, len(self.city.requests), self.city.rate.refused
        yield cycle
        cycle.seconds = self.now - began
        cycle.requests = len(self.city.requests) - asked
        cycle.refused = self.city.rate.refused - refused


class Cycle:
    """What a check cycle cost: seconds on the clock, requests, and those that the city answered with 429."""

    seconds = 0.0
    requests = 0
    refused = 0


class _SlowLine(httpx.ASGITransport):
    def __init__(self, town: LargeTown) -> None:
        super().__init__(town.city.app)
        self._town = town

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._town.sleep(ANSWER_SECONDS)
        return await super().handle_async_request(request)
