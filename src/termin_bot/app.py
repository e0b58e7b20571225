"""The composition root: the one place that knows every concrete class."""

import asyncio
import os
import random
import time
from collections.abc import Callable
from typing import Any, Final, Literal

import httpx
from telegram import LinkPreviewOptions, Update
from telegram.constants import ParseMode
from telegram.ext import ApplicationBuilder, Defaults, TypeHandler
from telegram.request import HTTPXRequest

from otel_umami_exporter import __version__
from termin_bot import logging_setup, texts
from termin_bot.arrivals import Arrivals, ConfirmingRequest
from termin_bot.bot import Bot, PtbApplication, Sleep, Timers
from termin_bot.handlers.calls import Services
from termin_bot.handlers.dispatch import Dispatcher
from termin_bot.health_server import HealthServer
from termin_bot.intake import webhook_of
from termin_bot.munich import MunichClient, Solver
from termin_bot.pacing import Pacing
from termin_bot.screens import Screen
from termin_bot.services.activating import Activating
from termin_bot.services.appointments import Appointments
from termin_bot.services.booking import Booking
from termin_bot.services.calendar import Calendars
from termin_bot.services.catalogue import CatalogueShelf
from termin_bot.services.changing import Changing
from termin_bot.services.clock import Clock
from termin_bot.services.endings import Endings
from termin_bot.services.exporting import Exporting
from termin_bot.services.finding import Finding
from termin_bot.services.health import HealthGauge
from termin_bot.services.notifying import Notifying, ReminderRule
from termin_bot.services.observing import RecordingObserver
from termin_bot.services.patience import Patience
from termin_bot.services.people import People
from termin_bot.services.polling import Poller
from termin_bot.services.readiness import Readiness
from termin_bot.services.reporting import Delivery, DeliveryWatch, Reporting
from termin_bot.services.retention import Retention
from termin_bot.services.sharing import Bulletin, Instance, SharedBoard
from termin_bot.services.submitting import Submitting
from termin_bot.services.subscriptions import Subscriptions
from termin_bot.services.sweeping import Sweeper
from termin_bot.services.telling import Telling
from termin_bot.services.watching import Watching
from termin_bot.settings import Settings
from termin_bot.storage import Database
from termin_bot.telegram_messenger import TelegramMessenger
from termin_bot.updates import PersonalUpdateProcessor

_JITTER: Final = 0.15


