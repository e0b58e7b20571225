"""Boards are made, kept and taken away, once and by anybody who asks; over real HTTP against the inbox."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from house import DOORS, FUNNEL, HOUSE, INTERNAL, MAIN, PASSWORD, PUBLIC, SIDES, TAXONOMY, inbox_endpoint

from otel_umami_exporter.dashboards import Audience, Dashboards, Metric, Text
from otel_umami_exporter.dashboards.client import (
    ManagementClient,
    ManagementError,
    NotAllowed,
    NotReachable,
    NotUmami,
    ServerFailed,
)
from otel_umami_exporter.dashboards.journal import Mode, Result
from otel_umami_exporter.dashboards.provision import Provisioner, provision


@pytest.fixture
def endpoint() -> Iterator[str]:
    with inbox_endpoint() as (_, url):
        yield url


@pytest.fixture
def client(endpoint: str) -> Iterator[ManagementClient]:
    with ManagementClient(endpoint) as client:
        client.login("admin", PASSWORD)
        yield client


def apply(client: ManagementClient, dashboards: Dashboards = HOUSE, mode: Mode = "apply") -> Result:
    return Provisioner(client, dashboards, MAIN, mode=mode).apply()


def said(result: Result) -> list[str]:
    return [f"{change.verb} {change.what}" for change in result.changes]


def everything(client: ManagementClient) -> Any:
    return (
        sorted(each["id"] for each in client.websites("")),
        [(each["id"], each["name"], each["parameters"], each["updatedAt"]) for each in client.boards()],
        [(each["id"], each["name"], each["parameters"]) for each in client.reports(MAIN)],
        client.share(PUBLIC.slug),
    )


MADE = [
    "create website House",
    "create website House: Doors",
    "create website House: Sides",
    "create board The house",
    "create share page /share/the-house",
    "create board The house, inside",
    "create funnel In and out",
    "create goal Leaves",
]


def test_one_run_makes_everything_and_says_where_it_is(client: ManagementClient) -> None:
    """Websites, boards, the share page, reports; addresses for the public and for the team."""
    result = apply(client)

    assert said(result) == MADE
    boards = {each["name"]: each["id"] for each in client.boards()}
    assert [(each.audience, each.url.removeprefix(client.endpoint)) for each in result.addresses] == [
        (Audience.PUBLIC, "/share/the-house"),
        (Audience.INTERNAL, f"/boards/{boards['The house, inside']}"),
        (Audience.INTERNAL, f"/websites/{MAIN}/funnels"),
        (Audience.INTERNAL, f"/websites/{MAIN}/goals"),
    ]


def test_a_second_run_changes_nothing(client: ManagementClient) -> None:
    """Not even a time of change."""
    apply(client)
    before = everything(client)

    result = apply(client)

    assert not result.is_changed
    assert everything(client) == before


def test_a_dry_run_says_all_of_it_and_does_none_of_it(client: ManagementClient) -> None:
    """The same words as the run itself."""
    result = apply(client, mode="dry-run")

    assert said(result) == MADE
    assert client.websites("") == client.boards() == []


def test_two_runs_at_once_make_one_of_everything(endpoint: str) -> None:
    """From two places: whoever was later finds what the other has made, or takes its own away again."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: provision(endpoint, HOUSE, MAIN, password=PASSWORD), range(4)))

    with ManagementClient(endpoint) as client:
        client.login("admin", PASSWORD)
        boards = {each["name"]: each["id"] for each in client.boards()}
        assert len(client.boards()) == 2
        assert len(client.websites("")) == 3
        assert len(client.reports(MAIN)) == 2
        share = client.share("the-house")
        assert share is not None
        assert share["entityId"] == boards["The house"]
        assert not apply(client).is_changed
    assert all(result.addresses for result in results)


def test_a_changed_declaration_changes_what_is_there(client: ManagementClient) -> None:
    """The board keeps its id and its address; a report that is no longer declared goes."""
    apply(client)
    [old] = [each for each in client.boards() if each["name"] == PUBLIC.name]
    new = Dashboards(
        "House",
        TAXONOMY,
        [
            replace(PUBLIC, name="Our house", rows=[[Text("Bye", "World")]]),
            replace(INTERNAL, rows=[[replace(FUNNEL, steps=FUNNEL.steps[::-1])]]),
        ],
    )

    result = apply(client, new)

    assert [each for each in said(result) if not each.startswith("keep")] == [
        "note website House: Doors is no longer declared; `remove` would delete it",
        "note website House: Sides is no longer declared; `remove` would delete it",
        "update board Our house: name, was The house, + Bye, - Doors, - Trend, - Sides, - Hello",
        "update board The house, inside: - Leaves, - Opened",
        "update funnel In and out",
        "delete goal Leaves",
    ]
    [changed] = [each for each in client.boards() if each["name"] == "Our house"]
    assert changed["id"] == old["id"]
    assert len(client.reports(MAIN)) == 1


