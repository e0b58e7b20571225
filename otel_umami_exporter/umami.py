"""One call to Umami: how events are sent, in a batch or each by itself; answers.py says what comes of it."""

import math
import threading
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Final, Self

import httpx

from otel_umami_exporter.answers import (
    BOT_FILTER,
    NOT_UMAMI,
    Answer,
    read_answer,
    read_batch,
    read_failure,
    read_send,
)
from otel_umami_exporter.direct import ExchangeError
from otel_umami_exporter.outcome import BatchRefused, Delivered, Misconfigured, Outcome, Refused, Throttled, Unavailable
from otel_umami_exporter.ways import SENDS_IN_FLIGHT, way_to

BODY_LIMIT: Final = 10 * 1024 * 1024 - 64 * 1024  # Umami reads 10 MiB, and what is cut off is no JSON
CONNECT_SECONDS: Final = 5.0
_BATCH_AGAIN_SECONDS: Final = 600.0  # a proxy may have said 404 while Umami was being replaced
_NOT_TRIED: Final = Unavailable("not_tried")


class UmamiClient:
    """
    A connection to one Umami. Not for several threads: each sender thread has its own.

    Args:
        endpoint: the address of Umami, without `/api`.
        timeout_seconds: how long a batch of one event may take; a larger one gets more time.
        transport: httpx' seam for tests.
    """

    def __init__(
        self, endpoint: str, *, timeout_seconds: float = 10.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._timeout = timeout_seconds
        self._batch_from = 0.0  # when there is no /api/batch: the time to look again
        self._doubted = False  # whether a batch of one had no token, though its event was stored by itself
        self._way = way_to(endpoint, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._way.close()

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Send *bodies*, one JSON item each; return one outcome each, in order. Never raises for what a server does."""
        if monotonic() >= self._batch_from:
            outcomes = self._send_batch(bodies)
            if outcomes is not None:
                return outcomes
            self._batch_from = monotonic() + _BATCH_AGAIN_SECONDS  # Umami before 2.17, and some hosts
        return self._send_each(bodies)

    def _send_batch(self, bodies: Sequence[bytes]) -> list[Outcome] | None:
        """Send one batch; None when this server has no batches."""
        content = b"[" + b",".join(bodies) + b"]"
        if len(content) > BODY_LIMIT:
            return [BatchRefused("too_large")] * len(bodies)
        answer = self._post("batch", content, len(bodies))
        if not isinstance(answer, Answer):
            return [answer] * len(bodies)
        if answer.has_no_route:
            return None
        if answer.status == httpx.codes.OK:
            return self._made_sure(bodies, read_batch(answer.document, len(bodies)))
        outcome = read_failure(answer)
        if isinstance(outcome, Refused):  # one of them is to blame, not all
            outcome = BatchRefused(outcome.reason)
        return [outcome] * len(bodies)

    def _made_sure(self, bodies: Sequence[bytes], outcomes: list[Outcome]) -> list[Outcome]:
        """
        Return *outcomes*, or the truth if this server never puts a token into the answer of a batch.

        Older ones do not, so that a batch that was stored looks like one that the bot filter took. To guess would be to
        lose every event, or to store it again and again: so one of them is sent by itself, and another as a batch of
        one. If that has no token either, though the filter lets us pass, all of them were stored, and each goes by
        itself from then on. There these two arrive twice; where the filter has just ended, nothing does.

        A batch of one has no second event to try: the next one is that, so that rare events do not come twice for ever.
        """
        undecided = [index for index, each in enumerate(outcomes) if each is BOT_FILTER]
        if not undecided:
            self._doubted = False
            return outcomes
        first, *others = undecided
        outcomes[first] = alone = self._send_one(bodies[first])
        if not isinstance(alone, Delivered):
            return outcomes
        if not others:
            if self._doubted:
                self._batch_from = math.inf
            self._doubted = True
            return outcomes
        second = others[0]
        answer = self._post("batch", b"[" + bodies[second] + b"]", 1)
        if isinstance(answer, Answer) and answer.status == httpx.codes.OK:
            [outcomes[second]] = read_batch(answer.document, 1)
            if outcomes[second] is BOT_FILTER:
                self._batch_from = math.inf
                return [alone if each is BOT_FILTER else each for each in outcomes]
        return outcomes

    def _send_each(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Send each by itself, a few in flight; stops at the first outcome that would be the same for all."""
        outcomes: list[Outcome] = [_NOT_TRIED] * len(bodies)
        positions = iter(range(len(bodies)))
        lock, stop = threading.Lock(), threading.Event()
        give_up_at = monotonic() + self._seconds(len(bodies))

        def work() -> None:
            while not stop.is_set() and monotonic() < give_up_at:
                with lock:
                    position = next(positions, None)
                if position is None:
                    return
                outcomes[position] = outcome = self._send_one(bodies[position])
                if isinstance(outcome, Throttled | Misconfigured) or (
                    isinstance(outcome, Unavailable) and not outcome.doubtful
                ):
                    stop.set()

        # Daemons: a server that never answers must not keep the interpreter from ending.
        helpers = [
            threading.Thread(target=work, name=f"umami-send-{number}", daemon=True)
            for number in range(min(SENDS_IN_FLIGHT, len(bodies)) - 1)
        ]
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
        return outcomes

    def _send_one(self, body: bytes) -> Outcome:
        answer = self._post("send", body, 1)
        return read_send(answer) if isinstance(answer, Answer) else answer

    def _seconds(self, items: int) -> float:
        # The server goes on after we hung up, so hanging up early means sending twice: be patient with large batches.
        return self._timeout + 0.2 * items

    def _post(self, path: str, content: bytes, items: int) -> Answer | Outcome:
        try:
            status, body, wait = self._way.post(
                path, content, self._seconds(items), min(self._timeout, CONNECT_SECONDS)
            )
        except ExchangeError as error:
            return Unavailable(error.reason)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            return NOT_UMAMI
        return read_answer(status, body, wait)
