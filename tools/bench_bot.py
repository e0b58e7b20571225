# ruff: noqa: INP001  # tools are no package
"""
What the bot bears, measured; `make bench-bot` writes tools/bench_bot.json and docs/performance-bot.md.

    python tools/bench_bot.py [--only citizens burst notify rest cycle] [--seconds 60] [--some] [--quick]

The bot is the real process (`python telegram_bot.py`, SQLite) on one core; the simulated Telegram, the simulated city
and the people are this process, on the other. Telegram's side of the clock is what counts: from a person's sending
until the answer is in their chat. All of it takes a quarter of an hour.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench_bot_page import PARTS, page
from sqlalchemy import insert

from termin_bot.simulation.city import PREFIX, SimulatedCity
from termin_bot.simulation.large_town import LargeTown
from termin_bot.simulation.serving import serve
from termin_bot.simulation.telegram import DEMO_TOKEN, Person, SimulatedTelegram
from termin_bot.storage import Database, Subscription
from termin_bot.storage import Person as PersonRow

ROOT: Final = Path(__file__).resolve().parent.parent
FIGURES: Final = ROOT / "tools" / "bench_bot.json"
PAGE: Final = ROOT / "docs" / "performance-bot.md"
SERVICE, OFFICE = 10502137, 10456
COMMANDS: Final = {  # and what only its answer says
    "/help": "What I can do",
    "/myservices": "do not watch any",
    "/privacy": "Privacy, honestly",
    "/language": "Which language",
}
CITIZENS: Final = (
    ("the bot alone, polling", False, 1000),
    ("the bot alone, webhook", True, 1000),
    ("at Telegram's 30 a second, polling", False, 30),
)
WARM_UP: Final = 5.0
PATIENCE: Final = 40.0
HOOK: Final = "https://bot.example.org"


@dataclass
class Tally:
    """What the people saw."""

    sent: int = 0
    answered: int = 0
    disordered: int = 0
    seconds: list[float] = field(default_factory=list)

    def shown(self) -> dict[str, float]:
        """Return the figures."""
        ordered = sorted(self.seconds)
        at = {name: ordered[min(len(ordered) - 1, int(len(ordered) * part))] for name, part in QUANTILES.items()}
        return {
            "sent": self.sent,
            "lost": self.sent - self.answered,
            "out of order": self.disordered,
            **{name: round(seconds * 1000) for name, seconds in at.items()},
            "max": round(ordered[-1] * 1000),
        }


QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@asynccontextmanager
async def bot(folder: Path, telegram: SimulatedTelegram, city: SimulatedCity, **more: str) -> AsyncIterator[int]:
    """Run the bot's process against both, and yield its id."""
    called = "setWebhook" if "WEBHOOK_URL" in more else "getUpdates"
    before = len(telegram.calls(called))  # those of a bot that ran before; this one needs two seconds to start
    async with telegram.serve() as api, serve(city.app) as address:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "telegram_bot.py"),
            env={
                "PATH": os.environ["PATH"],
                "TELEGRAM_BOT_TOKEN": DEMO_TOKEN,
                "TELEGRAM_BASE_URL": api,
                "MUNICH_BASE_URL": address + PREFIX,
                "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
                "OTEL_TRACES_EXPORTER": "umami",
                "UMAMI_ENDPOINT": "http://127.0.0.1:9",
                "UMAMI_WEBSITE_ID": "5f1ff3a5-21b5-4d0b-9a3c-2d0a8c0f5a11",
                "UMAMI_SPOOL": str(folder / "spool.db"),
                "LOG_LEVEL": "ERROR",
                **more,
            },
            cwd=folder,
        )
        try:
            await telegram.until(lambda: len(telegram.calls(called)) > before, timeout=PATIENCE)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def ask(person: Person, commands: list[str], tally: Tally) -> None:
    """Send these commands without waiting in between, and take the answers as they come."""
    now = asyncio.get_running_loop().time
    before = len(person.inbox)
    began = now()
    for command in commands:
        await person.send(command)
    tally.sent += len(commands)
    for number, command in enumerate(commands, start=before):
        try:
            await person.until(lambda n=number: len(person.inbox) > n, timeout=PATIENCE)  # type: ignore[misc]
        except TimeoutError:
            return
        tally.answered += 1
        tally.seconds.append(now() - began)
        tally.disordered += COMMANDS[command] not in person.inbox[number].text


async def live(person: Person, tally: Tally, chance: random.Random, *, pause: float, enough: asyncio.Event) -> None:
    """Use the bot like a person: think, then send one, two or three commands."""
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), chance.expovariate(1 / pause))
            return
        await ask(person, chance.sample(list(COMMANDS), chance.choice((1, 1, 1, 2, 3))), tally)