def test_a_dry_run_prints_the_difference(client: ManagementClient) -> None:
    """Which widgets come, go or change, before anything is touched."""
    apply(client)
    doors, trend = PUBLIC.rows[0]
    [sides, hello] = PUBLIC.rows[1]
    moved = replace(PUBLIC, rows=[[trend, doors], [sides, hello]])
    weekly = Metric(doors.title, of=DOORS, over="7day")
    changed = replace(PUBLIC, description="Who goes.", rows=[[weekly, trend], [sides]])
    before = everything(client)

    updates = [
        each
        for board in (moved, changed)
        for each in said(apply(client, Dashboards("House", TAXONOMY, [board, INTERNAL]), mode="dry-run"))
        if each.startswith("update")
    ]

    assert updates == [
        "update board The house: order of the widgets",
        "update board The house: description, - Hello, ~ Doors",
    ]
    assert everything(client) == before


def test_a_board_that_somebody_has_emptied_is_filled_again(client: ManagementClient) -> None:
    """Whatever they left in it: Umami stores parameters unchecked."""
    apply(client)
    [board] = [each for each in client.boards() if each["name"] == PUBLIC.name]
    client.update_board(board["id"], name=board["name"], description=board["description"], parameters={"rows": [1]})

    result = apply(client)

    assert "update board The house: + Doors, + Trend, + Sides, + Hello" in said(result)
    assert not apply(client).is_changed


def test_a_renamed_website_gets_its_name_back_and_the_main_one_keeps_its_own(client: ManagementClient) -> None:
    """The projections' websites are ours; the website of the events is its owner's."""
    client.create_website(MAIN, name="My bot", domain="bot.example")
    apply(client)
    client.update_website(SIDES.site_id(MAIN), name="x", domain="y")

    result = apply(client)

    assert [each for each in said(result) if not each.startswith("keep")] == ["update website House: Sides"]
    assert "keep website My bot" in said(result)


def test_remove_takes_away_only_what_was_made(client: ManagementClient) -> None:
    """Another board, another website, another report and the website of the events stay."""
    other = "11111111-1111-4111-8111-111111111111"
    client.create_website(other, name="House: Doors", domain="doors")
    client.create_board(name=PUBLIC.name, description="somebody else's", parameters={"rows": []})
    apply(client)
    client.create_report(website_id=MAIN, kind="goal", name="Leaves", description="mine", parameters={})

    result = Provisioner(client, HOUSE, MAIN).remove()

    assert len([each for each in said(result) if each.startswith("delete")]) == 7
    assert sorted(each["id"] for each in client.websites("")) == sorted([MAIN, other])
    assert [each["description"] for each in client.boards()] == ["somebody else's"]
    assert [each["description"] for each in client.reports(MAIN)] == ["mine"]
    assert client.share(PUBLIC.slug) is None
    assert not Provisioner(client, HOUSE, MAIN).remove().is_changed


def test_a_slug_of_somebody_else_is_left_alone(client: ManagementClient) -> None:
    """The message says what to do."""
    other = client.create_board(name="Theirs", description="", parameters={"rows": []})
    client.create_share(entity_id=other, share_type=4, name="Theirs", slug=PUBLIC.slug)

    with pytest.raises(ManagementError, match="taken by another share page"):
        apply(client)


