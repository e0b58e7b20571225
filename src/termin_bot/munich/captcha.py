"""
The city's captcha: a proof of work (ALTCHA v2) that buys a token for some minutes.

    challenge ──solve──► payload ──verify──► token ──reused until 20 s before its end──► challenge …

Every challenge makes the next one dearer, so there is one token for everybody and nobody solves in parallel, also
where several instances are at work. The city binds a token to the address it was bought from.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.trace import SpanKind, StatusCode, Tracer

from .errors import MunichCaptchaFailed, MunichError
from .parsing import OutsideContractError
from .protocols import Board, MunichObserver, NoBoard
from .solver import InlineSolver, ProcessSolver, Solver
from .wire import Wire

__all__ = ["Captcha", "InlineSolver", "ProcessSolver", "Solver"]

_log: Final = logging.getLogger(__name__)
_TOKEN: Final = "captcha token"  # noqa: S105  the name of a place
RENEW_BEFORE_END: Final = 20.0
SEND_BEFORE_END: Final = 10.0
"""Seconds that a solution needs to reach the city before its challenge ends."""
LONGEST_SOLVE: Final = 90.0
COOL_DOWN_AFTER: Final = 3
"""Failures in a row after which we leave the city in peace for `COOL_DOWN` seconds."""
COOL_DOWN: Final = 60.0


@dataclass(frozen=True)
class _Grant:
    token: str = field(repr=False)
    lifetime: float


class Captcha:
    """Buys captcha tokens and makes the most of them. Clock: epoch seconds."""

    def __init__(
        self,
        wire: Wire,
        solver: Solver,
        *,
        clock: Callable[[], float],
        observer: MunichObserver,
        tracer: Tracer,
        board: Board | None = None,
    ) -> None:
        self._board = board or NoBoard()
        self._from_another = False
        self._refused: str | None = None
        self._wire = wire
        self._solver = solver
        self._clock = clock
        self._observer = observer
        self._tracer = tracer
        self._one_at_a_time = asyncio.Lock()
        self._token: str | None = None
        self._good_until = 0.0
        self._failures = 0
        self._quiet_until = 0.0

    async def token(self) -> str:
        """Return a token that holds for 20 s or more; raises a MunichError when there is none to be had."""
        async with self._one_at_a_time:
            return await self._current()

    async def renew(self, refused: str) -> str:
        """Return another token than *refused*, which somebody else may have bought already."""
        async with self._one_at_a_time:
            if self._token == refused:
                self._token, self._refused = None, refused
                if self._from_another:
                    _log.warning(
                        "another instance's captcha token was refused: it has another address; not shared any more"
                    )
                    self._board = NoBoard()
            return await self._current()

    async def _current(self) -> str:
        if self._token is None or self._clock() >= self._good_until:
            self._token = None
            if self._clock() < self._quiet_until:
                raise MunichCaptchaFailed("captcha-challenge", "captcha_cooling_down")
            async with self._board.alone(_TOKEN):
                token, self._good_until = await self._find() or await self._get()
            self._token = token
        return self._token

    async def _find(self) -> tuple[str, float] | None:
        """Return the token that another instance bought, and until when it is good."""
        left = await self._board.get(_TOKEN)
        if left is None:
            return None
        good_until, _, token = left.partition(" ")
        self._from_another = token != self._refused
        return (token, float(good_until)) if self._from_another else None

    async def _get(self) -> tuple[str, float]:
        """Buy a token, for the other instances too."""
        grant = await self._buy()
        self._from_another = False
        seconds = grant.lifetime - RENEW_BEFORE_END
        good_until = self._clock() + seconds
        await self._board.put(_TOKEN, f"{good_until} {grant.token}", seconds)
        return grant.token, good_until

    async def _buy(self) -> _Grant:
        started = self._clock()
        try:
            with self._tracer.start_as_current_span(
                "munich captcha", kind=SpanKind.INTERNAL, record_exception=False, set_status_on_exception=False
            ) as span:
                try:
                    grant = await self._challenge_solve_verify()
                except MunichError as error:
                    span.set_attribute("error.type", error.error_code)
                    span.set_status(StatusCode.ERROR)
                    raise
        except MunichError:
            self._failures += 1
            if self._failures >= COOL_DOWN_AFTER:
                self._quiet_until = self._clock() + COOL_DOWN
            self._observer.on_captcha(False, self._milliseconds_since(started), self._failures)  # noqa: FBT003  as its name says
            raise
        self._failures = 0
        self._observer.on_captcha(True, self._milliseconds_since(started), 0)  # noqa: FBT003  as its name says
        return grant

    async def _challenge_solve_verify(self) -> _Grant:
        # "booking": whoever needs the token has been admitted; its two requests come out of what is kept for that.
        challenge = await self._wire.call("captcha-challenge", _challenge, urgency="booking")
        seconds = min(_ends_at(challenge) - self._clock() - SEND_BEFORE_END, LONGEST_SOLVE)
        solution = await self._solver.solve(challenge, seconds)
        if solution is None:
            raise MunichCaptchaFailed("captcha-challenge", "captcha_unsolved")
        answer = {"counter": solution.counter, "derivedKey": solution.derived_key, "time": round(solution.time or 0)}
        # The challenge goes back as it came, nulls and all: its signature covers them.
        payload = base64.b64encode(json.dumps({"challenge": challenge, "solution": answer}).encode()).decode()
        return await self._wire.call("captcha-verify", _grant, urgency="booking", body={"payload": payload})

    def _milliseconds_since(self, started: float) -> int:
        return max(0, round((self._clock() - started) * 1000))


def _challenge(data: object) -> Mapping[str, Any]:
    """Read the answer of captcha-challenge; HTTP 200 may still mean that there is none."""
    if not isinstance(data, dict):
        raise OutsideContractError("challenge")
    if "meta" in data:
        raise MunichCaptchaFailed("captcha-challenge", "captcha_challenge_failed", 200)
    parameters = data.get("parameters")
    if not isinstance(parameters, dict) or not isinstance(data.get("signature"), str):
        raise OutsideContractError("parameters")
    for key, kind in (("algorithm", str), ("nonce", str), ("salt", str), ("cost", int), ("keyPrefix", str)):
        if not isinstance(parameters.get(key), kind):
            raise OutsideContractError(key)
    if not isinstance(parameters.get("expiresAt"), int | None):
        raise OutsideContractError("expiresAt")
    return data


def _ends_at(challenge: Mapping[str, Any]) -> float:
    ends_at = challenge["parameters"].get("expiresAt")
    return float("inf") if ends_at is None else float(ends_at)


def _grant(data: object) -> _Grant:
    """Read the answer of captcha-verify; HTTP 200 may still mean that the solution was refused."""
    if not isinstance(data, dict) or not isinstance(meta := data.get("meta"), dict):
        raise OutsideContractError("meta")
    outcome, token = data.get("data"), data.get("token")
    if meta.get("success") is not True or not isinstance(outcome, dict) or outcome.get("valid") is not True:
        raise MunichCaptchaFailed("captcha-verify", "captcha_rejected", 200)
    if not isinstance(token, str):
        raise OutsideContractError("token")
    return _Grant(token, _lifetime(token))


def _lifetime(token: str) -> float:
    """Return the seconds that a token holds: by its own two times, whatever our clock says."""
    try:
        claims = token.split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return float(content["exp"] - content["iat"])
    except (ValueError, LookupError, TypeError):
        raise OutsideContractError("token") from None
