"""Updates by webhook: over real HTTP, with the secret, and back to polling without a trace."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from bot_world import EAT, World, settings_for
from ports import free_port

from termin_bot.intake import MAX_BODY_BYTES, ListenError, derived_secret, webhook_of
from termin_bot.simulation.telegram import DEMO_TOKEN
from termin_bot.simulation.telegram_webhook import SECRET_HEADER

PUBLIC = "https://bot.example.org/telegram"
SECRET = derived_secret(DEMO_TOKEN)


@pytest.fixture
def hooked(world: World, tmp_path: Path) -> Callable[..., str]:
    """Return what sets the world up for a webhook, and returns the address behind the proxy."""

    def prepare(**changes: object) -> str:
        port = free_port()
        world.settings = settings_for(tmp_path, webhook_url=PUBLIC, webhook_port=port, **changes)
        world.telegram.route("https://bot.example.org", f"http://127.0.0.1:{port}")
        return f"http://127.0.0.1:{port}/telegram"

    return prepare


def update(text: str = "/start", person: int = 5) -> dict[str, object]:
    """Return an update as Telegram posts it."""
    who = {"id": person, "is_bot": False, "first_name": "Eve"}
    chat = {"id": person, "type": "private", "first_name": "Eve"}
    return {
        "update_id": 1,
        "message": {"message_id": 1, "date": 1_795_000_000, "from": who, "chat": chat, "text": text},
    }


async def announce(address: str, length: int) -> bytes:
    """Say that a body of that length will come, with the right secret, and return the first line of the answer."""
    url = httpx.URL(address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {url.path} HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    writer.write(f"{head}{SECRET_HEADER}: the-operators-own-secret\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def test_telegram_brings_the_updates(world: World, hooked: Callable[..., str]) -> None:
    """With WEBHOOK_URL nothing is polled; people notice no difference."""
    hooked()
    anna = world.telegram.person()
    async with world.telegram.delivering(), world.bot():
        assert "Hello!" in await world.say(anna, "/start")
        assert "/subscribe" in await world.say(anna, "/help")
        await anna.press_data(f"s:{EAT}")
        assert "Abholung" in (await anna.answer()).text
        await world.telegram.settled()
    assert world.telegram.calls("getUpdates") == []
    (call,) = world.telegram.calls("setWebhook")
    assert call.payload["url"] == PUBLIC
    assert json.loads(call.payload["allowed_updates"]) == ["message", "callback_query", "my_chat_member"]
    assert call.payload["secret_token"] == SECRET
    assert world.telegram.posted == 3


async def test_who_does_not_know_the_secret_is_not_heard(world: World, hooked: Callable[..., str]) -> None:
    """403 for a wrong or missing secret and for what is no JSON; other paths and methods do not exist."""
    address = hooked(webhook_secret="the-operators-own-secret")
    right = {SECRET_HEADER: "the-operators-own-secret"}
    async with world.telegram.delivering(), world.bot(), httpx.AsyncClient(timeout=60) as http:
        assert (await http.post(address, json=update())).status_code == 403
        assert (await http.post(address, json=update(), headers={SECRET_HEADER: SECRET})).status_code == 403
        assert (await http.post(address, content=b"{}", headers=right)).status_code == 403
        assert (await http.post(f"{address}/other", json=update(), headers=right)).status_code == 404
        assert (await http.get(address, headers=right)).status_code == 405
        assert b" 400 " in await announce(address, MAX_BODY_BYTES + 1)
        world.telegram.person(5, first_name="Eve")
        await world.telegram.settled()
        assert world.spans("command /start") == []
        assert (await http.post(address, json=update(), headers=right)).status_code == 200
        await world.handled("command /start")


async def test_an_odd_update_is_refused_and_its_words_stay_out_of_the_log(
    world: World, hooked: Callable[..., str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be read gets no 2xx, and no log line has a word of it."""
    address = hooked()
    odd = {"update_id": "canary-id", "message": {"text": "canary-text", "date": "canary-date"}}
    with caplog.at_level(logging.DEBUG):
        async with world.bot(), httpx.AsyncClient(timeout=60) as http:
            answer = await http.post(address, json=odd, headers={SECRET_HEADER: SECRET})
            broken = await http.post(
                address, content=b"{canary", headers={SECRET_HEADER: SECRET, "Content-Type": "application/json"}
            )
    assert (answer.status_code, broken.status_code) == (400, 500)
    assert "canary" not in answer.text + broken.text
    assert "canary" not in "".join(logging.Formatter().format(each) + repr(each.args) for each in caplog.records)
    assert "canary" not in capsys.readouterr().err


