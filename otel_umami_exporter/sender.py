"""
The delivery threads: the one place that waits.

They start with the first event, work until the spool is empty, linger so that events share a batch, and wait out
back-off and Retry-After. A keeper beside them does what costs an fsync. A forked child starts its own.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from threading import get_ident
from time import thread_time
from typing import Final

from otel_umami_exporter.clock import Clock
from otel_umami_exporter.delivery import Connection, Delivery, Progress, Timing
from otel_umami_exporter.errors import SpoolError
from otel_umami_exporter.forks import begin_anew_in_children
from otel_umami_exporter.overflow import RETRY_SECONDS, OverflowingSpool
from otel_umami_exporter.spool import Claim

_log: Final = logging.getLogger(__name__)
WORKERS: Final = 2  # batches in flight: measured best against a real Umami, and all that a kill can double
_IDLE_SECONDS: Final = 15.0  # how often an idle sender looks for what others left in a shared spool
_KEEP_SECONDS: Final = 10.0  # between two checkpoints: a power cut may take twice as much
_KEEP_EVENTS: Final = 4_000  # accepted or gone, between two looks whether there is a checkpoint to make
_KEEP_ROWS: Final = 4_000  # written between two checkpoints, or a thousand batches; the log grows to some 32 MB
_BUSY_PER_SECOND: Final = 2_000  # a program that records more events than this has no time for us
_REST_SECONDS: Final = 0.25  # between two batches meanwhile: each step of ours takes the interpreter from it
_REST_WITHIN_SECONDS: Final = 2.0  # what has waited so long goes all the same
_CONTENDED: Final = 2.0  # a step that takes so many times its CPU time had to wait for the interpreter
_FLOOD_WITHIN_SECONDS: Final = 15.0  # then each costs the program more than us: what has waited so long goes
_LOOK_SECONDS: Final = 0.005  # over less than this no rate is told
_PROMPT_SECONDS: Final = 0.01  # answers that come within this are best fetched by one thread ...
_HELP_SECONDS: Final = 0.05  # ... which the other does not disturb, unless it has waited so long for one
_URGENT_SECONDS: Final = 0.05  # while somebody flushes, what is claimed elsewhere is looked for this often


class Sender:
    """
    Threads that move events from the spool to Umami.

    Args:
        spool: where the events are.
        connect: makes the connection of one thread.
        timing: how long batches are, and waits.
        clock: the time.
        observe: told the seconds and the error type (None: none) of each request.
        upkeep: what else the keeper does now and then.
    """

    def __init__(
        self,
        spool: OverflowingSpool,
        connect: Callable[[], Connection],
        *,
        timing: Timing,
        clock: Clock,
        observe: Callable[[float, str | None], None] | None = None,
        upkeep: Callable[[], None] | None = None,
    ) -> None:
        self._spool: Final = spool
        self._connect: Final = connect
        self._timing: Final = timing
        self._clock: Final = clock
        self._upkeep: Final = upkeep
        self._delivery: Final = Delivery(spool, timing, clock, observe=observe)
        self._stopping = False
        self.begin_anew()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Start again in a forked child: threads are not inherited, and locks may be held by one that is not there."""
        self._lock = threading.RLock()  # see Spool: for signal handlers
        self._changed = threading.Condition(self._lock)  # a delivery thread has something to decide
        self._kept = threading.Condition(self._lock)  # the keeper has
        self._attempted = threading.Condition(self._lock)  # somebody who flushes may look again
        self._threads: list[threading.Thread] = []
        self._flushing = 0  # somebody waits: no lingering
        self._due: float | None = None  # when the next claim is to be made; None: nothing is known to wait
        self._again = inf  # when there is one to be made for what has failed
        self._fresh = 0  # events that no claim was made for
        self._notified = 0  # events ever
        self._looked = (0, self._clock.monotonic())  # how many of them there were, and when
        self._rest_until = 0.0  # the program is busy
        self._resume_at = 0.0  # back-off, which a flush may cut short
        self._asked_until = 0.0  # Retry-After, which it may not
        self._failures = 0
        self._in_flight: dict[int, float] = {}  # since when each thread has been at a batch
        self._looks: dict[int, float] = {}  # when each thread that waits will look what there is to do
        self._is_prompt = False  # how the last answer came
        self._unkept = 0
        self._delivery.begin_anew()

    def notify(self, events: int) -> None:
        """Say that *events* more are in the spool. Cheap: it wakes a thread only when there is something to decide."""
        with self._lock:
            self._fresh += events
            self._notified += events
            self._unkept += events
            if self._unkept - events < _KEEP_EVENTS <= self._unkept:
                self._kept.notify()
            full = self._timing.batch_size
            # Between the first of a batch and the one that fills it nothing changes.
            if self._due is None or self._fresh == events or self._fresh - events < full <= self._fresh:
                self._plan(events)
            if not self._threads and not self._stopping:
                self._start()

    def _plan(self, events: int) -> None:
        """Let a thread know when the batch is due to which *events* were added."""
        is_full = self._fresh >= self._timing.batch_size
        due = self._clock.monotonic() + (0.0 if is_full else self._timing.linger_seconds)
        if events and (self._due is None or due < self._due):
            self._due = due
            self._changed.notify()  # one is enough: each wakes the next when there is more

    def start(self) -> None:
        """Start delivering what an earlier run left, without waiting for a new event."""
        with suppress(SpoolError):
            if self._spool.has_something:
                self._due = self._clock.monotonic()
        self.notify(0)

    def flush(self, timeout_seconds: float, *, patient: bool = True) -> bool:
        """
        Deliver everything accepted so far; return whether it has left the spool within *timeout_seconds*.

        Not *patient*: give up at the first attempt that fails, for a shutdown while Umami is away.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        marks = self._spool.marks()
        self.notify(0)
        with self._lock:
            self._flushing += 1
            self._resume_at = 0.0
            self._due = self._clock.monotonic()
            failures = self._failures
            self._changed.notify_all()
        try:
            while self._spool.holds_up_to(marks):
                with self._lock:
                    left = deadline - self._clock.monotonic()
                    if left <= 0 or self._stopping or (not patient and self._failures > failures):
                        return False
                    self._clock.wait(self._attempted, min(left, _URGENT_SECONDS))
            return True
        finally:
            with self._lock:
                self._flushing -= 1

    def stop(self, timeout_seconds: float) -> bool:
        """
        Stop within *timeout_seconds*; return whether all threads have ended.

        One that hangs in a request is left behind: it settles its batch if an answer comes while the process lives.
        """
        with self._lock:
            self._stopping = True  # First, so that no new attempt starts.
            self._changed.notify_all()
            self._kept.notify_all()
            self._attempted.notify_all()
            threads = list(self._threads)
        deadline = self._clock.monotonic() + timeout_seconds
        for thread in threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))  # Then, so that the one under way can finish.
        return not any(thread.is_alive() for thread in threads)

    # --- the threads ----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        work = [(self._keep, "umami-keeper")] + [(self._deliver, f"umami-sender-{each}") for each in range(WORKERS)]
        for target, name in work:
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending: what was accepted is on disk
                self._threads.remove(thread)
                return

    def _deliver(self) -> None:
        connection: Connection | None = None
        while self._wait_for_work():
            try:
                connection = connection or self._connect()
                progress = self._attempt(connection)
            except SpoolError as error:
                if self._stopping:
                    break
                _log.warning("delivery pauses: %s", error)
                progress = Progress(1, 0, RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001  # a thread that dies would stop delivery for good
                _log.error("delivery pauses after a defect of otel-umami-exporter: %s", type(error).__name__)
                progress = Progress(1, 0, self._timing.backoff.cap_seconds)
            self._note(progress)
        if connection is not None:
            connection.close()

    def _attempt(self, connection: Connection) -> Progress:
        start, used = self._clock.monotonic(), thread_time()
        claim = self._delivery.claim()
        if not claim.events:
            return Progress(0, 0)
        now = self._clock.monotonic()
        self._look_further(claim, now, is_contended=now - start > _CONTENDED * (thread_time() - used))
        progress = self._delivery.attempt(connection, claim)
        self._is_prompt = self._clock.monotonic() - now < _PROMPT_SECONDS
        return progress

    def _look_further(self, claim: Claim, now: float, *, is_contended: bool) -> None:
        """Let the other thread go on with what has lingered or fills a batch: it need not wait for our answer."""
        linger = self._timing.linger_seconds
        with self._lock:
            self._rest(claim, now, is_contended=is_contended)
            has_lingered = claim.is_ahead or claim.events[-1].accepted_at <= self._clock.time() - linger
            if not claim.is_full and not claim.is_ahead:
                self._fresh = 0
            elif has_lingered or self._flushing or self._fresh >= self._timing.batch_size:
                self._due = now
            elif self._due is None or now + linger < self._due:
                self._due = now + linger
            start = self._start_at(now)
            if any(each > start for each in self._looks.values()):
                self._changed.notify()  # else it looks in time by itself, however long our answer takes

    def _rest(self, claim: Claim, now: float, *, is_contended: bool) -> None:
        """Leave the interpreter to a program that records without a pause, unless that has gone on for too long."""
        before, then = self._looked
        if now - then < _LOOK_SECONDS:
            return
        self._looked = (self._notified, now)
        is_busy = self._notified - before > _BUSY_PER_SECOND * (now - then)
        # What is in the spool's file already has no time to lose: it waits there for some other reason.
        within = _FLOOD_WITHIN_SECONDS if is_contended and claim.loan is not None else _REST_WITHIN_SECONDS
        is_young = claim.events[0].accepted_at > self._clock.time() - within
        self._rest_until = now + _REST_SECONDS if is_busy and is_young else 0.0

    def _start_at(self, now: float) -> float:
        """Return when a thread that waits is to make the next claim, as things are."""
        due = min(now + _IDLE_SECONDS if self._due is None else self._due, self._again)
        start = max(due, self._resume_at, self._asked_until)
        if not self._flushing:
            start = max(start, self._rest_until)
        if self._in_flight and self._is_prompt:
            start = max(start, min(self._in_flight.values()) + _HELP_SECONDS)
        return start

    def _wait_for_work(self) -> bool:
        """Wait until a claim is due; False when the sender stops."""
        me = get_ident()
        with self._lock:
            while not self._stopping:
                now = self._clock.monotonic()
                start = self._start_at(now)
                if start <= now:
                    self._due, self._fresh = None, max(0, self._fresh - self._timing.batch_size)
                    self._again = inf if self._again <= now else self._again
                    self._in_flight[me] = now
                    return True
                idle = self._due is None
                self._looks[me] = start
                self._clock.wait(self._changed, start - now)
                del self._looks[me]
                if idle and self._due is None and self._clock.monotonic() >= start:
                    self._due = start  # others that share the file may have left something
            return False

    def _note(self, progress: Progress) -> None:
        with self._lock:
            now = self._clock.monotonic()
            del self._in_flight[get_ident()]
            self._unkept += progress.gone
            if progress.failed:
                self._failures += 1
            if progress.wait_seconds:
                self._resume_at = now + progress.wait_seconds
                if progress.asked:
                    self._asked_until = self._resume_at
            again = progress.again_seconds
            if progress.claimed > progress.gone and again is None:
                again = 0.0
            if self._flushing and again is None:
                again = _URGENT_SECONDS
            if again is not None:
                self._again = min(self._again, now + again)  # this thread itself looks at it next
            if self._unkept >= _KEEP_EVENTS:
                self._kept.notify()
            if self._flushing and (not self._in_flight or progress.claimed > progress.gone):
                self._attempted.notify_all()  # between two batches there is nothing to see

    def _keep(self) -> None:
        """Do what takes its time, beside the deliveries: limits, checkpoints, the way back from memory to disk."""
        while True:
            try:
                self._spool.tidy(self._clock.time())
                self._spool.checkpoint()
                if self._upkeep is not None:
                    self._upkeep()
            except SpoolError as error:
                _log.debug("the spool cannot be tidied now: %s", error)
            except Exception as error:  # noqa: BLE001  # the next round may do better
                _log.error("a defect of otel-umami-exporter: %s", type(error).__name__)
            with self._lock:
                end = self._clock.monotonic() + (RETRY_SECONDS if self._spool.degraded else _KEEP_SECONDS)
                while not self._stopping and (now := self._clock.monotonic()) < end:
                    if self._unkept >= _KEEP_EVENTS:
                        self._unkept = 0
                        if self._spool.unsynced >= _KEEP_ROWS:
                            break
                    self._clock.wait(self._kept, end - now)
                if self._stopping:
                    return
