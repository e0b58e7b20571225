"""`otel-umami dashboards apply | show | remove`."""

import argparse
import getpass
import sys
from typing import Final
from uuid import UUID

from otel_umami_exporter.dashboards.client import ManagementClient
from otel_umami_exporter.dashboards.compile import RANGE_WORDS
from otel_umami_exporter.dashboards.declare import Audience, Board, Chart, Dashboards, Metric, Table
from otel_umami_exporter.dashboards.journal import Mode, Result
from otel_umami_exporter.dashboards.loading import load_dashboards
from otel_umami_exporter.dashboards.provision import Provisioner
from otel_umami_exporter.errors import SettingsError
from otel_umami_exporter.settings import UmamiSettings, read_settings

DEFAULT_USERNAME: Final = "admin"  # Umami's own


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and options of `otel-umami dashboards`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="apply|show|remove")
    for action, words in (
        ("apply", "make websites, boards, share pages and reports as declared; a second run changes nothing"),
        ("show", "print the public and the internal addresses"),
        ("remove", "take away what apply made; the website of the events stays"),
    ):
        one = actions.add_parser(action, help=words, description=words)
        one.add_argument("dashboards", metavar="MODULE[:NAME]", help="where they are declared: termin_bot.dashboards")
        one.add_argument("--endpoint", metavar="URL", help="Umami's address (default: UMAMI_ENDPOINT)")
        one.add_argument(
            "--username",
            help=f"who logs in (default: UMAMI_USERNAME, else {DEFAULT_USERNAME}); "
            "the password comes from UMAMI_PASSWORD or is asked for",
        )
        one.add_argument("--website-id", metavar="UUID", help="the website of the events (default: UMAMI_WEBSITE_ID)")
        if action != "show":
            one.add_argument("--dry-run", action="store_true", help="only print what would be done")


def run(args: argparse.Namespace) -> int:
    """
    Do the action, and say what was done.

    Raises:
        SettingsError, TaxonomyError: something is missing or malformed.
        ManagementError: Umami is not there, refused or failed.
    """
    dashboards = load_dashboards(args.dashboards)
    settings = read_settings(endpoint=args.endpoint, website_id=args.website_id, username=args.username)
    endpoint, website_id = _where(settings)
    mode: Mode = "dry-run" if getattr(args, "dry_run", False) else "apply"
    with ManagementClient(endpoint) as client:
        client.login(settings.username or DEFAULT_USERNAME, _password(settings))
        provisioner = Provisioner(client, dashboards, website_id, mode=mode)
        result = {"apply": provisioner.apply, "show": provisioner.show, "remove": provisioner.remove}[args.action]()
    _report(result, args.action, mode, dashboards)
    return 0


def _where(settings: UmamiSettings) -> tuple[str, str]:
    if settings.endpoint is None:
        raise SettingsError("UMAMI_ENDPOINT: it is missing; --endpoint says it too")
    if settings.website_id is None:
        raise SettingsError("UMAMI_WEBSITE_ID: it is missing; --website-id says it too")
    try:
        website_id = str(UUID(settings.website_id))
    except ValueError:
        raise SettingsError("UMAMI_WEBSITE_ID: a UUID is needed, as Umami shows it") from None
    return settings.endpoint.get_secret_value(), website_id


def _password(settings: UmamiSettings) -> str:
    if settings.password is not None:
        return settings.password.get_secret_value()
    if not sys.stdin.isatty():
        raise SettingsError("UMAMI_PASSWORD: it is missing, and there is no terminal to ask on")
    return getpass.getpass("Umami password: ")


def _report(result: Result, action: str, mode: Mode, dashboards: Dashboards) -> None:
    for change in result.changes:
        _print(str(change))
    if action != "show" and not result.is_changed:
        _print("nothing to change" if mode == "apply" else "nothing would change")
    if action == "remove":
        return
    for address in result.addresses:
        _print(f"{address.audience.value:<9}{address.title}: {address.url}")
        for board in dashboards.boards:
            if board.name == address.title and address.audience is Audience.PUBLIC:
                _print_ranges(board, address.url)


def _print_ranges(board: Board, url: str) -> None:
    """Umami's boards have one range for all widgets, taken from the address."""
    ranges: dict[str, list[str]] = {}
    for widget in board.widgets:
        if isinstance(widget, Metric | Chart | Table):
            ranges.setdefault(widget.over, []).append(widget.title)
    for word, said in RANGE_WORDS.items():
        if word in ranges:
            _print(f"         {said} ({', '.join(ranges[word])}): {url}?date={word}")


def _print(line: str) -> None:
    print(line)  # noqa: T201  # a command speaks