def build(
    settings: Settings,
    *,
    timers: Literal["automatic", "manual"] = "automatic",
    clock: Clock = time.time,
    chance: random.Random | None = None,
    telegram_transport: httpx.AsyncBaseTransport | None = None,
    munich_transport: httpx.AsyncBaseTransport | None = None,
    captcha_solver: Solver | None = None,
    sleep: Sleep = asyncio.sleep,
    delivery: Callable[[], Delivery] | None = None,
) -> Bot:
    """
    Assemble the bot; nothing is opened before `Bot.start`.

    Args:
        settings: what the operator decided.
        timers: manual leaves checking and sweeping to `watch_once` and `sweep_once`.
        clock: epoch seconds.
        chance: where jitter and the order of notifications come from.
        telegram_transport: in place of the network, for a Telegram in memory.
        munich_transport: in place of the network, for a city in memory.
        captcha_solver: in place of a worker process.
        delivery: says where the business events are, for /health; None when this process delivers none.
        sleep: how to wait between two tries of a question to the city.

    """
    logging_setup.hush()  # whoever runs this bot: no library logs what people type
    chance = chance or random.Random()  # noqa: S311  fairness and jitter, no secret
    database = Database(settings.database_url, keys=settings.sealing_keys)
    instance = Instance(database.work, clock, lease_seconds=settings.lease_seconds, shared=database.is_shared)
    patience = Patience(database.is_alive)
    board = SharedBoard(database.work, clock, instance)
    bulletin = Bulletin(board)
    observer = RecordingObserver(clock)
    city = MunichClient(
        user_agent=user_agent(settings.munich_contact),
        base_url=settings.munich_base_url,
        captcha_mode=settings.munich_captcha,
        solver=captcha_solver,
        observer=observer,
        board=board,
        transport=munich_transport,
        clock=clock,
        sleep=sleep,
        chance=chance.random,
    )
    shelf = CatalogueShelf(city, clock)
    people = People(database.work, clock)
    arrivals = Arrivals(work=database.work, instance=instance, patience=patience, clock=clock)
    updates = PersonalUpdateProcessor(
        people, arrivals, patience, clock, unlinks_services=settings.analytics_unlink_services
    )
    application = _application(settings, updates, arrivals, telegram_transport)
    messenger = TelegramMessenger(application.bot)
    patience.comfort = lambda telegram_id: messenger.show(telegram_id, Screen(texts.HOLD_ON()))
    endings = Endings(city, clock)
    submitting = Submitting(work=database.work, city=city, shelf=shelf, endings=endings, patience=patience, clock=clock)
    changing = Changing(
        work=database.work,
        city=city,
        shelf=shelf,
        endings=endings,
        patience=patience,
        clock=clock,
        session_seconds=settings.booking_session_seconds,
    )
    notifying = Notifying(
        work=database.work,
        people=people,
        messenger=messenger,
        clock=clock,
        rule=ReminderRule(settings.reminder_seconds if settings.reminders_enabled else None),
        instance=instance,
        patience=patience,
    )
    telling = Telling(notifying, chance)
    gauge = HealthGauge(settings.health_alert_cycles)
    watching = Watching(
        work=database.work,
        shelf=shelf,
        poller=Poller(city, database.work, clock),
        telling=telling,
        people=people,
        messenger=messenger,
        gauge=gauge,
        bulletin=bulletin,
        clock=clock,
        captcha_mode=settings.munich_captcha,
        operators=settings.admin_ids,
    )
    activating = Activating(work=database.work, city=city, shelf=shelf, people=people, messenger=messenger, clock=clock)
    sweeper = Sweeper(
        work=database.work,
        shelf=shelf,
        endings=endings,
        submitting=submitting,
        people=people,
        messenger=messenger,
        instance=instance,
        clock=clock,
    )
    subscriptions = Subscriptions(database.work, shelf, clock, settings.munich_captcha)
    delivery_watch = DeliveryWatch(delivery, clock)
    services = Services(
        people=people,
        subscriptions=subscriptions,
        booking=Booking(
            work=database.work,
            city=city,
            shelf=shelf,
            endings=endings,
            submitting=submitting,
            changing=changing,
            instance=instance,
            patience=patience,
            clock=clock,
            session_seconds=settings.booking_session_seconds,
        ),
        changing=changing,
        appointments=Appointments(work=database.work, city=city, shelf=shelf, patience=patience, clock=clock),
        shelf=shelf,
        finding=Finding(database.work),
        calendars=Calendars(database.work, subscriptions, clock),
        exporting=Exporting(database.work),
        reporting=Reporting(
            work=database.work,
            subscriptions=subscriptions,
            gauge=gauge,
            bulletin=bulletin,
            checked_at=watching.checked_at,
            answered_at=lambda: observer.answered_at,
            captcha=lambda: observer.captcha,
            telegram_answers=messenger.is_answered,
            delivery=delivery_watch,
            clock=clock,
        ),
        operators=frozenset(settings.admin_ids),
        retention_days=settings.retention_days,
    )
    readiness = Readiness(
        work=database.work,
        telegram_answers=messenger.is_answered,
        gauge=gauge,
        clock=clock,
        check_interval=settings.check_interval_seconds,
    )
    dispatcher = Dispatcher(services, messenger, patience)
    application.add_handler(TypeHandler(Update, dispatcher.handle))
    application.add_error_handler(dispatcher.failed)
    return Bot(
        application=application,
        database=database,
        instance=instance,
        arrivals=arrivals,
        patience=patience,
        city=city,
        watching=watching,
        telling=telling,
        sweeper=sweeper,
        activating=activating,
        retention=Retention(work=database.work, shelf=shelf, clock=clock, days=settings.retention_days),
        delivery=delivery_watch,
        unlinks_services=settings.analytics_unlink_services,
        timers=_timers(settings, timers, chance),
        readiness=readiness,
        health=None
        if settings.health_port is None
        else HealthServer(settings.health_host, settings.health_port, readiness),
        webhook=webhook_of(settings),
    )


def _application(
    settings: Settings,
    updates: PersonalUpdateProcessor,
    arrivals: Arrivals,
    transport: httpx.AsyncBaseTransport | None,
) -> PtbApplication:
    os.environ.setdefault("PTB_TIMEDELTA", "true")  # the library's opt-in; without it every 429 warns of a deprecation
    options: dict[str, Any] = {} if transport is None else {"transport": transport}
    return (
        ApplicationBuilder()
        .token(settings.telegram_bot_token.get_secret_value())
        .base_url(f"{settings.telegram_base_url}/bot")
        .request(HTTPXRequest(connection_pool_size=64, httpx_kwargs=options))
        .get_updates_request(ConfirmingRequest(arrivals, httpx_kwargs=options))
        .update_queue(arrivals)
        .defaults(Defaults(parse_mode=ParseMode.HTML, link_preview_options=LinkPreviewOptions(is_disabled=True)))
        .rate_limiter(Pacing(settings.telegram_messages_per_second))
        .concurrent_updates(updates)
        .job_queue(None)
        .build()
    )


def check_pause(settings: Settings, chance: random.Random) -> Callable[[], float]:
    """Return what gives the seconds until the next check: jittered, and never fewer than the city's rate bears."""
    interval, floor = settings.check_interval_seconds, settings.check_floor_seconds
    return lambda: max(floor, interval * chance.uniform(1 - _JITTER, 1 + _JITTER))


def _timers(settings: Settings, timers: Literal["automatic", "manual"], chance: random.Random) -> Timers:
    automatic = timers == "automatic"
    return Timers(
        beat=settings.lease_seconds / 5 if automatic else None,
        check=check_pause(settings, chance) if automatic else None,
        sweep=(lambda: settings.sweep_interval_seconds) if automatic else None,
        stop_within=settings.shutdown_seconds,
    )


def user_agent(contact: str) -> str:
    """Return who we tell the city that we are."""
    said = "".join(each for each in contact if each.isascii() and each.isprintable() and each not in "()")
    return f"munich-appointment-bot/{__version__}" + (f" ({said.strip()})" if said.strip() else "")
