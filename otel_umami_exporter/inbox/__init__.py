"""
A local stand-in for Umami, for development and tests: not for production.

It answers /api/send and /api/batch as Umami 3.1.0 does, shows on a page what arrives, and tells what Umami would have
dropped or cut. Needs the extra `inbox`: without it every name here raises InboxNotInstalled, an ImportError; only
`command` can be imported, to say so on the command line.
"""

from typing import NoReturn

__all__ = [
    "EMPTY",
    "GARBAGE",
    "HTML_PAGE",
    "TRUNCATED",
    "Answer",
    "Drop",
    "Fault",
    "Faults",
    "Hang",
    "Inbox",
    "InboxNotInstalled",
    "InboxServer",
    "Problem",
    "RecordedRequest",
    "StoredEvent",
]

_EXTRA = ("starlette", "uvicorn")


class InboxNotInstalled(ImportError):  # noqa: N818 - says what is the case
    """Starlette or uvicorn is missing."""

    def __init__(self) -> None:
        super().__init__("The inbox needs Starlette and uvicorn: install otel-umami-exporter[inbox]")


try:
    from .faults import EMPTY, GARBAGE, HTML_PAGE, TRUNCATED, Answer, Drop, Fault, Faults, Hang
    from .handle import Inbox
    from .problems import Problem
    from .readback import StoredEvent
    from .recorder import RecordedRequest
    from .server import InboxServer
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] not in _EXTRA:
        raise

    def __getattr__(name: str) -> NoReturn:
        if name in __all__:
            raise InboxNotInstalled
        raise AttributeError(name)
