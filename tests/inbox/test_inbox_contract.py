"""What Umami does according to its contract page, beyond the recorded cases."""

import http.client
import uuid
from typing import Any

import httpx
import pytest

from otel_umami_exporter.inbox import Inbox, InboxServer


def event(website: str, **payload: Any) -> dict[str, Any]:
    return {"type": "event", "payload": {"website": website, **payload}}


def raw_data(website: str, data: str) -> str:
    return f'{{"type":"event","payload":{{"website":"{website}","name":"e","data":{data}}}}}'


@pytest.mark.parametrize(
    "user_agent",
    [
        *("aiohttp/3.9", "otel-umami-exporter/1.0 (+https://github.com/x)", "UmamiExporter/1.0", "Umami"),
        *("Mozilla/5.0 (compatible; otel-umami-exporter/1.0)", "Telegram/10.0", "TelegramBot (like TwitterBot)"),
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ],
)
def test_bots_are_dropped(inbox: Inbox, client: httpx.Client, website: str, user_agent: str) -> None:
    """200, beep boop, and nothing is stored."""
    answer = client.post("/api/send", json=event(website, name="e"), headers={"user-agent": user_agent})

    assert (answer.status_code, answer.json()) == (200, {"beep": "boop"})
    assert inbox.events() == []


@pytest.mark.parametrize(
    ("data", "string", "number", "kind"),
    [
        ("1e400", "Infinity", None, 2),
        ("999999999999999.5", "999999999999999.5000", "999999999999999.5000", 2),
        ("-0.00001", "-0.0000", "0.0000", 2),
        ("[1e21, 1e-7, 1.50, -0.0, 0.000001]", "[1e+21,1e-7,1.5,0,0.000001]", None, 5),
        ("[123456789012345680000, 1.25e-10]", "[123456789012345680000,1.25e-10]", None, 5),
        (r'["\ud83d", "\u0000", "ä"]', r'["\ud83d","\u0000","ä"]', None, 5),
        ('[{"b": [true]}]', '[{"b":[true]}]', None, 5),
    ],
)  # fmt: skip
def test_values_become_the_text_that_javascript_makes(
    inbox: Inbox, client: httpx.Client, website: str, data: str, string: str, number: str | None, kind: int
) -> None:
    """Numbers with four decimals, lists as JSON."""
    client.post("/api/send", content=raw_data(website, f'{{"k": {data}}}'))

    [row] = inbox.rows([website])["event_data"]

    assert (row["string_value"], row["number_value"], row["data_type"]) == (string, number, kind)


def test_a_hundred_levels_are_flattened_and_arrays_can_be_too_deep(
    inbox: Inbox, client: httpx.Client, website: str
) -> None:
    """Too deep is a 500, and the event row stays."""
    deep = '{"a":' * 100 + "1" + "}" * 100
    assert client.post("/api/send", content=raw_data(website, deep)).status_code == 200
    array = '{"a":' + "[" * 20_000 + "]" * 20_000 + "}"
    answer = client.post("/api/send", content=raw_data(website, array))

    assert answer.json()["error"]["errorObject"] == {"kind": "RangeError"}
    assert [list(stored.data) for stored in inbox.events()] == [[".".join("a" * 100)], []]


def test_infinity_in_a_deep_body_is_still_no_json(client: httpx.Client, website: str) -> None:
    """What stands for the pruned depth is not taken from the client."""
    for constant in ("NaN", "-Infinity", "Infinity"):
        assert client.post("/api/send", content=raw_data(website, f'{{"k": {constant}}}')).status_code == 400


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        ({"revenue": "19.99", "currency": "EUR"}, ["19.9900"]),
        ({"revenue": 0, "currency": "EUR"}, []),
        ({"revenue": 5}, []),
        ({"revenue": "much", "currency": "EUR"}, []),
        ({"revenue": [5], "currency": "EUR"}, ["5.0000"]),
        ({"revenue": "0x10", "currency": "EUR"}, ["16.0000"]),
    ],
)
def test_revenue_is_what_javascript_takes_for_more_than_zero(
    inbox: Inbox, client: httpx.Client, website: str, data: dict[str, Any], stored: list[str]
) -> None:
    """Together with a currency it makes a row of its own."""
    client.post("/api/send", json=event(website, name="paid", data=data))

    assert [row["revenue"] for row in inbox.rows([website]).get("revenue", [])] == stored


