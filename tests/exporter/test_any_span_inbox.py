"""Whatever a span holds: it leaves as something that Umami stores, or stays behind and is counted; nobody is hurt."""

import json
import logging
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import SpanKind, Tracer
from road import QUICK, TAXONOMY, WEBSITE, provider

from otel_umami_exporter import Pipeline, Privacy, UmamiSpanProcessor
from otel_umami_exporter.gate import AUTOMATIC_EVENTS
from otel_umami_exporter.inbox.client import Sender
from otel_umami_exporter.inbox.handle import nowhere
from otel_umami_exporter.inbox.ingest import Ingest, Stored
from otel_umami_exporter.inbox.problems import Problems
from otel_umami_exporter.inbox.store import Store
from otel_umami_exporter.inbox.tokens import Signer
from otel_umami_exporter.payload import Site
from otel_umami_exporter.testing import FakeConnection
from otel_umami_exporter.ways import USER_AGENT

DECLARED = {
    event.name: {name for name, each in event.properties.items() if each.privacy is not Privacy.LOCAL} | {"trace_id"}
    for event in TAXONOMY.events
}
NAMES = st.sampled_from([*DECLARED, "exception", "canary_event", ""]) | st.text(max_size=60)
KEYS = st.sampled_from(["number", "dish", "size", "price", "paid", "at", "since", "note", "duration_ms"]) | st.text(
    max_size=60
)
HARD = st.sampled_from(
    [
        "\x00",
        "a\ud800b",
        math.nan,
        -math.inf,
        2**70,
        -(10**15),
        1e308,
        "x" * 501,
        "😀" * 501,
        "2026-02-30T10:00:00",
        "0000-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00.000+01:00",
        "2026-11-23T10:00:00+01:00",
        "09:30",
        "small",
        b"bytes",
        None,
    ]
)
SCALARS = st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | HARD
VALUES = SCALARS | st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=8)
LIMITLESS = SpanLimits(max_event_attributes=10_000, max_events=10_000)


class Judge:
    """The road with a list at its end, and the stand-in's own judgement of what came there."""

    def __init__(self) -> None:
        store = Store(":memory:")
        self.connection = FakeConnection()
        self._ingest = Ingest(
            store,
            Signer(),
            Problems(store, time.time),
            any_website=True,
            country_of=nowhere,
            clock=time.time,
            check_database=lambda: None,
        )
        self.pipeline = Pipeline(
            taxonomy=TAXONOMY,
            site=Site(WEBSITE),
            spool=":memory:",
            connect=lambda: self.connection,
            timing=QUICK,
        )
        self.tracer: Tracer = provider(UmamiSpanProcessor(pipeline=self.pipeline), span_limits=LIMITLESS).get_tracer(
            "x"
        )
        self._sender = Sender(headers={"user-agent": USER_AGENT}, peer="127.0.0.1")

    def arrived(self) -> list[dict[str, Any]]:
        """Return what has left, all of which Umami would have stored."""
        assert self.pipeline.flush(60.0)
        items = [json.loads(body) for body in self.connection.bodies]
        self.connection.batches.clear()
        for item in items:
            assert isinstance(self._ingest.take(item, self._sender), Stored)
        return [item["payload"] for item in items]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    logging.getLogger("opentelemetry.attributes").setLevel(logging.CRITICAL)  # it says what it thinks of our attributes
    made = Judge()
    yield made
    made.pipeline.shutdown()
    logging.getLogger("opentelemetry.attributes").setLevel(logging.NOTSET)


@settings(suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(["command /order", "command /other"]) | st.text(max_size=300),
    visitor=VALUES,
    events=st.lists(st.tuples(NAMES, ATTRIBUTES, st.integers(0, 2**63)), max_size=5),
)
@example(name="command /order", visitor="v" * 10_000_000, events=[("order_placed", {"dish": "x" * 10_000_000}, 1)])
@example(name="x", visitor=None, events=[("order_placed", {f"key {each}": each for each in range(5_000)}, 2**62)])
@example(name="x", visitor="\x00", events=[("order_placed", {"number": 2**70, "price": math.nan, "dish": "\x00"}, 0)])
def test_whatever_a_span_holds(
    judge: Judge, name: str, visitor: Any, events: list[tuple[str, dict[str, Any], int]]
) -> None:
    """Every declared event leaves, with declared properties only, as a payload that Umami stores; nothing raises."""
    before = judge.pipeline.status()
    span = judge.tracer.start_span(name, kind=SpanKind.CONSUMER, attributes={"enduser.pseudo.id": visitor})
    for event, attributes, timestamp in events:
        span.add_event(event, attributes, timestamp)
    span.end()

    arrived = judge.arrived()

    found = [each["name"] for each in arrived if "name" in each]
    assert [event for event, _, _ in events if event in DECLARED] == found
    for each in arrived:
        assert set(each.get("data", {})) <= DECLARED.get(each.get("name", ""), set())
        assert "canary" not in each.get("name", "")
    after = judge.pipeline.status()
    assert after.books.balanced
    stayed = sum(after.stayed_behind.get(each, 0) - before.stayed_behind.get(each, 0) for each in ("undeclared_event",))
    assert stayed == len([event for event, _, _ in events if event not in DECLARED and event not in AUTOMATIC_EVENTS])
