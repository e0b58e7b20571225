"""Metrics leave by configuration: the real process with each exporter, and nobody's name in any of them."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from bot_process import NOWHERE, Running, running
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from ports import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otel_umami_exporter import SettingsError
from termin_bot.exporters import exporter_for, exporter_names
from termin_bot.simulation.serving import serve

WITH_UMAMI = {
    "ANALYTICS_ENABLED": "true",
    "OTEL_TRACES_EXPORTER": "umami",
    "UMAMI_ENDPOINT": NOWHERE,
    "UMAMI_WEBSITE_ID": "5f1ff3a5-21b5-4d0b-9a3c-2d0a8c0f5a11",
}
NAMES = {"termin_bot.update.lag", "termin_bot.telegram.wait", "otel_umami.events", "otel.sdk.exporter.span.exported"}


async def greeted(bot: Running) -> None:
    """Have somebody say hello, and wait for the answer."""
    anna = bot.telegram.person(first_name="Canarina", username="canary_name")
    await anna.send("/start")
    await anna.answer(timeout=60)
    await anna.send("/help canary-argument")
    await anna.answer(timeout=60)


def listening(pid: int) -> list[str]:
    """Return the ports that a process listens on, as the kernel writes them."""
    mine = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()]
    return [line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in mine]


async def test_prometheus_finds_them(tmp_path: Path) -> None:
    """On the address of OpenTelemetry's own variables: the bot's, the library's and the process's."""
    port = free_port()
    environment = {
        **WITH_UMAMI,
        "UMAMI_SPOOL": str(tmp_path / "spool.db"),
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
    }
    async with running(tmp_path, **environment) as bot:
        await greeted(bot)
        assert len(listening(bot.process.pid)) == 1
        async with httpx.AsyncClient(timeout=60) as http:
            page = (await http.get(f"http://localhost:{port}/metrics")).text
        await bot.stop()
        assert bot.process.returncode == 0

    for name in ("termin_bot_update_lag_seconds_bucket", "termin_bot_telegram_wait_seconds_count", "process_resident"):
        assert name in page
    assert re.search(r'otel_umami_events\{[^}]*state="accepted"[^}]*\} [1-9]', page)
    assert 'service_name="munich-appointment-bot"' in page
    assert "canar" not in page.lower()
    assert str(bot.telegram.people[0].id) not in page


async def test_otlp_brings_them(tmp_path: Path) -> None:
    """By HTTP, now and then and once more at the stop."""
    got: dict[str, int] = {}
    complete = asyncio.Event()

    async def take(request: Request) -> Response:
        message = ExportMetricsServiceRequest.FromString(await request.body())
        for resource in message.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    got[metric.name] = got.get(metric.name, 0) + 1
        if set(got) >= NAMES:
            complete.set()
        return Response()

    async with serve(Starlette(routes=[Route("/v1/metrics", take, methods=["POST"])])) as collector:
        environment = {
            **WITH_UMAMI,
            "UMAMI_SPOOL": str(tmp_path / "spool.db"),
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }
        async with running(tmp_path, **environment) as bot:
            await greeted(bot)
            async with asyncio.timeout(60):
                await complete.wait()
            before = got["termin_bot.update.lag"]
            await bot.stop()
    assert got["termin_bot.update.lag"] > before


async def test_the_console_shows_them(tmp_path: Path) -> None:
    """As JSON on standard output; the log stays on standard error."""
    async with running(tmp_path, OTEL_METRICS_EXPORTER="console", LOG_FORMAT="json") as bot:
        await greeted(bot)
        await bot.stop()
    assert '"termin_bot.update.lag"' in bot.out
    assert [json.loads(line)["level"] for line in bot.err.splitlines()]


async def test_by_default_there_are_none(tmp_path: Path) -> None:
    """No port is opened, nothing is sent."""
    async with running(tmp_path) as bot:
        await greeted(bot)
        assert listening(bot.process.pid) == []
        await bot.stop()
    assert bot.out == ""


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTEL_METRICS_EXPORTER": "canary"}, "OTEL_METRICS_EXPORTER: no exporter is installed under the name canary"),
        (
            {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "canary"},
            "OTEL_EXPORTER_PROMETHEUS_PORT: cannot listen there (ValueError)",
        ),
        (
            {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "canary"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf or grpc is needed",
        ),
    ],
)
async def test_a_mistake_is_one_line(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    """And exit status 2, before anything is opened."""
    async with running(tmp_path, **environment) as bot:
        async with asyncio.timeout(60):
            _, err = await bot.process.communicate()
        assert (bot.process.returncode, err.decode().splitlines()) == (2, [said])


def test_names_come_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several by commas, each once; none and an empty variable as OpenTelemetry says."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp, console,otlp,none")
    assert exporter_names("metrics", "none") == ("otlp", "console")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "")
    assert exporter_names("metrics", "none") == ()
    with pytest.raises(SettingsError, match="OTEL_METRICS_EXPORTER"):
        exporter_for("metrics", "whatever")
