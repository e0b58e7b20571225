"""What a test asks the inbox: typed events, totals as Umami counts them, problems, raw requests."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from otel_umami_exporter.inbox import Inbox, InboxServer


def event(website: str, **payload: Any) -> dict[str, Any]:
    return {"type": "event", "payload": {"website": website, **payload}}


def test_an_event_comes_back_with_typed_properties(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """Whole numbers are int, others float; booleans, dates and lists keep their types."""
    data = {
        "text": "x",
        "whole": 3,
        "part": 1.5,
        "flag": True,
        "date": "2026-03-02T10:00:00.123Z",
        "list": [1, "a", None],
        "nothing": None,
        "nested": {"deep": 1},
    }
    body = event(website, name="paid", id="u1", url="/event/paid", hostname="bot", tag="test", timestamp=1772445600)
    client.post("/api/send", json={**body, "payload": {**body["payload"], "data": data}})

    [stored] = inbox.events()

    assert (stored.name, stored.url_path, stored.visitor) == ("paid", "/event/paid", "u1")
    assert (stored.website_id, stored.hostname, stored.tag) == (website, "bot", "test")
    assert stored.created_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert stored.data == {
        "text": "x",
        "whole": 3,
        "part": 1.5,
        "flag": True,
        "date": datetime(2026, 3, 2, 10, 0, 0, 123_000, tzinfo=UTC),
        "list": [1, "a", None],
        "nothing": None,
        "nested.deep": 1,
    }
    assert {type(stored.data["whole"]), type(stored.data["flag"])} == {int, bool}


def test_visitors_are_counted_from_page_views_only(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """A website with only custom events has no visitors, as in Umami."""
    client.post("/api/batch", json=[event(website, name="a", id=visitor) for visitor in ("u1", "u2")])
    assert (inbox.views(), inbox.visitors()) == (0, 0)

    client.post("/api/batch", json=[event(website, url="/", id="u1"), event(website, url="/b", id="u1")])

    assert (inbox.views(), inbox.visitors()) == (2, 1)
    assert inbox.counts() == {"a": 2}
    assert [stored.name for stored in inbox.events()] == ["a", "a", None, None]


def test_websites_are_kept_apart(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """Every helper takes a website, in either case."""
    other = str(uuid.uuid4())
    client.post("/api/batch", json=[event(website, name="a", id="u1"), event(other, url="/", id="u1")])

    assert inbox.counts(website.upper()) == {"a": 1}
    assert inbox.counts(other) == {}
    assert (inbox.views(website), inbox.views(other), inbox.visitors(other)) == (0, 1, 1)
    assert [stored.website_id for stored in inbox.events(other)] == [other]


def test_milliseconds_as_timestamp_stay_readable(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """A time beyond Python's years reads as the last moment of them, and is a problem."""
    client.post("/api/send", json=event(website, name="a", timestamp=1772445600000))

    assert inbox.events()[0].created_at.year == 9999
    assert [(problem.severity, problem.reason) for problem in inbox.problems()] == [("changed", "milliseconds")]


@pytest.mark.parametrize(
    ("payload", "headers", "severity", "reason", "kept"),
    [
        ({"name": "a"}, {"user-agent": "python-httpx/0.28.1"}, "lost", "bot", "nothing"),
        ({"name": "n" * 51}, {}, "lost", "invalid", "nothing"),
        ({"name": "a", "id": "i" * 51}, {}, "lost", "server-error", "nothing"),
        ({"name": "a", "hostname": "my host"}, {}, "lost", "server-error", "the session"),
        ({"name": "a", "url": "/?gclid=" + "g" * 256}, {}, "lost", "server-error", "the session"),
        ({"name": "a", "tag": "\0"}, {}, "lost", "server-error", "the session"),
        ({"name": "a", "data": {"k": "v" * 501}}, {}, "damaged", "server-error", "the event without its properties"),
        ({"name": "a", "data": {"k": 10**15}}, {}, "damaged", "server-error", "the event without its properties"),
        ({"data": {"revenue": 5, "currency": "EUR"}}, {}, "damaged", "server-error", "the event with its properties"),
        ({"name": "a", "title": "t" * 501}, {}, "changed", "cut", "the event"),
        ({"name": "a", "url": "/" + "u" * 500}, {}, "changed", "cut", "the event"),
        ({"name": "", "url": "/"}, {}, "changed", "empty-name", "the event"),
        ({"name": "a", "timestamp": 4102444800}, {}, "changed", "future", "the event"),
        ({"name": "a", "data": {"k": "\ufffd"}}, {}, "changed", "replaced-characters", "the event"),
    ],
)
def test_what_umami_would_not_store_is_a_problem_with_a_remedy(
    inbox: Inbox,
    client: httpx.Client,
    website: str,
    payload: dict[str, Any],
    headers: dict[str, str],
    severity: str,
    reason: str,
    kept: str,
) -> None:
    """Each loss, half loss and change is noted once, with what Umami kept of the event."""
    client.post("/api/send", json=event(website, **payload), headers=headers)

    [problem] = inbox.problems()

    assert (problem.severity, problem.reason, problem.kept) == (severity, reason, kept)
    assert problem.website_id == website
    assert problem.event_name == (payload.get("name") or problem.event_name)
    assert problem.message
    assert problem.remedy


