"""docs/performance.md, its chart and the README's section: written from the figures, never by hand."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.chart import draw
from bench.peers import PEERS

NOTICE: Final = "<!-- Written by `make bench` from docs/performance.json; do not edit. -->\n\n"
TRIED: Final = Path(__file__).with_name("tried.md")
OPENING: Final = "<!-- make bench: -->"
CLOSING: Final = "<!-- :make bench -->"
Found = Mapping[str, Any]

_HEAD: Final = """# What it costs, beside its peers

Every figure on this page and in the README comes from one run of one command, which anyone can repeat:

```sh
make bench                  # some ten minutes; ARGS="--quick" for about five
```

The peers run in an environment of their own (`requirements/bench.txt`, hashed), each in a fresh process, against one
trivial sink in another process that answers everybody at once. Rounds are interleaved peer by peer, so that a noisy
minute hits all of them; ratios are taken inside each round, and what stands here is the median over the rounds. Times
depend on the machine; the ratios travel better. Queues of the peers are made large enough for the load, so that no
figure rests on what was dropped; for losses they are as shipped.

"""
_HOW: Final = """
## How it was measured

| what | how |
|---|---|
| the work | one event with four properties and a visitor; on OpenTelemetry on a span of its own |
| paced | {paced} events in an asyncio loop, one each 10 ms; the median of what the call takes |
| burst | {burst:,} events without a pause; what a call takes: mean, median and p99. A peer with a thread of its own takes turns with its caller: the median call sees nothing of it, the mean does |
| delivered/s | {events:,} events from the first call to the end of the last flush, counted by the sink; slow peers do a share of it |
| CPU, memory | of that process over that load; `VmHWM` |
| outage | {rate_events:,} events at 100/s, of which the sink is away for {outage_seconds:.0f} s |
| SIGKILL | {waiting:,} events while nobody listens, then kill, then a start with the same folders |
| loop lag | a heartbeat each 5 ms beside 1,000 events/s for {lag_seconds:.0f} s, while the sink reads and never answers |
| a busy program | the same beside {busy_rate:,} events/s, while the sink takes all of them |
| many waiting | CPU time to record, claim, send and settle one more event, in turn on spools of each depth |
| slow server | the sink works 7 ms of one core for each event, one after the other; by hand: bodies made beforehand, plain sockets, no disk, the best of several batch sizes and connections |
| import | CPU time of fresh processes, in turn |
| the bot | the real bot between a simulated Telegram and city; updates handled in turn with telemetry off and on |

`make bench-guard` measures a few of the ratios and fails when one falls by more than 30 % against
`bench/reference.json`. It knows no times.

"""


def write(found: Found, docs: Path) -> None:
    """Write the page, the chart and the README's section."""
    for name, content in pages(found, docs.parent):
        (docs.parent / name).write_text(content, encoding="utf-8")


def pages(found: Found, root: Path) -> Iterator[tuple[str, str]]:
    """Yield path and content of everything that is written from the figures."""
    yield "docs/performance.md", page(found)
    yield "docs/images/performance.svg", draw(found["road"], titles())
    readme = (root / "README.md").read_text(encoding="utf-8")
    if OPENING in readme:
        before, _, rest = readme.partition(OPENING)
        after = rest.partition(CLOSING)[2]
        yield "README.md", f"{before}{OPENING}\n{claims(found)}{CLOSING}{after}"


def titles() -> dict[str, str]:
    """Return how each peer that sends is called, in the order of the tables."""
    return {peer: known.title for peer, known in PEERS.items() if peer != "bare"}


def page(found: Found) -> str:
    """Return docs/performance.md."""
    plan = found["plan"]
    how = _HOW.format(**plan, rate_events=found["outage"]["ours"]["sent"])
    return (
        NOTICE
        + _HEAD
        + _machine(found)
        + "## Side by side\n\n![Bars for each peer](images/performance.svg)\n\n"
        + _side_by_side(found)
        + "\n"
        + _spread(found)
        + "\n## What was promised, and what was measured\n\n"
        + _promises(found)
        + "\n"
        + _more(found)
        + _how_it_went(found)
        + how
        + TRIED.read_text(encoding="utf-8")
    )


def claims(found: Found) -> str:
    """Return what the README says: the promises of most interest that this run has kept."""
    said = {each["says"]: each for each in found["promises"]}
    ours = found["road"]["ours"]
    lost = int(found["kill"]["ours"]["lost"]) + int(found["outage"]["ours"]["lost"])
    lines = [
        f"* an event costs its caller {ours['burst_mean_us']['median']:.0f} µs in a burst, span included, and is on disk then;",
        (
            f"* {ours['delivered_per_second']['median']:,.0f} events/s are delivered from disk,"
            f" {said['delivered/s beside OTLP/HTTP']['text']} times what OTLP/HTTP does from memory,"
            f" {said[_GUIDE]['text']} times one request for each event;"
        ),
        (
            f"* CPU {said['CPU for 10,000 events beside OTLP/HTTP']['text']} times OTLP/HTTP's, memory"
            f" {said['peak memory over bare OpenTelemetry and httpx']['text']} over the bare SDK and httpx;"
        ),
        (
            f"* {lost} lost in a kill with {found['kill']['ours']['sent']:,} waiting and in an outage of"
            f" {found['plan']['outage_seconds']:.0f} s."
        ),
    ]
    head = f"Measured beside its peers by `make bench` ({found['machine']['cores']} cores, {found['machine']['date']}):\n\n"
    return (
        head
        + "\n".join(lines)
        + "\n\nAll of it, with what was not reached, and what a busy machine does to such ratios: [docs/performance.md](docs/performance.md).\n"
    )


