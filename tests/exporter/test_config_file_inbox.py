import os
import subprocess
import sys
from pathlib import Path

from otel_umami_exporter import Pipeline, Taxonomy
from otel_umami_exporter.inbox import Inbox
from otel_umami_exporter.payload import Site

WEBSITE = "6f1c0f0e-6c0a-4f8e-9a3e-000000000001"
HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "otel-config.yaml"


def test_the_example_configures_both_doors(tmp_path: Path) -> None:
    """OTEL_CONFIG_FILE with the example: events on a span and in the log arrive, though OTLP fails."""
    inbox = Inbox()
    with inbox.serve() as server:
        # Nobody takes OTLP at the inbox's address: a 404, which must disturb nothing.
        config = tmp_path / "otel-config.yaml"
        config.write_text(EXAMPLE.read_text(encoding="utf-8").replace("http://127.0.0.1:4318", server.url))
        environment = os.environ | {
            "OTEL_CONFIG_FILE": str(config),
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
            "UMAMI_ENDPOINT": server.url,
            "UMAMI_WEBSITE_ID": WEBSITE,
            "UMAMI_TAXONOMY": "config_file_program:TAXONOMY",
            "UMAMI_SPOOL": str(tmp_path / "spool.db"),
        }
        subprocess.run([sys.executable, HERE / "config_file_program.py"], env=environment, timeout=300, check=True)  # noqa: S603
        # A program ends when it may, on a busy machine before all is delivered: the next start does the rest.
        rest = Pipeline(taxonomy=Taxonomy(()), site=Site(WEBSITE), spool=tmp_path / "spool.db", connect=server.url)
        assert rest.flush(60.0)
        rest.shutdown()
        events = inbox.events()
    inbox.close()
    assert len(events) == 2
    assert {event.data["items"] for event in events} == {3, 4}
    assert {event.hostname for event in events} == {"my-service"}
