"""Running the demo as its users do: in a process of its own, by its command line."""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 900.0  # seconds; a limit for a busy machine, not a promise
WEBSITE = "0b1f6c1e-0000-4000-8000-000000000001"
"""The website in an Umami that is not the demo's own."""
_SETTINGS = ("UMAMI_", "OTEL_", "ANALYTICS_", "TELEGRAM_", "MUNICH_")


@dataclass
class Run:
    """A demo under way."""

    process: subprocess.Popen[str]
    folder: Path
    _said: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        """Where the demo keeps its files."""
        return self.folder / "data"

    def until_it_says(self, wanted: str) -> str:
        """Read the output until a line with *wanted*, and return that line."""
        assert self.process.stdout is not None
        return next(line for line in self.process.stdout if wanted in line)

    def interrupt(self) -> None:
        """Press Ctrl-C, as a terminal does it: for every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def finished(self) -> tuple[int, str, str]:
        """Wait for the end, and return exit status, standard output and standard error."""
        if self._said is None:
            self._said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, *self._said

    def summary(self) -> dict[str, Any]:
        """Return the summary of a run that ended well."""
        status, output, errors = self.finished()
        assert (status, errors) == (0, ""), errors + output
        content: dict[str, Any] = json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))
        return content

    def counts(self) -> dict[str, Any]:
        """Return what must be the same for the same seed."""
        times = ("booking_duration_ms", "seconds")
        return {name: value for name, value in self.summary().items() if name not in times}


def start(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Run:
    """Start the demo that ends by itself; it keeps its data and its summary in *folder*."""
    return start_staying(folder, "--exit", *arguments, environment=environment)


def start_staying(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Run:
    """Start the demo that stays until Ctrl-C."""
    options = ["--summary", str(folder / "summary.json"), "--data", str(folder / "data"), *arguments]
    return start_python(folder, "-m", "termin_bot.simulation", *options, environment=environment)


def start_python(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Run:
    """Start Python as a terminal would: in a process group of its own, without our settings."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    process = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ours, **(environment or {})},
        start_new_session=True,
    )
    atexit.register(_kill, process)
    return Run(process, folder)


def _kill(process: subprocess.Popen[str]) -> None:
    """Leave nothing running behind a test that failed half-way."""
    if process.poll() is None:
        process.kill()
