"""What orchestrators ask: whether the bot lives, and whether it should be sent work; by HTTP, about nobody."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bot_process import running
from bot_world import EAT, World, settings_for
from ports import free_port

from termin_bot.bot import Bot
from termin_bot.intake import ListenError
from termin_bot.services.readiness import TELEGRAM_EVERY


class Probe:
    """Asks as an orchestrator does."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return status and answer."""
        answer = await self._http.get(path)
        assert answer.headers["Content-Type"] == "application/json"
        said: dict[str, Any] = answer.json()
        return answer.status_code, said


@pytest.fixture
async def ask(world: World, tmp_path: Path) -> AsyncIterator[Probe]:
    """Give the world's bot a health endpoint, and return how to ask it."""
    port = free_port()
    world.settings = settings_for(tmp_path, health_port=port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        yield Probe(http)


@pytest.fixture
async def bot(ask: Probe, world: World) -> AsyncIterator[Bot]:
    """Run the bot with that endpoint."""
    assert isinstance(ask, Probe)
    async with world.bot() as running_bot:
        yield running_bot


async def test_a_bot_that_runs_lives_and_is_ready(ask: Probe, bot: Bot) -> None:
    """With how long ago it looked at the city."""
    assert await ask("/healthz") == (200, {"status": "alive", "dead": []})
    status, said = await ask("/readyz")
    assert (status, said["status"], said["checks"], said["seconds_since_check"]) == (200, "ready", "none yet", None)
    await bot.watch_once()
    status, said = await ask("/readyz")
    assert (status, said) == (
        200,
        {
            "status": "ready",
            "database": "ok",
            "telegram": "ok",
            "checks": "ok",
            "seconds_since_check": 0,
            "city": "ok",
        },
    )


async def test_without_its_database_it_is_not_ready_and_lives(ask: Probe, bot: Bot) -> None:
    """And it is ready again as soon as the database is, without a restart."""
    works = bot.database.work
    bot._readiness._work = lambda: (_ for _ in ()).throw(ConnectionError("canary-host"))
    assert (await ask("/healthz"))[0] == 200
    status, said = await ask("/readyz")
    assert (status, said["status"], said["database"]) == (503, "not ready", "away")
    assert "canary" not in json.dumps(said)
    bot._readiness._work = works
    assert (await ask("/readyz"))[0] == 200


@pytest.mark.usefixtures("bot")
async def test_telegram_is_asked_now_and_then(ask: Probe, world: World) -> None:
    """A probe every second is no call every second; an answer counts for half a minute."""
    before = len(world.telegram.calls("getMe"))
    for _ in range(5):
        await ask("/readyz")
    assert len(world.telegram.calls("getMe")) == before + 1
    world.telegram.fail("getMe", 502, "Bad Gateway")
    assert (await ask("/readyz"))[0] == 200
    world.clock.pass_(seconds=TELEGRAM_EVERY)
    status, said = await ask("/readyz")
    assert (status, said["telegram"]) == (503, "away")
    world.clock.pass_(seconds=TELEGRAM_EVERY)
    assert (await ask("/readyz"))[0] == 200


async def test_check_cycles_that_stay_away_are_noticed(ask: Probe, bot: Bot, world: World) -> None:
    """Also when none ever ended; the next one makes it ready again."""
    world.clock.pass_(minutes=29)
    assert (await ask("/readyz"))[0] == 200
    world.clock.pass_(minutes=2)
    status, said = await ask("/readyz")
    assert (status, said["checks"]) == (503, "late")
    await bot.watch_once()
    assert (await ask("/readyz"))[0] == 200


async def test_the_citys_silence_takes_no_instance_away(ask: Probe, bot: Bot, world: World) -> None:
    """It is told, and people are still answered."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    world.city.fail_with("available-calendar", "html", times=None)
    for _ in range(3):
        world.clock.pass_(minutes=2)
        await bot.watch_once()
    status, said = await ask("/readyz")
    assert (status, said["status"], said["city"]) == (200, "ready", "silent")


async def test_a_dead_task_is_a_reason_to_start_anew(ask: Probe, bot: Bot) -> None:
    """Named by what it did."""
    ending = asyncio.Event()
    task = asyncio.create_task(ending.wait(), name="watching")
    bot._tasks.append(task)  # type: ignore[arg-type]  # whatever it returns
    assert (await ask("/healthz"))[0] == 200
    ending.set()
    await task
    assert await ask("/healthz") == (503, {"status": "dead", "dead": ["watching"]})


@pytest.mark.usefixtures("bot")
async def test_there_is_nothing_else(world: World) -> None:
    """No other path or method, nothing of the people in any answer, no large requests."""
    anna = world.telegram.person(first_name="Canarina", username="canary_name")
    await world.say(anna, "/start")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{world.settings.health_port}", timeout=60) as http:
        for path in ("/", "/metrics", "/healthz/x"):
            assert (await http.get(path)).status_code == 404
        assert (await http.post("/readyz", content=b"x")).status_code == 405
        seen = [await http.get("/healthz"), await http.get("/readyz"), await http.get("/x")]
    for answer in seen:
        text = f"{answer.headers} {answer.text}"
        assert "canar" not in text.lower()
        assert str(anna.id) not in text
        assert "tornado" not in text.lower()
    assert world.settings.health_host == "127.0.0.1"


@pytest.mark.usefixtures("ask")
async def test_a_taken_port_stops_the_start(world: World) -> None:
    """With the setting's name."""
    async with world.bot():
        with pytest.raises(ListenError, match="HEALTH_PORT"):
            async with world.bot():
                pass


async def test_the_process_says_how_it_is_until_the_end(tmp_path: Path) -> None:
    """By the probe that Docker and systemd run: not before the start, then ready, at SIGTERM not any more."""
    port = str(free_port())

    def probe(*arguments: str, **environment: str) -> tuple[int, str]:
        done = subprocess.run(  # noqa: S603  ours
            [sys.executable, "-m", "termin_bot.probe", *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    assert probe() == (2, "HEALTH_PORT: it is missing, so nobody answers")
    assert probe(HEALTH_PORT=port) == (1, "no answer (ConnectionRefusedError)")
    async with running(tmp_path, HEALTH_PORT=port) as bot:
        ready = await asyncio.to_thread(probe, "readyz", "--wait", "300", HEALTH_PORT=port)
        alive = await asyncio.to_thread(probe, "healthz", HEALTH_PORT=port)
        assert (ready[0], json.loads(ready[1])["status"]) == (0, "ready")
        assert alive == (0, '{"status": "alive", "dead": []}')
        await bot.stop()
        assert bot.process.returncode == 0
    assert await asyncio.to_thread(probe, HEALTH_PORT=port) == (1, "no answer (ConnectionRefusedError)")
