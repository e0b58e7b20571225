"""The bot as operators run it: a real process, between a Telegram and a city on loopback."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot_world import EAT, KEY, settings_for

from termin_bot.simulation.city import PREFIX, SimulatedCity
from termin_bot.simulation.serving import serve
from termin_bot.simulation.telegram import DEMO_TOKEN, Person, SimulatedTelegram
from termin_bot.storage import Database, Subscription
from termin_bot.storage import Person as PersonRow

ROOT = Path(__file__).parents[2]


@dataclass
class Town:
    """What the processes find outside, and their database."""

    telegram: SimulatedTelegram
    city: SimulatedCity
    environment: dict[str, str]
    folder: Path
    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, **more: str) -> asyncio.subprocess.Process:
        """Start the bot."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "telegram_bot.py"),
            env=self.environment | more,
            cwd=self.folder,
            stderr=asyncio.subprocess.PIPE,
        )
        self.started.append(process)
        return process

    async def settle(self, size: int) -> list[Person]:
        """Return people who have watched one service for long."""
        people = [self.telegram.person() for _ in range(size)]
        for each in people:
            await each.meet()
        database = Database(self.environment["DATABASE_URL"], keys=(KEY,))
        await database.migrate()
        async with database.work() as work:
            for each in people:
                row = await work.people.add(_row(each.id))
                await work.subscriptions.add(Subscription(person_id=row.id, service_id=EAT, created_at=0.0))
            await work.commit()
        await database.close()
        return people


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    """Serve a Telegram and a city during the block."""
    telegram, city = SimulatedTelegram(), SimulatedCity(time.time, rate_rule="off")
    async with telegram.serve() as telegram_url, serve(city.app) as city_url:
        environment = {
            "PATH": os.environ["PATH"],
            "TELEGRAM_BOT_TOKEN": DEMO_TOKEN,
            "TELEGRAM_BASE_URL": telegram_url,
            "MUNICH_BASE_URL": city_url + PREFIX,
            "DATABASE_URL": settings_for(folder).database_url,
            "ENCRYPTION_KEYS": KEY,
            "CHECK_INTERVAL_SECONDS": "1",
            "LEASE_SECONDS": "2",
            "REMINDERS_ENABLED": "false",
            "ANALYTICS_ENABLED": "false",
            "OTEL_TRACES_EXPORTER": "none",
        }
        made = Town(telegram, city, environment, folder)
        try:
            yield made
        finally:
            for process in made.started:
                if process.returncode is None:
                    process.kill()
                    await process.communicate()


def _row(telegram_id: int) -> PersonRow:
    now = time.time()
    return PersonRow(
        telegram_id=telegram_id,
        pseudonym=f"p{telegram_id}",
        language="en",
        registered_at=now,
        last_seen_at=now,
        last_command_at=now,
    )


def told(people: Iterable[Person]) -> list[int]:
    """Return how often each was told about free appointments."""
    return [len([each for each in person.inbox if "Free now" in each.text]) for person in people]
