"""A bot between a Telegram and a city in memory, on one clock that tests turn by hand."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from termin_bot.app import build
from termin_bot.bot import Bot, Sleep
from termin_bot.munich import BERLIN, InlineSolver
from termin_bot.settings import Settings
from termin_bot.simulation.city import SimulatedCity
from termin_bot.simulation.telegram import DEMO_TOKEN, Person, SimulatedTelegram

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=BERLIN)
FRIDAY_TEN = int(datetime(2026, 11, 27, 10, 0, tzinfo=BERLIN).timestamp())
EAT, EAT_OFFICE = 10502137, 10456  # one office, no captcha, no further questions, 5 minutes
LICENCE, LICENCE_OFFICE = 1071896, 10308174  # asks for the telephone number
PASSPORT = 1063453  # many offices
EMERGENCY, EMERGENCY_OFFICE = 10339028, 10461  # behind a captcha, asks for the AZR-Nummer (optional)
VISITOR = "enduser.pseudo.id"
KEY = Fernet.generate_key().decode()
DATABASES: dict[Path, str] = {}
"""The PostgreSQL database of a test, by the test's folder; a test that is not there has an SQLite file."""
EXCEPTION = "exception"
"""OpenTelemetry's own event on a span that failed: no business event."""


class ManualClock:
    """Epoch seconds that pass only when told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def pass_(self, *, seconds: float = 0, minutes: float = 0, days: float = 0) -> None:
        """Let time go by."""
        self.now += seconds + 60 * minutes + 86_400 * days


@dataclass
class Happened:
    """One recorded event: on which span, when, and what it said."""

    name: str
    span: ReadableSpan
    visitor: str | None
    properties: dict[str, Any]
    time_ns: int


@dataclass
class World:
    """Everything around the bot, and what came of it."""

    telegram: SimulatedTelegram
    city: SimulatedCity
    clock: ManualClock
    settings: Settings
    exporter: InMemorySpanExporter
    running: list[Bot] = field(default_factory=list)
    sleep: Sleep = asyncio.sleep
    telegram_line: httpx.AsyncBaseTransport | None = None
    city_line: httpx.AsyncBaseTransport | None = None

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[Bot]:
        """Run a bot on this world's database; again after it stopped is a restart."""
        bot = build(
            self.settings,
            timers="manual",
            clock=self.clock,
            chance=random.Random(7),  # noqa: S311  the same order every time
            telegram_transport=self.telegram_line or self.telegram.transport(),
            munich_transport=self.city_line or httpx.ASGITransport(self.city.app),
            captcha_solver=InlineSolver(),
            sleep=self.sleep,
        )
        async with bot:
            with self.telegram.knowing(bot.application.update_queue.join):
                yield bot

    async def say(self, person: Person, text: str) -> str:
        """Have a person type something, and return what the bot answered, once it is done with it."""
        await person.send(text)
        await person.answer()
        await self.telegram.settled()
        return person.last.text

    async def watcher(self, service_id: int = EAT, office_id: int | None = None, language: str = "en") -> Person:
        """Return a person who watches a service: where they were offered it, at this office, or at any (0)."""
        person = self.telegram.person(language_code=language)
        await self.say(person, "/start")
        await person.press_data(f"s:{service_id}" if office_id is None else f"o:{service_id}:{office_id}")
        await self.telegram.settled()
        return person

    async def told(self, bot: Bot) -> Person:
        """Return a person who watches the service and was told of Friday at ten."""
        person = await self.watcher()
        self.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
        await bot.watch_once()
        return person

    async def press(self, person: Person, label: str) -> str:
        """Have a person press the button that begins with *label*, and return the newest message after that."""
        await person.press(lambda button: button.label.startswith(label) and button.data is not None)
        await self.telegram.settled()
        return person.last.text

    async def handled(self, name: str) -> None:
        """Wait until an operation of that name has ended: for updates that nobody answers, such as a block."""
        async with asyncio.timeout(60):
            while not self.spans(name):  # noqa: ASYNC110  an exporter tells nobody when a span ends
                await asyncio.sleep(0)

    def spans(self, name: str) -> list[ReadableSpan]:
        """Return the finished spans of that name."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def events(self, name: str | None = None) -> list[Happened]:
        """Return the recorded events (of that name), in order of time."""
        found = [
            Happened(
                event.name,
                span,
                str(event.attributes[VISITOR]) if event.attributes and VISITOR in event.attributes else None,
                {key: value for key, value in (event.attributes or {}).items() if key != VISITOR},
                event.timestamp,
            )
            for span in self.exporter.get_finished_spans()
            for event in span.events
            if event.name != EXCEPTION
        ]
        return [each for each in found if name in (None, each.name)]

    def only(self, name: str) -> Happened:
        """Return the one event of that name."""
        found = self.events(name)
        assert len(found) == 1, [each.name for each in self.events()]
        return found[0]


def settings_for(tmp_path: Path, **changes: object) -> Settings:
    """Return settings that do not look at the environment."""
    return Settings.model_validate(
        {
            "telegram_bot_token": DEMO_TOKEN,
            "telegram_base_url": "http://telegram.example",
            "database_url": DATABASES.get(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}"),
            "encryption_keys": KEY if tmp_path in DATABASES else "",
            "munich_base_url": SimulatedCity.base_url,
            "munich_contact": "tests@example.org",
            "analytics_enabled": False,
        }
        | changes
    )
