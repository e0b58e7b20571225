"""Spans that never carry what people typed: an exception leaves its class name, not its text."""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import wraps
from traceback import walk_tb
from typing import Any, Final, ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

VISITOR: Final = "enduser.pseudo.id"
ERROR_TYPE: Final = "error.type"
EXCEPTION: Final = "exception"
_OURS: Final = "termin_bot."

tracer: Final = trace.get_tracer("termin_bot")

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def span(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, str | int | bool] | None = None
) -> Iterator[Span]:
    """Open a child of the current span; an exception marks it and goes on."""
    with tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield opened
        except Exception as error:
            mark_failed(opened, error)
            raise


@contextmanager
def root_span(name: str, *, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[Span]:
    """Open a span that begins a trace of its own."""
    with tracer.start_as_current_span(
        name, context=Context(), kind=kind, record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield opened
        except Exception as error:
            mark_failed(opened, error)
            raise


def traced(name: str) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """Run a service's method in a child span of that name; what it is called with stays out of it."""

    def wrap(method: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @wraps(method)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with span(name):
                return await method(*args, **kwargs)

        return run

    return wrap


def say_who(span: Span, visitor: str | None) -> None:
    """Say on *span* who is behind it, unless they do not want to be counted."""
    if visitor is not None:
        span.set_attribute(VISITOR, visitor)


def mark_failed(span: Span, error: BaseException) -> None:
    """Say on *span* that it failed, with which class of error and where; never in its words: they may hold anything."""
    kind = type(error)
    span.set_status(Status(StatusCode.ERROR))
    span.set_attribute(ERROR_TYPE, kind.__name__)
    span.add_event(
        EXCEPTION,
        {"exception.type": f"{kind.__module__}.{kind.__qualname__}", "exception.stacktrace": "\n".join(places(error))},
    )


def places(error: BaseException) -> list[str]:
    """Return the way an error took, outermost first: modules, functions and lines, without any value."""
    return [
        f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}:{line}"
        for frame, line in walk_tb(error.__traceback__)
    ]


def place(error: BaseException) -> str:
    """Return where an error left our own code, for one line in a log."""
    way = places(error)
    ours = [each for each in way if each.startswith(_OURS)]
    return (ours or way or ["?"])[-1]


@contextmanager
def carrying_on(log: logging.Logger, what: str) -> Iterator[None]:
    """
    Let nothing that goes wrong in the block reach what comes after it; it is said on the span and in the log.

    Where the span has ended, because the block is worked off beside it, a span of its own says it in the same trace.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  that is what it is for; the text of a foreign error may hold anything
        current = trace.get_current_span()
        with nullcontext(current) if current.is_recording() else span(f"{what} failed") as own:
            mark_failed(own, error)
        log.error("%s failed: %s at %s", what, type(error).__name__, place(error))  # noqa: TRY400  no traceback: see above