async def register(telegram: SimulatedTelegram, people: list[Person]) -> None:
    """Have everybody say hello."""
    for person in people:
        await person.send("/start")
    for person in people:
        await person.until(lambda who=person: bool(who.inbox), timeout=PATIENCE)  # type: ignore[misc]
    await telegram.settled(PATIENCE)


async def citizens(count: int, seconds: float, *, by_webhook: bool, per_second: int) -> dict[str, Any]:
    """*count* people who use the bot at the same time, at about 20 messages a second in all."""
    chance, tally = random.Random(7), Tally()  # noqa: S311  the same day every time
    with tempfile.TemporaryDirectory() as name:
        telegram, city = SimulatedTelegram(), SimulatedCity(time.time, rate_rule="off")
        people = [telegram.person() for _ in range(count)]
        port = _free_port()
        telegram.route(HOOK, f"http://127.0.0.1:{port}")
        hook = {"WEBHOOK_URL": HOOK, "WEBHOOK_PORT": str(port)} if by_webhook else {}
        async with bot(Path(name), telegram, city, **hook, TELEGRAM_MESSAGES_PER_SECOND="1000"):
            await register(telegram, people)
        hook["TELEGRAM_MESSAGES_PER_SECOND"] = str(per_second)
        async with bot(Path(name), telegram, city, **hook) as pid:
            await ask(people[0], list(COMMANDS), Tally())
            await asyncio.sleep(WARM_UP)  # a start is no figure of its own: connections, catalogue, first check
            enough, pause = asyncio.Event(), count * 1.6 / 20
            asyncio.get_running_loop().call_later(seconds, enough.set)
            used = _cpu(pid)
            await asyncio.gather(*(live(each, tally, chance, pause=pause, enough=enough) for each in people))
            busy = (_cpu(pid) - used) / seconds
    return {"citizens": count, "seconds": seconds, "bot's core": round(busy, 2), **tally.shown()}


