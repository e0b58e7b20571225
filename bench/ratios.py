"""The promises as numbers: each is a figure of this run beside another of the same run, and a bound."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bench.figures import median

_US_PER_MS: Final = 1_000.0
Found = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One bound: *at_most* or *at_least*, never both."""

    number: int
    says: str
    value: Callable[[Found], float]
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    digits: int = 2

    def kept(self, value: float) -> bool:
        """Whether *value* is inside the bound."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    @property
    def bound(self) -> str:
        """The bound in words."""
        sign, number = ("≤", self.at_most) if self.at_most is not None else ("≥", self.at_least)
        return f"{sign} {number:g}{self.unit}"


def by_round(found: Found, figure: str, peer: str, other: str) -> float:
    """Return the median over the rounds of *figure* of *peer* beside that of *other* in the same round."""
    ours, theirs = found["road"][peer][figure]["rounds"], found["road"][other][figure]["rounds"]
    return median([one / two for one, two in zip(ours, theirs, strict=True)])


def _over_bare(found: Found) -> float:
    ours, bare = (found["road"][peer]["paced_us"]["rounds"] for peer in ("ours", "bare"))
    return median([one - other for one, other in zip(ours, bare, strict=True)])


def _large(found: Found, other: str) -> float:
    ours, theirs = (found["large"][peer]["delivered_per_second"]["median"] for peer in ("ours", other))
    return float(ours / theirs)


def _depth(found: Found) -> float:
    costs = [each["together_us"] for each in found["depth"].values()]
    return float(max(costs) / costs[0])


def _memory(found: Found) -> float:
    ours, bare = (found["road"][peer]["peak_rss_mb"]["median"] for peer in ("ours", "bare"))
    return float(ours - bare)


def _memory_deep(found: Found) -> float:
    sizes = list(found["memory"].values())
    return float(sizes[-1] - sizes[0])


def _drain(found: Found) -> float:
    return float(found["drain"]["ours"]["events_per_second"] / found["drain"]["hand"]["events_per_second"])


def _beside(figure: str, other: str) -> Callable[[Found], float]:
    return lambda found: by_round(found, figure, "ours", other)


PROMISES: Final = (
    Promise(number=1, says="paced: `record()` with its span, over a bare span and event", unit=" µs", digits=0,
            value=_over_bare, at_most=60),
    Promise(number=1, says="in a burst: mean beside OTLP/HTTP", value=_beside("burst_mean_us", "otlp"), at_most=0.8),
    Promise(number=1, says="in a burst: median beside OTLP/HTTP", value=_beside("burst_us", "otlp"), at_most=0.8),
    Promise(number=1, says="in a burst: p99 beside OTLP/HTTP", value=_beside("burst_p99_us", "otlp"), at_most=0.8),
    Promise(number=1, says="event loop lag, p99, at 1,000 events/s while Umami hangs", unit=" ms",
            value=lambda found: float(found["lag"]["ours"]["p99_ms"]), at_most=2),
    Promise(number=2, says="delivered/s beside OTLP/HTTP", value=_beside("delivered_per_second", "otlp"), at_least=2),
    Promise(number=2, says="delivered/s beside segment", value=_beside("delivered_per_second", "segment"), at_least=1),
    Promise(number=2, says="delivered/s beside the guide's way", value=_beside("delivered_per_second", "guide"),
            at_least=20, digits=1),
    Promise(number=2, says="delivered/s beside OTLP/HTTP, the large load", value=lambda found: _large(found, "otlp"),
            at_least=2),
    Promise(number=2, says="delivered/s beside segment, the large load", value=lambda found: _large(found, "segment"),
            at_least=1),
    Promise(number=2, says="cost of an event, many waiting beside few", value=_depth, at_most=1.15),
    Promise(number=3, says="CPU for 10,000 events beside OTLP/HTTP", value=_beside("cpu_per_10k", "otlp"), at_most=0.6),
    Promise(number=3, says="peak memory over bare OpenTelemetry and httpx", unit=" MB", value=_memory, at_most=10,
            digits=1),
    Promise(number=3, says="peak memory with the most events on disk, over none", unit=" MB", value=_memory_deep,
            at_most=5, digits=1),
    Promise(number=4, says="lost after SIGKILL", value=lambda found: float(found["kill"]["ours"]["lost"]), at_most=0,
            digits=0),
    Promise(number=4, says="lost in an outage", value=lambda found: float(found["outage"]["ours"]["lost"]), at_most=0,
            digits=0),
    Promise(number=5, says="a backlog drains at this share of the best load generator's rate", value=_drain,
            at_least=0.95),
    Promise(number=5, says="oldest live event when it came, while the backlog drained", unit=" s",
            value=lambda found: float(found["drain"]["ours"]["live_oldest_seconds"]), at_most=5),
    Promise(number=6, says="`import otel_umami_exporter` beside the OpenTelemetry SDK and httpx",
            value=lambda found: float(found["imports"]["ratio"]), at_most=1.15),
    Promise(number=6, says="a span more costly when the exporter is switched off", unit=" µs",
            value=lambda found: float(found["disabled"]["more_ns"]) / _US_PER_MS, at_most=1),
    Promise(number=7, says="the bot: all instrumentation of an update", unit=" ms",
            value=lambda found: float(found["bot"]["more_ms"]), at_most=1),
)  # fmt: skip


def judge(found: Found) -> list[dict[str, Any]]:
    """Return each promise with its value in this run."""
    return [
        {
            "number": each.number,
            "says": each.says,
            "bound": each.bound,
            "value": round(value, 4),
            "text": f"{value:.{each.digits}f}{each.unit}",
            "kept": each.kept(value),
        }
        for each in PROMISES
        for value in [each.value(found)]
    ]
