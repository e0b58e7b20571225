"""What a real process owes people when it is stopped or killed: each answer and each notification, once."""

import asyncio
import math
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

import bot_databases
import pytest
from bot_lines import line_to
from bot_process import TRIES
from bot_processes import told, town
from bot_world import DATABASES, EAT, EAT_OFFICE

from otel_umami_exporter.inbox import Inbox, InboxServer
from termin_bot.services.telling import AT_A_TIME
from termin_bot.simulation.telegram import Person, SimulatedTelegram

THOUSAND = 1000
KILLED_AT = (150, 400, 700)
PATIENCE = 300.0
ALLOWED_SECONDS = 10


async def test_sigterm_finishes_what_is_under_way_and_flushes(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, inbox: tuple[Inbox, InboxServer]
) -> None:
    """No new updates, running ones finish, events are delivered, within ten seconds; the next start does the rest."""
    took = []
    for number in range(TRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        if database_kind == "sqlite":
            took.append(await _stopped_under_way(folder, *inbox))
        else:
            async with bot_databases.database(request.getfixturevalue("postgresql")) as url:
                DATABASES[folder] = url
                took.append(await _stopped_under_way(folder, *inbox))
                del DATABASES[folder]
        if took[-1] < ALLOWED_SECONDS:
            break
    assert min(took) < ALLOWED_SECONDS, took


async def _stopped_under_way(tmp_path: Path, kept: Inbox, server: InboxServer) -> float:
    """Stop a bot that has just been written to, start it again, and return how many seconds the stop took."""
    website = str(uuid4())
    analytics = {
        "ANALYTICS_ENABLED": "true",
        "OTEL_TRACES_EXPORTER": "umami",
        "UMAMI_ENDPOINT": server.url,
        "UMAMI_WEBSITE_ID": website,
        "UMAMI_SPOOL": str(tmp_path / "spool.db"),
        "UMAMI_LINGER_SECONDS": "60",  # so that only the flush at the end delivers in time
    }
    async with town(tmp_path) as around:
        people = await around.settle(15)
        process = await around.start(**analytics)
        await people[0].send("/help")
        await people[0].answer(timeout=PATIENCE)
        for each in people:
            await each.send("/status")
        took = await _stop(process)
        answered = len(around.telegram.calls("sendMessage"))
        counted = [each for each in kept.events(website) if each.name == "command_executed"]
        assert len(counted) <= answered
        if len(counted) < answered:  # the rest is on disk: that is in order, but it is not in time
            took = math.inf

        process = await around.start()
        await around.telegram.until(lambda: all(len(each.inbox) for each in people[1:]), timeout=PATIENCE)
        await people[0].until(lambda: len(people[0].inbox) == 2, timeout=PATIENCE)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert [len(each.inbox) for each in people] == [2] + [1] * 14
    return took


async def _stop(process: asyncio.subprocess.Process) -> float:
    """Stop it in order, and return how many seconds that took."""
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        _, said = await process.communicate()
    took = time.monotonic() - asked
    assert process.returncode == 0
    assert b"Traceback" not in said
    return took


async def test_sigterm_while_the_database_is_away_loses_nothing(tmp_path: Path, postgresql: str) -> None:
    """The stop does not wait for the database; what was held is answered after the next start, once."""
    took = []
    for number in range(TRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        took.append(await _stopped_without_database(folder, postgresql))
        if took[-1] < ALLOWED_SECONDS:
            break
    assert min(took) < ALLOWED_SECONDS, took


async def _stopped_without_database(tmp_path: Path, postgresql: str) -> float:
    """Stop a bot whose database is away, start it again with one, and return how many seconds the stop took."""
    async with bot_databases.database(postgresql) as url, line_to(url) as line:
        DATABASES[tmp_path] = line.url
        async with town(tmp_path) as around:
            people = await around.settle(5)
            process = await around.start()
            await people[0].send("/help")
            await people[0].answer(timeout=PATIENCE)
            await bot_databases.all_handled(url)  # else it is answered twice: its end could not be written down
            line.cut()
            for each in people:
                await each.send("/help")
            for each in people:
                await each.wait_for("cannot reach my notes", timeout=PATIENCE)
            took = await _stop(process)

            await line.mend()
            process = await around.start()
            for each in people:
                await each.wait_for("/subscribe", timeout=PATIENCE)
            await people[0].until(lambda: len(people[0].inbox) == 3, timeout=PATIENCE)
            process.send_signal(signal.SIGTERM)
            await process.communicate()
            assert [len(each.inbox) for each in people] == [3, 2, 2, 2, 2]
        del DATABASES[tmp_path]
    return took


@pytest.mark.endurance
@pytest.mark.usefixtures("database_kind")
async def test_a_kill_in_the_middle_of_a_thousand_notifications(tmp_path: Path) -> None:
    """After three kills everybody has heard of the appointment; once, but for what was on its way at a kill."""
    async with town(tmp_path) as around:
        people = await around.settle(THOUSAND)
        around.city.release(EAT, EAT_OFFICE, [int(time.time()) + 3 * 86_400])
        for messages in KILLED_AT:
            process = await around.start(CHECK_INTERVAL_SECONDS="5")
            await around.telegram.until(_sent(around.telegram, messages), timeout=PATIENCE)
            process.kill()
            await process.communicate()
        process = await around.start(CHECK_INTERVAL_SECONDS="5")
        await around.telegram.until(_all_told(people), timeout=PATIENCE)
        asked = len(around.city.requests)
        async with asyncio.timeout(PATIENCE):
            while len(around.city.requests) < asked + 4:  # noqa: ASYNC110  two more cycles; the city tells nobody
                await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        await process.communicate()

    heard = told(people)
    doubled = sum(each - 1 for each in heard)
    print(f"{THOUSAND} people, {len(KILLED_AT)} kills: {doubled} messages twice")  # noqa: T201  the figure
    assert min(heard) == 1
    assert doubled <= len(KILLED_AT) * AT_A_TIME


def _all_told(people: Sequence[Person]) -> Callable[[], bool]:
    waiting = list(people)

    def look() -> bool:  # asked at every message: so not everybody is looked at every time
        while waiting and told(waiting[-1:]) != [0]:
            waiting.pop()
        return not waiting

    return look


def _sent(telegram: SimulatedTelegram, messages: int) -> Callable[[], bool]:
    return lambda: len(telegram.calls("sendMessage")) >= messages
