"""The page in a real browser: what arrives is seen at once, and nothing that arrives can do harm."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from otel_umami_exporter.inbox import Inbox, InboxServer

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)  # a limit for a busy machine: the page shows things at once

NOTICE = "Local stand-in for Umami, for development: not for production"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def event(website: str, **payload: Any) -> dict[str, Any]:
    return {"type": "event", "payload": {"website": website, **payload}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium: the page cannot be tested")
        pytest.skip("no Chromium")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: InboxServer) -> Iterator[Page]:
    """Open the page; whatever it writes to the console as an error fails the test."""
    context = browser.new_context()
    context.set_default_timeout(120_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    expect(page.get_by_role("status")).to_have_text("live")
    yield page
    context.close()
    assert errors == []


def test_an_empty_inbox_says_what_it_is_and_where_to_send(page: Page, server: InboxServer) -> None:
    """The page never pretends to be Umami, and names its own address."""
    expect(page.get_by_text(NOTICE)).to_be_visible()
    expect(page.locator("#endpoint")).to_have_text(f"UMAMI_ENDPOINT={server.url}")
    expect(page.locator("#problems")).to_be_hidden()


def test_events_appear_while_the_page_is_open(page: Page, client: httpx.Client, website: str) -> None:
    """Newest first, with name, visitor and properties; totals and counts follow."""
    first = event(website, name="subscription_added", id="c0ffee12-3456", data={"service_id": 1063441, "flag": True})
    client.post("/api/batch", json=[first, event(website, url="/command/start", id="c0ffee12-3456")])

    items = page.locator("#event-list > li")
    expect(items).to_have_count(2)
    expect(items.nth(0)).to_contain_text("page view")
    expect(items.nth(0)).to_contain_text("/command/start")
    expect(items.nth(1)).to_contain_text("subscription_added")
    expect(items.nth(1).locator(".chip")).to_have_text("c0ffee12")
    expect(items.nth(1).locator("dl")).to_contain_text("1063441")

    client.post("/api/batch", json=[event(website, name="user_stopped", id="other"), first])

    expect(items).to_have_count(4)
    expect(items.nth(0)).to_contain_text("subscription_added")
    expect(page.locator("#count-list button")).to_have_text(["subscription_added2", "user_stopped1"])
    expect(page.locator("#total-events")).to_have_text("3")
    expect(page.locator("#total-views")).to_have_text("1")
    expect(page.locator("#total-visitors")).to_have_text("1")
    expect(page.locator("#total-problems")).to_have_text("0")
    expect(page.locator("#hint")).to_be_hidden()


def test_the_page_explains_zero_visitors(page: Page, client: httpx.Client, website: str) -> None:
    """Events without a page view: Umami would show no visitors, which surprises everybody once."""
    client.post("/api/send", json=event(website, name="a"))

    expect(page.locator("#hint")).to_be_visible()


def test_the_filter_finds_names_visitors_and_properties(page: Page, client: httpx.Client, website: str) -> None:
    """Typing narrows the list, a press on a count does too, and new events obey the filter."""
    client.post("/api/batch", json=[event(website, name="a", id="anna", data={"k": "x"}), event(website, name="bee")])
    visible = page.locator("#event-list > li:visible")
    expect(visible).to_have_count(2)

    page.get_by_role("searchbox").fill("K=X")
    expect(visible).to_have_count(1)
    page.get_by_role("searchbox").fill("anna")
    expect(visible).to_have_count(1)
    page.get_by_role("button", name="bee").click()
    expect(visible.locator(".event-name")).to_have_text(["bee"])
    client.post("/api/batch", json=[event(website, name="a"), event(website, name="bee")])
    expect(visible.locator(".event-name")).to_have_text(["bee", "bee"])


def test_problems_are_red_and_say_what_helps(page: Page, client: httpx.Client, website: str) -> None:
    """Equal ones are one line with their number."""
    for _ in range(3):
        client.post("/api/send", json=event(website, name="a"), headers={"user-agent": "python-httpx/0.28.1"})
    client.post("/api/send", json=event(website, name="n" * 51))
    client.post("/api/send", json=event(website, name="half", data={"k": "v" * 501}))
    client.post("/api/send", json=event(website, name="b", title="t" * 501))

    problems = page.locator("#problem-list > li")
    expect(problems).to_have_count(4)
    expect(problems.nth(0)).to_contain_text("page_title is longer than 500 characters and was cut")
    expect(problems.nth(1)).to_contain_text("Umami keeps the event without its properties")
    expect(problems.nth(2)).to_contain_text("<=50 characters")
    expect(problems.nth(3)).to_contain_text("3 times")
    expect(problems.nth(3)).to_contain_text("looks like a bot")
    expect(problems.nth(3).locator(".remedy")).to_contain_text("Mozilla/5.0")
    expect(page.locator("#total-problems")).to_have_text("6")
    red, green, blue = colour(page, "#problems h2")
    assert red > 2 * max(green, blue)


def test_what_arrives_is_never_html(page: Page, client: httpx.Client, website: str) -> None:
    """A script in every field stays text, and the content security policy forbids it besides."""
    attack = "<script>document.title='owned'</script>"
    image = "<img src=x onerror=\"document.title='owned'\">"
    body = event(website, name=attack, id=image, tag=attack, data={attack: image, image: attack})
    client.post("/api/batch", json=[body, event(website, url=f"/{attack}"), event(website, name=attack + "n" * 50)])
    client.post("/api/send", json=event(website, name=image), headers={"user-agent": attack})

    expect(page.locator("#event-list > li")).to_have_count(2)
    expect(page.locator(".event-name").nth(1)).to_have_text(attack)
    expect(page.locator("#problem-list > li")).to_have_count(2)
    assert page.locator("main script, main img").count() == 0
    assert page.title() == "Inbox"
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]


def test_clearing_the_inbox_empties_open_pages(page: Page, inbox: Inbox, client: httpx.Client, website: str) -> None:
    """And what comes afterwards is shown."""
    client.post("/api/batch", json=[event(website, name="a"), event(website, name="b")])
    expect(page.locator("#event-list > li")).to_have_count(2)

    inbox.clear()
    expect(page.locator("#event-list > li")).to_have_count(0)
    client.post("/api/send", json=event(website, name="c"))

    expect(page.locator(".event-name")).to_have_text(["c"])


@pytest.mark.parametrize("width", [400, 760, 1280])
def test_nothing_runs_over_the_edge(page: Page, client: httpx.Client, website: str, width: int) -> None:
    """Long words in every place, on a phone and on a desk."""
    page.set_viewport_size({"width": width, "height": 800})
    long = "w" * 400
    body = event(website, name="n" * 50, id="i" * 50, url=f"/{long}", data={long: long, "list": [long]})
    client.post("/api/batch", json=[body, event(website, url=f"/{long}"), event(website, name="a", title=long * 2)])
    client.post("/api/send", json=event(website, name="bot"), headers={"user-agent": long})
    expect(page.locator("#event-list > li")).to_have_count(3)
    expect(page.locator("#problem-list > li")).to_have_count(2)

    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert overflow == 0


def test_dark_mode_is_dark(page: Page, client: httpx.Client, website: str) -> None:
    """Light on dark, and dark on light, in every card."""
    client.post("/api/send", json=event(website, name="a", id="u1"))
    expect(page.locator("#event-list > li")).to_have_count(1)

    for selector in ("body", ".stream", ".chip"):
        page.emulate_media(color_scheme="light")
        assert sum(shade(page, selector, "color")) < sum(shade(page, selector, "background-color"))
        page.emulate_media(color_scheme="dark")
        assert sum(shade(page, selector, "color")) > sum(shade(page, selector, "background-color"))


def colour(page: Page, selector: str) -> list[int]:
    return shade(page, selector, "color")


def shade(page: Page, selector: str, name: str) -> list[int]:
    """Return red, green and blue of a computed colour; a transparent ground is that of the nearest one below."""
    found: list[int] = page.evaluate(
        """([selector, name]) => {
            let element = document.querySelector(selector), value;
            do {
                value = getComputedStyle(element).getPropertyValue(name);
                element = element.parentElement;
            } while (value === "rgba(0, 0, 0, 0)");
            return value.match(/\\d+/g).slice(0, 3).map(Number);
        }""",
        [selector, name],
    )
    return found
