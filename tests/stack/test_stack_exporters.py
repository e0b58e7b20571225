"""Operators swap exporters by configuration: the real bot, started with each, and what arrives where."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ports import free_ports
from stack_bot import greeted
from stack_kit import (
    ROOT,
    Bridge,
    Collector,
    Jaeger,
    Silence,
    Umami,
    event_names,
    tags,
    until,
)

from termin_bot.events import TAXONOMY

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Case:
    """A configuration, and where a /start arrives."""

    name: str
    env: dict[str, str] = field(hash=False)
    umami: bool = False
    jaeger: bool = False
    console: bool = False
    from_file: bool = False


CASES = [
    Case("umami", {"OTEL_TRACES_EXPORTER": "umami"}, umami=True),
    Case("nothing-said", {}, umami=True),
    Case("otlp-http", {"OTEL_TRACES_EXPORTER": "otlp"}, jaeger=True),
    Case("otlp-grpc", {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, jaeger=True),
    Case("both", {"OTEL_TRACES_EXPORTER": "umami,otlp"}, umami=True, jaeger=True),
    Case(
        "both-grpc",
        {"OTEL_TRACES_EXPORTER": "umami,otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        umami=True,
        jaeger=True,
    ),
    Case("all", {"OTEL_TRACES_EXPORTER": "umami,otlp,console"}, umami=True, jaeger=True, console=True),
    Case("console", {"OTEL_TRACES_EXPORTER": "console"}, console=True),
    Case("none", {"OTEL_TRACES_EXPORTER": "none"}),
    Case("disabled", {"OTEL_TRACES_EXPORTER": "umami,otlp,console", "OTEL_SDK_DISABLED": "true"}),
    Case("analytics-off", {"OTEL_TRACES_EXPORTER": "umami,otlp", "ANALYTICS_ENABLED": "false"}, jaeger=True),
    Case("sampled-away", {"OTEL_TRACES_EXPORTER": "umami,otlp", "OTEL_TRACES_SAMPLER": "always_off"}, umami=True),
    Case(
        "sampled",
        {
            "OTEL_TRACES_EXPORTER": "umami,otlp",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "1.0",
        },
        umami=True,
        jaeger=True,
    ),
    Case("file", {}, umami=True, jaeger=True, from_file=True),
    Case("file-analytics-off", {"ANALYTICS_ENABLED": "false"}, jaeger=True, from_file=True),
]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory, jaeger: Jaeger) -> Iterator[Collector]:
    """Return a Collector that passes every trace on to Jaeger, and has no bridge."""
    folder = tmp_path_factory.mktemp("collector")
    with Collector(folder, bridge="http://127.0.0.1:1", jaeger=jaeger.otlp, SAMPLING_PERCENTAGE="100") as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_bot_starts_with_each_and_things_arrive_where_they_should(
    case: Case, tmp_path: Path, umami: Umami, jaeger: Jaeger, collector: Collector
) -> None:
    """No code changes: only OpenTelemetry's own variables."""
    service = f"bot-{case.name}"
    grpc = case.env.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc"
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc if grpc else collector.http,
        "OTEL_SERVICE_NAME": service,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=stage-7",
        **case.env,
    }
    if case.from_file:
        env["OTEL_CONFIG_FILE"] = str(_example(tmp_path, collector.http, service))
    async with greeted(tmp_path, umami.url, env) as bot:
        if case.umami:
            await asyncio.to_thread(until, lambda: "user_registered" in umami.inbox.counts(), "Umami has the event")
        if case.jaeger:
            await asyncio.to_thread(until, lambda: _greeting(jaeger, service), "Jaeger has the trace")
    printed = bot.output()  # the bot has stopped: whatever it had to send has been sent

    assert (case.umami, case.console) == ("user_registered" in umami.inbox.counts(), '"command /start"' in printed)
    if case.umami:
        assert {(each.hostname, each.tag) for each in umami.inbox.events()} == {(service, "stage-7")}
    if case.jaeger:
        (trace,) = _greeting(jaeger, service)
        assert tags(trace["processes"]["p1"])["deployment.environment.name"] == "stage-7"
        assert "user_registered" in [name for span in trace["spans"] for name in event_names(span)]
    else:
        assert jaeger.traces(service) == []


