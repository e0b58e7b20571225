"""The bot as a process of its own, between a simulated Telegram and a simulated city."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stack_kit import ROOT, WEBSITE, Process

from termin_bot.simulation.city import SimulatedCity
from termin_bot.simulation.serving import serve
from termin_bot.simulation.telegram import DEMO_TOKEN, SimulatedTelegram
from termin_bot.simulation.telegram_person import Person


class BotProcess(Process):
    """`python telegram_bot.py` between a simulated Telegram and a simulated city."""

    def __init__(self, folder: Path, telegram: str, city: str, umami: str, env: dict[str, str]) -> None:
        super().__init__("bot", folder)
        self._env = {
            "TELEGRAM_BOT_TOKEN": DEMO_TOKEN,
            "TELEGRAM_BASE_URL": telegram,
            "MUNICH_BASE_URL": city,
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
            "UMAMI_ENDPOINT": umami,
            "UMAMI_WEBSITE_ID": WEBSITE,
            "UMAMI_SPOOL": str(folder / "bot-spool.db"),
            "UMAMI_LINGER_SECONDS": "0.05",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            **env,
        }

    def start(self) -> None:
        """Start it, and wait until it says that it runs."""
        self.launch(
            [sys.executable, ROOT / "telegram_bot.py"], self._env, lambda: "the bot is running" in self.output()
        )


@asynccontextmanager
async def standing(
    folder: Path, umami: str, env: dict[str, str]
) -> AsyncIterator[tuple[BotProcess, Person, SimulatedCity]]:
    """Run the bot between a simulated Telegram and city; yield it with a person who may write to it, and the city."""
    telegram, city = SimulatedTelegram(), SimulatedCity(time.time, rate_rule="off")
    async with telegram.serve() as telegram_url, serve(city.app) as city_url:
        bot = BotProcess(folder, telegram_url, city_url, umami, env)
        try:
            await asyncio.to_thread(bot.start)
            yield bot, telegram.person(language_code="en"), city
        finally:
            await asyncio.to_thread(bot.stop)


@asynccontextmanager
async def greeted(folder: Path, umami: str, env: dict[str, str]) -> AsyncIterator[BotProcess]:
    """Run the bot, have one person send /start, and yield when the bot has answered."""
    async with standing(folder, umami, env) as (bot, person, _):
        await person.send("/start")
        await person.answer(timeout=60)
        yield bot
