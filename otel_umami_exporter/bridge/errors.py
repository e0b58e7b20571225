"""What a request can be answered with instead of success; each knows its HTTP status and its gRPC code."""

from typing import ClassVar, Final

from otel_umami_exporter.errors import SpoolUnavailable

INVALID_ARGUMENT: Final = 3
RESOURCE_EXHAUSTED: Final = 8
UNAVAILABLE: Final = 14
UNAUTHENTICATED: Final = 16


class Answered(Exception):  # noqa: N818  # not every answer is an error of ours
    """A request that ends here. The message names what is wrong, never what the request held."""

    status: ClassVar[int] = 400
    code: ClassVar[int] = INVALID_ARGUMENT
    retry_after: ClassVar[int | None] = None


class Malformed(Answered):
    """The body is not what its content type says. Sending it again would not help: senders drop it."""


class TooLarge(Answered):
    """The body, as sent or unpacked, is beyond the limit."""

    status = 413
    code = RESOURCE_EXHAUSTED


class WrongType(Answered):
    """The content type or encoding is none that OTLP over HTTP knows."""

    status = 415


class Unauthenticated(Answered):
    """The bearer token is missing or wrong."""

    status = 401
    code = UNAUTHENTICATED


class TooSlow(Answered):
    """The body did not arrive in time."""

    status = 408
    code = UNAVAILABLE


class Busy(Answered):
    """Too many bytes are being read already; a sender waits and tries again."""

    status = 503
    code = UNAVAILABLE
    retry_after = 1


class NotTaken(Answered):
    """The spool is full, or its disk takes nothing: the sender keeps the data and tries again."""

    status = 503
    code = UNAVAILABLE
    retry_after = 15


class SpoolFull(SpoolUnavailable):
    """There is no room for this request; there will be when Umami has taken some."""
