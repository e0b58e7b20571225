"""The bridge's numbers as Prometheus reads them: what came in since the start, and the spool's books."""

from collections.abc import Iterable, Mapping
from typing import Final

from otel_umami_exporter.books import Books

CONTENT_TYPE: Final = "text/plain; version=0.0.4"


def exposition(
    numbers: Mapping[tuple[str, str, str], int], stayed_behind: Mapping[str, int], books: Books | None, in_flight: int
) -> str:
    """Return all numbers as text; *books* are missing while the spool cannot be read, and `spool_readable` says so."""
    lines = [
        *_family("requests_total", "counter", "Requests by the status they were answered with.", _requests(numbers)),
        *_family("items_total", "counter", "Spans and log records in requests that were taken.", _items(numbers)),
        *_family("events_total", "counter", "Business events and page views by what became of them.", _events(numbers)),
        *_family(
            "stayed_behind_total",
            "counter",
            "What did not reach the spool, by reason.",
            ((f'{{reason="{reason}"}}', number) for reason, number in sorted(stayed_behind.items())),
        ),
        *_family("body_bytes_in_flight", "gauge", "Bytes of bodies that are being received.", [("", in_flight)]),
        *_family("spool_readable", "gauge", "1 while the spool can be read.", [("", int(books is not None))]),
    ]
    if books is not None:
        lines += _family("spool_events", "gauge", "Every event ever accepted, by where it is now.", _books(books))
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, doc: str, samples: Iterable[tuple[str, int]]) -> Iterable[str]:
    full = f"otel_umami_bridge_{name}"
    yield f"# HELP {full} {doc}"
    yield f"# TYPE {full} {kind}"
    for labels, number in samples:
        yield f"{full}{labels} {number}"


def _requests(numbers: Mapping[tuple[str, str, str], int]) -> Iterable[tuple[str, int]]:
    for (what, signal, status), number in sorted(numbers.items()):
        if what == "requests":
            yield f'{{signal="{signal}",status="{status}"}}', number


def _items(numbers: Mapping[tuple[str, str, str], int]) -> Iterable[tuple[str, int]]:
    for (what, signal, _), number in sorted(numbers.items()):
        if what == "items":
            yield f'{{signal="{signal}"}}', number


def _events(numbers: Mapping[tuple[str, str, str], int]) -> Iterable[tuple[str, int]]:
    for (what, signal, state), number in sorted(numbers.items()):
        if what == "events":
            yield f'{{signal="{signal}",state="{state}"}}', number


def _books(books: Books) -> Iterable[tuple[str, int]]:
    yield '{state="accepted",reason=""}', books.accepted
    yield '{state="delivered",reason=""}', books.delivered
    yield '{state="waiting",reason=""}', books.waiting
    for state, reasons in (("refused", books.refused), ("dropped", books.dropped)):
        for reason, number in sorted(reasons.items()):
            yield f'{{state="{state}",reason="{_quoted(reason)}"}}', number


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
