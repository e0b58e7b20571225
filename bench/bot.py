"""
What all instrumentation costs the bot for each update: spans, events, the spool.

    python -m bench.bot --url http://127.0.0.1:1234 --folder FOLDER --rounds 40

The real bot between a simulated Telegram and a simulated city, in one process. Updates are handled in turn with
telemetry switched off (OpenTelemetry's own no-op tracer) and on, so that both meet the same machine and the same
database. Runs in the project's own environment, where the bot is.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final

import httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util.types import Attributes

from bench.figures import median, percentile
from bench.load import WEBSITE
from otel_umami_exporter import AlwaysRecord, Pipeline, UmamiSpanProcessor
from otel_umami_exporter.payload import Site
from termin_bot.app import build
from termin_bot.events import TAXONOMY
from termin_bot.munich import InlineSolver
from termin_bot.settings import Settings
from termin_bot.simulation.city import SimulatedCity
from termin_bot.simulation.telegram import DEMO_TOKEN, Person, SimulatedTelegram
from termin_bot.updates import PersonalUpdateProcessor

_MS: Final = 1_000.0
_SAID: Final = ("/start", "/help", "/myservices", "/privacy", "/appointments", "/language")
_WARM_UP: Final = 2


class Switch(trace.TracerProvider):
    """A tracer provider that can be switched off between two updates."""

    def __init__(self, real: trace.TracerProvider) -> None:
        self._providers = {True: real, False: trace.NoOpTracerProvider()}
        self.on = False

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes | None = None,
    ) -> trace.Tracer:
        """Return a tracer that asks the switch each time."""
        tracers = {
            on: provider.get_tracer(instrumenting_module_name, instrumenting_library_version, schema_url, attributes)
            for on, provider in self._providers.items()
        }
        return _Switched(self, tracers)


class _Switched(trace.Tracer):
    def __init__(self, switch: Switch, tracers: dict[bool, trace.Tracer]) -> None:
        self._switch = switch
        self._tracers = tracers

    def start_span(self, *arguments: Any, **named: Any) -> trace.Span:
        return self._tracers[self._switch.on].start_span(*arguments, **named)

    def start_as_current_span(self, *arguments: Any, **named: Any) -> Any:
        return self._tracers[self._switch.on].start_as_current_span(*arguments, **named)


class Stopwatch:
    """Takes the time of each update, from where the bot gets it to where it is done with it."""

    def __init__(self) -> None:
        self.took: float = 0.0
        self.done = asyncio.Event()
        original = PersonalUpdateProcessor.do_process_update

        async def timed(processor: PersonalUpdateProcessor, update: object, coroutine: Awaitable[object]) -> None:
            start = time.perf_counter()
            await original(processor, update, coroutine)
            self.took = (time.perf_counter() - start) * _MS
            self.done.set()

        PersonalUpdateProcessor.do_process_update = timed  # type: ignore[method-assign, assignment]

    async def handled(self, person: Person, text: str) -> float:
        """Have a person say *text*; return the milliseconds that handling it took."""
        self.done.clear()
        await person.send(text)
        async with asyncio.timeout(30):
            await self.done.wait()
        return self.took


async def measure(url: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Run the bot; return what an update takes without telemetry, and what more it takes with it."""
    pipeline = Pipeline(taxonomy=TAXONOMY, site=Site(WEBSITE), spool=folder / "spool.db", connect=url)
    provider = TracerProvider(sampler=AlwaysRecord(TracerProvider(shutdown_on_exit=False).sampler))
    provider.add_span_processor(UmamiSpanProcessor(pipeline=pipeline))
    switch = Switch(provider)
    trace.set_tracer_provider(switch)
    telegram, city = SimulatedTelegram(), SimulatedCity(time.time, rate_rule="off")
    settings = Settings.model_validate(
        {
            "telegram_bot_token": DEMO_TOKEN,
            "telegram_base_url": "http://telegram.example",
            "database_url": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
            "munich_base_url": SimulatedCity.base_url,
            "munich_contact": "bench@example.org",
            "analytics_enabled": False,
        }
    )
    bot = build(
        settings,
        timers="manual",
        telegram_transport=telegram.transport(),
        munich_transport=httpx.ASGITransport(city.app),
        captcha_solver=InlineSolver(),
    )
    off: list[float] = []
    on: list[float] = []
    async with bot:
        watch, person = Stopwatch(), telegram.person()
        for number in range(rounds + _WARM_UP):
            for text in _SAID:
                taken: dict[bool, float] = {}
                for switch.on in (False, True) if number % 2 else (True, False):
                    taken[switch.on] = await watch.handled(person, text)
                if number >= _WARM_UP:
                    off.append(taken[False])
                    on.append(taken[True])
    differences = [one - other for one, other in zip(on, off, strict=True)]
    return {
        "updates": len(on),
        "events": pipeline.status().books.accepted,
        "off_ms": median(off),
        "on_ms": median(on),
        "more_ms": median(differences),
        "more_p90_ms": percentile(on, 0.9) - percentile(off, 0.9),
        "share": median(differences) / median(off),
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.url, arguments.folder, arguments.rounds))))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
