"""The environment path: whatever a variable holds, the program runs on; in code a mistake raises."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult
from road import TAXONOMY, WEBSITE, OrderPlaced, ended, payload

from otel_umami_exporter import (
    SettingsError,
    SpoolError,
    UmamiExporterError,
    UmamiLogRecordExporter,
    UmamiSpanExporter,
    UmamiSpanProcessor,
)
from otel_umami_exporter.spool import Spool

CANARY = "s3cret"
NOWHERE = f"http://guest:{CANARY}@127.0.0.1:9"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take every variable of ours away; what must be written goes to a folder of the test."""
    for name in list(os.environ):
        if "UMAMI" in name or name.startswith(("OTEL_", "ANALYTICS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Describe a road to an Umami that is not there, and modules that are broken."""
    (tmp_path / "taxonomy.json").write_text(TAXONOMY.to_json(), encoding="utf-8")
    (tmp_path / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "umami_no_python.py").write_text("def (", encoding="utf-8")
    (tmp_path / "umami_raises.py").write_text(f"raise RuntimeError('{CANARY}')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UMAMI_ENDPOINT", NOWHERE)
    monkeypatch.setenv("UMAMI_WEBSITE_ID", WEBSITE)
    monkeypatch.setenv("UMAMI_TAXONOMY", "taxonomy.json")
    monkeypatch.setenv("UMAMI_SPOOL", str(tmp_path / "spool.db"))
    return monkeypatch


MISTAKES = [
    ("UMAMI_ENDPOINT", ""),
    ("UMAMI_ENDPOINT", CANARY),
    ("UMAMI_ENDPOINT", f"ftp://guest:{CANARY}@umami.example"),
    ("UMAMI_ENDPOINT", f"http://[{CANARY}"),
    ("UMAMI_ENDPOINT", f"http://guest:{CANARY}@"),
    ("UMAMI_ENDPOINT", f"http://guest:{CANARY}@umami.example:99999"),
    ("UMAMI_ENDPOINT", f"http://guest:{CANARY}@umami\x7f.example"),
    ("UMAMI_WEBSITE_ID", ""),
    ("UMAMI_WEBSITE_ID", CANARY),
    ("UMAMI_TAXONOMY", "./taxonomy.yaml"),
    ("UMAMI_TAXONOMY", ".."),
    ("UMAMI_TAXONOMY", ":"),
    ("UMAMI_TAXONOMY", ".umami:TAXONOMY"),
    ("UMAMI_TAXONOMY", "umami_is_nowhere:TAXONOMY"),
    ("UMAMI_TAXONOMY", "umami_no_python:TAXONOMY"),
    ("UMAMI_TAXONOMY", "umami_raises:TAXONOMY"),
    ("UMAMI_TAXONOMY", "json:dumps"),
    ("UMAMI_TAXONOMY", "nowhere.json"),
    ("UMAMI_TAXONOMY", "folder.json"),
    ("UMAMI_TAXONOMY", "latin.json"),
    ("UMAMI_TAXONOMY", "x" * 5_000 + ".json"),
    ("UMAMI_PROJECTIONS", ".umami:BOARDS"),
    ("UMAMI_PROJECTIONS", "umami_raises:BOARDS"),
    ("UMAMI_PROJECTIONS", "umami_no_python:BOARDS"),
    ("UMAMI_PROJECTIONS", "os:path"),
    ("UMAMI_PROJECTIONS", "nowhere.json"),
    ("UMAMI_SPOOL_MAX_EVENTS", CANARY),
    ("UMAMI_SPOOL_MAX_BYTES", "-1"),
    ("UMAMI_SPOOL_MAX_AGE_SECONDS", "nan"),
    ("UMAMI_TIMEOUT_SECONDS", "0"),
    ("UMAMI_LINGER_SECONDS", "inf"),
    ("UMAMI_LINGER_SECONDS", "1e300"),
    ("UMAMI_LINGER_SECONDS", CANARY),
    ("ANALYTICS_ENABLED", CANARY),
]


@pytest.mark.parametrize(("name", "value"), MISTAKES)
def test_a_mistake_is_one_error_line_that_names_its_variable(
    complete: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    """Spans are taken with SUCCESS, so that OpenTelemetry does not complain either; nothing secret is repeated."""
    complete.setenv(name, value)
    exporter = UmamiSpanExporter()

    assert exporter.export([ended(OrderPlaced(number=1))]) is SpanExportResult.SUCCESS
    assert exporter.force_flush(10)
    exporter.shutdown()
    assert exporter.pipeline is None
    [line] = caplog.records
    assert (line.levelno, line.exc_info, name in line.getMessage()) == (logging.ERROR, None, True)
    assert "\n" not in line.getMessage()
    assert CANARY not in caplog.text


@pytest.mark.parametrize("name", ["UMAMI_TAXONOMY", "UMAMI_PROJECTIONS"])
def test_a_file_that_is_none_only_switches_analytics_off(
    complete: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Nested without end, it would have ended the program."""
    complete.setenv(name, "deep.json")

    assert UmamiSpanExporter().pipeline is None
    [line] = caplog.records
    assert line.levelno == logging.ERROR


@pytest.mark.parametrize("where", [".", "taxonomy.json/spool.db", "/proc/nowhere/spool.db"])
def test_a_spool_that_cannot_be_made_only_switches_analytics_off(
    complete: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """A folder, a folder that is a file, a folder that nobody can make."""
    complete.setenv("UMAMI_SPOOL", where)

    assert UmamiSpanProcessor().pipeline is None
    [line] = caplog.records
    assert (line.levelno, "UMAMI_SPOOL: " in line.getMessage()) == (logging.ERROR, True)


def run_by_environment(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that OpenTelemetry configures from the environment; its spans and log records go to stdout too."""
    here = Path(__file__).parent
    ours = {
        "OTEL_TRACES_EXPORTER": "umami,console",
        "OTEL_LOGS_EXPORTER": "console,umami",
        "OTEL_METRICS_EXPORTER": "none",
        "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]),
        "UMAMI_ENDPOINT": NOWHERE,
        "UMAMI_WEBSITE_ID": WEBSITE,
        "UMAMI_TAXONOMY": "environment_program:TAXONOMY",
        "UMAMI_SPOOL": str(tmp_path / "spool.db"),
    }
    instrument = Path(sys.executable).with_name("opentelemetry-instrument")
    program = [str(instrument), sys.executable, str(here / "environment_program.py")]
    return subprocess.run(  # noqa: S603  # ours
        program, env=os.environ | ours | environment, capture_output=True, text=True, timeout=300, check=True
    )


def test_a_program_that_the_environment_configures_loses_no_event_to_sampling_or_outage(tmp_path: Path) -> None:
    """Two doors and a sampler by name, Umami away: both events are on disk when the program has ended."""
    done = run_by_environment(tmp_path, OTEL_TRACES_SAMPLER="always_record", OTEL_TRACES_SAMPLER_ARG="1")

    spool = Spool(tmp_path / "spool.db")
    items = sorted(payload(body)["data"]["items"] for body in spool.bodies())
    spool.close()
    assert items == [3, 4]
    assert '"name": "POST /orders"' in done.stdout
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"UMAMI_ENDPOINT": CANARY},
        {"UMAMI_TAXONOMY": "umami_is_nowhere:TAXONOMY"},
        {"UMAMI_SPOOL": "/proc/nowhere/spool.db"},
        {"UMAMI_LINGER_SECONDS": CANARY},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_mistake_never_takes_another_exporter_down(tmp_path: Path, wrong: dict[str, str]) -> None:
    """The exporters beside it get every span and every log record; that both doors are shut is said in one line."""
    done = run_by_environment(tmp_path, **wrong)

    assert '"name": "POST /orders"' in done.stdout
    assert '"event_name": "order_placed"' in done.stdout
    assert done.stderr.count("analytics is off: ") == 1
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_a_user_without_a_home_only_switches_analytics_off(
    complete: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A container under any user number: nobody knows its home; with a spool of its own it is well."""
    for name in ("UMAMI_SPOOL", "XDG_STATE_HOME", "HOME"):
        complete.delenv(name, raising=False)
    complete.setattr(os, "getuid", lambda: 4_123_456_789)

    assert UmamiSpanExporter().pipeline is None
    [line] = caplog.records
    assert (line.levelno, "UMAMI_SPOOL: " in line.getMessage()) == (logging.ERROR, True)


def test_what_no_rule_foresaw_only_switches_analytics_off(
    complete: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenTelemetry gives up its whole configuration when an exporter cannot be made, OTLP with it."""

    class Absurd:
        def __init__(self) -> None:
            raise RuntimeError(CANARY)

    complete.setattr("otel_umami_exporter.pipeline.Counters", Absurd)

    assert UmamiSpanExporter().pipeline is None
    [line] = caplog.records
    assert (line.levelno, line.exc_info) == (logging.ERROR, None)
    assert CANARY not in caplog.text


def test_without_any_variable_every_door_is_shut_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """`OTEL_TRACES_EXPORTER=umami` alone names what is missing first."""
    for door in (UmamiSpanExporter, UmamiSpanProcessor, UmamiLogRecordExporter):
        caplog.clear()
        assert door().pipeline is None
        assert [line.getMessage() for line in caplog.records] == ["analytics is off: UMAMI_ENDPOINT: it is missing"]


def test_a_complete_environment_opens_the_door_without_a_word(
    complete: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """And what comes in is on disk."""
    del complete
    exporter = UmamiSpanExporter()
    assert exporter.export([ended(OrderPlaced(number=1))]) is SpanExportResult.SUCCESS
    assert exporter.pipeline is not None
    assert exporter.pipeline.status().books.accepted == 2
    exporter.shutdown()

    assert (tmp_path / "spool.db").stat().st_mode & 0o777 == 0o600
    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"endpoint": CANARY}, "UMAMI_ENDPOINT"),
        ({"endpoint": NOWHERE}, "UMAMI_WEBSITE_ID"),
        ({"website_id": WEBSITE}, "UMAMI_ENDPOINT"),
        ({"endpoint": NOWHERE, "website_id": CANARY}, "UMAMI_WEBSITE_ID"),
        ({"endpoint": NOWHERE, "website_id": WEBSITE, "taxonomy": "umami_is_nowhere:X"}, "UMAMI_TAXONOMY"),
    ],
)
@pytest.mark.parametrize("door", [UmamiSpanExporter, UmamiSpanProcessor, UmamiLogRecordExporter])
def test_in_code_a_mistake_raises(
    door: type[UmamiSpanExporter], arguments: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that says something itself wants to know; what it said is not repeated, nor is it in the log."""
    with pytest.raises(SettingsError, match=said) as caught:
        door(**arguments)  # type: ignore[arg-type]  # names and texts from the table

    assert isinstance(caught.value, UmamiExporterError)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
    assert caplog.records == []


def test_in_code_a_spool_that_cannot_be_made_raises(tmp_path: Path) -> None:
    """A path that is wrong is wrong at once."""
    with pytest.raises(SpoolError):
        UmamiSpanExporter(endpoint=NOWHERE, website_id=WEBSITE, taxonomy=TAXONOMY, spool=tmp_path)


def test_a_switch_turns_every_door_off_in_code_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """ANALYTICS_ENABLED=false is the operator's word, and no mistake."""
    monkeypatch.setenv("ANALYTICS_ENABLED", "false")
    processor = UmamiSpanProcessor(endpoint=NOWHERE, website_id=WEBSITE, taxonomy=TAXONOMY)
    processor.on_end(ended(OrderPlaced(number=1)))

    assert (processor.pipeline, processor.force_flush(10)) == (None, True)
    assert caplog.records == []
