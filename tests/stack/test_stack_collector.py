"""The project's otel-collector.yaml in a real Collector, between senders, Jaeger and the bridge."""

import os
import subprocess
import threading
from itertools import count
from pathlib import Path

import httpx
import pytest
from ports import free_ports
from stack_kit import (
    ROOT,
    TOOLS,
    Bridge,
    Collector,
    Jaeger,
    RoundRobin,
    Umami,
    event_names,
    order,
    request,
    tags,
    until,
    write_taxonomy,
)

pytestmark = pytest.mark.stack


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    """The real Collector's own `validate` has nothing to say."""
    done = subprocess.run(  # noqa: S603  # ours
        [TOOLS / "bin/otelcol-umami", "validate", "--config", ROOT / "otel-collector.yaml"],
        env={**os.environ, "COLLECTOR_STORAGE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_kill_under_load_with_the_bridge_down_loses_nothing(tmp_path: Path, umami: Umami) -> None:
    """
    SIGKILL hits the Collector while it takes events that the bridge is not there for.

    After both are back, each event that the Collector has said yes to is in Umami, once. Requests without an answer
    are sent again, as an SDK does.
    """
    (port,) = free_ports(1)
    bridge = Bridge(tmp_path, umami.url, port=port, taxonomy=write_taxonomy(tmp_path))
    collector = Collector(tmp_path, bridge=bridge.url)
    taken: list[int] = []
    unanswered: list[int] = []
    numbers, lock, stop = count(1), threading.Lock(), threading.Event()

    def send(block: list[int]) -> bool:
        return collector.post(request("killed", *(order(each) for each in block)))

    def load() -> None:
        while not stop.is_set():
            with lock:
                block = [next(numbers) for _ in range(20)]
            done = send(block)
            with lock:
                (taken if done else unanswered).extend(block)
            if not done:
                return

    try:
        for wanted in (800, 1_600, 2_400):  # three kills
            stop.clear()
            collector.start()
            senders = [threading.Thread(target=load) for _ in range(4)]
            for each in senders:
                each.start()
            until(
                lambda: len(taken) >= wanted,  # noqa: B023  # asked at once
                f"{wanted} events are taken",
            )
            collector.kill()
            stop.set()
            for each in senders:
                each.join()
        collector.start()
        bridge.start()
        again = list(unanswered)
        for start in range(0, len(again), 20):
            assert send(again[start : start + 20])
        expected = sorted(taken + again)
        until(lambda: len(umami.numbers()) >= len(expected), "every event has reached Umami")
        print(  # noqa: T201  # the figures are what the test is for
            f"kills 3, taken {len(taken)}, without an answer {len(again)}, in Umami {len(umami.numbers())}"
        )

        assert umami.numbers() == expected
    finally:
        stop.set()
        collector.stop()
        bridge.stop()


def test_umami_gets_all_and_jaeger_what_matters(tmp_path: Path, umami: Umami, jaeger: Jaeger) -> None:
    """Failed traces and bookings are always kept, the rest is sampled away; no business event is."""
    (port,) = free_ports(1)
    with (
        Bridge(tmp_path, umami.url, port=port, taxonomy=write_taxonomy(tmp_path)) as bridge,
        Collector(tmp_path, bridge=bridge.url, jaeger=jaeger.otlp, SAMPLING_PERCENTAGE="0") as collector,
    ):
        spans = [order(number) for number in range(100, 160)]
        spans += [order(number, failed=True) for number in range(200, 215)]
        spans += [order(number, name="booking") for number in range(300, 310)]
        assert collector.post(request("sampled-0", *spans))

        until(lambda: len(umami.numbers()) == 85, "all events are in Umami")
        until(lambda: len(jaeger.traces("sampled-0")) >= 25, "the traces that matter are in Jaeger")

        assert {int(trace["traceID"], 16) >> 8 for trace in jaeger.traces("sampled-0")} == {
            *range(200, 215),
            *range(300, 310),
        }


def test_a_tenth_of_the_rest_is_kept(tmp_path: Path, umami: Umami, jaeger: Jaeger) -> None:
    """Ten per cent, by the trace id: 600 usual traces leave some 60."""
    (port,) = free_ports(1)
    with (
        Bridge(tmp_path, umami.url, port=port, taxonomy=write_taxonomy(tmp_path)) as bridge,
        Collector(tmp_path, bridge=bridge.url, jaeger=jaeger.otlp) as collector,
    ):
        spans = [order(number * 7_919) for number in range(1, 601)]
        marker = order(999_999_999, failed=True)
        for start in range(0, 600, 200):
            assert collector.post(request("sampled-10", *spans[start : start + 200]))
        assert collector.post(request("sampled-10", marker))

        until(lambda: len(umami.numbers()) == 601, "all events are in Umami")
        until(lambda: jaeger.trace(marker.trace_id.hex()), "the last trace is in Jaeger")
        kept = len(jaeger.traces("sampled-10")) - 1

    assert 30 <= kept <= 95


def test_what_looks_personal_is_masked_on_both_ways(tmp_path: Path, umami: Umami, jaeger: Jaeger) -> None:
    """The second line of defence: addresses, numbers, tokens and keys; a visitor's pseudonym is left alone."""
    (port,) = free_ports(1)
    canaries = {
        "note": "write to canary.person@example.org please",
        "remark": "call +49 89 1234567 today",
        "url.full": "https://api.example.org/bot123456789:AAHcanarycanarycanarycanarycanary012/send",
        "user.email": "canary-under-a-key",
        "authKey": "canary-key",
    }
    with (
        Bridge(tmp_path, umami.url, port=port, taxonomy=write_taxonomy(tmp_path)) as bridge,
        Collector(tmp_path, bridge=bridge.url, jaeger=jaeger.otlp) as collector,
    ):
        span = order(5, failed=True, said=canaries)
        assert collector.post(request("masked", span))
        trace = until(lambda: jaeger.trace(span.trace_id.hex()), "the trace is in Jaeger")
        until(lambda: umami.numbers() == [5], "the event is in Umami")

    text = str(trace)
    for canary in ("canary.person", "1234567 ", "AAHcanary", "canary-under", "canary-key"):
        assert canary not in text
        assert canary not in str(umami.inbox.requests())
    (found,) = trace["spans"]
    assert event_names(found) == ["order_placed"]
    assert tags(found["logs"][0])["enduser.pseudo.id"] == "visitor-5"


@pytest.mark.parametrize("spools", ["shared", "own"])
def test_two_bridges_behind_one_collector_neither_lose_nor_double(tmp_path: Path, umami: Umami, spools: str) -> None:
    """On one spool or on their own; one of them is stopped and started in the middle."""
    ports = free_ports(2)
    taxonomy = write_taxonomy(tmp_path)
    bridges = [
        Bridge(tmp_path, umami.url, port=port, taxonomy=taxonomy, spool=f"{n if spools == 'own' else 0}.db", number=n)
        for n, port in enumerate(ports)
    ]
    front = RoundRobin(ports)
    collector = Collector(tmp_path, bridge=front.url)
    try:
        for each in (*bridges, collector):
            each.start()
        for start in range(0, 2_000, 50):
            if start == 700:
                bridges[0].stop()
            if start == 1_400:
                bridges[0].start()
            assert collector.post(request("two", *(order(number) for number in range(start, start + 50))))
        until(lambda: len(umami.numbers()) >= 2_000, "every event has reached Umami")

        assert umami.numbers() == list(range(2_000))
    finally:
        for each in (collector, *bridges):
            each.stop()
        front.close()


def test_a_killed_bridge_loses_nothing_and_doubles_no_request(tmp_path: Path, umami: Umami) -> None:
    """SIGKILL hits the bridge under load: what was not answered comes again, and what was stored is recognised."""
    (port,) = free_ports(1)
    bridge = Bridge(tmp_path, umami.url, port=port, taxonomy=write_taxonomy(tmp_path))
    in_flight_at_kill = 2 * 50  # two batches to Umami: those may come twice, and nothing else
    with Collector(tmp_path, bridge=bridge.url) as collector:
        for start in range(0, 1_500, 50):
            if start % 500 == 0:
                if start:
                    bridge.kill()
                bridge.start()
            assert collector.post(request("killed-bridge", *(order(number) for number in range(start, start + 50))))
        until(lambda: set(umami.numbers()) >= set(range(1_500)), "every event has reached Umami")
        bridge.stop()

    arrived = umami.numbers()
    assert set(arrived) == set(range(1_500))
    assert len(arrived) - 1_500 <= 2 * in_flight_at_kill


def test_the_collector_tells_senders_when_its_queue_is_full(tmp_path: Path) -> None:
    """No bridge and a small queue: a sender is told to wait, and keeps its events."""
    with Collector(tmp_path, bridge="http://127.0.0.1:1", UMAMI_QUEUE_BYTES="600000") as collector:
        spans = [order(number, said={"text": "x" * 1_000}) for number in range(50)]
        content = request("full", *spans).SerializeToString()
        statuses = []
        for _ in range(20):
            answer = httpx.post(
                f"{collector.http}/v1/traces",
                content=content,
                headers={"content-type": "application/x-protobuf"},
                timeout=60,
            )
            statuses.append(answer.status_code)
            if answer.status_code != 200:
                break

    assert statuses[0] == 200
    assert statuses[-1] in (429, 503)


def test_large_spans_never_make_a_request_that_is_too_large(tmp_path: Path, umami: Umami) -> None:
    """
    40 MB of spans with long texts wait for the bridge, and all of them are taken.

    The bridge refuses a request of more than 16 MiB for good: what the Collector puts into one is counted in bytes.
    """
    (port,) = free_ports(1)
    bridge = Bridge(tmp_path, umami.url, port=port, taxonomy=write_taxonomy(tmp_path))
    try:
        with Collector(tmp_path, bridge=bridge.url) as collector:
            for start in range(0, 2_000, 200):
                spans = [order(number, said={"text": "x" * 10_000}) for number in range(start, start + 200)]
                assert collector.post(request("large", *spans))
            bridge.start()
            until(lambda: len(umami.numbers()) >= 2_000, "every event has reached Umami")
    finally:
        bridge.stop()

    assert umami.numbers() == list(range(2_000))