async def test_through_collector_and_bridge_umami_gets_the_same(tmp_path: Path, umami: Umami) -> None:
    """With OTLP alone the bot's events reach Umami by the bridge: as they do without it."""
    (port,) = free_ports(1)
    taxonomy = tmp_path / "taxonomy.json"
    taxonomy.write_text(TAXONOMY.to_json())
    direct = Umami()
    with (
        direct,
        Bridge(tmp_path, umami.url, port=port, taxonomy=taxonomy) as bridge,
        Collector(tmp_path, bridge=bridge.url) as collector,
    ):
        env = {"OTEL_TRACES_EXPORTER": "umami,otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http}
        async with greeted(tmp_path, direct.url, env):
            for each in (direct, umami):
                await asyncio.to_thread(until, partial(_has_told, each), "both have event and view")

        assert _told(umami) == _told(direct)


@pytest.mark.parametrize("hangs", ["umami", "otlp"])
async def test_one_that_hangs_never_delays_the_other(
    hangs: str, tmp_path: Path, umami: Umami, jaeger: Jaeger, collector: Collector
) -> None:
    """
    What goes to the one arrives while the other has taken a request and has not answered it.

    Both wait a minute or more for an answer, longer than this test waits for the other one: an exporter that waits for
    its neighbour fails it.
    """
    took = {}
    for hanging in (False, True):
        folder = tmp_path / str(hanging)
        folder.mkdir()
        service = f"bot-{hangs}-hangs-{hanging}"
        env = {
            "OTEL_TRACES_EXPORTER": "umami,otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
            "UMAMI_TIMEOUT_SECONDS": "60",
            "OTEL_SERVICE_NAME": service,
        }
        umami.inbox.clear()
        with Silence() as silence:
            if hanging and hangs == "otlp":
                env["OTEL_EXPORTER_OTLP_ENDPOINT"] = silence.url
            endpoint = silence.url if hanging and hangs == "umami" else umami.url
            async with greeted(folder, endpoint, env):
                begin = time.monotonic()
                if hanging:
                    await asyncio.to_thread(silence.wait_for_a_request)
                if hangs == "umami":
                    await asyncio.to_thread(until, partial(_greeting, jaeger, service), "Jaeger has it", 45)
                else:
                    await asyncio.to_thread(
                        until, lambda: "user_registered" in umami.inbox.counts(), "Umami has it", 45
                    )
                took[hanging] = time.monotonic() - begin
                assert silence.asked == hanging  # and it is not answered to this moment
    print(f"{hangs} hangs: the other one took {took[False]:.2f} s without, {took[True]:.2f} s with")  # noqa: T201  # measured


def test_the_docs_have_one_row_for_each() -> None:
    """The table in docs/exporters.md names every value that is tested here."""
    text = (ROOT / "docs" / "exporters.md").read_text()
    for case in CASES:
        value = case.env.get("OTEL_TRACES_EXPORTER", "umami")
        assert f"`{value}`" in text, value
    for variable in (
        "OTEL_CONFIG_FILE",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_TRACES_SAMPLER",
        "OTEL_SDK_DISABLED",
        "ANALYTICS_ENABLED",
    ):
        assert variable in text


def _example(folder: Path, collector: str, service: str) -> Path:
    """Write the example of a configuration file with this Collector and these names."""
    text = (ROOT / "examples" / "otel-config.yaml").read_text().replace("http://127.0.0.1:4318", collector)
    stage = "    - name: deployment.environment.name\n      value: stage-7\n"
    path = folder / "otel-config.yaml"
    path.write_text(text.replace("value: my-service\n", f"value: {service}\n{stage}"))
    return path


def _greeting(jaeger: Jaeger, service: str) -> list[dict[str, Any]]:
    return jaeger.traces(service, operation="command /start")


def _has_told(umami: Umami) -> bool:
    return len(_told(umami)) >= 3


def _told(umami: Umami) -> list[str]:
    """Return what Umami holds of a /start, without what differs by the second and by the trace."""
    told = []
    for request in umami.inbox.requests():
        batch = json.loads(request.body)
        for item in batch if isinstance(batch, list) else [batch]:
            payload = item["payload"]
            told.append(json.dumps({**payload, "timestamp": payload["timestamp"] // 10}, sort_keys=True))
    return sorted(each for each in told if "/start" in each or "user_registered" in each)
