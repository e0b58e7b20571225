"""Exporters by name, as OpenTelemetry's own variables name them."""

import os
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Final, Literal

from otel_umami_exporter import SettingsError

Signal = Literal["traces", "metrics"]
_OTLP_ENTRY_POINTS: Final = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def exporter_names(signal: Signal, default: str) -> tuple[str, ...]:
    """Return the names in OTEL_<SIGNAL>_EXPORTER, each once; `none` is no name."""
    names = [each.strip() for each in (os.environ.get(_variable(signal)) or default).split(",")]
    return tuple(dict.fromkeys(each for each in names if each and each != "none"))


def exporter_for(signal: Signal, name: str) -> Any:
    """
    Return a new exporter of the kind that is registered as *name*.

    Raises:
        SettingsError: no installed package registered it, or it cannot be built; the message names the variable.
    """
    loaded = _loaded(signal, name)
    try:
        return loaded()
    except Exception as error:  # noqa: BLE001  # whatever a foreign constructor raises is one clear line
        raise SettingsError(f"{_variable(signal)}: {name} cannot be started ({type(error).__name__})") from None


def _loaded(signal: Signal, name: str) -> Callable[[], Any]:
    registered = name
    if name == "otlp":
        own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL"
        protocol = os.environ.get(own) or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
        if protocol not in _OTLP_ENTRY_POINTS:
            raise SettingsError("OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf or grpc is needed")
        registered = _OTLP_ENTRY_POINTS[protocol]
    found = next(iter(entry_points(group=f"opentelemetry_{signal}_exporter", name=registered)), None)
    if found is None:
        raise SettingsError(f"{_variable(signal)}: no exporter is installed under the name {name}")
    try:
        loaded: Callable[[], Any] = found.load()
    except Exception as error:  # noqa: BLE001  # a package that cannot be imported is the same clear line
        raise SettingsError(f"{_variable(signal)}: {name} cannot be started ({type(error).__name__})") from None
    return loaded


def _variable(signal: Signal) -> str:
    return f"OTEL_{signal.upper()}_EXPORTER"
