"""Five hundred people at the same time: nobody's message is lost, and each gets their answers in order."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bot_world import World, settings_for
from ports import free_port

ROOT = Path(__file__).parents[2]
CROWD = 500
SAID = {"/start": "Hello!", "/help": "What I can do", "/language": "Which language"}


def open_the_door(world: World, tmp_path: Path, how: str) -> None:
    """Take Telegram's limit away, so that the test is about the bot; and choose how updates come in."""
    port = free_port()
    hook = {"webhook_url": "https://bot.example.org/x", "webhook_port": port} if how == "webhook" else {}
    world.settings = settings_for(tmp_path, telegram_messages_per_second=1000, **hook)
    world.telegram.route("https://bot.example.org", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(("how", "crowd"), [("polling", CROWD), ("webhook", CROWD // 5)])
async def test_nobody_is_forgotten_and_nobody_overtakes_themselves(
    how: str, crowd: int, world: World, tmp_path: Path
) -> None:
    """Three commands from each, all sent before the first is answered."""
    open_the_door(world, tmp_path, how)
    people = [world.telegram.person(first_name=f"P{number}") for number in range(crowd)]
    async with world.telegram.delivering(), world.bot():
        for command in SAID:
            for person in people:
                await person.send(command)
        for person in people:
            await person.until(lambda who=person: len(who.inbox) >= len(SAID), timeout=300)  # type: ignore[misc]
        await world.telegram.settled(timeout=60)

    for person in people:
        texts = [message.text for message in person.inbox]
        assert len(texts) == len(SAID)
        assert [said for said, text in zip(SAID.values(), texts, strict=True) if said not in text] == []
    ran = world.events("command_executed")
    assert len(ran) == crowd * len(SAID)
    assert len({each.visitor for each in ran}) == crowd


def test_the_page_shows_the_figures_that_were_measured() -> None:
    """Measure again, and the page has to be written again."""
    command = [sys.executable, str(ROOT / "tools" / "bench_bot_page.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # ours
    assert done.stdout == (ROOT / "docs" / "performance-bot.md").read_text()
    assert json.loads((ROOT / "tools" / "bench_bot.json").read_text())["notify"]["told twice"] == 0