def test_identify_keeps_the_properties_before_the_failing_one(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """500, with half of it stored; a later value replaces the former."""
    payload = {"website": website, "id": "u1", "data": {"a": 1, "b": "v" * 501, "c": 3}}
    answer = client.post("/api/send", json={"type": "identify", "payload": payload})
    client.post("/api/send", json={"type": "identify", "payload": {**payload, "data": {"a": "new"}}})

    assert answer.status_code == 500
    assert [(row["data_key"], row["string_value"]) for row in inbox.rows([website])["session_data"]] == [("a", "new")]
    assert [problem.kept for problem in inbox.problems()] == ["the properties before the failing one"]


@pytest.mark.parametrize(
    "hostname", ["999.999.1.1", "1.2.3", "a/b?c", "0x7f.1", "[::1]", "h.example:99999", "ä.example"]
)
def test_hostnames_are_judged_as_part_of_an_address(client: httpx.Client, website: str, hostname: str) -> None:
    """Numbers that are no IPv4 address and impossible ports are a 500."""
    expected = 500 if hostname in ("999.999.1.1", "h.example:99999") else 200

    assert client.post("/api/send", json=event(website, name="e", hostname=hostname)).status_code == expected


@pytest.mark.parametrize(
    ("url", "path", "query", "host"),
    [
        ("tg://resolve?domain=x", "", "domain=x", "resolve"),
        ("mailto:a@b.example", "a@b.example", "", "localhost"),
        ("?a=1", "/", "a=1", "localhost"),
        ("#frag ment", "/#frag ment", "", "localhost"),
        ("https:\\\\www.h.example\\a\\..\\b", "/b", "", "h.example"),
        ("http://user:word@h.example:80/x", "/x", "", "h.example"),
        ("http://0x7f.1/", "/", "", "127.0.0.1"),
        ("/%2e%2E/a/%2e/ä?ö=ü", "/a/ä", "%C3%B6=%C3%BC", "localhost"),
        ("https:/a", "/a", "", "localhost"),
        (" /a\tb\n ", "/ab", "", "localhost"),
    ],
)
def test_addresses_are_read_as_browsers_do(
    inbox: Inbox, client: httpx.Client, website: str, url: str, path: str, query: str, host: str
) -> None:
    """Other schemes, backslashes, dots, blanks."""
    client.post("/api/send", json=event(website, name="e", url=url))

    [row] = inbox.rows([website])["website_event"]

    assert (row["url_path"], row["url_query"], row["hostname"] or "localhost") == (path, query, host)


@pytest.mark.parametrize("timestamp", [None, 0, "0", " 1772445600 ", 1772445600.0, "0x10", -(2**53)])
def test_timestamps_are_whole_seconds_in_any_form(client: httpx.Client, website: str, timestamp: Any) -> None:
    """Null and 0 are now; what is no safe integer is refused."""
    expected = 400 if timestamp == -(2**53) else 200

    assert client.post("/api/send", json=event(website, name="e", timestamp=timestamp)).status_code == expected


def test_a_cache_token_lets_an_unknown_website_through(website: str) -> None:
    """Neither the website nor the session is looked up."""
    inbox = Inbox(any_website=False, websites=[website])
    headers = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    unknown = str(uuid.uuid4())
    with inbox.serve() as server:
        url = f"{server.url}/api/send"
        token = httpx.post(url, json=event(website, name="e", id="u"), headers=headers, timeout=60).json()["cache"]
        assert httpx.post(url, json=event(unknown, name="e"), headers=headers, timeout=60).status_code == 400
        answer = httpx.post(url, json=event(unknown, name="e"), headers={**headers, "x-umami-cache": token}, timeout=60)

    assert answer.status_code == 200
    assert inbox.counts(unknown) == {"e": 1}
    inbox.close()


def test_the_nil_website_never_exists(client: httpx.Client) -> None:
    """Not even where any website is made on demand."""
    answer = client.post("/api/send", json=event(str(uuid.UUID(int=0)), name="e"))

    assert answer.json() == {"error": {"message": "Website not found.", "code": "bad-request", "status": 400}}


def test_own_keys_named_proto_are_dropped(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """JavaScript's special key makes no property."""
    client.post("/api/send", content=raw_data(website, '{"__proto__": 1, "a": 2}'))

    assert inbox.events()[0].data == {"a": 2}


def test_performance_is_neither_view_nor_event(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """It is stored as Umami's type 5, which no total counts."""
    client.post("/api/send", json={"type": "performance", "payload": {"website": website, "url": "/"}})

    assert [row["event_type"] for row in inbox.rows([website])["website_event"]] == [5]
    assert (inbox.counts(), inbox.views(), inbox.visitors()) == ({}, 0, 0)


def test_websites_are_managed_with_a_login(client: httpx.Client, website: str) -> None:
    """Create with an id of one's own, find, empty, delete; an id is taken once; nothing without the login."""
    assert client.get("/api/websites").status_code == 401
    wrong = client.post("/api/auth/login", json={"username": "admin", "password": "guess"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "incorrect-username-password")
    assert client.post("/api/auth/login", json={"username": 5}).status_code == 400
    token = client.post("/api/auth/login", json={"username": "admin", "password": "umami"}).json()["token"]
    admin = {"authorization": f"Bearer {token}"}
    made = {"name": f"site {website}", "domain": "d.example", "id": website}

    created = client.post("/api/websites", json=made, headers=admin)
    again = client.post("/api/websites", json=made, headers=admin)
    found = client.get("/api/websites", params={"search": made["name"]}, headers=admin).json()

    assert created.json()["id"] == website
    assert (again.status_code, again.content) == (500, b"")
    assert (found["count"], found["data"][0]["domain"]) == (1, "d.example")
    assert client.get(f"/api/websites/{website}", headers=admin).json() == created.json()
    assert client.post("/api/auth/verify", headers=admin).json()["username"] == "admin"
    assert client.post("/api/auth/verify").status_code == 401
    assert client.post("/api/websites", json={"name": "x"}, headers=admin).status_code == 400
    assert client.post("/api/websites", json={**made, "id": "no"}, headers=admin).status_code == 400

    client.post("/api/send", json=event(website, name="e", data={"k": 1}))
    assert client.post(f"/api/websites/{website}/reset", headers=admin).json() == {"ok": True}
    assert client.delete(f"/api/websites/{website}", headers=admin).json() == {"ok": True}
    assert client.get(f"/api/websites/{website}", headers=admin).json() is None


def test_a_redirect_stays_on_this_host(server: InboxServer) -> None:
    """A path that looks like another host is none; the query goes along."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "//elsewhere.example/?a=1")
    answer = connection.getresponse()
    connection.close()

    assert (answer.status, answer.headers["location"]) == (308, "/elsewhere.example?a=1")


def test_without_an_id_a_visitor_is_new_every_month(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """With an id the month means nothing; visits are by the clock hour for both."""
    february, march = 1772323199, 1772323200
    for visitor in ({}, {"id": "u1"}):
        items = [event(website, name="e", timestamp=seconds, **visitor) for seconds in (february, march)]
        client.post("/api/batch", json=items)

    rows = inbox.rows([website])["website_event"]
    sessions = [row["session"] for row in rows]

    assert [row["created_at"][:7] for row in rows] == ["2026-02", "2026-03"] * 2
    assert sessions[0] != sessions[1]
    assert sessions[2] == sessions[3]
    assert len({row["visit"] for row in rows}) == 4


def test_a_cache_token_keeps_its_visit_for_half_an_hour(website: str) -> None:
    """After 30 minutes the visit is that of the id and the hour again."""
    now = [1_772_445_600.0]
    inbox = Inbox(clock=lambda: now[0])
    headers = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    with inbox.serve() as server:
        url = f"{server.url}/api/send"
        first = httpx.post(url, json=event(website, name="e", id="a"), headers=headers, timeout=60).json()
        headers["x-umami-cache"] = first["cache"]
        visits = []
        for minutes in (30, 31):
            now[0] = 1_772_445_600.0 + 60 * minutes
            visits.append(
                httpx.post(url, json=event(website, name="e", id="b"), headers=headers, timeout=60).json()["visitId"]
            )

    assert [visit == first["visitId"] for visit in visits] == [True, False]
    inbox.close()
