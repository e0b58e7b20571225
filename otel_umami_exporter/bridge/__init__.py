"""
OTLP over HTTP in, Umami out: for programs in any language, and for the OpenTelemetry Collector.

Needs the extra `bridge`: without it every name here raises BridgeNotInstalled, an ImportError; only `command` can be
imported, to say so on the command line.
"""

from typing import NoReturn

__all__ = ["Bridge", "BridgeNotInstalled", "BridgeServer", "Limits", "Road", "Security"]

_EXTRA = ("starlette", "uvicorn", "google", "opentelemetry.proto")


class BridgeNotInstalled(ImportError):  # noqa: N818  # says what is the case
    """Starlette, uvicorn or opentelemetry-proto is missing."""

    def __init__(self) -> None:
        super().__init__(
            "The bridge needs Starlette, uvicorn and opentelemetry-proto: install otel-umami-exporter[bridge]"
        )


try:
    from otel_umami_exporter.bridge.app import Bridge
    from otel_umami_exporter.bridge.road import Road
    from otel_umami_exporter.bridge.server import BridgeServer
    from otel_umami_exporter.bridge.settings import Limits, Security
except ModuleNotFoundError as missing:
    if missing.name is None or not missing.name.startswith(_EXTRA):
        raise

    def __getattr__(name: str) -> NoReturn:
        if name in __all__:
            raise BridgeNotInstalled
        raise AttributeError(name)
