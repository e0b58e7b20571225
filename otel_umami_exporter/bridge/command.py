"""`otel-umami bridge`: OTLP over HTTP in, Umami out, on the command line."""

import argparse
import logging
import sys
from typing import TYPE_CHECKING, Final

from otel_umami_exporter.bridge import BridgeNotInstalled
from otel_umami_exporter.bridge.settings import DEFAULT_PORT, check_binding, read_security
from otel_umami_exporter.errors import SettingsError, UmamiExporterError

if TYPE_CHECKING:
    from otel_umami_exporter.bridge.road import Road

_log: Final = logging.getLogger(__name__)
DEFAULT_HOST: Final = "127.0.0.1"
_FAILED: Final = 1
_MISUSED: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `otel-umami bridge`."""
    parser.add_argument(
        "--taxonomy",
        metavar="FILE",
        help="the closed list: a taxonomy.json, or module:NAME (default: UMAMI_TAXONOMY)",
    )
    parser.add_argument("--host", default=DEFAULT_HOST, help="the address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="the port; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--spool", metavar="FILE", help="where events wait for Umami (default: UMAMI_SPOOL)")
    parser.add_argument(
        "--insecure", action="store_true", help="listen on an address that others reach although there is no token"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; 0, or 1 if the port or the spool cannot be had, or 2 for a wrong setting."""
    try:
        from otel_umami_exporter.bridge import Bridge, BridgeServer  # noqa: PLC0415  # not there without the extra
    except BridgeNotInstalled as missing:
        return _fail(_MISUSED, str(missing))
    try:
        security = read_security()
        check_binding(args.host, security, insecure=args.insecure)
        server_road = _road(args.taxonomy, args.spool)
    except SettingsError as error:
        return _fail(_MISUSED, str(error))
    except UmamiExporterError as error:
        return _fail(_FAILED, str(error))
    bridge = Bridge(server_road, security=security)
    server = BridgeServer(bridge, host=args.host, port=args.port, security=security)
    try:
        listener = server.listen()
    except OSError as error:
        server_road.close()
        return _fail(_FAILED, f"Cannot listen on {args.host} port {args.port}: {error.strerror or error}")
    print(f"Bridge: OTLP over HTTP at {server.url}", flush=True)  # noqa: T201  # the address is what was asked for
    try:
        server.run(listener)
    finally:
        bridge.close()
        server_road.close()
    return 0


def _road(taxonomy: str | None, spool: str | None) -> "Road":
    from otel_umami_exporter.bridge.assembly import road_from_environment  # noqa: PLC0415  # not without the extra

    return road_from_environment(taxonomy, spool)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:  # noqa: PLR2004  # the largest port
        raise ValueError(text)
    return port


def _fail(status: int, line: str) -> int:
    print(line, file=sys.stderr)  # noqa: T201  # a command speaks
    return status
