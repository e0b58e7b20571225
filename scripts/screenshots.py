"""
Take the pictures in docs/images, all after one run of the demo: its terminal, the inbox page, the two boards.

    python scripts/screenshots.py [--also FOLDER]    with the boards as on a phone and in the dark, to be looked at
"""

import argparse
import asyncio
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright
from rich.console import Console

from termin_bot.events import TAXONOMY
from termin_bot.simulation.demo import Options, Performance, perform
from termin_bot.simulation.demo_screen import LiveScreen
from termin_bot.simulation.demo_umami import OwnInbox
from termin_bot.simulation.demo_watch import Watch

IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"
WINDOW: Final = ViewportSize(width=1280, height=900)
BOARD: Final = ViewportSize(width=1120, height=900)
PHONE: Final = ViewportSize(width=400, height=800)
CITIZENS: Final = 24  # so many that five people each watch several services
SEED: Final = 7
TERMINAL_COLUMNS: Final = 84
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Play, take the pictures, and return 0; 1 when there is no Chromium or the demo failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--also", type=Path, metavar="FOLDER", help="more pictures, which nobody commits")
    also: Path | None = parser.parse_args().also
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("No Chromium found: install chromium.", file=sys.stderr)
        return 1
    console = Console(file=io.StringIO(), record=True, force_terminal=True, width=TERMINAL_COLUMNS)
    with tempfile.TemporaryDirectory() as folder, OwnInbox(":memory:", 0) as umami:
        performance = asyncio.run(_play(Path(folder), umami, console))
        if performance.reason is not None:
            print(performance.reason, file=sys.stderr)
            return 1
        public, internal = (each.url for each in umami.boards()[:2])
        _photograph(browser, umami.page, {"board-public": public, "board-internal": internal}, also)
    console.print(performance.summary.table([each.name for each in TAXONOMY.events]))
    picture = console.export_svg(title="make demo")
    # Without the fonts that rich would have a reader fetch from a foreign host.
    (IMAGES / "demo.svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")
    return 0


async def _play(folder: Path, umami: OwnInbox, console: Console) -> Performance:
    screen = LiveScreen(console)
    performance = await perform(Options(folder=folder, citizens=CITIZENS, seed=SEED), umami, screen, Watch())
    screen.finish()
    console.print(screen.picture())
    console.print()
    return performance


def _photograph(browser: str, inbox: str, boards: dict[str, str], also: Path | None) -> None:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport=WINDOW)
        page.goto(inbox)
        expect(page.get_by_role("status")).to_have_text("live")
        expect(page.locator("#total-events")).not_to_have_text("0")
        page.screenshot(path=str(IMAGES / "inbox.png"))
        for name, address in boards.items():
            _photograph_board(chromium, address, BOARD, IMAGES / f"{name}.png")
            if also is not None:
                _photograph_board(chromium, address, PHONE, also / f"{name}-phone.png")
                _photograph_board(chromium, address, BOARD, also / f"{name}-dark.png", scheme="dark")
        chromium.close()


def _photograph_board(
    chromium: Browser, address: str, viewport: ViewportSize, path: Path, scheme: Literal["light", "dark"] = "light"
) -> None:
    page = chromium.new_page(viewport=viewport, color_scheme=scheme)
    page.goto(address)
    expect(page.locator("#board")).to_have_attribute("aria-busy", "false")
    page.wait_for_timeout(500)  # the bars grow into place
    page.screenshot(path=str(path), full_page=True)
    page.close()


if __name__ == "__main__":
    sys.exit(main())