def test_a_slug_of_another_user_is_left_alone(endpoint: str) -> None:
    """Umami lets nobody but its owner look at a share page: seen with a real one."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path.startswith("/api/share/id/"):
            return httpx.Response(401)
        return passed_on(request, endpoint)

    with ManagementClient(endpoint) as other:
        other.login("admin", PASSWORD)
        theirs = other.create_board(name="Theirs", description="", parameters={"rows": []})
        other.create_share(entity_id=theirs, share_type=4, name="Theirs", slug=PUBLIC.slug)
        with against(handle) as client:
            client.login("admin", PASSWORD)
            with pytest.raises(ManagementError, match="taken by another share page"):
                apply(client)
            result = Provisioner(client, HOUSE, MAIN).remove()

        assert [each for each in said(result) if "share page" in each] == []
        assert other.share(PUBLIC.slug) is not None
        assert [each["name"] for each in other.websites("")] == ["House"]


def test_a_share_page_of_a_board_that_is_gone_is_mended(client: ManagementClient) -> None:
    """Umami keeps such pages; the slug leads to the new board."""
    apply(client)
    for each in client.boards():
        client.delete_board(each["id"])

    result = apply(client)

    share = client.share(PUBLIC.slug)
    assert "update share page /share/the-house" in said(result)
    assert share is not None
    assert share["entityId"] in {each["id"] for each in client.boards()}


def test_show_says_where_and_what_is_missing(client: ManagementClient) -> None:
    """Without changing anything."""
    before = Provisioner(client, HOUSE, MAIN).show()
    apply(client)
    after = Provisioner(client, HOUSE, MAIN).show()

    assert [each.url for each in before.addresses if "share" in each.url or "boards" in each.url] == []
    assert len([change for change in before.changes if "is not there" in change.what]) == 2
    assert [each.title for each in after.addresses] == ["The house", "The house, inside", "Funnels", "Goals"]


def test_two_programs_on_one_umami_do_not_touch_each_other(client: ManagementClient) -> None:
    """The same declarations for another website are other websites and another board."""
    other = "11111111-1111-4111-8111-111111111111"
    elsewhere = Dashboards("House", TAXONOMY, [replace(PUBLIC, slug="another-house")])
    apply(client)

    Provisioner(client, elsewhere, other).apply()
    Provisioner(client, elsewhere, other).remove()

    assert not apply(client).is_changed


# --- what goes wrong ----------------------------------------------------------------------------------------------


Handler = Callable[[httpx.Request], httpx.Response]


def against(handler: Handler) -> ManagementClient:
    return ManagementClient("http://umami.example", transport=httpx.MockTransport(handler))


def passed_on(request: httpx.Request, endpoint: str) -> httpx.Response:
    url = f"{endpoint}{request.url.raw_path.decode()}"
    headers = {name: value for name, value in request.headers.items() if name in {"authorization", "content-type"}}
    with httpx.HTTPTransport(verify=False) as real:
        answer = real.handle_request(httpx.Request(request.method, url, content=request.content, headers=headers))
        answer.read()
    return httpx.Response(answer.status_code, content=answer.content)


def through(endpoint: str, without: tuple[str, ...]) -> ManagementClient:
    """Return a client of the inbox that lacks the calls *without*, as an older Umami does."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith(without):
            return httpx.Response(404, json={"error": {"message": "Not found"}})
        return passed_on(request, endpoint)

    client = against(handle)
    client.login("admin", PASSWORD)
    return client


def test_an_umami_without_boards_gets_share_pages_of_its_websites(endpoint: str) -> None:
    """And the reports, and it is said."""
    with through(endpoint, ("/api/boards",)) as client:
        result = apply(client)
        again = apply(client)

        assert [each for each in said(result) if "note" in each or "share" in each] == [
            "note this Umami has no boards (they came with 3.1): each public website gets a share page",
            "note board The house, inside cannot be made",
            "create share page /share/the-house-doors",
            "create share page /share/the-house-sides",
        ]
        assert not again.is_changed
        assert [each.title for each in result.addresses] == ["House: Doors", "House: Sides", "Funnels", "Goals"]


def test_an_umami_without_share_calls_shares_by_the_website_itself(endpoint: str) -> None:
    """As Umami 2 does."""
    shared = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith(("/api/boards", "/api/share")):
            return httpx.Response(404)
        if request.method == "POST" and request.url.path.startswith("/api/websites/"):
            shared.append(json.loads(request.content).get("shareId"))
        return passed_on(request, endpoint)

    with against(handle) as client:
        client.login("admin", PASSWORD)
        apply(client)

    assert shared == ["the-house-doors", "the-house-sides"]


def login_then(answer: httpx.Response) -> Handler:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"token": "t"}) if request.url.path.endswith("/login") else answer

    return handle


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(500), ServerFailed, "500 and nothing else; its own log tells why"),
        (httpx.Response(500, json={"error": {"message": "Server error"}}), ServerFailed, "500: Server error"),
        (
            httpx.Response(400, json={"error": {"message": "Bad request", "properties": {"name": {}}}}),
            ManagementError,
            "name",
        ),
        (httpx.Response(200, text="<html>"), NotUmami, "no JSON"),
        (httpx.Response(200, json=[]), NotUmami, "is http://umami.example Umami"),
        (httpx.Response(307, headers={"location": "/x"}), NotUmami, "redirected"),
        (httpx.Response(403), NotAllowed, "this user may not"),
    ],
)
def test_each_failure_says_what_was_tried_and_what_it_means(
    answer: httpx.Response, kind: type[ManagementError], words: str
) -> None:
    """Also where Umami says nothing at all."""
    with against(login_then(answer)) as client:
        client.login("admin", "secret-password")
        with pytest.raises(kind, match=words) as caught:
            client.boards()

    assert "/boards" in str(caught.value)
    assert "secret-password" not in str(caught.value)


def test_a_wrong_password_is_one_clear_line(endpoint: str) -> None:
    """With the names of the settings, without the values."""
    with ManagementClient(endpoint) as client, pytest.raises(NotAllowed, match="UMAMI_PASSWORD"):
        client.login("admin", "wrong")


def test_nobody_at_home_is_one_clear_line() -> None:
    """No traceback of the HTTP client."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with against(refuse) as client, pytest.raises(NotReachable, match="ConnectError"):
        client.login("admin", "x")


def test_a_website_of_another_user_is_one_clear_line() -> None:
    """Umami says 401 to reading it and 500 to making it."""

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500 if request.method == "POST" else 401)

    with against(handle) as client, pytest.raises(NotAllowed, match="belongs to another user"):
        apply(client)