async def burst(count: int) -> dict[str, Any]:
    """Everybody at once, and no limit of Telegram's: how fast the bot itself is."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as name:
        telegram, city = SimulatedTelegram(), SimulatedCity(time.time, rate_rule="off")
        people = [telegram.person() for _ in range(count)]
        async with bot(Path(name), telegram, city, TELEGRAM_MESSAGES_PER_SECOND="1000"):
            await register(telegram, people)
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(ask(each, list(COMMANDS), tally) for each in people))
            took = asyncio.get_running_loop().time() - began
    return {"citizens": count, "updates per second": round(tally.answered / took, 1), **tally.shown()}


async def notify(subscribers: int, seconds: float) -> dict[str, Any]:
    """Tell *subscribers* of one service, while a hundred people use the bot and cycles go on."""
    chance, tally = random.Random(7), Tally()  # noqa: S311  see above
    with tempfile.TemporaryDirectory() as name:
        telegram, city = SimulatedTelegram(), SimulatedCity(time.time, rate_rule="off")
        told = await _subscribed(Path(name), telegram, subscribers)
        people = [telegram.person(id=9_000_000_000 + number) for number in range(100)]
        async with bot(Path(name), telegram, city, TELEGRAM_MESSAGES_PER_SECOND="1000", CHECK_INTERVAL_SECONDS="3600"):
            await register(telegram, people)
        city.release(SERVICE, OFFICE, [int(time.time()) + 86_400])
        now = asyncio.get_running_loop().time
        async with bot(Path(name), telegram, city, CHECK_INTERVAL_SECONDS="20") as pid:
            await telegram.until(lambda: any(each.inbox for each in told), timeout=PATIENCE)
            began, looked, used = now(), _looks(city), _cpu(pid)
            enough = asyncio.Event()
            busy = [asyncio.create_task(live(each, tally, chance, pause=32, enough=enough)) for each in people]
            per_second, at = [], 0
            while at < subscribers and now() < began + seconds:
                await asyncio.sleep(1)
                before, at = at, sum(bool(each.inbox) for each in told)
                per_second.append(at - before)
            took = now() - began
            cycles, busy_core = _looks(city) - looked, (_cpu(pid) - used) / took
            enough.set()
            await asyncio.gather(*busy)
        doubled = sum(len(each.inbox) > 1 for each in told)
    rate = at / took
    return {
        "subscribers": subscribers,
        "told": at,
        "told twice": doubled,
        "seconds": round(took, 1),
        "told per second": round(rate, 1),
        "messages per second": round((at + tally.answered) / took, 1),
        "most in a second": max(per_second[1:]),
        "all would take, s": round(subscribers / rate),
        "check cycles meanwhile": cycles,
        "bot's core": round(busy_core, 2),
        "commands": tally.shown(),
    }


async def rest(subscribers: int, seconds: float) -> dict[str, Any]:
    """Run check cycles over as many subscribers, all of whom know all that there is."""
    with tempfile.TemporaryDirectory() as name:
        telegram, city = SimulatedTelegram(), SimulatedCity(time.time, rate_rule="off")
        await _subscribed(Path(name), telegram, subscribers)
        async with bot(Path(name), telegram, city, CHECK_INTERVAL_SECONDS="20") as pid:
            await asyncio.sleep(WARM_UP)
            looked, used = _looks(city), _cpu(pid)
            await asyncio.sleep(seconds)
            cycles, busy = _looks(city) - looked, (_cpu(pid) - used) / seconds
    return {"subscribers": subscribers, "seconds": seconds, "check cycles": cycles, "bot's core": round(busy, 3)}


async def cycle() -> dict[str, Any]:
    """Check cycles over all 306 relations, on a clock."""
    rows = []
    for free in (False, True):
        for what in ("156 services, any office", "306 relations, each office alone"):
            with tempfile.TemporaryDirectory() as name:
                town = LargeTown(Path(name))
                async with town.bot() as running:
                    await town.watch(running, town.by_service() if what.startswith("156") else town.by_office())
                    if free:
                        town.release_everywhere()
                    for _ in range(2):  # the second, too, comes after a pause that the city's rule allows
                        with town.measured() as one:
                            await running.check_once()
                        await town.sleep(61)
            rows.append(
                {
                    "watched": what,
                    "free": "on four days everywhere" if free else "nothing",
                    "requests": one.requests,
                    "seconds": round(one.seconds),
                    "429": town.city.rate.refused,
                }
            )
    return {"rows": rows}


async def _subscribed(folder: Path, telegram: SimulatedTelegram, count: int) -> list[Person]:
    database, now = Database(f"sqlite+aiosqlite:///{folder / 'bot.db'}"), time.time()
    await database.migrate()
    people = [telegram.person(id=8_200_000_000 + number) for number in range(count)]
    for person in people:
        await person.meet()
    async with database.engine.begin() as connection:
        await connection.execute(
            insert(PersonRow),
            [
                {"id": n, "telegram_id": each.id, "visitor": f"v{n}", "language": "en"}
                | {"registered_at": now, "last_seen_at": now}
                for n, each in enumerate(people, start=1)
            ],
        )
        await connection.execute(
            insert(Subscription),
            [  # they were looked at before, and what comes is news
                {"person_id": n, "service_id": SERVICE, "created_at": now, "look_at": None} for n in range(1, count + 1)
            ],
        )
    await database.close()
    return people


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _looks(city: SimulatedCity) -> int:
    return sum(each.path.endswith("/available-calendar/") for each in city.requests)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run what is wanted, and return the figures; each knows how busy the machine was before."""
    figures: dict[str, Any] = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
    count = 50 if args.quick else 500
    telling = args.seconds if args.some else 3600.0
    parts: list[tuple[str, str, Callable[[], Awaitable[Any]]]] = [
        ("citizens", f"citizens, {name}", partial(citizens, count, args.seconds, by_webhook=hook, per_second=limit))
        for name, hook, limit in CITIZENS
    ]
    parts += [
        ("burst", "burst", partial(burst, count)),
        ("notify", "notify", partial(notify, 20 * count, telling)),
        ("rest", "rest", partial(rest, 20 * count, args.seconds)),
        ("cycle", "cycle", cycle),
    ]
    for part, name, run in parts:
        if part in args.only:
            load, began = os.getloadavg()[0], time.monotonic()
            figures[name] = await run() | {"load": round(load, 1), "all in all, s": round(time.monotonic() - began)}
            sys.stderr.write(f"{name}: {figures[name]}\n")
    return figures


def main() -> None:
    """Measure; keep the figures and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = ("citizens", "burst", "notify", "rest", "cycle")
    parser.add_argument("--only", nargs="+", choices=every, default=list(every))
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each lasts that could go on for ever")
    parser.add_argument("--some", action="store_true", help="tell 10,000 people for --seconds only, not to the last")
    parser.add_argument("--quick", action="store_true", help="a tenth of the people, and nothing is written")
    args = parser.parse_args()
    figures = asyncio.run(measure(args))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    if not args.quick:
        kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
        FIGURES.write_text(json.dumps(kept | figures, indent=2) + "\n")
        if (kept | figures).keys() >= PARTS:
            PAGE.write_text(page(kept | figures))


if __name__ == "__main__":
    main()