_GUIDE: Final = "delivered/s beside the guide's way"


def _machine(found: Found) -> str:
    machine = found["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"Measured on {machine['date']}: {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
        f" {machine['system']}, Python {machine['python']}, SQLite {machine['sqlite']}; load average before"
        f" {machine['load_average_before']:.1f}; {found['plan']['rounds']} rounds; {found['seconds'] / 60:.0f} minutes.\n"
        f"Versions: {versions}.\n\n"
    )


def _side_by_side(found: Found) -> str:
    lines = [
        (
            "| | caller's µs, paced | in a burst, mean | median | p99 | delivered/s | CPU s for 10,000 | peak MB"
            " | lost in the outage | lost after SIGKILL |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for peer, known in PEERS.items():
        road = found["road"][peer]
        sends = peer != "bare"
        delivered = f"{road['delivered_per_second']['median']:,.0f}" if sends else "-"
        if sends and road["missing"]:
            delivered += f" ({road['missing'] / road['sent']:.0%} missing)"
        name = f"**{known.title}**" if peer == "ours" else known.title
        lines.append(
            f"| {name} | {road['paced_us']['median']:,.0f} | {road['burst_mean_us']['median']:,.0f} | {road['burst_us']['median']:,.0f}"
            f" | {road['burst_p99_us']['median']:,.0f} | {delivered} | {road['cpu_per_10k']['median']:.2f}"
            f" | {road['peak_rss_mb']['median']:.0f} | {_lost(found, 'outage', peer)} | {_lost(found, 'kill', peer)} |"
        )
    large = ", ".join(
        f"{PEERS[peer].title} {each['delivered_per_second']['median']:,.0f}" for peer, each in found["large"].items()
    )
    return "\n".join(lines) + f"\n\nDelivered/s of {found['plan']['large']:,} events: {large}.\n"


def _lost(found: Found, what: str, peer: str) -> str:
    return f"{found[what][peer]['lost']:,} of {found[what][peer]['sent']:,}" if peer in found[what] else "-"


def _spread(found: Found) -> str:
    lines = [
        "Lowest and highest round:",
        "",
        "| | in a burst, µs | delivered/s | CPU s for 10,000 |",
        "|---|---|---|---|",
    ]
    for peer, known in PEERS.items():
        road = found["road"][peer]
        cells = [
            f"{road[name]['low']:,.{digits}f} - {road[name]['high']:,.{digits}f}"
            for name, digits in (("burst_mean_us", 0), ("delivered_per_second", 0), ("cpu_per_10k", 2))
        ]
        if peer == "bare":
            cells[1] = "-"
        lines.append(f"| {known.title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _promises(found: Found) -> str:
    lines = ["| | | bound | measured | |", "|---|---|---:|---:|---|"]
    for each in found["promises"]:
        verdict = "kept" if each["kept"] else "**not reached**"
        lines.append(f"| {each['number']} | {each['says']} | {each['bound']} | {each['text']} | {verdict} |")
    return "\n".join(lines) + "\n"


def _more(found: Found) -> str:
    depth = found["depth"]
    lines = [
        "## More of this library",
        "",
        "| events waiting | record, µs CPU | claim, send and settle | together |",
        "|---:|---:|---:|---:|",
        *(
            f"| {int(waiting):,} | {each['record_us']:.0f} | {each['deliver_us']:.0f} | {each['together_us']:.0f} |"
            for waiting, each in depth.items()
        ),
        "",
    ]
    return "\n".join(lines) + "\n"


def _how_it_went(found: Found) -> str:
    drain, lag, bot, imports = found["drain"], found["lag"], found["bot"], found["imports"]
    ours, hand = drain["ours"], drain["hand"]
    off, busy = found["disabled"], found["busy"]
    return "\n".join(
        [
            (
                f"* **A slow server.** {ours['backlog']:,} events of an outage and {ours['live_recorded']} live ones left in"
                f" {ours['seconds']:.0f} s, {ours['events_per_second']:.0f} a second; the best by hand was"
                f" {hand['events_per_second']:.0f} (batches of {hand['batch']}, {hand['connections']} connections)."
            ),
            (
                f"* **Loop lag** while Umami hangs: p50 {lag['ours']['p50_ms']:.2f} ms, p99 {lag['ours']['p99_ms']:.2f} ms, at"
                f" most {lag['ours']['max_ms']:.1f} ms. The same loop with bare spans: p99 {lag['bare']['p99_ms']:.2f} ms."
            ),
            (
                f"* **A busy program.** Loop lag, p99, at {found['plan']['busy_rate']:,} events a second: "
                + ", ".join(f"{PEERS[peer].title} {each['p99_ms']:.1f} ms" for peer, each in busy.items())
                + "."
            ),
            "* **Memory** with so many on disk: "
            + ", ".join(f"{int(events):,}: {size:.0f} MB" for events, size in found["memory"].items())
            + ".",
            (
                f"* **Import**: {imports['ours_seconds'] * 1000:.0f} ms of CPU, the SDK and httpx alone"
                f" {imports['base_seconds'] * 1000:.0f} ms; with everything that the module needs which builds the road"
                f" {imports['road_seconds'] * 1000:.0f} ms. **Switched off**, a span costs {off['more_ns']:.0f} ns more."
            ),
            (
                f"* **The bot** handles an update in {bot['off_ms']:.1f} ms without telemetry; all instrumentation adds"
                f" {bot['more_ms']:.2f} ms, {bot['share']:.0%} of it ({bot['updates']} updates). The guide's limit was 50 ms."
            ),
            "",
        ]
    )


__all__ = ["claims", "page", "pages", "write"]
