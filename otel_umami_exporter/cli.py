"""
`otel-umami`: what an operator asks and does.

Exit status: 0 it is well; 1 a fault was found, or not everything could be done; 2 an argument or a setting is wrong.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from otel_umami_exporter._version import __version__
from otel_umami_exporter.clock import SystemClock
from otel_umami_exporter.dead_letters import DeadLetter, dead_letters, drop_dead_letters, retry_dead_letters
from otel_umami_exporter.doctor import Check, examine
from otel_umami_exporter.errors import SettingsError, SpoolError, TaxonomyError, UmamiExporterError
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.sender import Sender
from otel_umami_exporter.settings import (
    UmamiSettings,
    default_spool,
    limits_from,
    load_taxonomy,
    read_settings,
    timing_from,
)
from otel_umami_exporter.spool import Spool
from otel_umami_exporter.taxonomy import Taxonomy
from otel_umami_exporter.taxonomy_text import differences, to_markdown
from otel_umami_exporter.umami import UmamiClient

OK: Final = 0
FAULT: Final = 1
MISUSE: Final = 2
_SHOWN: Final = 100  # characters of a dead letter's body
# Commands that live beside what they command; imported only when asked for, some need an extra.
_ELSEWHERE: Final = {
    "inbox": "run a local stand-in for Umami with a page that shows what arrives (extra: inbox)",
    "bridge": "run the OTLP receiver for programs in other languages and for the Collector (extra: bridge)",
    "dashboards": "apply, show or remove boards that are declared in code",
    "retention": "print the SQL that deletes events older than so many days: Umami has no call for it",
}
_MODULES: Final = {"retention": "dashboards.retention"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    args = build_parser(given[0] if given else "").parse_args(given)
    run: Callable[[argparse.Namespace], int] = args.run
    try:
        return run(args)
    except (SettingsError, TaxonomyError) as error:
        return _fail(MISUSE, error)
    except UmamiExporterError as error:
        return _fail(FAULT, error)
    except KeyboardInterrupt:
        return FAULT
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left
        return FAULT


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; with *only*, commands that live elsewhere are loaded if they have this name."""
    parser = argparse.ArgumentParser(prog="otel-umami", description="Business events from OpenTelemetry to Umami.")
    parser.add_argument("--version", action="version", version=f"otel-umami {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_doctor(commands)
    _add_status(commands)
    _add_flush(commands)
    _add_dead_letters(commands)
    _add_taxonomy(commands)
    for name, words in _ELSEWHERE.items():
        module = f"{__package__}.{_MODULES.get(name, f'{name}.command')}"
        if not _is_there(module):
            continue
        one = commands.add_parser(name, help=words, description=words)
        if only in (None, name):
            command = import_module(module)
            command.add_arguments(one)
            one.set_defaults(run=command.run)
    return parser


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def _command(parent: Any, name: str, words: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parent.add_parser(name, help=words, description=words)
    parser.set_defaults(run=run)
    return parser


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--spool", metavar="PATH", help="the spool file (default: UMAMI_SPOOL, else by website)")
    parser.add_argument("--website-id", metavar="UUID", help="the website (default: UMAMI_WEBSITE_ID)")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


# --- doctor -----------------------------------------------------------------------------------------------------------


def _add_doctor(commands: Any) -> None:
    parser = _command(commands, "doctor", "find out why an event is not there: one line for each check", _doctor)
    _add_where(parser)
    parser.add_argument("--endpoint", metavar="URL", help="Umami's address (default: UMAMI_ENDPOINT)")
    parser.add_argument("--taxonomy", metavar="WHERE", help="module:NAME or a JSON file (default: UMAMI_TAXONOMY)")
    parser.add_argument(
        "--login",
        action="store_true",
        help="also send one test event and read it back, logged in with UMAMI_USERNAME and UMAMI_PASSWORD",
    )
    _add_json(parser)


def _doctor(args: argparse.Namespace) -> int:
    settings = _settings(args)
    found: list[Check] = []
    for check in examine(settings, _spool_path(settings), SystemClock(), login=args.login):
        found.append(check)
        if not args.json:
            _print(str(check))
    if args.json:
        _print(json.dumps([check.as_dict() for check in found], indent=2))
    return OK if all(check.is_well for check in found) else FAULT


# --- status, flush ----------------------------------------------------------------------------------------------------


def _add_status(commands: Any) -> None:
    parser = _command(commands, "status", "show the books: where every event is that was ever accepted", _status)
    _add_where(parser)
    _add_json(parser)


def _status(args: argparse.Namespace) -> int:
    with _OpenSpool(_spool_path(_settings(args))) as spool:
        numbers = _numbers(spool)
    if args.json:
        _print(json.dumps(numbers, indent=2))
        return OK
    for name in ("spool", "accepted", "delivered", "waiting"):
        _print(f"{name:<20}{numbers[name]}")
    for name in ("refused", "dropped"):
        _print(f"{name:<20}{sum(numbers[name].values())}")
        for reason, number in numbers[name].items():
            _print(f"  {reason:<18}{number}")
    _print(f"{'oldest waits':<20}{numbers['oldest_age_seconds']:.0f} s")
    _print(f"{'dead letters':<20}{numbers['dead_letters']}")
    _print(f"{'books':<20}{'balanced' if numbers['balanced'] else 'NOT BALANCED: please report this'}")
    return OK


def _numbers(spool: Spool) -> dict[str, Any]:
    books = spool.books()
    oldest = spool.oldest()
    return {
        "spool": spool.path,
        "accepted": books.accepted,
        "delivered": books.delivered,
        "waiting": books.waiting,
        "refused": dict(books.refused),
        "dropped": dict(books.dropped),
        "oldest_age_seconds": round(max(0.0, time.time() - oldest[1]), 1) if oldest else 0.0,
        "dead_letters": len(dead_letters(spool)),
        "balanced": books.balanced,
    }


def _add_flush(commands: Any) -> None:
    parser = _command(commands, "flush", "deliver what waits, now; needs no taxonomy and no running program", _flush)
    _add_where(parser)
    parser.add_argument("--endpoint", metavar="URL", help="Umami's address (default: UMAMI_ENDPOINT)")
    parser.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="give up after (default: 60)")
    _add_json(parser)


def _flush(args: argparse.Namespace) -> int:
    settings = _settings(args)
    if settings.endpoint is None:
        raise SettingsError("UMAMI_ENDPOINT: it is missing; --endpoint says it too")
    address, timeout = settings.endpoint.get_secret_value(), settings.timeout_seconds
    path = _spool_path(settings)
    _check_exists(path)
    clock = SystemClock()
    spool = OverflowingSpool(path, limits_from(settings), clock)
    before = spool.books()
    sender = Sender(
        spool, lambda: UmamiClient(address, timeout_seconds=timeout), timing=timing_from(settings), clock=clock
    )
    done = sender.flush(args.timeout)
    if sender.stop(1.0):
        after = spool.books()
        spool.close()
    else:
        after = spool.books()
    numbers = {"delivered": after.delivered - before.delivered, "waiting": after.waiting}
    _print(json.dumps(numbers) if args.json else f"{numbers['delivered']} delivered, {numbers['waiting']} still wait")
    return OK if done else FAULT


# --- dead letters -----------------------------------------------------------------------------------------------------


def _add_dead_letters(commands: Any) -> None:
    words = "look at events that Umami refused for good, and decide"
    parser = commands.add_parser("dead-letters", help=words, description=words)
    actions = parser.add_subparsers(required=True, metavar="list|retry|drop")
    listing = _command(actions, "list", "show them, with the reason", _list)
    listing.add_argument("--limit", type=_number, default=100, metavar="N", help="at most so many (default: 100)")
    _add_json(listing)
    retry = _command(actions, "retry", "let them wait for Umami again", _retry)
    drop = _command(actions, "drop", "delete them; the books go on counting them as refused", _drop)
    for one in (retry, drop):
        one.add_argument("ids", nargs="*", type=_number, metavar="ID", help="which, by the number that `list` shows")
        one.add_argument("--all", action="store_true", help="all of them")
    for one in (listing, retry, drop):
        _add_where(one)


def _list(args: argparse.Namespace) -> int:
    with _OpenSpool(_spool_path(_settings(args))) as spool:
        letters = dead_letters(spool, args.limit)
    if args.json:
        _print(json.dumps([_letter(each) for each in letters], indent=2))
        return OK
    for each in letters:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each.refused_at))
        _print(f"{each.id}\t{when}\t{each.reason}\t{each.body[:_SHOWN].decode(errors='replace')}")
    return OK


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "accepted_at": letter.accepted_at,
        "refused_at": letter.refused_at,
        "body": letter.body.decode(errors="replace"),
    }


