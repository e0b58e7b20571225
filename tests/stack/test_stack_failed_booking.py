"""docs/traces.md, step by step: a booking has failed, and an SRE finds out why."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from stack_bot import standing
from stack_kit import Collector, Jaeger, Umami, event_names, tags, until

pytestmark = pytest.mark.stack
SERVICE, OFFICE = 10502137, 10456  # of the simulated city: one office, no captcha, no further questions
DAY = 86_400
BOT = "bot-with-a-failed-booking"
VISITOR = "enduser.pseudo.id"


async def fail_to_book(folder: Path, umami: Umami, collector: Collector) -> None:
    """Have a person watch, hear of an appointment, and book it from a city that refuses."""
    env = {
        "OTEL_TRACES_EXPORTER": "umami,otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http,
        "OTEL_SERVICE_NAME": BOT,
        "CHECK_INTERVAL_SECONDS": "1",
    }
    async with standing(folder, umami.url, env) as (_, anna, city):
        await anna.send("/start")
        await anna.answer(timeout=60)
        await anna.press_data(f"s:{SERVICE}")
        await anna.answer(timeout=60)
        city.release(SERVICE, OFFICE, [int(time.time()) // DAY * DAY + 7 * DAY + 36_000])
        await anna.until(lambda: any(message.button(_books) for message in anna.inbox), timeout=60)
        for pressed in (_books, _is_time):
            await anna.press(pressed)
            await anna.answer(timeout=60)
        for typed in ("Anna Canary-Name", "canary.mail@example.org"):
            await anna.send(typed)
            await anna.answer(timeout=60)
        city.fail("preconfirm-appointment", 503, "serviceUnavailable", times=None)
        await anna.press(lambda button: button.label.startswith("Confirm booking"))
        await asyncio.to_thread(until, lambda: failed(umami), "Umami has the failed booking")


def _books(button: Any) -> bool:
    return bool(button.label.startswith("Book ") and button.data is not None)


def _is_time(button: Any) -> bool:
    return bool(":" in button.label and button.data is not None and not button.label.startswith("Book "))


def failed(umami: Umami) -> list[str]:
    """Return the trace ids of failed bookings, as a product owner sees them in Umami."""
    found = [each.data for each in umami.inbox.events() if each.name == "booking_completed"]
    return [str(data["trace_id"]) for data in found if data.get("status") == "failure" and "trace_id" in data]


async def test_from_a_failed_booking_in_umami_to_the_call_that_failed(
    tmp_path: Path, umami: Umami, jaeger: Jaeger
) -> None:
    """The trace id opens the booking; its visitor finds the steps; the last one has the city's refusal."""
    with Collector(tmp_path, bridge="http://127.0.0.1:1", jaeger=jaeger.otlp) as collector:  # 10 % of the rest only
        await fail_to_book(tmp_path, umami, collector)
        [trace_id] = failed(umami)
        trace = await asyncio.to_thread(until, lambda: jaeger.trace(trace_id), "the booking's trace is in Jaeger")
        [booking] = [span for span in trace["spans"] if span["operationName"] == "booking"]
        of_visitor = json.dumps({VISITOR: tags(booking)[VISITOR]})
        await asyncio.to_thread(
            until, lambda: len(jaeger.traces(BOT, tags=of_visitor)) >= len(STEPS) + 1, "every step is in Jaeger"
        )

    assert event_names(booking) == ["booking_completed"]
    assert tags(booking)["termin_bot.booking.outcome"] == "failed"
    assert tags(booking["logs"][0])["failure_reason"] == "city_unavailable"
    steps = {
        event: each
        for each in jaeger.traces(BOT, tags=of_visitor)
        for span in each["spans"]
        for event in event_names(span)
    }
    assert set(STEPS) <= set(steps)
    [refused] = [
        span for span in steps["booking_confirmed"]["spans"] if tags(span).get("error.type") == "serviceUnavailable"
    ]
    assert refused["operationName"] == "munich preconfirm-appointment"
    assert tags(refused)["http.response.status_code"] == 503
    assert "Canary" not in json.dumps(list(steps.values()))


STEPS = ("booking_started", "slot_selected", "name_entered", "email_entered", "booking_confirmed")
