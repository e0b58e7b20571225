"""The demo from outside: exit status, summary, and the same counts whatever happens to Umami or to the machine."""

import json
from pathlib import Path

import pytest
from demo_runs import WEBSITE, Run, start

from otel_umami_exporter.inbox import Inbox, InboxServer
from termin_bot.events import TAXONOMY
from termin_bot.simulation.demo import SESSION_SECONDS
from termin_bot.simulation.demo_umami import DEMO_WEBSITE


@pytest.mark.parametrize("name", [each.name for each in TAXONOMY.events])
def test_every_event_happens_in_the_default_demo(runs: dict[str, Run], name: str) -> None:
    """Each of the 25 events occurs with ten citizens."""
    assert runs["plain"].summary()["events"][name] > 0


def test_the_summary_says_what_arrived_and_that_nothing_was_lost(runs: dict[str, Run]) -> None:
    """Counts, views and visitors are those of the inbox that was kept."""
    summary = runs["plain"].summary()

    inbox = Inbox(str(runs["plain"].data / "inbox.db"), any_website=True)
    try:
        assert inbox.counts(DEMO_WEBSITE) == summary["events"]
        assert inbox.views(DEMO_WEBSITE) == summary["views"]
        assert inbox.visitors(DEMO_WEBSITE) == summary["visitors"]
        assert inbox.problems() == []
        stored = inbox.events(DEMO_WEBSITE)
        took = [each.data["duration_ms"] for each in stored if each.name == "booking_completed"]
    finally:
        inbox.close()
    assert summary["lost"] == 0
    assert summary["booking_duration_ms"]["median"] in took
    assert all(isinstance(each, int) and 0 < each < 2 * SESSION_SECONDS * 1_000 for each in took)


def test_a_terminal_less_demo_prints_the_table_in_plain_lines(runs: dict[str, Run]) -> None:
    """No escape sequences; every event and the address of the page are there."""
    _, output, _ = runs["plain"].finished()

    assert "\x1b" not in output
    assert "http://127.0.0.1:" in output
    assert all(each.name in output for each in TAXONOMY.events)


def test_same_seed_same_counts_even_through_an_outage(runs: dict[str, Run]) -> None:
    """With Umami away for the whole run the bot does the same, and everything arrives when it is back."""
    assert runs["plain"].counts() == runs["outage"].counts()


def test_another_seed_plays_another_play(runs: dict[str, Run]) -> None:
    """The counts come from the seed."""
    assert runs["plain"].counts()["events"] != runs["other seed"].counts()["events"]


def test_the_same_run_goes_to_the_umami_that_the_environment_names(
    runs: dict[str, Run], named_umami: tuple[Inbox, InboxServer]
) -> None:
    """UMAMI_ENDPOINT and UMAMI_WEBSITE_ID win over the demo's own inbox; the spool's books say that nothing is lost."""
    summary = runs["named"].summary()

    inbox, server = named_umami
    assert inbox.counts(WEBSITE) == summary["events"]
    assert inbox.views(WEBSITE) == summary["views"]
    assert summary["lost"] == 0
    assert server.url in runs["named"].finished()[1]
    assert not (runs["named"].data / "inbox.db").exists()


def test_otlp_beside_umami_gets_the_traces(runs: dict[str, Run], collector: tuple[str, list[bytes]]) -> None:
    """OTEL_TRACES_EXPORTER=umami,otlp sends the same run to both."""
    runs["named"].summary()

    traces = b"".join(collector[1])
    assert b"command /start" in traces
    assert b"munich reserve-appointment" in traces


def test_a_sampler_that_drops_every_trace_drops_no_event(runs: dict[str, Run]) -> None:
    """Sampling is for traces."""
    assert runs["unsampled"].counts() == runs["named"].counts()


def test_analytics_switched_off_changes_nothing_for_the_citizens(runs: dict[str, Run]) -> None:
    """ANALYTICS_ENABLED=false: the same play, and nothing is stored or waits."""
    status, output, _ = runs["switched off"].finished()

    assert status == 0
    assert "None of them left" in output
    assert runs["switched off"].counts() == runs["named"].counts()
    assert not (runs["switched off"].data / "spool.db").exists()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"UMAMI_ENDPOINT": "http://127.0.0.1:9", "UMAMI_WEBSITE_ID": "no uuid"}, "UMAMI_WEBSITE_ID"),
        ({"UMAMI_ENDPOINT": "http://127.0.0.1:9"}, "UMAMI_WEBSITE_ID"),
        ({"UMAMI_WEBSITE_ID": WEBSITE}, "UMAMI_ENDPOINT"),
        ({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path, wrong: dict[str, str], named: str) -> None:
    """Exit status 2, no traceback."""
    status, _, errors = start(tmp_path, environment=wrong).finished()

    assert status == 2
    assert errors.startswith(named)
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("option", ["--summary", "--data"])
def test_a_path_that_cannot_be_is_said_before_the_play(tmp_path: Path, option: str) -> None:
    """Not after it, and in one line."""
    (tmp_path / "file").touch()
    status, output, errors = start(tmp_path, option, str(tmp_path / "file" / "x")).finished()

    assert (status, output) == (2, "")
    assert errors.startswith(f"{option}: ")
    assert len(errors.splitlines()) == 1


def test_a_run_that_lost_events_fails_and_says_so(runs: dict[str, Run]) -> None:
    """A spool that may hold five events forgets the others of an outage: exit status 1, one line, and the number."""
    status, _, errors = runs["lossy"].finished()

    summary = json.loads((runs["lossy"].folder / "summary.json").read_text(encoding="utf-8"))
    recorded = sum(summary["events"].values()) + summary["views"]
    assert status == 1
    assert errors == f"The demo failed: {summary['lost']} events are lost\n"
    assert 0 < summary["lost"] <= recorded


def test_the_summary_is_the_documented_json(runs: dict[str, Run]) -> None:
    """Tools read it."""
    summary = runs["plain"].summary()

    counts = {"citizens", "seed", "events", "views", "visitors", "lost", "people", "values"}
    assert counts | {"booking_duration_ms", "seconds"} == set(summary)
    assert {"median", "p90"} == set(summary["booking_duration_ms"])
    assert summary == json.loads(json.dumps(summary))