def _retry(args: argparse.Namespace) -> int:
    return _decide(args, retry_dead_letters, "wait for Umami again")


def _drop(args: argparse.Namespace) -> int:
    return _decide(args, drop_dead_letters, "deleted")


def _decide(args: argparse.Namespace, do: Callable[[Spool, Sequence[int] | None], int], words: str) -> int:
    if bool(args.ids) == args.all:
        raise SettingsError("say which: numbers that `list` shows, or --all")
    with _OpenSpool(_spool_path(_settings(args))) as spool:
        number = do(spool, None if args.all else args.ids)
    _print(f"{number} {words}")
    return OK if args.all or number == len(set(args.ids)) else FAULT


# --- taxonomy ---------------------------------------------------------------------------------------------------------


def _add_taxonomy(commands: Any) -> None:
    words = "check the closed list, write it down, or compare it with what was written"
    parser = commands.add_parser("taxonomy", help=words, description=words)
    actions = parser.add_subparsers(required=True, metavar="check|write|diff")
    check = _command(actions, "check", "say whether it is valid", _check)
    write = _command(actions, "write", "write it as JSON, or as a page", _write)
    write.add_argument("--json", metavar="PATH", dest="json_path", help="taxonomy.json, for the bridge")
    write.add_argument("--markdown", metavar="PATH", help="a page with a table for each event")
    diff = _command(actions, "diff", "say what a taxonomy.json does not have yet, or no longer; 1 if anything", _diff)
    for one in (check, write, diff):
        one.add_argument("where", help="module:NAME or a JSON file")
    diff.add_argument("written", help="the taxonomy.json to compare with")


