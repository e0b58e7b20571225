"""What the tests of endurance see: the programs they start, what arrived at the sink, and whether the books agree."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from numbered import WEBSITE, Id

from otel_umami_exporter.books import Books
from otel_umami_exporter.inbox import Inbox
from otel_umami_exporter.spool import Spool

_PROGRAM = Path(__file__).with_name("program.py")
_LOOK_SECONDS = 0.01  # between two looks at something that cannot wake anybody


class Running:
    """
    A started `program.py`; it reads the receipts while they come.

    Leaving the block kills what still runs.
    """

    def __init__(self, what: str, *, spool: Path, endpoint: str, run: int = 1, events: int, workers: int = 3) -> None:
        self.acknowledged: list[Id] = []
        self._changed = threading.Condition()
        self._ended = False
        command = [sys.executable, str(_PROGRAM), what, "--spool", str(spool), "--endpoint", endpoint]
        command += ["--run", str(run), "--events", str(events), "--workers", str(workers)]
        self._errors = spool.with_name(f"{what}-{run}.stderr")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # with its children it can be killed at once
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                run, number = line.split()
                with self._changed:
                    self.acknowledged.append((int(run), int(number)))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, events: int, *, timeout: float = 300.0) -> None:
        """Return when so many are acknowledged."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.acknowledged) >= events or self._ended, timeout)
            if len(self.acknowledged) < events:
                raise TimeoutError(f"{len(self.acknowledged)} events acknowledged, not {events}: {self.errors()}")

    def live(self, seconds: float) -> None:
        """Let it live so long, or to its end."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def go_on(self) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def kill(self) -> bool:
        """Kill it and its children; return whether it was that which ended it. All receipts are read then."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self.wait() < 0

    def wait(self, *, timeout: float = 330.0) -> int:
        """Return the exit status; all receipts are read. Raises TimeoutError with what it said."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"it has not ended: {self.errors()}") from None
        self._reader.join(timeout)
        return status

    def parent_has_ended(self, *, timeout: float = 300.0) -> int:
        """Return the exit status of the process that was started; a child of it may live on."""
        return self._process.wait(timeout)

    def errors(self) -> str:
        """Return what it said on standard error."""
        return self._errors.read_text(encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()


class Sink:
    """What arrived at an inbox, by event."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox

    def arrived(self) -> Counter[Id]:
        """Return how often each event is stored."""
        found: Counter[Id] = Counter()
        for event in self.inbox.events(WEBSITE):
            run, number = event.data.get("run"), event.data.get("number")
            if isinstance(run, int) and isinstance(number, int):  # else half an event of a server that was killed
                found[run, number] += 1
        return found

    def requests(self) -> int:
        """Return how many requests have come."""
        return len(self.inbox.requests()) + self.inbox.forgotten_requests

    def more_requests(self, number: int, *, timeout: float = 300.0) -> None:
        """Return when so many more have come."""
        before = self.requests()
        until(lambda: self.requests() >= before + number, f"{number} requests", timeout=timeout)


def until(condition: Callable[[], bool], what: str, *, timeout: float = 300.0) -> None:
    """Return when *condition* holds; for what lives in another process or tells nobody when it changes."""
    never = threading.Event()
    end = monotonic() + timeout
    while not condition():
        if monotonic() > end:
            raise TimeoutError(what)
        never.wait(_LOOK_SECONDS)


def doubled(arrived: Counter[Id]) -> int:
    """Return how many arrivals were not the first of their event."""
    return arrived.total() - len(arrived)


def check_arrivals(acknowledged: Iterable[Id], arrived: Counter[Id], *, at_most_doubled: int = 0) -> None:
    """Assert that nothing acknowledged is missing, and not too much came twice."""
    missing = set(acknowledged) - set(arrived)
    assert not missing, f"{len(missing)} events were lost, such as {sorted(missing)[:5]}"
    assert doubled(arrived) <= at_most_doubled, [each for each, times in arrived.items() if times > 1][:5]


def check_books(spool: Path, *, refused: int = 0, waiting: int = 0) -> Books:
    """Assert that the books of the file balance, that nothing was dropped, and return them."""
    file = Spool(spool)
    books = file.books()
    file.close()
    assert books.balanced, books
    assert (books.waiting, sum(books.refused.values()), dict(books.dropped)) == (waiting, refused, {}), books
    return books
