"""Finding the number that an ALTCHA challenge asks for, here or in another process."""

import asyncio
import multiprocessing
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any, Final, Protocol

import altcha

GRACE: Final = 15.0
"""Seconds that a worker may need on top of the deadline, its own start among them."""

_DERIVE: Final[Mapping[str, Callable[[altcha.ChallengeParameters, bytes, bytes], bytes]]] = {
    "SHA": altcha.derive_key_sha,
    "PBKDF2": altcha.derive_key_pbkdf2,
    "SCRYPT": altcha.derive_key_scrypt,
    "ARGON2ID": altcha.derive_key_argon2id,
}


class Solver(Protocol):
    """Solves challenges."""

    async def solve(self, challenge: Mapping[str, Any], seconds: float) -> altcha.Solution | None:
        """Return the solution, or None when there is none within *seconds*."""
        ...

    async def aclose(self) -> None:
        """Give back what the solver holds."""
        ...


class InlineSolver:
    """Solves in the event loop, which stands still meanwhile: for challenges of a few milliseconds."""

    async def solve(self, challenge: Mapping[str, Any], seconds: float) -> altcha.Solution | None:
        """Return the solution, or None when there is none within *seconds*."""
        return solution_of(dict(challenge), seconds, lambda: False)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to give back."""


class ProcessSolver:
    """Solves one challenge at a time in a process of its own, so that the bot keeps answering."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._stop: Event | None = None

    async def solve(self, challenge: Mapping[str, Any], seconds: float) -> altcha.Solution | None:
        """Return the solution, or None when there is none within *seconds* or the process died."""
        if self._pool is None:
            # Spawned, not forked: the bot has threads and open connections that a copy must not inherit.
            context = multiprocessing.get_context("spawn")
            self._stop = context.Event()
            self._pool = ProcessPoolExecutor(1, context, initializer=_start_worker, initargs=(self._stop,))
        try:
            async with asyncio.timeout(seconds + GRACE):
                return await asyncio.wrap_future(self._pool.submit(_solve_in_worker, dict(challenge), seconds))
        except (TimeoutError, BrokenProcessPool):
            await self.aclose()
            return None

    async def aclose(self) -> None:
        """Stop the process; a challenge under way is given up at its next try."""
        pool, stop = self._pool, self._stop
        self._pool = self._stop = None
        if stop is not None:
            stop.set()
        if pool is not None:
            # Waited for, in a thread: a pool that is left to the interpreter's exit can fail there.
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)


class _GivenUpError(Exception):
    """The result is not wanted any more."""


def solution_of(challenge: dict[str, Any], seconds: float, given_up: Callable[[], bool]) -> altcha.Solution | None:
    """Return the solution, or None when there is none in time or nobody knows how to derive such a key."""
    parsed = altcha.Challenge.from_dict(challenge)
    known = _DERIVE.get(parsed.parameters.algorithm.replace("-", "/").split("/")[0])
    if known is None or seconds <= 0:
        return None

    def derive(parameters: altcha.ChallengeParameters, salt: bytes, password: bytes) -> bytes:
        if given_up():
            raise _GivenUpError
        return known(parameters, salt, password)

    try:
        return altcha.solve_challenge(parsed, derive, timeout=seconds)
    except (_GivenUpError, ValueError, TypeError, ImportError):
        return None


_given_up: Callable[[], bool] = lambda: False  # noqa: E731  set once, when a worker starts


def _start_worker(stop: Event) -> None:
    global _given_up  # noqa: PLW0603  a worker process serves one pool; initializers have no other place
    _given_up = stop.is_set
    # Ctrl-C reaches the whole process group; the bot decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _solve_in_worker(challenge: dict[str, Any], seconds: float) -> altcha.Solution | None:
    return solution_of(challenge, seconds, _given_up)
