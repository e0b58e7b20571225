"""The real process, `python telegram_bot.py`, against a simulated Telegram on loopback."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from termin_bot.simulation.telegram import DEMO_TOKEN, SimulatedTelegram

ROOT = Path(__file__).parents[2]
TRIES = 3
"""A machine that is busy elsewhere may be late now and then; who takes longer than they may is late each time."""
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Running:
    """A process, and what it said once it ended."""

    process: asyncio.subprocess.Process
    telegram: SimulatedTelegram
    out: str = ""
    err: str = ""

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal, read everything, and return how many seconds it took to end; TimeoutError after minutes."""
        asked = time.monotonic()
        self.process.send_signal(how)
        async with asyncio.timeout(300):
            out, err = await self.process.communicate()
        self.out, self.err = out.decode(), err.decode()
        return time.monotonic() - asked


@asynccontextmanager
async def running(folder: Path, **environment: str) -> AsyncIterator[Running]:
    """Run the bot, with these variables, until the block ends."""
    telegram = SimulatedTelegram()
    async with telegram.serve() as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "telegram_bot.py"),
            env={
                "PATH": os.environ["PATH"],
                "TELEGRAM_BOT_TOKEN": DEMO_TOKEN,
                "TELEGRAM_BASE_URL": url,
                "MUNICH_BASE_URL": f"{NOWHERE}/api",
                "OTEL_TRACES_EXPORTER": "none",
                "ANALYTICS_ENABLED": "false",
                **environment,
            },
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        bot = Running(process, telegram)
        try:
            yield bot
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
