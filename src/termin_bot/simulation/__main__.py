"""`python -m termin_bot.simulation`: the demo on the command line."""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from otel_umami_exporter import UmamiExporterError
from otel_umami_exporter.dashboards.journal import Address
from termin_bot.events import TAXONOMY
from termin_bot.settings import BotSettingsError

from .citizens_cast import MOST_CITIZENS
from .demo import INBOX, Options, Performance, perform
from .demo_screen import screen_for
from .demo_umami import NamedUmami, OwnInbox, choose
from .demo_watch import Watch

_FAILED: Final = 1
_MISUSED: Final = 2
_INTERRUPTED: Final = 130
_LARGEST_PORT: Final = 65_535


def main(given: Sequence[str] | None = None) -> int:
    """Run the demo, and return the exit status: 1 if it lost an event or met an error that is not in the script."""
    arguments = _parser().parse_args(given)
    console = Console(highlight=False)
    with ExitStack() as stack:
        if arguments.data is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="termin-bot-demo-")))
        else:
            folder = arguments.data
            try:
                folder.mkdir(parents=True, exist_ok=True)
                is_empty = not any(folder.iterdir())
            except OSError as error:
                return _refuse(f"--data: {folder}: {error.strerror}")
            if not is_empty:
                return _refuse(f"--data: {folder} is not empty, and old events would be counted again")
        if arguments.summary is not None:
            try:
                arguments.summary.open("a").close()  # a minute of play must not end in a path that cannot be
            except OSError as error:
                return _refuse(f"--summary: {arguments.summary}: {error.strerror}")
        options = Options(folder=folder, citizens=arguments.citizens, seed=arguments.seed, outage=arguments.outage)
        try:
            umami = choose(folder / INBOX, arguments.port)
        except UmamiExporterError as error:
            return _refuse(str(error))
        if arguments.outage and isinstance(umami, NamedUmami):
            return _refuse("--outage: the Umami that UMAMI_ENDPOINT names is not ours to stop")
        try:
            stack.enter_context(umami)
        except OSError as error:
            return _refuse(f"--port: {error.strerror or error}")
        try:
            return asyncio.run(_show(options, umami, console, arguments))
        except (UmamiExporterError, BotSettingsError) as error:
            return _refuse(str(error))


async def _show(options: Options, umami: OwnInbox | NamedUmami, console: Console, arguments: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(wanted, stop.set)
    stopping = asyncio.create_task(stop.wait())
    console.print(f"Watch the events arrive: {umami.page}", soft_wrap=True)
    boards = await asyncio.to_thread(umami.boards)
    _print_boards(boards, console)
    with screen_for(console) as screen:
        watch = Watch()
        playing = asyncio.create_task(perform(options, umami, screen, watch))
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing
            events = sum(watch.events.values())
            said = f"Interrupted: the bot has stopped in order after {events} events, {watch.views} page views."
            console.print(said, soft_wrap=True)
            return _INTERRUPTED
    performance = playing.result()
    status = _report(performance, console, arguments.summary)
    if not arguments.exit:
        _print_boards(boards, console)
        console.print(f"The events are at {umami.page} until you press Ctrl-C.", soft_wrap=True)
        await stop.wait()
    stopping.cancel()
    return status


def _print_boards(boards: Sequence[Address], console: Console) -> None:
    for each in boards:
        console.print(f"{each.title} ({each.audience.value}): {each.url}", soft_wrap=True)


def _report(performance: Performance, console: Console, path: Path | None) -> int:
    summary = performance.summary
    console.print(summary.table([each.name for each in TAXONOMY.events]))
    console.print(f"{sum(summary.events.values())} events in {summary.seconds:.0f} s")
    if not performance.is_sending:
        console.print("None of them left: ANALYTICS_ENABLED or OTEL_TRACES_EXPORTER says so.")
    if path is not None:
        summary.write(path)
    if performance.reason is None:
        return 0
    print(f"The demo failed: {performance.reason}", file=sys.stderr)  # noqa: T201  a command speaks
    return _FAILED


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)  # noqa: T201  a command speaks
    return _MISUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m termin_bot.simulation",
        description="Run the bot against a simulated Telegram and a simulated city, and show its events. "
        "With UMAMI_ENDPOINT and UMAMI_WEBSITE_ID in the environment they go to that Umami, else to an inbox of the "
        "demo's own.",
    )
    parser.add_argument("--citizens", type=_citizens, default=10, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="same seed, same counts (default: %(default)s)"
    )
    parser.add_argument("--exit", action="store_true", help="end when everything is shown, without waiting for Ctrl-C")
    parser.add_argument("--summary", type=Path, metavar="PATH", help="write the counts to this file, as JSON")
    parser.add_argument("--outage", action="store_true", help="the inbox is down for the whole run, and comes back")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="of the inbox's page (default: a free one)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="keep database, spool, inbox and log there (default: nothing is kept)",
    )
    return parser


def _citizens(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_CITIZENS:
        raise argparse.ArgumentTypeError(f"1 to {MOST_CITIZENS}")
    return number


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"0 to {_LARGEST_PORT}")
    return port


if __name__ == "__main__":
    sys.exit(main())
