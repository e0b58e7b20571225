"""Copies for public boards, made by the bridge: counted once, whatever senders send again."""

import json
from collections import Counter
from pathlib import Path

import pytest
from bridge_kit import TAXONOMY, WEBSITE, OrderPlaced, Sink, post, serving, span_with, traces
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_umami_exporter.bridge import Road
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.payload import Site
from otel_umami_exporter.projection import Projection
from otel_umami_exporter.spool import SpoolLimits

ACTIVE = Projection.active_visitors(key="active", title="Active")
COLOURS = Projection.naming(OrderPlaced, "colour", key="colours", title="Colours", at_least=3)


def road(folder: Path, sink: Sink, limits: SpoolLimits | None = None) -> Road:
    return Road(
        taxonomy=TAXONOMY,
        site=Site(WEBSITE),
        spool=folder / "spool.db",
        connect=lambda: sink,
        limits=limits,
        timing=Timing(linger_seconds=0.01),
        projections=[ACTIVE, COLOURS],
    )


def order(number: int, visitor: str | None) -> Span:
    """Return a span of kind SERVER with one order of something red; without a visitor nobody is behind it."""
    span = span_with(number)
    span.name, span.kind = "order /new", Span.SPAN_KIND_SERVER
    [event] = span.events
    event.attributes.add(key="colour").value.string_value = "red"
    [who] = [each for each in event.attributes if each.key == "enduser.pseudo.id"]
    event.attributes.remove(who)
    if visitor is not None:
        span.attributes.add(key="enduser.pseudo.id").value.string_value = visitor
    return span


def arrived(sink: Sink) -> Counter[str]:
    """Return how many items each website has got."""
    names = {WEBSITE: "main", ACTIVE.site_id(WEBSITE): "active", COLOURS.site_id(WEBSITE): "colours"}
    return Counter(names[json.loads(body)["payload"]["website"]] for body in sink.bodies)


def test_a_request_that_comes_again_is_not_counted_again(tmp_path: Path, sink: Sink) -> None:
    """Neither towards the number of people from which on a value is shown, nor as a copy."""
    way = road(tmp_path, sink)
    with serving(way) as server:
        for _ in range(4):
            assert post(server, traces(order(1, None)).SerializeToString()).status_code == 200
        assert way.flush(60)
        assert arrived(sink) == {"main": 1}
        for _ in range(2):
            assert post(server, traces(order(2, None), order(3, None)).SerializeToString()).status_code == 200
        assert way.flush(60)

    assert arrived(sink) == {"main": 3, "colours": 3}


@pytest.mark.parametrize("visitors", [("anna", "ben", "carl"), (None, None, None)], ids=["people", "nobody"])
def test_what_was_refused_for_want_of_room_is_counted_when_it_is_taken(
    visitors: tuple[str | None, ...], tmp_path: Path, sink: Sink
) -> None:
    """The sender keeps it and sends it again; its copies leave with it, as if nothing had been."""
    sink.away = True
    content = traces(*(order(number, who) for number, who in enumerate(visitors, start=1))).SerializeToString()
    way = road(tmp_path, sink, SpoolLimits(max_events=3))
    with serving(way) as server:
        assert post(server, traces(span_with(90), span_with(91)).SerializeToString()).status_code == 200
        for _ in range(3):
            assert post(server, content).status_code == 503
    larger = road(tmp_path, sink)
    with serving(larger) as server:
        assert post(server, content).status_code == 200
        sink.away = False
        assert larger.flush(60)

    people = len([who for who in visitors if who])
    assert +arrived(sink) == +Counter(main=2 + 3 + people, active=people, colours=3)
