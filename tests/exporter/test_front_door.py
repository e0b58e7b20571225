"""The front door is one list: what a program may import, and what that costs it."""

import subprocess
import sys

import otel_umami_exporter

NAMES = [
    "AlwaysRecord",
    "Event",
    "Form",
    "Pipeline",
    "Privacy",
    "Prop",
    "SettingsError",
    "SpoolError",
    "SpoolUnavailable",
    "Taxonomy",
    "TaxonomyError",
    "UmamiExporterError",
    "UmamiLogRecordExporter",
    "UmamiSpanExporter",
    "UmamiSpanProcessor",
    "__version__",
    "record",
    "use_visitor",
]

# What an installation without extras does not have, and what an import must not need.
EXTRAS = ("starlette", "uvicorn", "pydantic_settings", "pytest", "hypothesis", "termin_bot", "telegram")
LOOK = f"""
import sys, threading, warnings
warnings.simplefilter("error")
import otel_umami_exporter
print([name for name in {EXTRAS!r} if name in sys.modules], threading.active_count())
"""


SEND = """
import sys
from otel_umami_exporter import Pipeline
from otel_umami_exporter.umami import UmamiClient
before = set(sys.modules)
for address in ("http://127.0.0.1:9", "https://localhost:9"):
    print(UmamiClient(address).send([b"{}"]))
print(sorted(set(sys.modules) - before))
"""


def test_sending_imports_nothing() -> None:
    """It happens in threads, and a child that is forked in the middle of an import never gets the module."""
    done = subprocess.run([sys.executable, "-c", SEND], capture_output=True, text=True, check=True)  # noqa: S603

    assert "connection_refused" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_exported_names_are_these() -> None:
    """A name that comes or goes is a change of the public interface: of this list, and of the changelog."""
    assert otel_umami_exporter.__all__ == NAMES
    assert [name for name in NAMES if not hasattr(otel_umami_exporter, name)] == []


def test_errors_are_one_tree() -> None:
    """A program can catch all of ours by one name, and nothing else by it."""
    root = otel_umami_exporter.UmamiExporterError
    exported = {name: getattr(otel_umami_exporter, name) for name in NAMES}
    tree = {name for name, each in exported.items() if isinstance(each, type) and issubclass(each, Exception)}

    assert tree == {"SettingsError", "SpoolError", "SpoolUnavailable", "TaxonomyError", "UmamiExporterError"}
    assert [name for name in tree if not issubclass(exported[name], root)] == []


def test_an_import_is_free() -> None:
    """It starts no thread, and needs neither an extra nor what reads the environment."""
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)  # noqa: S603

    assert (done.stdout, done.stderr) == ("[] 1\n", "")
