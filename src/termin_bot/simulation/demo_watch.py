"""What the demo sees of the bot from outside: every span at its end, every ERROR line. It counts by itself."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from termin_bot.events import TAXONOMY, BookingCompleted
from termin_bot.operations import OPERATIONS
from termin_bot.tracing import ERROR_TYPE, VISITOR

from .demo_tally import Tally
from .telegram_bell import Bell

_MS: Final = 1_000_000
_EVENT_NAMES: Final = frozenset(each.name for each in TAXONOMY.events)
_TELEGRAM_REFUSES: Final = ("telegram ", "notification")  # who blocks the bot makes these fail; the bot records it
_OPERATION_NAMES: Final = frozenset(OPERATIONS)


class Watch(SpanProcessor):
    """
    Counts what the bot records, independently of the road to Umami, and notes what nobody expected.

    Spans may end in any thread; waiting happens in the event loop that was running when the watch was made.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.views = 0
        self.visitors: set[str] = set()
        self.booking_ms: list[int] = []
        self.troubles: list[str] = []
        self._lock = threading.Lock()
        self._bell = Bell()
        self._loop = asyncio.get_running_loop()
        self._updates_sent = 0
        self._updates_done = 0
        self._tolerant = 0

    @property
    def events(self) -> Counter[str]:
        """How often each event was recorded."""
        return self.tally.events

    # -- what the simulation says

    def update_sent(self) -> None:
        """Note that somebody gave the bot something to do; one span of kind CONSUMER answers it."""
        self._updates_sent += 1

    def trouble(self, what: str) -> None:
        """Note something unexpected, unless it is expected just now."""
        if not self._tolerant:
            self.troubles.append(what)

    @contextmanager
    def expecting_trouble(self) -> Iterator[None]:
        """Take failed spans and ERROR lines for part of the script while the block runs."""
        self._tolerant += 1
        try:
            yield
        finally:
            self._tolerant -= 1

    async def idle(self, seconds: float) -> None:
        """Wait until the bot has finished every update; TimeoutError after *seconds*."""
        await self.until(lambda: self._updates_done >= self._updates_sent, seconds)

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until *condition* holds; asked again whenever a span has ended. TimeoutError after *seconds*."""
        await self._bell.until(condition, seconds)

    # -- what OpenTelemetry says

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is counted before the end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Count what *span* has to tell."""
        with self._lock:
            self._count(span)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._bell.ring)

    def shutdown(self) -> None:
        """Nothing is to be closed."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  OpenTelemetry's signature
        """Nothing waits here."""
        return True

    def _count(self, span: ReadableSpan) -> None:
        attributes = span.attributes or {}
        for event in span.events:
            if event.name in _EVENT_NAMES:
                self.tally.count(event.name, event.attributes or {})
            if event.name == BookingCompleted.name and span.start_time is not None:
                self.booking_ms.append((event.timestamp - span.start_time) // _MS)
        if span.kind is SpanKind.CONSUMER:
            self._updates_done += 1
            visitor = attributes.get(VISITOR)
            if span.name in _OPERATION_NAMES and isinstance(visitor, str):
                self.views += 1
                self.visitors.add(visitor)
        if span.status.status_code is StatusCode.ERROR and not span.name.startswith(_TELEGRAM_REFUSES):
            self.trouble(f"the span '{span.name}' failed: {attributes.get(ERROR_TYPE, 'unknown')}")


class ErrorLines(logging.Handler):
    """Reports every ERROR line to a watch."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.ERROR)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        """Report one line, without what was put into it."""
        self._watch.trouble(f"{record.name} logged an error: {record.msg}")
