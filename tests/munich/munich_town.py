"""What the tests of the city's client share: a town, somebody who watches, and a clock that only we move."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from termin_bot.munich import BERLIN, Calendar, InlineSolver, MunichClient, Slot
from termin_bot.simulation.city import SimulatedCity

CONTRACT: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "contracts" / "munich-citizen-api.json").read_text(encoding="utf-8")
)

TODAY: Final = date(2026, 11, 23)
EMERGENCY: Final = (10339028, 10461)
"""Service and office with a captcha, and a text field that may stay empty."""
PASSPORT: Final = (1063453, 10489)
"""Service and office without a captcha."""
LICENCE: Final = (1071896, 10308174)
"""The office demands a telephone number."""
NATURALISATION: Final = (1071907, 10471)
"""The office demands an answer to a question of its own."""


def at(day: date, hour: int, minute: int = 0) -> int:
    """Return a time of day in Munich as epoch seconds."""
    return int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN).timestamp())


def day(offset: int) -> date:
    """Return a day counted from today."""
    return TODAY + timedelta(days=offset)


@dataclass
class ManualClock:
    """Stands still until somebody sleeps or moves it."""

    now: float = float(at(TODAY, 7))
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return the epoch seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Observer:
    """Writes down what it hears."""

    captchas: list[tuple[bool, int, int]] = field(default_factory=list)
    errors: list[tuple[str, str, str]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def on_captcha(self, success: bool, duration_ms: int, consecutive_failures: int) -> None:  # noqa: FBT001  the port
        """Remember an attempt."""
        self.captchas.append((success, duration_ms, consecutive_failures))

    def on_answer(self, endpoint: str) -> None:
        """Note an answer."""
        self.answers.append(endpoint)

    def on_api_error(self, endpoint: str, error_type: str, error_code: str) -> None:
        """Remember a failed request."""
        self.errors.append((endpoint, error_type, error_code))


@dataclass
class Town:
    """A city, a client that talks to it, and everybody who listens."""

    clock: ManualClock
    city: SimulatedCity
    client: MunichClient
    observer: Observer
    spans: InMemorySpanExporter

    async def look(self, pair: tuple[int, int] = PASSPORT, *, on: date | None = None) -> Calendar:
        """Ask for half a year of one service at one office."""
        return await self.client.calendar(pair[0], [pair[1]], TODAY, day(180), day=on)

    def release(self, pair: tuple[int, int], *starts: int) -> Slot:
        """Make appointments free; return the first as a slot."""
        self.city.release(*pair, starts)
        return Slot(*pair, starts[0])

    def asked(self, endpoint: str) -> int:
        """Return how often the city was asked."""
        return sum(request.path.endswith(f"/{endpoint}/") for request in self.city.requests)


def new_client(clock: ManualClock, transport: httpx.AsyncBaseTransport, **options: Any) -> MunichClient:
    """Return a client that never waits and solves captchas at once."""
    defaults: dict[str, Any] = {
        "user_agent": "MunichAppointmentBot/0 (+mailto:ops@example.org)",
        "base_url": SimulatedCity.base_url,
        "solver": InlineSolver(),
        "clock": clock,
        "sleep": clock.sleep,
        "chance": lambda: 0.5,
    }
    return MunichClient(transport=transport, **(defaults | options))


@asynccontextmanager
async def open_town(
    *, city: Callable[[ManualClock], SimulatedCity] = SimulatedCity, **options: Any
) -> AsyncIterator[Town]:
    """Open a town with a client in it."""
    clock, observer, spans = ManualClock(), Observer(), InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    logging.getLogger("termin_bot").setLevel(logging.DEBUG)
    simulated = city(clock)
    client = new_client(
        clock,
        httpx.ASGITransport(simulated.app),
        **({"observer": observer, "tracer": provider.get_tracer("test")} | options),
    )
    async with client:
        yield Town(clock, simulated, client, observer, spans)
    provider.shutdown()
