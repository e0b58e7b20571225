"""Any language: a Node.js program with OpenTelemetry's own SDK, through the Collector and the bridge."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ports import free_ports
from stack_kit import TOKEN, TOOLS, Bridge, Collector, Umami, until, write_taxonomy

pytestmark = pytest.mark.stack
NODE = shutil.which("node") or "node"


def send(endpoint: str, first: int, count: int, kind: str, **env: str) -> None:
    """Run the Node.js program."""
    done = subprocess.run(  # noqa: S603  # ours
        [
            NODE,
            TOOLS / "node" / "send.mjs",
            str(first),
            str(count),
            kind,
        ],
        env={"PATH": os.environ["PATH"], "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["protobuf", "json"])
def test_a_node_program_reaches_umami_through_collector_and_bridge(tmp_path: Path, umami: Umami, kind: str) -> None:
    """Every event once, with the visitor, the service and the environment that the program said."""
    (port,) = free_ports(1)
    with (
        Bridge(tmp_path, umami.url, port=port, taxonomy=write_taxonomy(tmp_path)) as bridge,
        Collector(tmp_path, bridge=bridge.url) as collector,
    ):
        send(collector.http, 100, 40, kind)
        until(lambda: len(umami.numbers()) >= 40, "all events are in Umami")

    assert umami.numbers() == list(range(100, 140))
    stored = {(each.hostname, each.tag) for each in umami.inbox.events()}
    assert stored == {("node-shop", "stack-test")}
    sent = [item["payload"] for request in umami.inbox.requests() for item in json.loads(request.body)]
    assert {each["id"] for each in sent} == {f"visitor-{number}" for number in range(100, 140)}


@pytest.mark.parametrize("kind", ["protobuf", "json"])
def test_a_node_program_reaches_the_bridge_directly(tmp_path: Path, umami: Umami, kind: str) -> None:
    """Without a Collector the bridge is the endpoint; the token goes into OpenTelemetry's own variable."""
    (port,) = free_ports(1)
    with Bridge(tmp_path, umami.url, port=port, taxonomy=write_taxonomy(tmp_path)) as bridge:
        send(bridge.url, 1, 10, kind, OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{TOKEN}")
        until(lambda: len(umami.numbers()) >= 10, "all events are in Umami")

    assert umami.numbers() == list(range(1, 11))