def test_a_problem_names_the_guilty_property(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """Of many properties only the one that cannot be stored is named."""
    client.post("/api/send", json=event(website, name="a", data={"good": 1, "guilty": "v" * 501}))

    [problem] = inbox.problems()

    assert "'guilty'" in problem.message
    assert "'good'" not in problem.message


def test_an_unknown_website_is_a_problem_only_where_websites_are_named(website: str) -> None:
    """With any_website an unknown id makes the website; without it the event is refused as in Umami."""
    for inbox, stored, reasons in (
        (Inbox(), 1, []),
        (Inbox(any_website=False), 0, ["unknown-website"]),
        (Inbox(any_website=False, websites=[website.upper()]), 1, []),
    ):
        with inbox.serve() as server:
            body = event(website, name="a", userAgent="Mozilla/5.0 (X11; Linux x86_64)")
            httpx.post(f"{server.url}/api/send", json=body, timeout=60)
        assert len(inbox.events()) == stored
        assert [problem.reason for problem in inbox.problems()] == reasons
        inbox.close()


def test_a_foreign_cache_token_is_a_problem(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """The event is stored, but it has no session."""
    token = client.post("/api/send", json=event(website, name="a", id="u1")).json()["cache"]
    client.post("/api/send", json=event(website, name="b", id="u2"), headers={"x-umami-cache": token})

    assert [stored.visitor for stored in inbox.events()] == ["u1", None]
    assert [(problem.reason, problem.event_name) for problem in inbox.problems()] == [("cache-token", "b")]


def test_a_body_that_is_no_json_is_a_problem(inbox: Inbox, client: httpx.Client) -> None:
    """Also of a batch, which is lost as a whole."""
    client.post("/api/send", content=b'{"n": NaN}')
    client.post("/api/batch", content=b"[{]")
    client.post("/api/batch", json=[{}, []])

    assert [problem.reason for problem in inbox.problems()] == ["invalid"] * 3
    assert "body[1]" in inbox.problems()[2].message


def test_raw_requests_are_kept_for_a_canary_test(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """Body and headers as they came, also of a request that was refused."""
    client.post("/api/send", json=event(website, name="a"), headers={"x-canary": "bird"})
    client.post("/api/batch", content=b"no json")

    first, second = inbox.requests()

    assert (first.method, first.path, first.headers["x-canary"]) == ("POST", "/api/send", "bird")
    assert json.loads(first.body) == event(website, name="a")
    assert second.body == b"no json"
    assert inbox.forgotten_requests == 0


def test_raw_requests_are_bounded() -> None:
    """The oldest go first, by number and by bytes, and the loss is told."""
    inbox = Inbox(keep_requests=2, keep_bytes=10)
    with inbox.serve() as server:
        for content in (b"1", b"2", b"3", b"123456789"):
            httpx.post(f"{server.url}/api/send", content=content, timeout=60)

    assert [request.body for request in inbox.requests()] == [b"3", b"123456789"]
    assert inbox.forgotten_requests == 2
    inbox.close()


def test_clear_forgets_everything_but_websites(website: str) -> None:
    """A cleared inbox still knows its websites."""
    inbox = Inbox(any_website=False, websites=[website])
    headers = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    with inbox.serve() as server:
        httpx.post(f"{server.url}/api/send", json=event(website, name="a", data={"k": 1}), headers=headers, timeout=60)
        httpx.post(f"{server.url}/api/send", json=event(website, name="a"), timeout=60)
        inbox.clear()
        assert (inbox.events(), inbox.problems(), inbox.requests(), inbox.counts()) == ([], [], [], {})

        httpx.post(f"{server.url}/api/send", json=event(website, name="b"), headers=headers, timeout=60)
        assert inbox.counts() == {"b": 1}
    inbox.close()


def test_a_file_keeps_events_for_the_next_run(tmp_path: Path, website: str) -> None:
    """Events and problems are there again after a restart."""
    path = str(tmp_path / "inbox.sqlite")
    headers = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    first = Inbox(path)
    with first.serve() as server:
        httpx.post(
            f"{server.url}/api/send", json=event(website, name="a", title="t" * 501), headers=headers, timeout=60
        )
    first.close()

    second = Inbox(path)

    assert second.counts(website) == {"a": 1}
    assert [problem.reason for problem in second.problems()] == ["cut"]
    second.close()


def test_the_server_comes_back_on_the_same_port(website: str) -> None:
    """stop() and start() are an outage: refused connections, then everything is there again."""
    inbox = Inbox()
    server = inbox.serve()
    server.start()
    url, body = server.url, event(website, name="a", userAgent="Mozilla/5.0 (X11; Linux x86_64)")
    httpx.post(f"{url}/api/send", json=body, timeout=60)
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"{url}/api/send", json=body, timeout=60)

    server.start()

    assert server.url == url
    httpx.post(f"{url}/api/send", json=body, timeout=60)
    assert inbox.counts() == {"a": 2}
    server.stop()
    inbox.close()


def test_a_running_server_is_not_started_twice(server: InboxServer) -> None:
    """start() on a running server is a mistake of the caller, and says so."""
    with pytest.raises(RuntimeError, match="already running"):
        server.start()


def test_time_comes_from_the_clock(website: str) -> None:
    """Without a timestamp an event happens when the inbox's clock says."""
    inbox = Inbox(clock=lambda: 1_772_445_600.5)
    with inbox.serve() as server:
        body = event(website, name="a", userAgent="Mozilla/5.0 (X11; Linux x86_64)")
        httpx.post(f"{server.url}/api/send", json=body, timeout=60)

    assert inbox.events()[0].created_at == datetime(2026, 3, 2, 10, 0, 0, 500_000, tzinfo=UTC)
    inbox.close()
