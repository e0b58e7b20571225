"""
Business events, with what the person behind them and the operator decided.

    /analytics off                  the person is None: no event of theirs is recorded
    ANALYTICS_UNLINK_SERVICES=true  an event that names a service gets a trace of its own and nobody behind it;
                                    those of one booking have the booking's alias instead, so that a funnel counts
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Final, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Span

import otel_umami_exporter
from otel_umami_exporter import Event
from termin_bot.languages import language_of, use_language
from termin_bot.tracing import tracer


class Behind(Enum):
    """Who is behind an event, when it is no visitor."""

    CURRENT = "whoever `use_visitor` said"
    NOBODY = "nobody: the bot itself"


Visitor = str | None
"""A pseudonym; None is a person who does not want to be counted."""

_current: ContextVar[Visitor | Behind] = ContextVar("termin-bot-visitor", default=Behind.NOBODY)
_unlinks: ContextVar[bool] = ContextVar("termin-bot-unlinks-services", default=False)
_NAMES_SERVICE: Final = "service_id"


class Addressee(Protocol):
    """A person, as far as talking to them goes."""

    language: str

    @property
    def visitor(self) -> Visitor:
        """Their pseudonym, None without consent."""
        ...


@contextmanager
def unlink_services(wanted: bool) -> Iterator[None]:  # noqa: FBT001  the operator's switch, passed on
    """Record, in the block, what names a service without the person."""
    token = _unlinks.set(wanted)
    try:
        yield
    finally:
        _unlinks.reset(token)


@contextmanager
def use_visitor(visitor: Visitor | Behind) -> Iterator[None]:
    """Say who is behind the events recorded in this block; None is a person who does not want to be counted."""
    token = _current.set(visitor)
    try:
        with otel_umami_exporter.use_visitor(visitor if isinstance(visitor, str) else None):
            yield
    finally:
        _current.reset(token)


@contextmanager
def on_behalf_of(person: Addressee) -> Iterator[None]:
    """Do something for a person: in their name, as far as they allow it, and in their language."""
    with use_visitor(person.visitor), use_language(language_of(person.language)):
        yield


def record(
    event: Event,
    *,
    visitor: Visitor | Behind = Behind.CURRENT,
    alias: str = "",
    span: Span | None = None,
    time_ns: int | None = None,
) -> None:
    """
    Record *event*, unless the person behind it does not want to be counted.

    Args:
        event: what happened.
        visitor: who is behind it, if not the one that `use_visitor` said.
        alias: the random id of the booking it belongs to.
        span: the span to put it on, if not the current one. One that is given has nobody's name on it when unlinked.
        time_ns: when it happened, in nanoseconds since 1970, if not now.

    """
    who = _current.get() if visitor is Behind.CURRENT else visitor
    if not event.person:
        otel_umami_exporter.record(event, span=span, time_ns=time_ns)
    elif who is None:
        return
    elif _unlinks.get() and (alias or hasattr(event, _NAMES_SERVICE)):
        _record_unlinked(event, alias, span, time_ns)
    else:
        otel_umami_exporter.record(event, visitor=who if isinstance(who, str) else None, span=span, time_ns=time_ns)


def name_on_span(visitor: Visitor, alias: str) -> Visitor:
    """Return whose name belongs on the span of a booking: the booking's own where services are unlinked."""
    return (alias or None) if visitor is not None and _unlinks.get() else visitor


def may_point_at_person() -> bool:
    """Whether a trace that names a service may lead to the trace of the person's own doing."""
    return not _unlinks.get()


def _record_unlinked(event: Event, alias: str, span: Span | None, time_ns: int | None) -> None:
    # A trace of its own: the trace's id travels with every event, and would join this one to the person's others.
    own = span or tracer.start_span("unlinked event", context=Context(), start_time=time_ns)
    with otel_umami_exporter.use_visitor(alias or None):
        otel_umami_exporter.record(event, span=own, time_ns=time_ns)
    if span is None:
        own.end(time_ns)
