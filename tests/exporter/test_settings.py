"""The environment: what wins, what a mistake does, and what is never repeated."""

import logging
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from road import TAXONOMY, WEBSITE, OrderPlaced, ended

from otel_umami_exporter import SettingsError, UmamiLogRecordExporter, UmamiSpanExporter, UmamiSpanProcessor
from otel_umami_exporter.books import Books
from otel_umami_exporter.settings import (
    UmamiSettings,
    default_spool,
    load_taxonomy,
    pipeline_from_environment,
    read_settings,
    timing_from,
)

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Set a complete environment with an Umami that is not there."""
    for name in list(os.environ):
        if "UMAMI" in name or name.startswith(("OTEL_", "ANALYTICS_")):
            monkeypatch.delenv(name)
    (tmp_path / "taxonomy.json").write_text(TAXONOMY.to_json())
    monkeypatch.setenv("UMAMI_ENDPOINT", NOWHERE)
    monkeypatch.setenv("UMAMI_WEBSITE_ID", WEBSITE)
    monkeypatch.setenv("UMAMI_TAXONOMY", str(tmp_path / "taxonomy.json"))
    monkeypatch.setenv("UMAMI_SPOOL", str(tmp_path / "spool"))
    return monkeypatch


def test_both_exporters_by_environment_are_doors_of_one_road(environment: pytest.MonkeyPatch) -> None:
    """It ends when both are closed."""
    environment.delenv("OTEL_TRACES_EXPORTER", raising=False)
    traces, logs = (
        next(iter(entry_points(group=f"opentelemetry_{signal}_exporter", name="umami"))).load()()
        for signal in ("traces", "logs")
    )
    assert isinstance(traces, UmamiSpanExporter)
    assert isinstance(logs, UmamiLogRecordExporter)
    assert traces.pipeline is logs.pipeline
    assert traces.pipeline is not None

    logs.shutdown()
    traces.export([ended(OrderPlaced(number=1))])
    assert Books(2, 0, 2, {}, {}) == traces.pipeline.status().books
    traces.shutdown()

    again = UmamiSpanProcessor()
    assert again.pipeline is not None
    assert again.pipeline is not traces.pipeline
    assert again.pipeline.status().books.accepted == 2
    again.shutdown()


def test_the_sampler_is_found_by_name() -> None:
    """For the environment, and for a configuration file."""
    for group in ("opentelemetry_traces_sampler", "opentelemetry_sampler"):
        assert next(iter(entry_points(group=group, name="always_record"))).load()() is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UMAMI_ENDPOINT", "canary"),
        ("UMAMI_ENDPOINT", "ftp://canary"),
        ("UMAMI_ENDPOINT", "http://user:canary@host:99999"),
        ("UMAMI_WEBSITE_ID", "canary"),
        ("UMAMI_TAXONOMY", "no_such_module:CANARY_NAME"),
        ("UMAMI_TAXONOMY", "/no/such/taxonomy.json"),
        ("UMAMI_SPOOL_MAX_EVENTS", "canary"),
        ("UMAMI_SPOOL_MAX_EVENTS", "0"),
        ("UMAMI_TIMEOUT_SECONDS", "-1"),
        ("ANALYTICS_ENABLED", "canary"),
    ],
)
def test_a_mistake_in_the_environment_only_switches_analytics_off(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    """One ERROR line that names the variable and not its value; the program and OTLP run on."""
    environment.setenv(name, value)

    door = UmamiSpanExporter()
    door.export([ended(OrderPlaced(number=1))])

    assert door.pipeline is None
    assert door.force_flush(10)
    door.shutdown()
    [line] = caplog.records
    assert line.levelno == logging.ERROR
    assert line.exc_info is None
    assert f"analytics is off: {name}" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("name", ["UMAMI_ENDPOINT", "UMAMI_WEBSITE_ID"])
def test_what_is_missing_is_named(environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """In code it raises; an empty variable is one that is not set."""
    environment.setenv(name, "")

    assert UmamiSpanProcessor().pipeline is None
    assert f"{name}: it is missing" in caplog.text
    with pytest.raises(SettingsError, match=f"{name}: it is missing"):
        pipeline_from_environment(TAXONOMY)


def test_analytics_can_be_switched_off(environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without a word, and without looking at the rest."""
    environment.setenv("ANALYTICS_ENABLED", "false")
    environment.delenv("UMAMI_ENDPOINT")

    assert pipeline_from_environment() is None
    assert UmamiSpanProcessor().pipeline is None
    assert caplog.records == []


