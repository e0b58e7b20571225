"""Take the pictures in docs/images: the inbox page and the demo's terminal, both after a demo with the default seed."""

import asyncio
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import expect, sync_playwright
from rich.console import Console

from termin_bot.events import TAXONOMY
from termin_bot.simulation.demo import Options, Performance, perform
from termin_bot.simulation.demo_screen import LiveScreen
from termin_bot.simulation.demo_umami import OwnInbox
from termin_bot.simulation.demo_watch import Watch

IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"
WINDOW: Final = (1280, 900)
TERMINAL_COLUMNS: Final = 84
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Play, take both pictures, and return 0; 1 when there is no Chromium or the demo failed."""
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
        _photograph(browser, umami.page)
    console.print(performance.summary.table([each.name for each in TAXONOMY.events]))
    picture = console.export_svg(title="make demo")
    # Without the fonts that rich would have a reader fetch from a foreign host.
    (IMAGES / "demo.svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")
    return 0


async def _play(folder: Path, umami: OwnInbox, console: Console) -> Performance:
    screen = LiveScreen(console)
    performance = await perform(Options(folder=folder), umami, screen, Watch())
    screen.finish()
    console.print(screen.picture())
    console.print()
    return performance


def _photograph(browser: str, address: str) -> None:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        width, height = WINDOW
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.goto(address)
        expect(page.get_by_role("status")).to_have_text("live")
        expect(page.locator("#total-events")).not_to_have_text("0")
        page.screenshot(path=str(IMAGES / "inbox.png"))
        chromium.close()


if __name__ == "__main__":
    sys.exit(main())