async def test_from_webhook_to_polling_and_back(world: World, hooked: Callable[..., str], tmp_path: Path) -> None:
    """No stale webhook, and what people wrote in between is handled, once."""
    hooked()
    by_webhook, by_polling = world.settings, settings_for(tmp_path)
    anna = world.telegram.person()
    async with world.telegram.delivering():
        async with world.bot():
            await world.say(anna, "/start")
        await anna.send("/help")
        world.settings = by_polling
        async with world.bot():
            await anna.answer(timeout=60)
            await world.say(anna, "/status")
        assert world.telegram.calls("deleteWebhook")
        await anna.send("/privacy")
        world.settings = by_webhook
        async with world.bot():
            await anna.answer(timeout=60)
            await world.telegram.settled()
    ran = [each.properties["command_name"] for each in world.events("command_executed")]
    assert ran == ["/start", "/help", "/status", "/privacy"]


async def test_an_instance_that_stops_leaves_the_webhook_to_the_others(
    world: World, hooked: Callable[..., str]
) -> None:
    """Two behind one address: one stops, and the other goes on being served; when none is left, updates wait."""
    hooked()
    anna = world.telegram.person()
    first_settings = world.settings
    async with world.telegram.delivering():
        async with world.bot():
            hooked()
            second_settings = world.settings
            world.telegram.route(
                "https://bot.example.org",
                f"http://127.0.0.1:{first_settings.webhook_port}",
                f"http://127.0.0.1:{second_settings.webhook_port}",
            )
            async with world.bot():
                await world.say(anna, "/start")
                await world.say(anna, "/help")
            for _ in range(4):
                await anna.send("/status")
            await world.telegram.until(lambda: not world.telegram.updates_pending(), timeout=60)
            await world.telegram.settled()
        assert world.telegram.calls("deleteWebhook") == []
        await anna.send("/privacy")
        assert world.telegram.updates_pending() == 1
        async with world.bot():
            await world.telegram.until(lambda: not world.telegram.updates_pending(), timeout=60)
            await world.telegram.settled()
    assert [each.properties["command_name"] for each in world.events("command_executed")] == [
        "/start",
        "/help",
        *["/status"] * 4,
        "/privacy",
    ]


async def test_a_taken_port_stops_the_start(world: World, hooked: Callable[..., str]) -> None:
    """With the setting's name, and everything that was opened is closed."""
    hooked()
    assert world.settings.webhook_port
    taken = socket.create_server(("127.0.0.1", world.settings.webhook_port))
    with taken, pytest.raises(ListenError, match="WEBHOOK_PORT"):
        async with world.bot():
            pass
    assert [task for task in asyncio.all_tasks() if "Application" in task.get_name()] == []


def test_the_secret_is_one_for_all_instances_and_says_nothing(tmp_path: Path) -> None:
    """Derived from the token where the operator gives none; in no repr."""
    webhook = webhook_of(settings_for(tmp_path, webhook_url=PUBLIC))
    again = webhook_of(settings_for(tmp_path, webhook_url=PUBLIC))
    assert webhook is not None
    assert webhook == again
    assert webhook.secret not in repr(webhook)
    assert DEMO_TOKEN.partition(":")[2] not in webhook.secret
    assert derived_secret(DEMO_TOKEN + "x") != webhook.secret
    assert webhook_of(settings_for(tmp_path)) is None