@pytest.mark.usefixtures("environment")
def test_arguments_win_over_names_and_names_over_their_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the page says."""
    monkeypatch.setenv("OTEL_EXPORTER_UMAMI_TAG", "other")
    assert read_settings().tag == "other"
    monkeypatch.setenv("UMAMI_TAG", "first")
    assert read_settings().tag == "first"
    assert read_settings(tag="argument").tag == "argument"


@pytest.mark.usefixtures("environment")
def test_every_setting_has_a_name_for_opentelemetry_users_and_a_meaning() -> None:
    """Those for commands only excepted; the page is made of them."""
    for name, field in UmamiSettings.model_fields.items():
        assert field.description, name
        assert field.validation_alias is not None, name
        if name not in ("username", "password"):
            assert "OTEL_EXPORTER_UMAMI_" in str(field.validation_alias), name


def test_secrets_do_not_show(environment: pytest.MonkeyPatch) -> None:
    """Not in a repr, not in an error."""
    environment.setenv("UMAMI_ENDPOINT", "http://user:canary@127.0.0.1:9")
    environment.setenv("UMAMI_PASSWORD", "canary")
    settings = read_settings()

    assert "canary" not in repr(settings) + str(settings)


def test_without_a_path_the_spool_is_in_the_state_folder(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One for each website."""
    environment.setenv("XDG_STATE_HOME", str(tmp_path))
    assert tmp_path / "otel-umami" / f"{WEBSITE}.db" == default_spool(WEBSITE)

    environment.delenv("UMAMI_SPOOL")
    pipeline = pipeline_from_environment()
    assert pipeline is not None
    pipeline.shutdown()
    assert (tmp_path / "otel-umami" / f"{WEBSITE}.db").exists()


def test_a_lease_outlives_the_longest_attempt(environment: pytest.MonkeyPatch) -> None:
    """Or the batch would be sent twice: connecting, writing, reading, and one late piece."""
    environment.setenv("UMAMI_TIMEOUT_SECONDS", "60")
    request = 60 + 0.2 * 50

    assert timing_from(read_settings()).lease_seconds > 5 + 4 * request


def test_a_taxonomy_is_a_file_or_a_name() -> None:
    """Both are the same thing."""
    assert TAXONOMY is load_taxonomy("road:TAXONOMY")
    assert TAXONOMY is load_taxonomy("road")


def test_opentelemetrys_own_configuration_starts_us_beside_otlp(environment: pytest.MonkeyPatch) -> None:
    """The SDK's configurator, in a fresh interpreter; with a mistake of ours the other exporter still works."""
    code = """
from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

_OTelSDKConfigurator().configure()
with trace.get_tracer("test").start_as_current_span("command /order"):
    pass
trace.get_tracer_provider().shutdown()
"""
    environment.setenv("OTEL_TRACES_EXPORTER", "umami,console")
    environment.setenv("OTEL_LOGS_EXPORTER", "umami")
    environment.setenv("OTEL_METRICS_EXPORTER", "none")
    environment.setenv("OTEL_TRACES_SAMPLER", "always_record")
    for endpoint, said in ((NOWHERE, ""), ("not an address", "analytics is off: UMAMI_ENDPOINT")):
        environment.setenv("UMAMI_ENDPOINT", endpoint)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  # our own interpreter
        assert '"name": "command /order"' in done.stdout
        assert said in done.stderr
        assert "Traceback" not in done.stderr
