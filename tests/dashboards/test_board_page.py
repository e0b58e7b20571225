"""The boards in a real browser: every widget with its number, on a phone and in the dark."""

import os
import shutil
from collections.abc import Iterator

import pytest
from house import MAIN
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright
from town import Town, served_town

from otel_umami_exporter.projection import shown_name
from termin_bot import events
from termin_bot.dashboards import SERVICES

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)  # a limit for a busy machine

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DESK, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=400, height=800)
PUBLIC_PATH = "/share/munich-appointment-bot"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with served_town(tmp_path_factory.mktemp("town")) as town:
        yield town


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


class Visit:
    """One window; whatever it writes to the console as an error or a warning fails the test."""

    def __init__(self, browser: Browser, endpoint: str) -> None:
        self._context = browser.new_context(timezone_id="UTC")
        self._context.set_default_timeout(120_000)
        self._endpoint = endpoint
        self.page: Page = self._context.new_page()
        self.errors: list[str] = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type != "log" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str, viewport: ViewportSize = DESK) -> None:
        """Open *path* and wait until everything is drawn."""
        self.page.set_viewport_size(viewport)
        self.page.goto(f"{self._endpoint}{path}")
        expect(self.page.locator("#board")).to_have_attribute("aria-busy", "false")

    def widget(self, title: str) -> Locator:
        """Return the widget of this title."""
        return self.page.locator(f'[data-widget="{title}"]')

    def rows(self, title: str) -> dict[str, int]:
        """Return the rows of a table."""
        lines = self.widget(title).locator("tr").all()[1:]
        cells = [line.locator("td").all_inner_texts() for line in lines]
        return {name: int(number.replace(",", "")) for name, number, _ in cells}

    def shares(self, title: str) -> dict[str, str]:
        """Return which share of all its rows each row of a table says it is."""
        cells = [line.locator("td").all_inner_texts() for line in self.widget(title).locator("tr").all()[1:]]
        return {name: share for name, _, share in cells}

    def close(self) -> None:
        """Close the window."""
        self._context.close()


@pytest.fixture
def visit(browser: Browser, town: Town) -> Iterator[Visit]:
    visit = Visit(browser, town.endpoint)
    yield visit
    visit.close()
    assert visit.errors == []


def test_the_public_page_shows_six_widgets_with_the_right_numbers(visit: Visit, town: Town) -> None:
    """With the link alone; each over its own range, which the address says."""
    success = town.recent("24hour", events.BookingCompleted, lambda each: each.status == "success")

    visit.open(PUBLIC_PATH)
    titles = visit.page.locator("[data-widget]").evaluate_all("all => all.map(each => each.dataset.widget)")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Munich Appointment Bot")
    assert titles[:6] == [
        "Active users",
        "Appointments found",
        "Successful bookings",
        "Appointment trend",
        "Bot activity by hour",
        "Popular services",
    ]
    expect(visit.widget("Appointments found").locator("dd")).to_have_text(
        f"{town.recent('24hour', events.AppointmentFound)}"
    )
    expect(visit.widget("Successful bookings").locator("dd")).to_have_text(f"{success}")
    activity = visit.widget("Bot activity by hour")
    expect(activity.locator("figcaption")).to_have_text(f"{len(town.within('24hour'))} in total")
    expect(activity.locator("canvas")).to_be_visible()

    visit.open(f"{PUBLIC_PATH}?date=7day")
    found = town.recent("7day", events.AppointmentFound)
    expect(visit.widget("Appointment trend").locator("figcaption")).to_have_text(f"{found} in total")

    visit.open(f"{PUBLIC_PATH}?date=30day")
    expect(visit.widget("Active users").locator("dd").first).to_have_text(f"{town.active()}")
    assert visit.rows("Popular services") == {
        shown_name(name): number for name, number in town.services(SERVICES.at_least).items()
    }


def test_the_range_is_chosen_on_the_page_and_stays_in_the_address(visit: Visit, town: Town) -> None:
    """So that a link leads to what was seen."""
    visit.open(PUBLIC_PATH)

    visit.page.get_by_label("Range").select_option("30day")

    found = town.recent("30day", events.AppointmentFound)
    expect(visit.widget("Appointment trend").locator("figcaption")).to_have_text(f"{found} in total")
    assert visit.page.url.endswith("?date=30day")


