"""The parts of the demo: the cast, the stage, the watch, the books, the table, the screens."""

import asyncio
import io
import json
import logging
import re
import socket
import threading
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from rich.console import Console

from otel_umami_exporter import record
from termin_bot.events import BookingCompleted, UserRegistered, UserStopped
from termin_bot.simulation.__main__ import main
from termin_bot.simulation.citizens_cast import MOST_CITIZENS, SHOWN_OFFERS, cast
from termin_bot.simulation.citizens_stories import STORIES
from termin_bot.simulation.demo_books import Arrived, compare
from termin_bot.simulation.demo_screen import LiveScreen, PlainScreen, screen_for
from termin_bot.simulation.demo_stage import Act, Stage
from termin_bot.simulation.demo_watch import ErrorLines, Watch
from termin_bot.simulation.summary import Durations, Summary, durations

VISITOR = "enduser.pseudo.id"


# -- the cast


def test_the_same_seed_casts_the_same_play() -> None:
    """Stories, places and names come from the seed and the number of citizens alone."""
    assert cast(20, 7) == cast(20, 7)
    assert cast(20, 7) != cast(20, 8)


def test_ten_citizens_play_every_story() -> None:
    """The default demo shows everything there is."""
    assert [each.story for each in cast(10, 5)] == list(STORIES)


@pytest.mark.parametrize("seed", range(5))
def test_citizens_never_compete(seed: int) -> None:
    """Even in the largest play each has a place of their own, among those that a notification shows."""
    places = [each.place for each in cast(MOST_CITIZENS, seed)]

    assert len(set(places)) == MOST_CITIZENS
    assert all(each.rank < SHOWN_OFFERS for each in places)


def test_nobody_shares_an_address() -> None:
    """The city allows one appointment for each address."""
    assert len({each.identity.email for each in cast(MOST_CITIZENS, 1)}) == MOST_CITIZENS


def test_identities_do_not_print_themselves() -> None:
    """Not even simulated people turn up in a traceback."""
    part = cast(1, 1)[0]

    said = re.sub(r"0x[0-9a-f]+", "", repr(part))  # an address in memory may have any digits in it
    assert not [each for each in part.identity.secrets() if each in said]


@pytest.mark.parametrize("citizens", [0, MOST_CITIZENS + 1])
def test_a_play_without_people_or_with_too_many_is_refused(citizens: int) -> None:
    """Beyond the limit citizens would compete."""
    with pytest.raises(ValueError, match="citizens can play"):
        cast(citizens, 1)


# -- the stage


async def test_an_act_ends_when_everybody_has_played() -> None:
    """The director goes on when the last citizen is done, and citizens wait for their act."""
    stage, played = Stage(), list[str]()
    stage.join(0)
    stage.join(1)

    async def live(number: int) -> None:
        for act in (Act.ARRIVING, Act.BOOKING):
            await stage.enter(number, act)
            played.append(f"{number} {act.name}")
        stage.leave(number)

    citizens = [asyncio.create_task(live(number)) for number in (0, 1)]
    await stage.play(Act.ARRIVING, 5)
    assert sorted(played) == ["0 ARRIVING", "1 ARRIVING"]
    await stage.play(Act.LEAVING, 5)
    assert len(played) == 2
    await stage.play(Act.BOOKING, 5)
    assert sorted(played[2:]) == ["0 BOOKING", "1 BOOKING"]
    await asyncio.gather(*citizens)


async def test_an_act_that_does_not_end_fails() -> None:
    """A citizen who is stuck ends the play."""
    stage = Stage()
    stage.join(0)

    with pytest.raises(TimeoutError):
        await stage.play(Act.ARRIVING, 0.01)


# -- the watch


@pytest.fixture
async def watch() -> Watch:
    """Return a watch in the running loop."""
    return Watch()


