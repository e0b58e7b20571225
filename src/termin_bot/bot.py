"""The running bot: starting, the two background loops, stopping in order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from telegram import BotCommand
from telegram.error import TelegramError
from telegram.ext import Application

from termin_bot import texts
from termin_bot.arrivals import Arrivals
from termin_bot.health_server import HealthServer
from termin_bot.intake import Webhook, take_updates
from termin_bot.languages import LANGUAGES, SOURCE, use_language
from termin_bot.munich import MunichClient
from termin_bot.recording import unlink_services
from termin_bot.services.activating import Activating
from termin_bot.services.patience import Patience
from termin_bot.services.readiness import Readiness
from termin_bot.services.reporting import DeliveryWatch
from termin_bot.services.retention import Retention
from termin_bot.services.sharing import Instance
from termin_bot.services.sweeping import Sweeper
from termin_bot.services.telling import Telling
from termin_bot.services.watching import Watching
from termin_bot.storage import Database, StorageError

_log: Final = logging.getLogger(__name__)
LEAVE_SECONDS: Final = 2.0
"""How long a stop may take for saying goodbye to a database that may be away."""

PtbApplication = Application[Any, Any, Any, Any, Any, Any]
Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Timers:
    """When the background loops run. With None, only when `beat_once`, `watch_once` or `sweep_once` is called."""

    beat: float | None
    check: Callable[[], float] | None
    sweep: Callable[[], float] | None
    stop_within: float
    sleep: Sleep = asyncio.sleep


class Bot:
    """
    The bot, assembled: `async with bot:` starts it, and stops it at the end of the block.

    Its doors for tests and simulations: `beat_once`, `watch_once`, `sweep_once`, `database`, `application`.
    """

    def __init__(
        self,
        *,
        application: PtbApplication,
        database: Database,
        instance: Instance,
        arrivals: Arrivals,
        patience: Patience,
        city: MunichClient,
        watching: Watching,
        telling: Telling,
        sweeper: Sweeper,
        activating: Activating,
        retention: Retention,
        delivery: DeliveryWatch,
        unlinks_services: bool,
        timers: Timers,
        readiness: Readiness,
        health: HealthServer | None = None,
        webhook: Webhook | None = None,
    ) -> None:
        self.application = application
        self.database = database
        self._instance = instance
        self._arrivals = arrivals
        self._patience = patience
        self._city = city
        self._watching = watching
        self._telling = telling
        self._sweeper = sweeper
        self._activating = activating
        self._retention = retention
        self._delivery = delivery
        self._unlinks_services = unlinks_services
        self._timers = timers
        self._readiness = readiness
        self._health = health
        self._webhook = webhook
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """
        Bring the database up to date and begin to take updates.

        Raises:
            telegram.error.TelegramError: Telegram cannot be reached, or does not know the token.
            StorageError: the database cannot be reached, or not be written.
            ListenError: a port cannot be listened on.
        """
        assert self.application.updater is not None
        try:
            if self._health is not None:
                self._health.start(self._dead)  # First: whoever waits for us sees that we are on our way.
            await self.database.migrate()
            await self._instance.beat()
            await self.application.initialize()
            await self._publish_commands()
            await self.application.start()
            await take_updates(self.application.updater, self._webhook, _polling_failed)
        except BaseException:
            if self.application.running:
                await self.application.stop()
            await self._close()
            raise
        beat = self._timers.beat
        if beat is not None and self._instance.shared:
            self._tasks.append(asyncio.create_task(self._every(lambda: beat, self.beat_once), name="beating"))
        if self._timers.check is not None:
            self._tasks.append(asyncio.create_task(self._every(self._timers.check, self.check_once), name="watching"))
            self._tasks.append(asyncio.create_task(self._telling.run(self._stopping), name="telling"))
        if self._timers.sweep is not None:
            self._tasks.append(asyncio.create_task(self._every(self._timers.sweep, self.sweep_once), name="sweeping"))
        self._readiness.enter("running")

    async def stop(self) -> None:
        """Stop in order, within the time that the settings allow; reservations stay, a restart goes on with them."""
        self._readiness.enter("stopping")  # First, so that no load balancer sends more.
        try:
            async with asyncio.timeout(self._timers.stop_within):
                await self._stop_working()
        except TimeoutError:
            _log.warning("stopped with work under way")
        await self._close()

    async def beat_once(self) -> None:
        """Give a sign of life to other instances, and take over what those that are no more have left behind."""
        await self._instance.beat()
        await self._arrivals.adopt(self.application.bot)

    async def watch_once(self) -> None:
        """Run one check cycle, and tell everybody what it found."""
        await self.check_once()
        await self._telling.work_off()

    async def check_once(self) -> None:
        """Run one check cycle, unless another instance does; what it found is told by whoever tells."""
        if await self._instance.leads():
            with unlink_services(self._unlinks_services):
                await self._watching.run_cycle()
        self._readiness.checked()

    async def sweep_once(self) -> None:
        """Look at every deadline: bookings that run out, that an earlier run left behind, that wait to be activated."""
        if not await self._instance.leads():
            return
        with unlink_services(self._unlinks_services):
            await self._sweeper.sweep()
            await self._activating.look()
            await self._retention.tidy()
        self._delivery.look_now_and_then()

    async def _stop_working(self) -> None:
        self._arrivals.leave()
        updater = self.application.updater
        if updater is not None and updater.running:
            await updater.stop()  # First, so that nothing new comes in.
        self._watching.leave()
        self._stopping.set()
        if self._tasks:  # Then the rounds under way: they end by themselves, unless they wait for the city too long.
            _, late = await asyncio.wait(self._tasks, timeout=self._timers.stop_within / 2)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self.application.running:
            await self.application.stop()  # Last, so that what came in is finished.

    async def _close(self) -> None:
        with suppress(RuntimeError):  # updates that did not finish in time make it complain
            await self.application.shutdown()
        await self._patience.close()
        await self._city.aclose()
        with suppress(StorageError, TimeoutError):  # then it counts as dead a little later
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._instance.leave()
        await self.database.close()  # Last: everything above may still write.
        if self._health is not None:
            await self._health.stop()

    def _dead(self) -> list[str]:
        """Return the names of the tasks that ended although nobody stops them."""
        return [] if self._stopping.is_set() else [task.get_name() for task in self._tasks if task.done()]

    async def _publish_commands(self) -> None:
        try:
            for language in LANGUAGES:
                with use_language(language):
                    listed = [BotCommand(name, said()) for name, said in texts.COMMAND_DESCRIPTIONS.items()]
                code = None if language == SOURCE else language
                await self.application.bot.set_my_commands(listed, language_code=code)
        except TelegramError as error:
            _log.warning("the menu of commands could not be published: %s", type(error).__name__)

    async def _every(self, pause: Callable[[], float], job: Callable[[], Awaitable[None]]) -> None:
        trouble = ""
        while not self._stopping.is_set():
            try:
                await job()
                trouble = ""
            except StorageError as error:  # said once, not every second
                if trouble != str(error):
                    _log.error("%s: %s", job.__name__, error)
                trouble = str(error)
            except Exception as error:  # noqa: BLE001  one bad round must not end the loop; its text may hold anything
                _log.error("%s failed: %s", job.__name__, type(error).__name__)
            await self._rest(pause())

    async def _rest(self, seconds: float) -> None:
        """Sleep, unless the bot stops: a round that is cut off in a transaction would lose it."""
        sleeping = asyncio.ensure_future(self._timers.sleep(seconds))
        leaving = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({sleeping, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for each in (sleeping, leaving):
            each.cancel()
        await asyncio.gather(sleeping, leaving, return_exceptions=True)


def _polling_failed(error: TelegramError) -> None:
    _log.warning("no updates from Telegram: %s", type(error).__name__)
