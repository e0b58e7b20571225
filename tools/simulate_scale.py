# ruff: noqa: INP001  # tools are no package
"""
What a day looks like with many subscribers, and an outage in it: `docs/scale.md` shows what this prints.

    python tools/simulate_scale.py [--subscribers 1000000] [--outage-hours 6] [--json]

A day is gone through minute by minute: people cause events by the hour, appointments that become free cause bursts,
Umami takes what it can, the rest waits, first in the bridges' spools and then in the Collectors' queues. All that is
assumed stands in `Assumptions`, with where it comes from; change a number and look what happens.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass
from typing import Final

MINUTES: Final = 24 * 60
HOURS: Final = (2, 1, 1, 1, 1, 2, 5, 12, 14, 10, 8, 7, 7, 6, 6, 6, 6, 7, 7, 6, 5, 4, 3, 2)  # how a day's events fall
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Assumptions:
    """Every number that the simulation stands on."""

    events_per_subscriber: float = 1.6  # a day: guessed; commands, buttons, notifications, seldom a booking
    views_per_subscriber: float = 0.7  # a day: guessed; operations, each a page view
    spans_per_operation: float = 2.0  # the demo: 1.2, with its catalogue already fetched
    watched_services: int = 60  # checked all the time, whoever listens
    checks_per_hour: int = 30  # of each service: every 120 s
    spans_per_check: float = 3.0  # the demo: a cycle of six has 13 to 24
    bursts_per_day: int = 24  # times that a sought-after service gets appointments
    burst_share: float = 0.01  # of the subscribers who are told then
    burst_minutes: int = 5  # Telegram takes 30 messages a second from one bot; several bots share the work
    umami_events_per_second: float = 150.0  # one instance on 2 small cores: measured 50 to 220
    umami_headroom: float = 0.6  # of that is planned with
    bridge_events_per_second: float = 5_000.0  # measured on 2 cores with its load generator: 10,400
    bridge_spans_per_second: float = 20_000.0  # measured, 1 event in 10 spans: 56,400
    collector_spans_per_second: float = 10_000.0  # one with 2 cores, tail sampling and its queue on disk: assumed
    bytes_per_queued_span: float = 1_000.0  # a span with nine attributes and an event: 540 measured, with room
    bytes_per_spooled_event: float = 600.0  # 463 measured, with room for longer properties
    spool_events: int = 1_000_000  # UMAMI_SPOOL_MAX_EVENTS of each bridge


@dataclass
class Day:
    """What came of it."""

    subscribers: int
    events_per_day: int = 0
    spans_per_day: int = 0
    peak_events_per_second: float = 0.0
    peak_spans_per_second: float = 0.0
    umami_instances: int = 1
    bridges: int = 2
    collectors: int = 2
    most_waiting: int = 0
    spool_bytes: int = 0
    queue_bytes: int = 0
    drained_after_hours: float = 0.0
    longest_wait_hours: float = 0.0


def arrivals(subscribers: int, assumed: Assumptions) -> list[float]:
    """Return the events and page views of each minute of a day."""
    usual = subscribers * (assumed.events_per_subscriber + assumed.views_per_subscriber)
    weights = [HOURS[minute // 60] / sum(HOURS) / 60 for minute in range(MINUTES)]
    day = [usual * weight for weight in weights]
    told = subscribers * assumed.burst_share
    for burst in range(assumed.bursts_per_day):
        begin = 6 * 60 + burst * 12 * 60 // assumed.bursts_per_day  # between 6 and 18 o'clock
        for minute in range(begin, begin + assumed.burst_minutes):
            day[minute] += 1.5 * told / assumed.burst_minutes  # each is told, and every second one presses something
    return day


def simulate(subscribers: int, outage_hours: float, assumed: Assumptions) -> Day:
    """Go through a day whose outage begins at 8 o'clock, when most happens, and on until nothing waits."""
    events = arrivals(subscribers, assumed)
    operations = subscribers * assumed.views_per_subscriber
    checks = assumed.watched_services * assumed.checks_per_hour * 24 * assumed.spans_per_check
    spans_per_event = operations * assumed.spans_per_operation / sum(events)
    day = Day(subscribers, round(sum(events)), round(operations * assumed.spans_per_operation + checks))
    day.peak_events_per_second = round(max(events) / 60, 1)
    day.peak_spans_per_second = round(max(events) / 60 * spans_per_event + checks / 86_400, 1)
    # Umami need not follow a burst: minutes in the spool are nobody's trouble. It must follow the busiest hour.
    busiest_hour = max(sum(events[hour * 60 : hour * 60 + 60]) for hour in range(24)) / 3_600
    planned = assumed.umami_events_per_second * assumed.umami_headroom
    day.umami_instances = max(1, math.ceil(busiest_hour / planned))
    one_down = 1  # one more than needed, so that one may fail
    need = max(
        day.peak_events_per_second / assumed.bridge_events_per_second,
        day.peak_spans_per_second / assumed.bridge_spans_per_second,
    )
    day.bridges = math.ceil(need) + one_down
    day.collectors = math.ceil(day.peak_spans_per_second / assumed.collector_spans_per_second) + one_down
    _outage(day, events, outage_hours, assumed)
    return day