def test_the_internal_page_shows_the_funnel_with_its_conversion(visit: Visit, town: Town) -> None:
    """Steps by people, and the share of the first that had success."""
    [address] = [each.url for each in town.result.addresses if "/boards/" in each.url]
    expected = town.funnel()

    visit.open(f"{address.removeprefix(town.endpoint)}?date=30day")

    funnel = visit.widget("Funnel report: Booking funnel")
    steps = [text.rpartition("\n")[2].split(" ")[0] for text in funnel.locator("li .line").all_inner_texts()]
    assert [int(each) for each in steps] == expected
    share = round(1000 * expected[-1] / expected[0]) / 10
    expect(funnel).to_contain_text(f"Conversion: {share:g}%")
    assert visit.rows("Commands") != {}
    assert sum(visit.rows("API errors by type").values()) == town.recent("30day", events.ApiError)
    expect(visit.widget("Goal report: People who registered").locator("dd").first).to_have_text(
        f"{town.recent('30day', events.UserRegistered)}"
    )


def test_the_failure_rate_of_captchas_is_a_share_of_the_table(visit: Visit, town: Town) -> None:
    """As Umami's tables have one: no calculator is needed."""
    [address] = [each.url for each in town.result.addresses if "/boards/" in each.url]
    attempts = town.recent("7day", events.CaptchaSolved)
    failed = town.recent("7day", events.CaptchaSolved, lambda each: not each.success)

    visit.open(f"{address.removeprefix(town.endpoint)}?date=7day")

    assert 0 < failed < attempts
    share = round(1000 * failed / attempts) / 10
    assert visit.shares("Captchas solved and failed")["captcha solved: false"] == f"{share:g}%"


def test_reports_have_the_address_that_umami_gives_them(visit: Visit) -> None:
    """The one that `dashboards show` prints."""
    visit.open(f"/websites/{MAIN}/funnels?date=30day")

    expect(visit.widget("Funnel report: Booking funnel")).to_be_visible()


@pytest.mark.parametrize("path", [PUBLIC_PATH, "internal"])
def test_a_phone_is_wide_enough(visit: Visit, town: Town, path: str) -> None:
    """400 px: nothing is cut off, no scrolling sideways, each widget on its own row."""
    [internal] = [each.url for each in town.result.addresses if "/boards/" in each.url]

    visit.open(internal.removeprefix(town.endpoint) if path == "internal" else path, PHONE)

    width = visit.page.evaluate("document.documentElement.scrollWidth")
    boxes = [each.bounding_box() for each in visit.page.locator("[data-widget]").all()]
    assert width == 400
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 400 for box in boxes)
    assert all(box and box["width"] > 300 for box in boxes)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_dark(visit: Visit, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 against the card it stands on, WCAG's AA."""
    visit.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    visit.open(f"{PUBLIC_PATH}?date=30day")

    contrasts = visit.page.evaluate(CONTRASTS)

    assert min(contrasts) >= 4.5
    dark = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(int(each) for each in dark.strip("rgb()").split(",")) < 64) == (scheme == "dark")


def test_bars_have_the_colour_that_the_legend_says_also_when_the_light_goes_out(visit: Visit) -> None:
    """While the page is open: nobody reloads a board in the evening."""
    visit.page.emulate_media(color_scheme="light")
    visit.open(f"{PUBLIC_PATH}?date=30day")
    light = visit.page.evaluate(BAR_COLOURS)

    visit.page.emulate_media(color_scheme="dark")
    visit.page.wait_for_function(REPAINTED, arg=light)
    dark = visit.page.evaluate(BAR_COLOURS)

    assert len(light) == len(dark) == 2
    assert all(len(set(each)) == 1 for each in light + dark)
    assert {each[0] for each in light}.isdisjoint(each[0] for each in dark)


def test_a_link_that_leads_nowhere_says_so(browser: Browser, town: Town) -> None:
    """In a sentence; the browser itself notes the 404."""
    visit = Visit(browser, town.endpoint)
    visit.open("/share/no-such-board")

    expect(visit.page.get_by_role("alert")).to_have_text(
        "There is nothing to show here (404 from /api/share/no-such-board)."
    )
    visit.close()


BAR_COLOURS = """
() => [...document.querySelectorAll("canvas")].map((canvas) => {
  const chart = Chart.getChart(canvas);
  const bars = chart.getDatasetMeta(0).data.map((bar) => bar.options.backgroundColor);
  return [chart.legend.legendItems[0].fillStyle, ...bars];
})
"""
REPAINTED = f"""
(before) => ({BAR_COLOURS})().every((now, at) => new Set(now).size === 1 && now[0] !== before[at][0])
"""
CONTRASTS = """
() => {
  const numbers = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (text) => {
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = numbers(text).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("h1, h2, p, th, td, dt, dd, figcaption, footer, label")];
  return texts.filter((node) => node.checkVisibility()).map((node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
}
"""
