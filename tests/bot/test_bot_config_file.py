"""OTEL_CONFIG_FILE instead of variables: the file says where the bot's spans go."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_umami_exporter import Pipeline, Taxonomy
from otel_umami_exporter.inbox import Inbox
from otel_umami_exporter.payload import Site

HERE = Path(__file__).parent
WEBSITE = "6f1c0f0e-6c0a-4f8e-9a3e-000000000001"
EXAMPLE = HERE.parents[1] / "examples" / "otel-config.yaml"
CONSOLE = """\
file_format: "1.0"
resource:
  attributes: [{name: service.name, value: from-the-file}]
tracer_provider:
  sampler: {%s: {}}
  processors:
    - simple: {exporter: {console: {}}}
"""
UMAMI = "    - batch: {exporter: {umami: {}}}\n"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    yield inbox
    inbox.close()


def start(inbox: Inbox, folder: Path, text: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Configure the bot's telemetry from a file with *text*, and let one person register."""
    config = folder / "otel-config.yaml"
    config.write_text(text)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "UMAMI_"))}
    with inbox.serve() as server:
        done = subprocess.run(  # noqa: S603  # ours
            [sys.executable, HERE / "file_configured_bot.py"],
            env={
                **clean,
                "OTEL_CONFIG_FILE": str(config),
                "OTEL_TRACES_EXPORTER": "console,umami",  # not read: the file says it
                "UMAMI_ENDPOINT": server.url,
                "UMAMI_WEBSITE_ID": WEBSITE,
                "UMAMI_SPOOL": str(folder / "spool.db"),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        spool = folder / "spool.db"
        if (
            spool.exists()
        ):  # it ends when it may, on a busy machine before all is delivered: the next start does the rest
            rest = Pipeline(taxonomy=Taxonomy(()), site=Site(WEBSITE), spool=spool, connect=server.url)
            assert rest.flush(60.0)
            rest.shutdown()
        return done


def test_the_example_starts_the_bot(inbox: Inbox, tmp_path: Path) -> None:
    """The event arrives once, under the file's service name, though nobody takes OTLP."""
    done = start(inbox, tmp_path, EXAMPLE.read_text().replace("127.0.0.1:4318", "127.0.0.1:9"))

    assert done.returncode == 0
    [event] = inbox.events()
    assert (event.name, event.hostname) == ("user_registered", "my-service")


def test_events_of_unsampled_spans_leave_as_well(inbox: Inbox, tmp_path: Path) -> None:
    """As with the variables: a sampler is for traces."""
    done = start(inbox, tmp_path, CONSOLE % "always_off" + UMAMI)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [each.name for each in inbox.events()] == ["user_registered"]


def test_what_the_file_does_not_name_gets_nothing(inbox: Inbox, tmp_path: Path) -> None:
    """Whatever OTEL_TRACES_EXPORTER says."""
    done = start(inbox, tmp_path, CONSOLE % "always_on")

    assert (done.returncode, done.stderr) == (0, "")
    assert '"service.name": "from-the-file"' in done.stdout
    assert inbox.events() == []


@pytest.mark.parametrize(
    ("text", "env"),
    [
        (CONSOLE % "always_on" + UMAMI + "disabled: true\n", {}),
        (CONSOLE % "always_off" + UMAMI, {"ANALYTICS_ENABLED": "false"}),
    ],
    ids=["disabled", "analytics-off"],
)
def test_switched_off_is_off(text: str, env: dict[str, str], inbox: Inbox, tmp_path: Path) -> None:
    """By the file's own word, and by the operator's."""
    done = start(inbox, tmp_path, text, **env)

    assert (done.returncode, done.stdout) == (0, "")
    assert inbox.events() == []


@pytest.mark.parametrize("text", ["file_format: [", "tracer_provider: 5", 'file_format: "1.0"\n', ""])
def test_a_wrong_file_is_one_clear_line(text: str, inbox: Inbox, tmp_path: Path) -> None:
    """The last one: it names the variable. OpenTelemetry's own parser may have said more before."""
    done = start(inbox, tmp_path, text)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("OTEL_CONFIG_FILE: the file ")
