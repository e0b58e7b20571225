"""
How long Umami keeps events: `otel-umami retention`.

Umami 3.1 has no call that deletes by age (a website is emptied as a whole or not at all), so the command prints the
SQL that does it, for exactly the websites of one program.
"""

import argparse
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from otel_umami_exporter.dashboards.loading import load_dashboards
from otel_umami_exporter.errors import SettingsError
from otel_umami_exporter.settings import read_settings

DEFAULT_DAYS: Final = 90
LEAST_DAYS: Final = 1
_EXPLANATION: Final = """\
-- Umami 3.1 has no call that deletes by age: run this in its PostgreSQL database, once a day.
-- psql "$DATABASE_URL" -f this-file.sql
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `otel-umami retention`."""
    parser.add_argument(
        "--days", type=int, default=DEFAULT_DAYS, help="keep what is younger than this (default: %(default)s)"
    )
    parser.add_argument("--website-id", metavar="UUID", help="the website of the events (default: UMAMI_WEBSITE_ID)")
    parser.add_argument(
        "--dashboards",
        metavar="MODULE[:NAME]",
        help="also the projections' websites of these dashboards: termin_bot.dashboards",
    )


def run(args: argparse.Namespace) -> int:
    """
    Print the SQL.

    Raises:
        SettingsError, TaxonomyError: something is missing or malformed.
    """
    settings = read_settings(website_id=args.website_id)
    if settings.website_id is None:
        raise SettingsError("UMAMI_WEBSITE_ID: it is missing; --website-id says it too")
    if args.days < LEAST_DAYS:
        raise SettingsError(f"--days: {LEAST_DAYS} or more; to empty a website, reset it in Umami")
    websites = [_uuid(settings.website_id)]
    if args.dashboards:
        dashboards = load_dashboards(args.dashboards)
        websites += [each.site_id(websites[0]) for each in dashboards.projections]
    print(retention_sql(websites, args.days), end="")  # noqa: T201  # a command speaks
    return 0


def retention_sql(websites: Sequence[str], days: int) -> str:
    """
    Return the SQL that deletes from *websites* (UUIDs) what is older than *days*, in one transaction.

    Properties and revenue go before their events, and a visitor's session when nothing of it is left.
    """
    ids = ",\n    ".join(f"'{UUID(each)}'::uuid" for each in websites)
    old = f"website_id = ANY (ARRAY[\n    {ids}\n]) AND created_at < now() - interval '{int(days)} days'"
    unused = "NOT EXISTS (SELECT 1 FROM website_event e WHERE e.session_id = {table}.session_id)"
    statements = [
        f"DELETE FROM event_data WHERE website_event_id IN (SELECT event_id FROM website_event WHERE {old});",  # noqa: S608  # UUIDs and a number
        f"DELETE FROM revenue WHERE event_id IN (SELECT event_id FROM website_event WHERE {old});",  # noqa: S608  # the same
        f"DELETE FROM website_event WHERE {old};",  # noqa: S608  # the same
        f"DELETE FROM session_data WHERE {old} AND {unused.format(table='session_data')};",  # noqa: S608  # the same
        f"DELETE FROM session WHERE {old} AND {unused.format(table='session')};",  # noqa: S608  # the same
    ]
    return _EXPLANATION + "\n".join(["BEGIN;", *statements, "COMMIT;"]) + "\n"


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise SettingsError("UMAMI_WEBSITE_ID: a UUID is needed, as Umami shows it") from None
