"""`otel-umami inbox`: the stand-in for Umami on the command line."""

import argparse
import ipaddress
import logging
import sqlite3
import sys
import uuid
from typing import Final

from . import InboxNotInstalled

_log = logging.getLogger(__name__)

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 3000  # Umami's own
NOTICE: Final = "Inbox, a local stand-in for Umami, for development: not for production"
_FAILED: Final = 1
_MISUSED: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `otel-umami inbox`."""
    parser.add_argument("--host", default=DEFAULT_HOST, help="the address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="the port; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--database", default=":memory:", metavar="PATH", help="keep events in this file (default: memory)"
    )
    parser.add_argument(
        "--website",
        action="append",
        default=[],
        type=_website,
        metavar="UUID",
        help="accept only this website id, and refuse others as Umami does; may be repeated (default: accept any)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C; 0, or 1 if the port or the file cannot be had, or 2 without the extra `inbox`."""
    try:
        from . import Inbox  # noqa: PLC0415 - not there without the extra, which is said in one line
    except InboxNotInstalled as exc:
        return _fail(_MISUSED, str(exc))
    try:
        inbox = Inbox(args.database, any_website=not args.website, websites=args.website)
    except sqlite3.Error as exc:
        return _fail(_FAILED, f"The database {args.database} cannot be opened: {exc}")
    server = inbox.serve(args.host, args.port)
    try:
        listener = server.listen()
    except OSError as exc:
        inbox.close()
        return _fail(_FAILED, f"Cannot listen on {args.host} port {args.port}: {exc.strerror or exc}. Try --port 0.")
    print(f"{NOTICE}: {server.url}", flush=True)  # noqa: T201 - the address is what the command is asked for
    if not _is_loopback(args.host):
        _log.warning("The inbox listens on %s: everyone who reaches this address can read all events", args.host)
    try:
        server.run(listener)
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        inbox.close()
    return 0


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:  # noqa: PLR2004 - the largest port
        raise ValueError(text)
    return port


def _website(text: str) -> str:
    return str(uuid.UUID(text))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _fail(status: int, line: str) -> int:
    print(line, file=sys.stderr)  # noqa: T201 - a command speaks
    return status
