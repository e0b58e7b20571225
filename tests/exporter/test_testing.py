"""What we ship for the tests of others."""

import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent

import pytest
from opentelemetry import trace
from road import TAXONOMY, KitchenClosed, OrderPlaced

from otel_umami_exporter import Taxonomy, record
from otel_umami_exporter.testing import CapturedEvents, ManualClock, capture_events, captured_events

__all__ = ["captured_events"]  # the fixture, here by import; a program's conftest.py names the module in pytest_plugins


def place_order(dish: str) -> None:
    """Do what a program does."""
    record(OrderPlaced(number=1, dish=dish))


# docs/testing.md shows this example.
def test_an_order_is_counted() -> None:
    with capture_events(TAXONOMY) as captured:
        place_order("soup")

    [event] = captured
    assert (event.name, event.properties["dish"]) == ("order_placed", "soup")


@pytest.fixture
def umami_taxonomy() -> Taxonomy:
    return TAXONOMY


def test_the_fixture_captures(captured_events: CapturedEvents) -> None:  # pytest's way
    """With the program's own fixture for the taxonomy."""
    place_order("stew")

    assert captured_events.names == ["order_placed"]
    assert len(captured_events.named("order_placed")) == 1
    captured_events.clear()
    assert list(captured_events) == []


def test_the_fixture_is_there_for_a_program_that_names_the_module(tmp_path: Path) -> None:
    """As docs/testing.md says it: one line in conftest.py, and a fixture with the taxonomy."""
    shop = """
        from dataclasses import dataclass
        from typing import ClassVar
        from otel_umami_exporter import Event, Taxonomy
        @dataclass(frozen=True, kw_only=True)
        class ShopOpened(Event):
            "The shop opened."
            name: ClassVar[str] = "shop_opened"
        TAXONOMY = Taxonomy([ShopOpened])
    """
    conftest = """
        import pytest
        from shop import TAXONOMY
        pytest_plugins = ["otel_umami_exporter.testing"]
        umami_taxonomy = pytest.fixture(lambda: TAXONOMY)
    """
    test = """
        from shop import ShopOpened
        from otel_umami_exporter import record
        def test_it(captured_events):
            record(ShopOpened())
            assert captured_events.names == ["shop_opened"]
    """
    for name, text in (("shop.py", shop), ("conftest.py", conftest), ("test_it.py", test)):
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio", "-p", "no:cacheprovider"]

    done = subprocess.run(  # noqa: S603  # our own interpreter
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_captures_are_apart() -> None:
    """What was recorded outside is not inside; two at once both see it."""
    record(KitchenClosed())
    with capture_events(TAXONOMY) as outer:
        record(KitchenClosed())
        with capture_events(Taxonomy([OrderPlaced])) as inner:
            record(KitchenClosed())
    record(KitchenClosed())

    assert len(outer) == 2
    assert (list(inner), inner.rejected) == ([], ["kitchen_closed"])


def test_views_are_captured_as_views() -> None:
    """They have a name in the program, and none in Umami."""
    with capture_events(TAXONOMY) as captured:
        tracer = trace.get_tracer("test")
        attributes = {"enduser.pseudo.id": "anna"}
        with tracer.start_as_current_span("command /order", kind=trace.SpanKind.SERVER, attributes=attributes):
            record(KitchenClosed())

    assert [(each.name, each.is_view) for each in captured] == [("command /order", True), ("kitchen_closed", False)]
    assert captured.names == ["kitchen_closed"]
    assert [each.name for each in captured[1:]] == ["kitchen_closed"]


def test_a_manual_clock_wakes_those_whose_time_has_come() -> None:
    """And goes only when it is told to."""
    clock = ManualClock(100.0)
    condition = threading.Condition()
    waiting, woken = threading.Event(), threading.Event()

    def wait() -> None:
        with condition:
            waiting.set()
            while clock.monotonic() < 10.0:
                clock.wait(condition, 10.0 - clock.monotonic())
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(60.0)
    clock.advance(4.0)
    assert not woken.is_set()
    clock.advance(6.0)
    assert woken.wait(60.0)
    thread.join()
    assert (clock.time(), clock.monotonic()) == (110.0, 10.0)
