"""Ctrl-C in the middle: an orderly end in time, and every event accounted for."""

import re
import time
from pathlib import Path

import httpx
import pytest
from demo_runs import start, start_staying

from otel_umami_exporter import Pipeline
from otel_umami_exporter.inbox import Inbox
from otel_umami_exporter.payload import Site
from termin_bot.events import TAXONOMY
from termin_bot.simulation.demo_umami import DEMO_WEBSITE

ALLOWED_SECONDS = 5.0
TRIES = 3
BATCHES_UNDER_WAY = 2 * 50
"""What may have been on the line at that moment, by the sender's own numbers."""


@pytest.mark.parametrize("arguments", [(), ("--outage",)], ids=["with Umami", "without Umami"])
def test_ctrl_c_under_load_stops_in_time_and_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, arguments: tuple[str, ...]
) -> None:
    """What was recorded until then is delivered, or on disk for the next start."""
    # A machine that is busy elsewhere may be late once; a stop that takes longer than it may is late each time.
    assert any(interrupted(tmp_path_factory.mktemp("interrupted"), *arguments) < ALLOWED_SECONDS for _ in range(TRIES))


def interrupted(folder: Path, *arguments: str) -> float:
    """Interrupt a run in its middle, check that all is accounted for, and return how many seconds it took to end."""
    # Without the copies for the public board: the spool's books would count them too.
    run = start(folder, *arguments, environment={"UMAMI_PROJECTIONS": "none"})
    run.until_it_says("citizens book")

    run.interrupt()
    asked = time.monotonic()
    status, output, errors = run.finished()
    took = time.monotonic() - asked

    assert (status, errors) == (130, "")
    said = re.search(r"after (\d+) events, (\d+) page views", output)
    assert said is not None
    recorded = int(said[1]) + int(said[2])
    assert 0 < recorded < 300, "this was not the middle"
    before, after = restarted(run.data)
    assert recorded <= after  # more only if Umami took one while we were stopping: that one is sent again
    assert after <= recorded + BATCHES_UNDER_WAY
    assert (before == 0) == bool(arguments)
    return took


def restarted(data: Path) -> tuple[int, int]:
    """Start where the run stopped: return how many events and views had arrived, and how many have after that."""
    inbox = Inbox(str(data / "inbox.db"), any_website=True)
    try:
        before = len(inbox.events(DEMO_WEBSITE))
        with inbox.serve() as server:
            pipeline = Pipeline(taxonomy=TAXONOMY, site=Site(DEMO_WEBSITE), spool=data / "spool.db", connect=server.url)
            try:
                assert pipeline.status().books.balanced
                assert pipeline.flush(60)
                assert pipeline.status().books.balanced
                assert pipeline.status().books.waiting == 0
            finally:
                pipeline.shutdown()
        return before, len(inbox.events(DEMO_WEBSITE))
    finally:
        inbox.close()


def test_the_page_stays_until_ctrl_c(tmp_path: Path) -> None:
    """After the run everybody has time to look at the events; ending that is no failure."""
    run = start_staying(tmp_path, "--citizens", "1")
    said = run.until_it_says("until you press Ctrl-C")

    address = re.search(r"http://[0-9.:]+", said)
    assert address is not None
    assert "Inbox" in httpx.get(address[0], timeout=60).text

    run.interrupt()
    assert run.finished()[0] == 0
