"""Spans that never carry what people typed: an exception leaves its class name, not its text."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

VISITOR: Final = "enduser.pseudo.id"
ERROR_TYPE: Final = "error.type"

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
    """Say on *span* that it failed, and with which class of error."""
    span.set_status(Status(StatusCode.ERROR))
    span.set_attribute(ERROR_TYPE, type(error).__name__)
