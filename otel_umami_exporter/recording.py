"""Recording a business event: one call, on whatever span is current."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import Span

from otel_umami_exporter._version import __version__
from otel_umami_exporter.record import NOBODY, VISITOR
from otel_umami_exporter.taxonomy import Event

_log: Final = logging.getLogger(__name__)
_VISITOR_KEY: Final = context.create_key("otel-umami-visitor")
_tracer: Final = trace.get_tracer("otel_umami_exporter", __version__)


@contextmanager
def use_visitor(visitor: str | None) -> Iterator[None]:
    """
    Say who is behind the events recorded in this block, across awaits and child spans.

    *visitor* is a pseudonym of at most 50 characters: never a name, an address or an id that others know. None says
    that nobody is, also inside a block that said somebody.
    """
    token = context.attach(context.set_value(_VISITOR_KEY, visitor or NOBODY))
    try:
        yield
    finally:
        context.detach(token)


def record(event: Event, *, visitor: str | None = None, span: Span | None = None, time_ns: int | None = None) -> None:
    """
    Record *event* on the current span; it is on disk when that span has ended.

    Outside any span it gets one of its own, and is on disk when this call returns.

    Args:
        event: the event; its class is in the taxonomy.
        visitor: who is behind it, if not the one that `use_visitor` said.
        span: the span to put it on, if not the current one.
        time_ns: when it happened, in nanoseconds since 1970, if not now.
    """
    attributes = event.attributes()
    current = context.get_current()  # once: it is several calls
    who = visitor or current.get(_VISITOR_KEY)
    if event.person and isinstance(who, str):
        attributes[VISITOR] = who
    target = span or trace.get_current_span(current)
    if target.is_recording():
        target.add_event(event.name, attributes, time_ns)
        return
    # No span, or one that a sampler switched off (see sampler.py): the event gets a span of its own.
    own = _tracer.start_span(event.name, start_time=time_ns)
    if own.is_recording():
        own.add_event(event.name, attributes, time_ns)
    elif own.get_span_context().is_valid:
        _warn_once()
    own.end(time_ns)


_warned = False


def _warn_once() -> None:
    global _warned  # noqa: PLW0603  # one process, one warning
    if not _warned:
        _warned = True
        _log.warning("a trace sampler drops business events; wrap it: AlwaysRecord(sampler)")
