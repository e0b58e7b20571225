"""
The delivery threads: the one place that waits.

They start with the first event, work until the spool is empty, linger so that events share a batch, and wait out
back-off and Retry-After. A forked child starts its own.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Final

from opentelemetry import context

from otel_umami_exporter.clock import Clock
from otel_umami_exporter.delivery import Connection, Delivery, Progress, Timing
from otel_umami_exporter.errors import SpoolError
from otel_umami_exporter.spool import Spool

_log: Final = logging.getLogger(__name__)
WORKERS: Final = 2  # batches in flight: measured best against a real Umami, and all that a kill can double
_IDLE_SECONDS: Final = 15.0  # how often an idle sender looks for what others left in a shared spool
_CHECKPOINT_EVENTS: Final = 2_000
# The instrumentations' public name for "create no spans here"; our own requests are nobody's business.
_SUPPRESS: Final = "suppress_instrumentation"


class Sender:
    """
    Threads that move events from the spool to Umami.

    Args:
        spool: where the events are.
        connect: makes the connection of one thread.
        timing: how long batches are, and waits.
        clock: the time.
    """

    def __init__(self, spool: Spool, connect: Callable[[], Connection], *, timing: Timing, clock: Clock) -> None:
        self._spool: Final = spool
        self._connect: Final = connect
        self._timing: Final = timing
        self._clock: Final = clock
        self._delivery: Final = Delivery(spool, timing, clock)
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._urgent = False  # somebody flushes: no lingering
        self._fresh = self._timing.batch_size  # events since the last claim; at the start, what an earlier run left
        self._fresh_since = self._clock.monotonic()
        self._resume_at = 0.0
        self._failures = 0
        self._gone = 0

    def notify(self, events: int) -> None:
        """Say that *events* more are in the spool. Cheap: it wakes a thread only when a batch is full."""
        if os.getpid() != self._pid:
            self._reset()  # forked: threads are not inherited
        with self._changed:
            if not self._fresh:
                self._fresh_since = self._clock.monotonic()
            before, self._fresh = self._fresh, self._fresh + events
            if not self._threads and not self._stopping:
                self._start()
            elif not before or before < self._timing.batch_size <= self._fresh:
                self._changed.notify()

    def start(self) -> None:
        """Start delivering what an earlier run left, without waiting for a new event."""
        self.notify(0)

    def flush(self, timeout_seconds: float, *, patient: bool = True) -> bool:
        """
        Deliver everything accepted so far; return whether it has left the spool within *timeout_seconds*.

        Not *patient*: give up at the first attempt that fails, for a shutdown while Umami is away.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        target = self._spool.last_id()
        self.notify(0)
        with self._changed:
            self._urgent = True
            self._resume_at = 0.0
            failures = self._failures
            self._changed.notify_all()
        try:
            while (oldest := self._spool.oldest()) is not None and oldest[0] <= target:
                with self._changed:
                    left = deadline - self._clock.monotonic()
                    if left <= 0 or (not patient and self._failures > failures):
                        return False
                    self._clock.wait(self._changed, min(left, 0.05))
            return True
        finally:
            with self._changed:
                self._urgent = False

    def stop(self, timeout_seconds: float) -> None:
        """Stop within *timeout_seconds*; a thread that hangs in a request is left behind, its batch sent later."""
        with self._changed:
            self._stopping = True  # First, so that no new attempt starts.
            self._changed.notify_all()
        deadline = self._clock.monotonic() + timeout_seconds
        for thread in self._threads if os.getpid() == self._pid else []:
            thread.join(max(0.0, deadline - self._clock.monotonic()))  # Then, so that the one under way can finish.

    def _start(self) -> None:
        for number in range(WORKERS):
            thread = threading.Thread(target=self._run, name=f"umami-sender-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self) -> None:
        context.attach(context.set_value(_SUPPRESS, value=True))
        with closing(self._connect()) as connection:
            while self._may_go_on():
                try:
                    progress = self._delivery.attempt(connection)
                except SpoolError as error:
                    _log.warning("delivery pauses: %s", error)
                    progress = Progress(1, 0, self._timing.backoff.cap_seconds)
                self._note(progress)

    def _may_go_on(self) -> bool:
        """Wait until there is something to do; False when the sender stops."""
        with self._changed:
            while not self._stopping:
                now = self._clock.monotonic()
                wait = self._wait_seconds(now)
                if wait <= 0:
                    self._fresh = 0
                    return True
                self._clock.wait(self._changed, wait)
            return False

    def _wait_seconds(self, now: float) -> float:
        if now < self._resume_at:
            return self._resume_at - now
        if self._urgent or self._fresh >= self._timing.batch_size:
            return 0.0
        since = self._fresh_since
        return since + self._timing.linger_seconds - now if self._fresh else since + _IDLE_SECONDS - now

    def _note(self, progress: Progress) -> None:
        with self._changed:
            now = self._clock.monotonic()
            self._fresh_since = now
            if progress.claimed:
                self._gone += progress.gone
            if progress.claimed == self._timing.batch_size or progress.failed:
                self._fresh = max(self._fresh, self._timing.batch_size)  # there is more: no lingering
            if progress.failed and not progress.gone:
                self._failures += 1
            if progress.wait_seconds:
                self._resume_at = now + progress.wait_seconds
            checkpoint = self._gone >= _CHECKPOINT_EVENTS or (not progress.claimed and self._gone > 0)
            if checkpoint:
                self._gone = 0
            idle_flush = self._urgent and not progress.claimed
            self._changed.notify_all()
            if idle_flush:  # what is left is claimed elsewhere, or has its own delay
                self._clock.wait(self._changed, 0.02)
        if checkpoint or progress.failed:
            self._spool.trim(self._clock.time())
            self._spool.checkpoint()
