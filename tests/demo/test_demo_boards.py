"""The demo ends with the boards on screen, and every number on them is one of its summary."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from demo_runs import start_staying

from otel_umami_exporter.dashboards.declare import Widget
from termin_bot.dashboards import BOOKING_FUNNEL, DASHBOARDS, INTERNAL_BOARD, PUBLIC_BOARD, SERVICES
from termin_bot.simulation.demo_umami import DEMO_WEBSITE, INBOX_PASSWORD

Numbers = dict[str, int | float]


class Played:
    """A seeded demo that shows its boards: what it summed up, and a reader of the boards."""

    def __init__(self, folder: Path) -> None:
        self._run = start_staying(folder, "--citizens", "20", "--seed", "7")
        self.public, self.internal = self._run.until_it_says("/share/"), self._run.until_it_says("/boards/")
        self._run.until_it_says("until you press Ctrl-C")
        self.summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
        [self.endpoint] = re.findall(r"http://[0-9.:]+", self.public)
        self._http = httpx.Client(base_url=self.endpoint, timeout=60)
        share = self._http.get(f"/api/share/{PUBLIC_BOARD.slug}").json()
        self._anybody = {"x-umami-share-token": share["token"], "x-umami-share-context": "1"}
        login = {"username": "admin", "password": INBOX_PASSWORD}
        token = self._http.post("/api/auth/login", json=login).json()["token"]
        self._team = {"authorization": f"Bearer {token}"}
        [internal] = re.findall(r"/boards/([0-9a-f-]{36})", self.internal)
        self._components = {
            **self._drawn(share["boardId"], self._anybody),
            **self._drawn(internal, self._team),
        }

    def end(self) -> int:
        """Press Ctrl-C; return the exit status."""
        self._http.close()
        self._run.interrupt()
        return self._run.finished()[0]

    def shown(self, title: str) -> Numbers:
        """Return what the widget of this title shows, read as its viewers may."""
        component, headers = self._components[title]
        website, props = f"/api/websites/{component['entityId']}", component["props"]
        if component["type"] == "WebsiteMetricsBar":
            return {"visitors": self._get(f"{website}/stats", headers)["visitors"]}
        if component["type"] == "MetricsTable":
            query = {"type": props["type"], "limit": props["limit"], **props.get("params", {})}
            rows = self._get(f"{website}/metrics", headers, **query)
        else:
            rows = self._get(f"{website}/events/series", headers, unit="day", timezone="UTC")
        found: Numbers = {}
        for row in rows:
            found[row["x"]] = found.get(row["x"], 0) + row["y"]
        return found

    def report(self, kind: str) -> Any:
        """Run the saved report of this kind."""
        [saved] = [
            each
            for each in self._get("/api/reports", self._team, websiteId=DEMO_WEBSITE)["data"]
            if each["type"] == kind
        ]
        dates = {"startDate": "2000-01-01T00:00:00Z", "endDate": "2100-01-01T00:00:00Z"}
        body = {
            "websiteId": DEMO_WEBSITE,
            "type": kind,
            "filters": {},
            "parameters": saved["parameters"] | dates,
        }
        return self._http.post(f"/api/reports/{kind}", json=body, headers=self._team).json()

    def _drawn(self, board: str, headers: dict[str, str]) -> dict[str, tuple[dict[str, Any], dict[str, str]]]:
        rows = self._get(f"/api/boards/{board}", headers)["parameters"]["rows"]
        components = [column["component"] for row in rows for column in row["columns"]]
        return {each["title"]: (each, headers) for each in components if each["type"] != "TextBlock"}

    def _get(self, path: str, headers: dict[str, str], **query: Any) -> Any:
        ends = {"startAt": "0", "endAt": str(int(time.time() + 3_600) * 1000)}
        answer = self._http.get(path, params={**ends, **query}, headers=headers)
        assert answer.status_code == httpx.codes.OK, answer.url
        return answer.json()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    played = Played(tmp_path_factory.mktemp("boards"))
    yield played
    assert played.end() == 0


def expected(summary: dict[str, Any]) -> dict[str, Numbers]:
    """Return what each widget has to show, from the summary alone."""
    events: dict[str, int] = summary["events"]

    def of(*names: str) -> Numbers:
        return {name: events[name] for name in names if events.get(name)}

    def by(key: str, said: str = "{}", at_least: int = 0) -> Numbers:
        counted = summary["values"].get(key, {})
        return {said.format(value): n["events"] for value, n in counted.items() if n["people"] >= at_least}

    return {
        "Active users": {"visitors": summary["visitors"]},
        "Appointments found": of("appointment_found"),
        "Successful bookings": {"booking_completed: success": by("booking_completed.status")["success"]},
        "Appointment trend": of("appointment_found"),
        "Bot activity by hour": {"event": sum(events.values())},
        "Popular services": by("subscription_added.service_name", at_least=SERVICES.at_least),
        "Booking steps": of(*(step.event.name for step in BOOKING_FUNNEL.steps)),
        "API errors by type": by("api_error.error_type"),
        "Failed notifications by type": by("notification_failed.error_type"),
        "Captchas solved and failed": by("captcha_solved.success", "captcha solved: {}"),
        "Commands": by("command_executed.command_name"),
        "People who blocked the bot": of("user_blocked_bot"),
        "Registered against stopped": of("user_registered", "user_stopped"),
    }


COUNTED = tuple(
    widget
    for board in DASHBOARDS.boards
    for widget in board.widgets
    if type(widget).__name__ in {"Metric", "Chart", "Table"}
)


@pytest.mark.parametrize("widget", COUNTED, ids=lambda widget: widget.title)
def test_every_widget_shows_the_number_of_the_summary(widget: Widget, played: Played) -> None:
    """Read back from the inbox: public ones with the link alone, internal ones logged in."""
    wanted = expected(played.summary)[widget.title]

    assert wanted
    assert played.shown(widget.title) == wanted


def test_the_funnel_and_the_goal_count_the_people_of_the_summary(played: Played) -> None:
    """Step by step, the last one with success only; the share of the first is the conversion."""
    people = played.summary["people"]
    steps = [people[step.event.name] for step in BOOKING_FUNNEL.steps[:-1]]
    steps.append(played.summary["values"]["booking_completed.status"]["success"]["people"])

    funnel, goal = played.report("funnel"), played.report("goal")

    assert [each["visitors"] for each in funnel] == steps
    assert funnel[-1]["remaining"] == pytest.approx(steps[-1] / steps[0])
    assert goal["num"] == people["user_registered"]


def test_both_addresses_are_printed(played: Played) -> None:
    """The public page by its slug, the internal one by the id that Umami has chosen."""
    assert f"{played.endpoint}/share/{PUBLIC_BOARD.slug}" in played.public
    assert INTERNAL_BOARD.name in played.internal
    assert re.search(rf"{re.escape(played.endpoint)}/boards/[0-9a-f-]{{36}}", played.internal)