def _outage(day: Day, events: list[float], outage_hours: float, assumed: Assumptions) -> None:
    """Fill in what waits, where, and how long."""
    begin, end = 8 * 60, 8 * 60 + round(outage_hours * 60)
    capacity = day.umami_instances * assumed.umami_events_per_second * 60
    waiting = arrived = gone = 0.0
    sums: list[float] = []  # events that had arrived by the end of each minute
    minute = oldest = 0
    while minute < end or (round(waiting) and minute < 14 * MINUTES):
        arrived += events[minute % MINUTES]
        sums.append(arrived)
        waiting = arrived - gone
        taken = 0.0 if begin <= minute < end else min(waiting, capacity)
        gone += taken
        waiting -= taken
        while oldest < len(sums) and sums[oldest] <= gone:
            oldest += 1
        day.longest_wait_hours = max(day.longest_wait_hours, round((minute - oldest) / 60, 1))
        day.most_waiting = max(day.most_waiting, round(waiting))
        minute += 1
    day.drained_after_hours = round((minute - end) / 60, 1)
    in_spools = min(day.most_waiting, day.bridges * assumed.spool_events)
    day.spool_bytes = round(in_spools * assumed.bytes_per_spooled_event)
    # What the spools have no room for waits in the queues, and all of it if the bridges are away and not Umami.
    day.queue_bytes = round(day.most_waiting * assumed.bytes_per_queued_span)


def table(days: list[Day]) -> str:
    """Return the days as a table in Markdown."""
    heads = ("subscribers", "events a day", "at the peak", "spans at the peak", "Umami", "bridges", "Collectors",
             "waiting at most", "in spools", "in queues", "dry again after")  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|---:" * len(heads) + "|"]
    lines += [
        f"| {day.subscribers:,} | {day.events_per_day:,} | {day.peak_events_per_second:,.1f}/s"
        f" | {day.peak_spans_per_second:,.0f}/s | {day.umami_instances} | {day.bridges} | {day.collectors}"
        f" | {day.most_waiting:,} | {day.spool_bytes / 1e9:.2f} GB | {day.queue_bytes / 1e9:.2f} GB"
        f" | {day.drained_after_hours:.1f} h |"
        for day in days
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--outage-hours", type=float, default=6.0)
    parser.add_argument("--json", action="store_true", help="with all numbers and all assumptions")
    args = parser.parse_args()
    assumed = Assumptions()
    days = [simulate(number, args.outage_hours, assumed) for number in args.subscribers]
    if args.json:
        text = json.dumps({"assumptions": asdict(assumed), "days": [asdict(day) for day in days]}, indent=2)
    else:
        text = table(days)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
