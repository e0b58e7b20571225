"""Starting workers: a process for each piece of work, in the peers' environment."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from bench.sinks import SinkProcess

ROOT: Final = Path(__file__).resolve().parent.parent
PEERS_PYTHON: Final = ROOT / ".cache" / "bench" / "bin" / "python"
_SECONDS: Final = 300.0
# What the user's shell says of OpenTelemetry or Umami is no part of the measurement; nor is a proxy before the sink.
_LEFT_OUT: Final = ("OTEL_", "UMAMI_", "ANALYTICS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class WorkerFailed(RuntimeError):  # noqa: N818  named for what happened
    """A worker ended without a result; the text is the end of what it said."""


def environment() -> dict[str, str]:
    """Return an environment in which nothing is set that would change a figure."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_LEFT_OUT)}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def command(module: str, *arguments: object) -> list[str]:
    """Return the command that runs *module* in the peers' environment."""
    return [str(PEERS_PYTHON), "-m", module, *(str(each) for each in arguments)]


def run(module: str, *arguments: object) -> dict[str, Any]:
    """Run *module* and return the JSON of its last line."""
    done = subprocess.run(
        command(module, *arguments),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=_SECONDS,
        check=False,
    )
    return last_line(done.stdout, done.stderr)


def last_line(output: str, errors: str) -> dict[str, Any]:
    """
    Return the JSON of the last line.

    Raises:
        WorkerFailed: there is none.
    """
    try:
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
    except (ValueError, IndexError):
        raise WorkerFailed(errors[-2_000:]) from None
    return found


def worker(peer: str, task: str, sink: SinkProcess, folder: Path, **options: object) -> list[object]:
    """Return the arguments of `bench.worker`."""
    arguments: list[object] = [peer, task, "--url", sink.url, "--control", sink.control, "--folder", folder]
    for name, value in options.items():
        if value is True:
            arguments.append(f"--{name.replace('_', '-')}")
        elif value is not False and value is not None:
            arguments += [f"--{name.replace('_', '-')}", value]
    return arguments
