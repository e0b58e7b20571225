"""A check cycle over everything the real city has, within the city's rate limit: on a clock, so in seconds."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from bot_world import NOON, ManualClock, settings_for
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from termin_bot.app import build
from termin_bot.bot import Bot
from termin_bot.munich import InlineSolver
from termin_bot.services.readiness import LATE_AT_LEAST
from termin_bot.simulation.city import SimulatedCity
from termin_bot.simulation.city_catalogue import build_large_catalogue
from termin_bot.simulation.telegram import SimulatedTelegram
from termin_bot.storage import Person, Subscription

ANSWER_SECONDS = 0.2


class SlowLine(httpx.ASGITransport):
    """The way to the city: each request takes its time on the clock."""

    def __init__(self, city: SimulatedCity, clock: ManualClock) -> None:
        super().__init__(city.app)
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, later."""
        self._clock.pass_(seconds=ANSWER_SECONDS)
        return await super().handle_async_request(request)


class Town:
    """The large catalogue, a city with its odd rate rule, and a bot that watches all of it."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(NOON.timestamp())
        self.city = SimulatedCity(self.clock, catalogue=build_large_catalogue())
        self.settings = settings_for(folder)
        self.relations = [(each["serviceId"], each["officeId"]) for each in self.city.catalogue["relations"]]

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[Bot]:
        """Run the bot; whenever it waits for the city, the clock goes on."""

        async def sleep(seconds: float) -> None:
            self.clock.pass_(seconds=seconds)

        bot = build(
            self.settings,
            timers="manual",
            clock=self.clock,
            chance=random.Random(7),  # noqa: S311  the same order every time
            telegram_transport=SimulatedTelegram(clock=self.clock).transport(),
            munich_transport=SlowLine(self.city, self.clock),
            captcha_solver=InlineSolver(),
            sleep=sleep,
        )
        async with bot:
            yield bot

    async def watch(self, bot: Bot, wanted: list[tuple[int, str]]) -> None:
        """Have one person for each service and offices."""
        async with bot.database.work() as work:
            for number, (service_id, offices) in enumerate(wanted, start=1):
                now = self.clock()
                work._session.add_all(
                    [
                        Person(
                            id=number,
                            telegram_id=8_000_000_000 + number,
                            pseudonym=f"visitor-{number}",
                            language="en",
                            registered_at=now,
                            last_seen_at=now,
                        ),
                        Subscription(person_id=number, service_id=service_id, offices=offices, created_at=now),
                    ]
                )
            await work.commit()

    def free_days(self) -> None:
        """Let every service have free appointments on four days, so that each cycle asks for further days."""
        for service_id, office_id in self.relations:
            starts = [int(self.clock() + timedelta(days=day).total_seconds()) for day in (1, 2, 3, 4)]
            self.city.release(service_id, office_id, starts)

    def asked(self) -> int:
        """Return how many requests reached the city."""
        return len(self.city.requests)


def test_the_catalogue_is_as_large_as_the_real_one() -> None:
    """As published: 156 bookable services, 78 offices, 306 relations; 124 services with one office, 12 at most."""
    catalogue = build_large_catalogue()
    offices_of: dict[int, set[int]] = {}
    for relation in catalogue["relations"]:
        offices_of.setdefault(relation["serviceId"], set()).add(relation["officeId"])
    sizes = sorted(len(each) for each in offices_of.values())
    assert (len(catalogue["services"]), len(catalogue["offices"]), sum(sizes)) == (156, 78, 306)
    assert (sizes.count(1), sizes[-1]) == (124, 12)
    assert {each["id"] for each in catalogue["offices"]} == {each["officeId"] for each in catalogue["relations"]}
    assert json.dumps(catalogue) == json.dumps(build_large_catalogue())


@pytest.mark.parametrize("each_office_alone", [False, True], ids=["156 services", "306 relations"])
@pytest.mark.parametrize("something_free", [False, True], ids=["nothing free", "days to ask for"])
async def test_no_request_is_one_too_many(
    tmp_path: Path,
    exporter: InMemorySpanExporter,
    each_office_alone: bool,  # noqa: FBT001  a case
    something_free: bool,  # noqa: FBT001  a case
) -> None:
    """Two cycles in a row over all relations: each is looked at in each cycle, and the city never says 429."""
    town = Town(tmp_path)
    alone = [(service_id, str(office_id)) for service_id, office_id in town.relations]
    wanted = alone if each_office_alone else [(service_id, "") for service_id in dict(town.relations)]
    async with town.bot() as bot:
        await town.watch(bot, wanted)
        if something_free:
            town.free_days()
        for _ in range(2):
            began, before = town.clock(), town.asked()
            await bot.check_once()
            took, asked = town.clock() - began, town.asked() - before
            looks = [
                dict(each.attributes or {}) for each in exporter.get_finished_spans() if each.name == "check service"
            ]
            assert len(looks) == len(wanted)
            assert not [each for each in looks if "error.type" in each]
            exporter.clear()
            assert asked >= len(wanted)
            assert took < LATE_AT_LEAST
            town.clock.pass_(seconds=61)
    assert town.city.rate.refused == 0
    seen = {
        (int(each.query["serviceIds"]), int(office))
        for each in town.city.requests
        if "serviceIds" in each.query
        for office in each.query["officeIds"].split(",")
    }
    assert seen == set(town.relations)


async def test_the_city_would_have_refused_a_bot_that_hurries(tmp_path: Path) -> None:
    """The simulated city counts as the real one does: the test above can fail."""
    town = Town(tmp_path)
    async with httpx.AsyncClient(transport=SlowLine(town.city, town.clock), base_url=town.city.base_url) as http:
        for _ in range(130):
            await http.get("/offices-and-services/")
    assert town.city.rate.refused == 10
