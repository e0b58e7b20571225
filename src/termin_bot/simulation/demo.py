"""
The demo: the real bot between a simulated Telegram, a simulated city and their citizens, its events on the real road.

    citizens ─► SimulatedTelegram ◄─ HTTP ─► the bot ◄─ HTTP ─► SimulatedCity
                                               └─ spans ─► spool ─ HTTP ─► the inbox, or the Umami you name

Everything speaks over loopback. The bot is the one that `telegram_bot.py` starts, from its own composition root; its
waiting times are shortened by its settings.
"""

import asyncio
import logging
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from opentelemetry.sdk.trace import SpanProcessor
from pydantic import SecretStr

from otel_umami_exporter import SettingsError
from termin_bot import logging_setup
from termin_bot.app import build
from termin_bot.settings import Settings
from termin_bot.telemetry import Telemetry, configure

from .citizens import StoryError, invent
from .citizens_cast import Inventor, Part, cast
from .city import PREFIX, SimulatedCity
from .demo_books import compare
from .demo_director import ALERT_AFTER_CYCLES, Director
from .demo_past import remember
from .demo_screen import Screen
from .demo_umami import OwnInbox, Umami
from .demo_watch import ErrorLines, Watch
from .serving import serve
from .summary import Summary, durations
from .telegram import DEMO_TOKEN, SimulatedTelegram