def _check(args: argparse.Namespace) -> int:
    taxonomy = _taxonomy(args.where)
    properties = sum(len(event.properties) for event in taxonomy.events)
    _print(f"{len(taxonomy.events)} events with {properties} properties, {len(taxonomy.operations)} operations")
    return OK


def _write(args: argparse.Namespace) -> int:
    taxonomy = _taxonomy(args.where)
    if args.json_path is None and args.markdown is None:
        _print(taxonomy.to_json().rstrip())
    for path, text in ((args.json_path, taxonomy.to_json()), (args.markdown, to_markdown(taxonomy))):
        if path is not None:
            try:
                Path(path).write_text(text, encoding="utf-8")
            except OSError as error:
                raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    return OK


def _diff(args: argparse.Namespace) -> int:
    lines = differences(_taxonomy(args.written), _taxonomy(args.where))
    for line in lines:
        _print(line)
    return FAULT if lines else OK


# --- shared -----------------------------------------------------------------------------------------------------------


def _taxonomy(where: str) -> Taxonomy:
    sys.path.insert(0, "")  # as `python -m` does: the module is often in the folder where the command is run
    try:
        return load_taxonomy(where)
    finally:
        sys.path.remove("")


def _settings(args: argparse.Namespace) -> UmamiSettings:
    names = ("spool", "website_id", "endpoint", "taxonomy")
    return read_settings(**{name: getattr(args, name, None) for name in names})


def _spool_path(settings: UmamiSettings) -> Path:
    if settings.spool is not None:
        return Path(settings.spool)
    if settings.website_id is None:
        raise SettingsError("UMAMI_SPOOL, UMAMI_WEBSITE_ID: one of them is needed; --spool says it too")
    return default_spool(settings.site().website_id)


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise SpoolError(f"there is no spool at {path}")


class _OpenSpool:
    """A spool that is there already, for the time of one command."""

    def __init__(self, path: Path) -> None:
        _check_exists(path)
        self._spool: Final = Spool(path)

    def __enter__(self) -> Spool:
        return self._spool

    def __exit__(self, *_: object) -> None:
        self._spool.close()


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:  # noqa: PLR2004  # a day
        raise ValueError(text)
    return seconds


def _number(text: str) -> int:
    number = int(text)
    if not 0 < number < 1 << 62:
        raise ValueError(text)
    return number


def _print(line: str) -> None:
    print(line)  # noqa: T201  # a command speaks


def _fail(status: int, error: Exception) -> int:
    print(error, file=sys.stderr)  # noqa: T201  # a command speaks
    return status


if __name__ == "__main__":
    sys.exit(main())
