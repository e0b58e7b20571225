"""The bridge under load, for as long as a test may take; docs/bridge.md has the long runs."""

import json
import subprocess
import sys

import pytest
from stack_kit import ROOT

pytestmark = pytest.mark.stack
STEADY = 1.15


def test_memory_is_flat_under_load() -> None:
    """Half a minute of requests, all taken; at its end the bridge has grown by nothing to speak of."""
    command = [
        sys.executable,
        str(ROOT / "tools" / "bench_bridge.py"),
        "--seconds",
        "30",
        "--rate",
        "5000",
        "--every",
        "10",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603  # ours

    assert (done.returncode, done.stderr) == (0, "")
    [figures] = [each for each in json.loads(done.stdout).values() if isinstance(each, dict)]
    first, *_, last = figures["memory_mib"]
    assert figures["not_200"] == {}
    assert figures["spans_per_second"] > 0
    assert last < STEADY * first