@pytest.fixture
def tracer(watch: Watch) -> Tracer:
    """Return a tracer that the watch sees."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(watch)
    return provider.get_tracer("test")


def test_the_watch_counts_events_views_visitors_and_durations(watch: Watch, tracer: Tracer) -> None:
    """Declared events, operations with a visitor, and bookings from the start of their span."""
    with tracer.start_as_current_span("command /start", kind=SpanKind.CONSUMER) as span:
        span.set_attribute(VISITOR, "v1")
        record(UserRegistered(username="set"))
        span.add_event("something else")
    booking = tracer.start_span("booking", start_time=1_000_000_000)
    completed = BookingCompleted(service_id=1, service_name="Pass", status="success")
    record(completed, span=booking, time_ns=1_250_000_000)
    booking.end(1_250_000_000)
    with tracer.start_as_current_span("ignored", kind=SpanKind.CONSUMER):
        pass

    assert dict(watch.events) == {"user_registered": 1, "booking_completed": 1}
    assert (watch.views, watch.visitors) == (1, {"v1"})
    assert watch.booking_ms == [250]
    assert watch.troubles == []


def test_a_failed_span_is_trouble_unless_the_script_wants_it(watch: Watch, tracer: Tracer) -> None:
    """What the director breaks on purpose does not fail the run."""
    with watch.expecting_trouble(), tracer.start_as_current_span("check cycle") as span:
        span.set_status(Status(StatusCode.ERROR))
    assert watch.troubles == []

    with tracer.start_as_current_span("check cycle") as span:
        span.set_attribute("error.type", "KeyError")
        span.set_status(Status(StatusCode.ERROR))
    assert watch.troubles == ["the span 'check cycle' failed: KeyError"]


def test_an_error_line_is_trouble_and_keeps_its_arguments_to_itself(watch: Watch) -> None:
    """Warnings are not."""
    log, lines = logging.getLogger("some.module"), ErrorLines(watch)
    log.addHandler(lines)
    try:
        log.warning("nothing to worry about")
        log.error("it broke for %s", "Anna")
    finally:
        log.removeHandler(lines)

    assert watch.troubles == ["some.module logged an error: it broke for %s"]


async def test_idle_is_when_every_update_has_had_its_span(watch: Watch, tracer: Tracer) -> None:
    """Whoever waits is woken by the end of a span, in whichever thread it ends."""
    watch.update_sent()
    with pytest.raises(TimeoutError):
        await watch.idle(0.01)

    def handle() -> None:
        tracer.start_span("command /help", kind=SpanKind.CONSUMER).end()

    waiting = asyncio.create_task(watch.idle(5))
    threading.Thread(target=handle).start()
    await waiting


# -- the books


def test_what_arrived_as_recorded_is_fine() -> None:
    """Nothing lost, nothing strange."""
    verdict = compare({"a": 2, "b": 1}, 3, Arrived(events={"a": 2, "b": 1}, views=3))

    assert (verdict.lost, verdict.troubles) == (0, ())


def test_what_did_not_arrive_is_lost() -> None:
    """Events and page views alike; what arrived twice elsewhere does not make up for it."""
    verdict = compare({"a": 2, "b": 1}, 3, Arrived(events={"a": 1, "b": 3}, views=2))

    assert verdict.lost == 2
    assert verdict.troubles == ("2 of b arrived without having been recorded",)


def test_what_the_inbox_objects_to_fails_the_run() -> None:
    """A cut name or a dropped event would be wrong in a real Umami, too."""
    verdict = compare({}, 0, Arrived(events={"x": 1}, views=0, problems=("too long",)))

    assert verdict.troubles == ("1 of x arrived without having been recorded", "the inbox objects: too long")


# -- the summary


def test_durations_are_nearest_ranks() -> None:
    """Each is a booking that happened."""
    assert durations([]) is None
    assert durations([7]) == Durations(count=1, median=7, p90=7)
    assert durations([10, 1, 3, 2, 4, 5, 6, 7, 8, 9]) == Durations(count=10, median=5, p90=9)


def _summary(lost: int = 0) -> Summary:
    return Summary(
        citizens=2,
        seed=1,
        events={"user_stopped": 1, "user_registered": 2},
        views=5,
        visitors=2,
        lost=lost,
        bookings=Durations(count=1, median=120, p90=150),
        seconds=1.25,
    )


def test_the_summary_is_written_as_json(tmp_path: Path) -> None:
    """Counts, and beside them what depends on the machine."""
    _summary().write(tmp_path / "summary.json")

    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8")) == {
        **_summary().counts,
        "booking_duration_ms": {"median": 120, "p90": 150},
        "seconds": 1.2,
    }


def test_the_table_shows_every_event_in_order_and_the_durations() -> None:
    """Also those that did not happen."""
    console = Console(file=io.StringIO(), width=80, record=True)

    console.print(_summary().table([UserRegistered.name, UserStopped.name, "user_unblocked"]))

    lines = [line.replace("│", " ").split() for line in console.export_text().splitlines()]
    assert ["user_registered", "2"] in lines
    assert ["user_unblocked", "0"] in lines
    assert lines.index(["user_registered", "2"]) < lines.index(["user_stopped", "1"])
    assert ["bookings:", "p90", "150", "ms"] in lines


# -- the screens


def test_a_screen_fits_its_console() -> None:
    """A live picture on a terminal, plain lines in a log."""
    assert isinstance(screen_for(Console(file=io.StringIO(), force_terminal=True)), LiveScreen)
    assert isinstance(screen_for(Console(file=io.StringIO(), force_terminal=False)), PlainScreen)


def test_plain_lines_tell_the_scene_and_the_events_so_far(watch: Watch, tracer: Tracer) -> None:
    """One line each, however narrow the console is."""
    out = io.StringIO()
    with PlainScreen(Console(file=out, width=20)) as screen:
        screen.follow(watch, 3)
        with tracer.start_as_current_span("x"):
            record(UserRegistered(username="set"))
        screen.scene("citizens arrive, and choose what they want")

    assert out.getvalue().splitlines()[-1].endswith("1 events  citizens arrive, and choose what they want")


def test_the_live_picture_shows_people_events_and_scenes(watch: Watch, tracer: Tracer) -> None:
    """As it stands when it is looked at."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True, record=True)
    with LiveScreen(console) as screen:
        screen.follow(watch, 3)
        screen.scene("first")
        screen.scene("second")
        with tracer.start_as_current_span("x"):
            record(UserRegistered(username="set"))
        console.print(screen.picture())

    shown = console.export_text()
    assert "3 citizens   1 events" in shown
    assert "✓ first" in shown
    assert "user_registered 1" in shown


# -- the command line


def test_an_outage_of_somebody_elses_umami_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo stops only what it started."""
    monkeypatch.setenv("UMAMI_ENDPOINT", "https://umami.example.org")
    monkeypatch.setenv("UMAMI_WEBSITE_ID", "0b1f6c1e-0000-4000-8000-000000000001")

    assert main(["--outage"]) == 2
    assert "--outage" in capsys.readouterr().err


def test_kept_data_is_not_counted_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with something in it is refused."""
    (tmp_path / "old").touch()

    assert main(["--data", str(tmp_path)]) == 2
    assert "--data" in capsys.readouterr().err


def test_a_port_in_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page cannot be where another program is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1]), "--data", str(tmp_path)]) == 2

    assert capsys.readouterr().err.startswith("--port: ")


@pytest.mark.parametrize("wrong", [("--citizens", "0"), ("--citizens", "1000"), ("--port", "70000"), ("--seed", "x")])
def test_what_makes_no_sense_is_refused(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and the option is named."""
    with pytest.raises(SystemExit) as ended:
        main(wrong)

    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err
