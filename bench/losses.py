"""What is lost: in an outage, and when the process is killed while events wait. All peers at the same time."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench.running import ROOT, command, environment, worker
from bench.sinks import SinkProcess

_RATE: Final = 100.0
_BEFORE: Final = 1.0
_AFTER: Final = 1.5
_START_SECONDS: Final = 8.0  # the slowest import among the peers, several at once on two cores
_PATIENCE: Final = 90.0
_RESUME_SECONDS: Final = 6.0
_STEP: Final = 0.25


def outage(sink: SinkProcess, peers: Iterable[str], *, seconds: float) -> dict[str, Any]:
    """Record a hundred events a second while the server is away for *seconds*; return what never came."""
    runs = {peer: number for number, peer in enumerate(peers, start=1)}
    events = int((_BEFORE + seconds + _AFTER) * _RATE)
    at = time.time() + _START_SECONDS
    sink.orders.do("reset")
    sink.orders.do("distinct")
    with ExitStack() as stack:
        started = {}
        for peer, number in runs.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
            work = worker(peer, "pace", sink, folder, run=number, events=events, rate=_RATE, at=at, as_shipped=True)
            started[peer] = _start(work)
        time.sleep(max(0.0, at + _BEFORE - time.time()))
        sink.orders.do("down")
        time.sleep(seconds)
        sink.orders.do("up")
        end = time.monotonic() + _PATIENCE
        for process in started.values():
            try:
                process.wait(max(_STEP, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return {peer: {"sent": events, "lost": events - _arrived(sink, number)} for peer, number in runs.items()}


def kill(sink: SinkProcess, peers: Iterable[str], *, events: int) -> dict[str, Any]:
    """Record *events* while nobody listens, kill the process, start it again; return what never came."""
    runs = {peer: number for number, peer in enumerate(peers, start=101)}
    sink.orders.do("reset")
    sink.orders.do("distinct")
    sink.orders.do("down")
    with ExitStack() as stack:
        folders = {
            peer: Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
            for peer in runs
        }
        started = {
            peer: _start(worker(peer, "leave", sink, folders[peer], run=number, events=events, as_shipped=True))
            for peer, number in runs.items()
        }
        for process in started.values():
            assert process.stdout is not None
            json.loads(process.stdout.readline())
            process.kill()
            process.wait()
        sink.orders.do("up")
        again = [
            _start(worker(peer, "resume", sink, folders[peer], run=number, seconds=_RESUME_SECONDS, as_shipped=True))
            for peer, number in runs.items()
        ]
        for process in again:
            process.wait(_PATIENCE)
        return {peer: {"sent": events, "lost": events - _arrived(sink, number)} for peer, number in runs.items()}


def _start(work: list[object]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command("bench.worker", *work),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=environment(),
    )


def _arrived(sink: SinkProcess, run: int) -> int:
    return int(sink.orders.do("count", run=run)["distinct"])
