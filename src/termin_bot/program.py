"""The bot as a program: settings, logs and telemetry around it, signals, one line and a status when it cannot run."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

from telegram.error import InvalidToken, TelegramError

from otel_umami_exporter import SettingsError, SpoolError
from termin_bot import logging_setup
from termin_bot.app import build
from termin_bot.intake import ListenError
from termin_bot.redaction import secrets_of
from termin_bot.services.reporting import Delivery
from termin_bot.settings import BotSettingsError, Settings, load
from termin_bot.storage import StorageError, StorageUnusableError
from termin_bot.telemetry import Telemetry, configure

_log: Final = logging.getLogger(__name__)
_TELEMETRY_SECONDS: Final = 1.0
_EXIT_SETTINGS: Final = 2
_EXIT_TROUBLE: Final = 1


def run(settings: Settings) -> int:
    """Run the bot until SIGINT or SIGTERM, and return the exit status."""
    logging_setup.set_up(settings.log_level, secrets=secrets_of(settings, os.environ), form=settings.log_format)
    logging_setup.log_what_nobody_caught()
    if not settings.munich_contact and settings.check_floor_seconds:
        _log.warning("MUNICH_CONTACT: it is empty, so the city cannot tell whom to ask before it shuts this bot out")
    try:
        telemetry = configure(
            analytics=settings.analytics_enabled,
            endpoint=settings.umami_endpoint,
            website_id=settings.umami_website_id,
        )
    except (SettingsError, SpoolError) as error:
        return _refuse(str(error))
    try:
        return asyncio.run(_serve(settings, _delivery_of(telemetry)))
    except InvalidToken:
        return _refuse("TELEGRAM_BOT_TOKEN: Telegram does not know this token")
    except ListenError as error:
        return _refuse(str(error))
    except StorageUnusableError as error:
        return _refuse(str(error))
    except StorageError as error:
        return _refuse(str(error), _EXIT_TROUBLE)
    except TelegramError as error:
        _log.error("Telegram cannot be reached: %s", type(error).__name__)
        return _EXIT_TROUBLE
    finally:
        telemetry.shutdown(timeout_seconds=_TELEMETRY_SECONDS)


def _delivery_of(telemetry: Telemetry) -> Callable[[], Delivery] | None:
    pipeline = telemetry.pipeline
    if pipeline is None:
        return None

    def look() -> Delivery:
        books = pipeline.status().books
        lost = sum(books.refused.values()) + sum(books.dropped.values())
        return Delivery(waiting=books.waiting, delivered=books.delivered, lost=lost)

    return look


async def _serve(settings: Settings, delivery: Callable[[], Delivery] | None) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, stopping.set)
    async with build(settings, delivery=delivery):
        _log.info("the bot is running")
        await stopping.wait()
        _log.info("stopping")
    return 0


def main() -> int:
    """Read the settings and run; one clear line and exit status 2 when a setting is missing or malformed."""
    try:
        settings = load()
    except BotSettingsError as error:
        return _refuse(str(error))
    return run(settings)


def _refuse(reason: str, status: int = _EXIT_SETTINGS) -> int:
    print(reason, file=sys.stderr)  # noqa: T201  the one line that the operator needs
    return status