SESSION_SECONDS: Final = 600.0
"""Longer than a booking takes on the slowest machine; who forgets theirs is not waited for, see the director."""
NEVER_SECONDS: Final = 86_400.0
"""The bot checks by itself when it starts; after that the director has it check."""
DELIVERY_SECONDS: Final = 300.0
STOP_SECONDS: Final = 2.5
FAREWELL_SECONDS: Final = 1.0
"""How long the last events may take when the demo is interrupted; what is left stays on disk."""
LINGER_SECONDS: Final = 0.3
TIMEOUT_SECONDS: Final = 60.0
"""How long a request may take: what is given up too early on a busy machine arrives twice."""
_SWEEP_SECONDS: Final = 0.2
_AT_ONCE_SECONDS: Final = 0.001
_LOSSES: Final = ("spool_unavailable", "span_event_limit")
SPOOL: Final = "spool.db"
INBOX: Final = "inbox.db"
LOG: Final = "bot.log"


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    What is played.

    *outage*: Umami is away from the beginning to the end, and comes back after it. *inventor* makes up the people,
    *processors* see every span, *log_level* is for the log file.
    """

    folder: Path
    citizens: int = 10
    seed: int = 1
    outage: bool = False
    inventor: Inventor = invent
    processors: tuple[SpanProcessor, ...] = ()
    log_level: Literal["DEBUG", "INFO"] = "INFO"


@dataclass(frozen=True, kw_only=True)
class Performance:
    """A run that has ended: its counts, what was unexpected, and whether events were to leave for Umami at all."""

    summary: Summary
    is_sending: bool
    troubles: tuple[str, ...]
    telegram: SimulatedTelegram = field(repr=False)
    city: SimulatedCity = field(repr=False)

    @property
    def reason(self) -> str | None:
        """Why the run failed, in one line; None when it did not."""
        if self.troubles:
            more = f" (and {len(self.troubles) - 1} more)" if len(self.troubles) > 1 else ""
            return f"{self.troubles[0]}{more}"
        return f"{self.summary.lost} events are lost" if self.summary.lost else None


async def perform(options: Options, umami: Umami, screen: Screen, watch: Watch) -> Performance:
    """
    Play once; *watch* counts what is recorded.

    When the task is cancelled the bot stops in order, and what was recorded is delivered, or in the spool in the
    folder.

    Raises:
        SettingsError, SpoolError, BotSettingsError: the environment is wrong; the message names the variable.
    """
    began = time.monotonic()
    parts = cast(options.citizens, options.seed, options.inventor)
    telegram, city = SimulatedTelegram(), SimulatedCity(time.time, rate_rule="off")
    screen.follow(watch, len(parts))
    if options.outage:
        umami.go_away()
    with ExitStack() as stack:
        stack.enter_context(_environment({"UMAMI_SPOOL": str(options.folder / SPOOL), **_pace(), **_copies(umami)}))
        stack.enter_context(_logging(watch, options))
        async with telegram.serve() as telegram_url, serve(city.app) as city_url:
            settings = _settings(options, telegram_url, city_url, umami)
            telemetry = configure(
                analytics=settings.analytics_enabled,
                endpoint=settings.umami_endpoint,
                website_id=settings.umami_website_id,
                processors=(watch, *options.processors),
            )
            try:
                _require_spans(telemetry)
                await _play(options, settings, parts, watch, telegram, city, screen)
                screen.scene("Umami comes back" if options.outage else "the last events are delivered")
                lost = await _settle(watch, umami, telemetry)
            finally:
                await asyncio.to_thread(telemetry.shutdown, FAREWELL_SECONDS)
    return Performance(
        summary=Summary(
            citizens=len(parts),
            seed=options.seed,
            events=dict(watch.events),
            views=watch.views,
            visitors=len(watch.visitors),
            lost=lost,
            bookings=durations(watch.booking_ms),
            seconds=time.monotonic() - began,
            tally=watch.tally.as_json(),
        ),
        is_sending=telemetry.pipeline is not None,
        troubles=tuple(watch.troubles),
        telegram=telegram,
        city=city,
    )


async def _play(
    options: Options,
    settings: Settings,
    parts: tuple[Part, ...],
    watch: Watch,
    telegram: SimulatedTelegram,
    city: SimulatedCity,
    screen: Screen,
) -> None:
    await remember(settings.database_url, parts, time.time())
    async with build(settings, chance=random.Random(options.seed)) as bot:  # noqa: S311  fairness, no secret
        try:
            await Director(bot=bot, telegram=telegram, city=city, watch=watch, screen=screen, parts=parts).direct()
        except StoryError as error:
            watch.trouble(str(error))


def _require_spans(telemetry: Telemetry) -> None:
    """Raise SettingsError when the environment lets no span be recorded: the demo knows by spans how far the bot is."""
    if not telemetry.provider.get_tracer(__name__).start_span("probe").is_recording():  # never ended, so never seen
        raise SettingsError("OTEL_SDK_DISABLED, OTEL_TRACES_SAMPLER: no span is recorded, and the demo counts by spans")


async def _settle(watch: Watch, umami: Umami, telemetry: Telemetry) -> int:
    """Deliver everything, compare both ends of the road, and return how much was lost on it."""
    umami.come_back()
    pipeline = telemetry.pipeline
    if pipeline is None:
        return 0  # the operator wants nothing to leave
    await asyncio.to_thread(pipeline.flush, DELIVERY_SECONDS)
    arrived = umami.arrived()
    if arrived is None:
        status = pipeline.status()
        stayed_behind = sum(status.stayed_behind.get(reason, 0) for reason in _LOSSES)
        return status.books.accepted - status.books.delivered + stayed_behind
    verdict = compare(watch.events, watch.views, arrived)
    for trouble in verdict.troubles:
        watch.trouble(trouble)
    return verdict.lost


def _settings(options: Options, telegram_url: str, city_url: str, umami: Umami) -> Settings:
    given: Mapping[str, Any] = {"_env_file": None}  # the operator's .env is about another bot
    return Settings(
        telegram_bot_token=SecretStr(DEMO_TOKEN),
        telegram_base_url=telegram_url,
        munich_base_url=f"{city_url}{PREFIX}",
        munich_captcha="solve",
        database_url=f"sqlite+aiosqlite:///{options.folder / 'bot.db'}",
        check_interval_seconds=NEVER_SECONDS,
        booking_session_seconds=SESSION_SECONDS,
        sweep_interval_seconds=_SWEEP_SECONDS,
        reminder_seconds=_AT_ONCE_SECONDS,
        reminders_enabled=True,
        health_alert_cycles=ALERT_AFTER_CYCLES,
        shutdown_seconds=STOP_SECONDS,
        log_level=options.log_level,
        umami_endpoint=umami.endpoint,
        umami_website_id=umami.website_id,
        **given,
    )


def _pace() -> dict[str, str]:
    """Return how long events wait for company: shorter than usual, so that the page is lively; and for an answer."""
    ours = {"UMAMI_LINGER_SECONDS": str(LINGER_SECONDS), "UMAMI_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS)}
    return {name: value for name, value in ours.items() if name not in os.environ}


def _copies(umami: Umami) -> dict[str, str]:
    """Return what makes the copies for the public board, if it stands in an inbox of ours."""
    if "UMAMI_PROJECTIONS" in os.environ or not isinstance(umami, OwnInbox):
        return {}
    return {"UMAMI_PROJECTIONS": "termin_bot.dashboards"}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _logging(watch: Watch, options: Options) -> Iterator[None]:
    """Log to a file in the folder, as the bot would to standard error; ERROR lines and lost exceptions are reported."""
    root, loop = logging.getLogger(), asyncio.get_running_loop()
    before = root.level
    file = logging.FileHandler(options.folder / LOG, encoding="utf-8")
    file.setFormatter(logging.Formatter(logging_setup.FORMAT))
    handlers = (file, ErrorLines(watch))
    for handler in handlers:
        root.addHandler(handler)
    logging_setup.set_up(options.log_level, secrets=(DEMO_TOKEN, DEMO_TOKEN.partition(":")[2]))
    loop.set_exception_handler(lambda _, context: watch.trouble(f"asyncio: {context['message']}"))
    thread_died = threading.excepthook
    threading.excepthook = lambda died: watch.trouble(f"a thread died of {died.exc_type.__name__}")
    try:
        yield
    finally:
        threading.excepthook = thread_died
        loop.set_exception_handler(None)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(before)
