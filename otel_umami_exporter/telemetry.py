"""
What this library says about itself, as OpenTelemetry metrics.

    otel.sdk.exporter.span.exported        spans that a door has worked off; error.type when the spool failed
    otel.sdk.exporter.log.exported         log records, the same
    otel.sdk.exporter.operation.duration   seconds that one request to Umami took; error.type when nothing was stored
    otel_umami.events                      events by state: accepted, delivered, waiting, refused, dropped; with reason
    otel_umami.stayed_behind               records that did not reach the spool, by reason
    otel_umami.spool.oldest_age            seconds that the oldest event has waited

The names of the first three are OpenTelemetry's. All of them go through the metrics API: without a metrics SDK in the
program they cost nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Final
from weakref import ref

from opentelemetry.metrics import CallbackOptions, Histogram, Observation, get_meter

from otel_umami_exporter._version import __version__
from otel_umami_exporter.errors import SpoolError

if TYPE_CHECKING:
    from otel_umami_exporter.pipeline import Pipeline, Status
    from otel_umami_exporter.record import Door

COMPONENT_TYPE: Final = "umami_exporter"
_numbers: Final = count()
_Read = Callable[["Status"], Iterable[Observation]]


class Telemetry:
    """The instruments of one pipeline; they fall silent when it is gone."""

    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline: Final = ref(pipeline)
        self._labels: Final = {
            "otel.component.type": COMPONENT_TYPE,
            "otel.component.name": f"{COMPONENT_TYPE}/{next(_numbers)}",
        }
        # What each door has worked off, and whether it could. Threads may lose a count: this is the hot path.
        self.exported: Final[defaultdict[tuple[Door, bool], int]] = defaultdict(int)
        meter = get_meter("otel_umami_exporter", __version__)
        self._duration: Final[Histogram] = meter.create_histogram(
            "otel.sdk.exporter.operation.duration", "s", "The duration of one request to Umami."
        )
        for door, unit in (("span", "{span}"), ("log", "{log_record}")):
            meter.create_observable_counter(
                f"otel.sdk.exporter.{door}.exported", [self._exported(door)], unit, "What this exporter has worked off."
            )
        meter.create_observable_up_down_counter(
            "otel_umami.events", [self._ask(self._events)], "{event}", "Events by where they are."
        )
        meter.create_observable_counter(
            "otel_umami.stayed_behind", [self._ask(self._behind)], "{record}", "Records that did not reach the spool."
        )
        meter.create_observable_gauge(
            "otel_umami.spool.oldest_age", [self._ask(self._age)], "s", "How long the oldest event has waited."
        )

    def request(self, seconds: float, error_type: str | None) -> None:
        """Note one request to Umami."""
        labels = self._labels if error_type is None else {**self._labels, "error.type": error_type}
        self._duration.record(seconds, labels)

    def _exported(self, door: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        exported, labels = self.exported, self._labels

        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            for (which, done), number in list(exported.items()):
                if which == door:
                    yield Observation(number, labels if done else {**labels, "error.type": "spool_unavailable"})

        return observe

    def _ask(self, read: _Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
        pipeline = self._pipeline

        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            living = pipeline()
            try:
                return list(read(living.status())) if living is not None else []
            except SpoolError:
                return []  # closed, or not readable now

        return observe

    def _events(self, status: "Status") -> Iterable[Observation]:
        books = status.books
        for state, number in (
            ("accepted", books.accepted),
            ("delivered", books.delivered),
            ("waiting", books.waiting),
        ):
            yield Observation(number, {**self._labels, "state": state})
        yield from self._by_reason("refused", books.refused)
        yield from self._by_reason("dropped", books.dropped)

    def _by_reason(self, state: str, numbers: Mapping[str, int]) -> Iterable[Observation]:
        for reason, number in numbers.items():
            yield Observation(number, {**self._labels, "state": state, "reason": reason})

    def _behind(self, status: "Status") -> Iterable[Observation]:
        for reason, number in status.stayed_behind.items():
            yield Observation(number, {**self._labels, "reason": reason})

    def _age(self, status: "Status") -> Iterable[Observation]:
        yield Observation(status.oldest_age_seconds, self._labels)
