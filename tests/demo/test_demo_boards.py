"""The demo ends with the boards on screen, and their numbers are those of its summary."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
from demo_runs import start_staying

from termin_bot.dashboards import BOOKINGS, DASHBOARDS, PUBLIC_BOARD, SERVICES, USERS
from termin_bot.simulation.demo_umami import DEMO_WEBSITE, INBOX_PASSWORD


def test_the_boards_show_the_numbers_of_the_summary(tmp_path: Path) -> None:
    """The seeded run, read back from the inbox with the public link, and logged in; the addresses are printed."""
    run = start_staying(tmp_path, "--citizens", "12", "--seed", "7")
    public_line, internal_line = run.until_it_says("/share/"), run.until_it_says("/boards/")
    endpoint = re.findall(r"http://[0-9.:]+", public_line)[0]
    run.until_it_says("until you press Ctrl-C")
    summary = json.loads((tmp_path / "summary.json").read_text())
    events = summary["events"]

    with httpx.Client(base_url=endpoint) as http:
        share = http.get(f"/api/share/{PUBLIC_BOARD.slug}").json()
        public = {"x-umami-share-token": share["token"], "x-umami-share-context": "1"}
        token = http.post("/api/auth/login", json={"username": "admin", "password": INBOX_PASSWORD}).json()["token"]
        team = {"authorization": f"Bearer {token}"}

        shown = {
            each.key: read(http, each.site_id(DEMO_WEBSITE), public if each in PUBLIC_BOARD.projections else team)
            for each in DASHBOARDS.projections
            if each.source != "views"
        }
        bookings = read(http, DEMO_WEBSITE, team, "event-data/values", event="booking_completed", propertyName="status")
        popular = services(http, team, SERVICES.at_least)
        visitors = stats(http, DASHBOARDS.projections[0].site_id(DEMO_WEBSITE), public)

    assert f"{endpoint}/share/{PUBLIC_BOARD.slug}" in public_line
    assert re.search(rf"{re.escape(endpoint)}/boards/[0-9a-f-]{{36}}", internal_line)
    run.interrupt()
    assert run.finished()[0] == 0
    assert visitors == summary["visitors"]
    assert shown["appointments"] == {"appointment_found": events["appointment_found"]}
    assert shown["activity"] == {"event": sum(events.values())}
    assert sum(shown["api-errors"].values()) == events.get("api_error", 0)
    assert sum(shown["failed-notifications"].values()) == events.get("notification_failed", 0)
    assert sum(shown["captchas"].values()) == events["captcha_solved"]
    assert sum(shown["commands"].values()) == events["command_executed"]
    assert shown[USERS.key] == {name: events[name] for name in USERS.events if name in events}
    assert shown[BOOKINGS.key] == {BOOKINGS.called: bookings["success"]}
    assert sum(bookings.values()) == events["booking_completed"]
    assert shown[SERVICES.key] == popular
    assert sum(popular.values()) <= events["subscription_added"]


def read(
    http: httpx.Client, website: str, headers: dict[str, str], call: str = "metrics", **query: str
) -> dict[str, int]:
    """Return names (or values) with their counts."""
    rows: list[dict[str, Any]] = answer(http, website, headers, call, type="event", **query)
    name, number = ("x", "y") if call == "metrics" else ("value", "total")
    return {str(row[name]): int(row[number]) for row in rows}


def services(http: httpx.Client, headers: dict[str, str], at_least: int) -> dict[str, int]:
    """Return how often each service was added, of those that so many people added; from the events themselves."""
    query = {"event": "eq.subscription_added", "pageSize": "1000"}
    who = {
        each["id"]: each["sessionId"] for each in answer(http, DEMO_WEBSITE, headers, "events", **query)["data"]
    }  # fmt: skip
    people: dict[str, list[str]] = {}
    for each in answer(http, DEMO_WEBSITE, headers, "event-data", **query)["data"]:
        [name] = [one["stringValue"] for one in each["eventProperties"] if one["dataKey"] == "service_name"]
        people.setdefault(name, []).append(who[each["eventId"]])
    return {name: len(found) for name, found in people.items() if len(set(found)) >= at_least}


def stats(http: httpx.Client, website: str, headers: dict[str, str]) -> int:
    """Return how many visitors Umami's overview says."""
    return int(answer(http, website, headers, "stats")["visitors"])


def answer(http: httpx.Client, website: str, headers: dict[str, str], call: str, **query: str) -> Any:
    """Return the JSON of a reading call over all time."""
    ends = {"startAt": "0", "endAt": str(int(time.time() + 3_600) * 1000)}
    found = http.get(f"/api/websites/{website}/{call}", params={**ends, **query}, headers=headers)
    assert found.status_code == httpx.codes.OK, found.url
    return found.json()
