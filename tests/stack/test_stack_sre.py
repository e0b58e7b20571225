"""Jaeger as an SRE uses it: the demo's bot, its spans through the Collector, and what Jaeger's query API finds."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from stack_kit import ROOT, Collector, Jaeger, event_names, tags, until

from otel_umami_exporter import __version__
from otel_umami_exporter.inbox import Inbox, StoredEvent

pytestmark = pytest.mark.stack
SERVICE = "bot-in-the-demo"
VISITOR = "enduser.pseudo.id"
Span = dict[str, Any]


@dataclass
class Played:
    """A run of the demo that has ended: what Jaeger has, and what Umami has."""

    jaeger: Jaeger
    events: list[StoredEvent]

    def traces(self, **query: Any) -> list[dict[str, Any]]:
        """Ask Jaeger."""
        return self.jaeger.traces(SERVICE, **query)

    def spans(self, operation: str) -> list[tuple[dict[str, Any], Span]]:
        """Return the spans of that name, each with its trace, oldest first."""
        found = [
            (t, s) for t in self.traces(operation=operation) for s in t["spans"] if s["operationName"] == operation
        ]
        return sorted(found, key=lambda each: int(each[1]["startTime"]))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, jaeger: Jaeger) -> Iterator[Played]:
    """Play the demo once: ten citizens, twelve bookings or so, an hour of the city being broken."""
    folder = tmp_path_factory.mktemp("sre")
    with Collector(folder, bridge="http://127.0.0.1:1", jaeger=jaeger.otlp, SAMPLING_PERCENTAGE="100") as collector:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "UMAMI_"))}
        done = subprocess.run(  # noqa: S603  # ours
            [sys.executable, "-m", "termin_bot.simulation", "--exit", "--data", folder / "demo"],
            env={
                **env,
                "OTEL_TRACES_EXPORTER": "umami,otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http,
                "OTEL_SERVICE_NAME": SERVICE,
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=stack-test",
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        inbox = Inbox(str(folder / "demo" / "inbox.db"))
        events = inbox.events()
        inbox.close()
        wanted = {str(each.data["trace_id"]).lstrip("0") for each in events if "trace_id" in each.data}

        def arrived() -> bool:
            return wanted <= {each["traceID"].lstrip("0") for each in jaeger.traces(SERVICE)}

        until(arrived, "every trace of an event is in Jaeger")
        yield Played(jaeger, events)


def test_who_sent_it_is_told(played: Played) -> None:
    """Service name, version and environment."""
    process = played.traces()[0]["processes"]["p1"]

    assert process["serviceName"] == SERVICE
    assert tags(process)["service.version"] == __version__
    assert tags(process)["deployment.environment.name"] == "stack-test"


def test_a_booking_is_found_with_its_steps_in_order(played: Played) -> None:
    """The booking span leads back to the first press; the steps between are the same visitor's, in order."""
    completed = [each for each in played.spans("booking") if tags(each[1])["termin_bot.booking.outcome"] == "completed"]
    assert completed
    _, booking = completed[0]
    (link,) = [each for each in booking["references"] if each["refType"] == "FOLLOWS_FROM"]

    first = played.jaeger.trace(link["traceID"])
    assert first is not None
    (press,) = [span for span in first["spans"] if span["spanID"] == link["spanID"]]
    assert press["operationName"] == "button book.start"
    visitor = tags(booking)[VISITOR]
    begin, end = int(booking["startTime"]), int(booking["startTime"]) + int(booking["duration"])
    steps = [
        (int(span["startTime"]), event)
        for trace in played.traces(tags=json.dumps({VISITOR: visitor}))
        for span in trace["spans"]
        for event in event_names(span)
        if begin - 1_000_000 <= int(span["startTime"]) <= end and event in _FUNNEL
    ]
    assert [event for _, event in sorted(steps)] == list(_FUNNEL)
    assert event_names(booking) == ["booking_completed"]
    assert tags(booking["logs"][0])["status"] == "success"


_FUNNEL = ("booking_started", "slot_selected", "name_entered", "email_entered", "booking_confirmed")


def test_the_city_is_asked_inside_the_step_that_asks(played: Played) -> None:
    """The confirmation's trace leads from the button by the services to the calls, with what they were answered."""
    trace, _ = played.spans("button book.confirm")[0]
    spans = {span["spanID"]: span for span in trace["spans"]}
    calls = {span["operationName"]: span for span in trace["spans"] if span["operationName"].startswith("munich ")}

    assert {"munich update-appointment", "munich preconfirm-appointment"} <= set(calls)
    assert tags(calls["munich preconfirm-appointment"])["http.response.status_code"] == 200
    for call in calls.values():
        assert list(_upwards(call, spans)) == [
            "service booking.submit",
            "service booking.confirm",
            "button book.confirm",
        ]


def _upwards(span: Span, spans: dict[str, Span]) -> Iterator[str]:
    """Yield the names of a span's parents, up to the root of its trace."""
    while parents := [each["spanID"] for each in span["references"] if each["refType"] == "CHILD_OF"]:
        span = spans[parents[0]]
        yield span["operationName"]


def test_failed_traces_are_found_by_error_type(played: Played) -> None:
    """As an SRE asks: everything that failed for this reason."""
    found = played.traces(tags=json.dumps({"error.type": "malformed_body"}))

    assert found
    assert all(
        any(tags(span).get("error.type") == "malformed_body" and tags(span)["error"] for span in trace["spans"])
        for trace in found
    )
    assert not played.traces(tags=json.dumps({"error.type": "no-such-error"}))


def test_a_check_cycle_is_one_trace_with_a_child_for_each_service(played: Played) -> None:
    """And below each child the calls to the city."""
    cycles = played.spans("check cycle")
    assert cycles
    for trace, root in cycles:
        children = [span for span in trace["spans"] if span["operationName"] == "check service"]
        assert all(each["references"][0]["spanID"] == root["spanID"] for each in children)
        assert all(isinstance(tags(each)["termin_bot.service_id"], int) for each in children)
    assert max(len(trace["spans"]) for trace, _ in cycles) > 3


def test_the_trace_id_on_an_umami_event_opens_its_trace(played: Played) -> None:
    """From a number on a dashboard to the span: each event's trace is there, and has that event on a span."""
    traced = [each for each in played.events if each.name and "trace_id" in each.data]
    assert len(traced) > 100
    for event in traced[:: len(traced) // 25]:
        trace = played.jaeger.trace(str(event.data["trace_id"]))
        assert trace is not None
        assert event.name in [name for span in trace["spans"] for name in event_names(span)]


def test_nothing_typed_is_in_jaeger(played: Played) -> None:
    """Mail addresses and telephone numbers of the citizens are in no span."""
    text = json.dumps(played.traces())

    assert "@example.org" not in text
    assert "+4989" not in text
