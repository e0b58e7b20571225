# ruff: noqa: INP001, E501  # tools are no package; the lines of a page are as long as its numbers
"""Print `docs/performance-bot.md` from the figures that `make bench-bot` kept in tools/bench_bot.json."""

import json
import sys
from pathlib import Path
from typing import Any, Final

BUSY: Final = "bot's core"
ROOT: Final = Path(__file__).resolve().parent.parent

TEXT: Final = """<!-- Written by `make bench-bot`; edit tools/bench_bot_page.py. -->

# What the bot bears

Measured by `make bench-bot`: the real process with SQLite and analytics on, against a simulated Telegram, a simulated
city and people who live in a second process, on one machine with {cores} cores (Python {python}), in {minutes} minutes.
Times are from a person's sending until the answer is in their chat: polling or webhook, database, Telegram's limit and
both processes' share of the machine are in them. "Load" is the machine's load average before each part: above 0.5 or so
others were at work, too, and times are longer than the bot's own.

## 500 people at the same time

Everybody thinks for 40 seconds on average, then sends one, two or three commands without waiting in between: about 20
messages a second in all, {seconds:.0f} seconds long, after a warm-up of five.

{citizens}

Lost: sent and never answered. Out of order: an answer where another one's was due. Times in milliseconds; core: the
share of one core that the bot used. "The bot alone" is without Telegram's limit: with it, 20 messages a second on
average are more than 30 in some seconds, and those that are too many wait for the next.

All {burst_citizens} send four commands each at the same moment, without Telegram's limit of 30 messages a second: the bot itself
answers **{burst_rate} updates a second**, the last one after {burst_max:.1f} s; {burst_lost} lost, {burst_disordered} out of order (load {burst_load}).

## 10,000 subscribers of one service

Something becomes free that {subscribers:,} people wait for, while a hundred others send five commands a second and check
cycles go on every 20 seconds (load {notify_load}). Notifications may have 28 of Telegram's 30 messages a second, and
those of them that answers to commands do not need.

| told | in | a second | messages a second in all | told in the best second | told twice | check cycles meanwhile | the bot's core |
|---:|---:|---:|---:|---:|---:|---:|---:|
| {told:,} | {took:.0f} s | {rate} | {messages} | {most} | {twice} | {cycles} | {core:.0%} |

{whole}Commands meanwhile, in milliseconds:

{commands}

When all know and nothing changes, {rest_subscribers:,} subscribers and a check cycle every 20 seconds take **{rest_core:.1%}** of a core
(cycles: {rest_cycles}, in {rest_seconds:.0f} s; load {rest_load}): a cycle looks at those for whom something has changed or is due.

## A check cycle over everything

156 services, 78 offices, 306 relations, the city's 120 requests a minute with its odd rule (each allowed request renews
the minute), 0.2 s for each answer; on a clock that goes on by itself. The second of two cycles, 61 seconds after the
first:

| watched | free | requests | takes | answered with 429 |
|---|---|---:|---:|---:|
{cycle}

The pauses are the city's: after 110 requests the bot waits a minute and leaves the last ten to bookings.
`CHECK_INTERVAL_SECONDS` comes on top. A cycle asks for up to three single days of each service, so the last row is the
worst that there is.

## What is tested, without a clock

No update lost and none out of order; the 30 messages in every second, 10,000 notifications and 1,500 commands on a clock
of their own, no command more than a second late (`tests/bot/test_bot_pacing.py`); commands and cycles while people are
told (`test_bot_telling.py`); no 429 in cycles over all relations (`test_bot_full_catalogue.py`).
"""


PARTS: Final = {
    "citizens, the bot alone, polling",
    "citizens, the bot alone, webhook",
    "citizens, at Telegram's 30 a second, polling",
    "burst",
    "notify",
    "rest",
    "cycle",
}
"""What the page tells of."""


def page(figures: dict[str, Any]) -> str:
    """Return the page."""
    notify, burst, rest = figures["notify"], figures["burst"], figures["rest"]
    rows = {name.removeprefix("citizens, "): row for name, row in figures.items() if name.startswith("citizens, ")}
    everybody = notify["told"] == notify["subscribers"]
    return TEXT.format(
        cores=figures["cores"],
        python=figures["python"],
        minutes=round(sum(figures[each]["all in all, s"] for each in PARTS) / 60),
        seconds=next(iter(rows.values()))["seconds"],
        citizens=_table(rows, load=True),
        burst_citizens=burst["citizens"],
        burst_rate=burst["updates per second"],
        burst_max=burst["max"] / 1000,
        burst_lost=burst["lost"],
        burst_disordered=burst["out of order"],
        burst_load=burst["load"],
        subscribers=notify["subscribers"],
        notify_load=notify["load"],
        told=notify["told"],
        took=notify["seconds"],
        rate=notify["told per second"],
        messages=notify["messages per second"],
        most=notify["most in a second"],
        twice=notify["told twice"],
        cycles=notify["check cycles meanwhile"],
        core=notify["bot's core"],
        whole="" if everybody else f"At this pace all are told after {notify['all would take, s']} s; not waited for. ",
        commands=_table({"commands": notify["commands"]}),
        rest_subscribers=rest["subscribers"],
        rest_core=rest["bot's core"],
        rest_cycles=rest["check cycles"],
        rest_seconds=rest["seconds"],
        rest_load=rest["load"],
        cycle="\n".join(
            f"| {row['watched']} | {row['free']} | {row['requests']:,} | {row['seconds']:,} s | {row['429']} |"
            for row in figures["cycle"]["rows"]
        ),
    )


def _table(rows: dict[str, dict[str, Any]], *, load: bool = False) -> str:
    columns = ("sent", "lost", "out of order", "p50", "p95", "p99", "max")
    names = (*columns, "core", "load") if load else columns
    lines = [f"| | {' | '.join(names)} |", "|---" + "|---:" * len(names) + "|"]
    for name, row in rows.items():
        cells = [f"{row[each]:,}" for each in columns]
        cells += [f"{row[BUSY]:.0%}", f"{row['load']}"] if load else []
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page(json.loads((ROOT / "tools" / "bench_bot.json").read_text())))
