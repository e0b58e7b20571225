"""The simulated Telegram brings updates to a webhook as the real one does."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from termin_bot.simulation.serving import serve
from termin_bot.simulation.telegram import SimulatedTelegram


@dataclass
class Receiver:
    """A bot's webhook: keeps what comes, and refuses the first *refusals*."""

    refusals: int = 0
    got: list[tuple[str, str]] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    overlapped: list[str] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        """Answer one call."""
        message = json.loads(await request.body())["message"]
        name, text = message["from"]["first_name"], message["text"]
        self.under_way[name] += 1
        if self.under_way[name] > 1:
            self.overlapped.append(name)
        await asyncio.sleep(0)
        self.under_way[name] -= 1
        self.headers.append(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        if self.refusals:
            self.refusals -= 1
            return Response(status_code=503)
        self.got.append((name, text))
        return Response()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serve on loopback."""
        async with serve(Starlette(routes=[Route("/hook", self.take, methods=["POST"])])) as url:
            yield url


@dataclass
class Api:
    """Calls the Bot API."""

    http: httpx.AsyncClient

    async def __call__(self, method: str, **params: Any) -> Any:
        """Return the result, or the description of the refusal."""
        body = (await self.http.post(method, json=params)).json()
        return body["result"] if body["ok"] else body["description"]


@pytest.fixture
def telegram() -> SimulatedTelegram:
    return SimulatedTelegram(redeliver_seconds=0.01)


@pytest.fixture
async def call(telegram: SimulatedTelegram) -> AsyncIterator[Api]:
    base_url = f"http://telegram/bot{telegram.token}/"
    async with telegram.delivering(), httpx.AsyncClient(transport=telegram.transport(), base_url=base_url) as http:
        yield Api(http)


async def test_updates_come_in_order_with_the_secret(telegram: SimulatedTelegram, call: Api) -> None:
    """Each person's one after the other, what waited first; several people at once."""
    people = [telegram.person(first_name=f"P{number}") for number in range(8)]
    for number in range(5):
        for person in people:
            await person.send(f"{number}")
    receiver = Receiver()
    async with receiver.listening() as url:
        telegram.route("https://bot.example", url)
        assert await call("setWebhook", url="https://bot.example/hook", secret_token="S-e_cret-1")
        await telegram.until(lambda: not telegram.updates_pending(), timeout=30)

    for person in people:
        assert [text for name, text in receiver.got if name == person.first_name] == ["0", "1", "2", "3", "4"]
    assert len(receiver.got) == 40
    assert set(receiver.headers) == {"S-e_cret-1"}
    assert receiver.overlapped == []


async def test_what_is_refused_comes_again(telegram: SimulatedTelegram, call: Api) -> None:
    """Until it is answered with 2xx; meanwhile getWebhookInfo says what is wrong."""
    receiver = Receiver(refusals=3)
    anna = telegram.person(first_name="Anna")
    async with receiver.listening() as url:
        await call("setWebhook", url=f"{url}/hook")
        await anna.send("one")
        await anna.send("two")
        await telegram.until(lambda: not telegram.updates_pending(), timeout=30)

    info = await call("getWebhookInfo")
    assert receiver.got == [("Anna", "one"), ("Anna", "two")]
    assert telegram.posted == 5
    assert info["last_error_message"] == "Wrong response from the webhook: 503"
    assert (info["pending_update_count"], info["max_connections"]) == (0, 40)


async def test_nobody_there_loses_nothing(telegram: SimulatedTelegram, call: Api) -> None:
    """A bot that is away finds its updates when it comes back; the load balancer's others get them meanwhile."""
    anna = telegram.person(first_name="Anna")
    receiver = Receiver()
    await call("setWebhook", url="https://bot.example/hook")
    telegram.route("https://bot.example", "http://127.0.0.1:9")
    await anna.send("one")
    await telegram.until(lambda: telegram.posted > 1, timeout=30)
    async with receiver.listening() as url:
        telegram.route("https://bot.example", "http://127.0.0.1:9", url)
        await anna.send("two")
        await telegram.until(lambda: not telegram.updates_pending(), timeout=30)
    assert receiver.got == [("Anna", "one"), ("Anna", "two")]


async def test_a_webhook_and_a_poll_exclude_each_other(telegram: SimulatedTelegram, call: Api) -> None:
    """A poll under way ends when a webhook is set; deleting it lets polls in again, with everything that waits."""
    poll = asyncio.create_task(call("getUpdates", timeout=50))
    await telegram.until(lambda: bool(telegram.calls("getUpdates")))
    await call("setWebhook", url="https://bot.example/hook")
    assert await poll == "Conflict: terminated by setWebhook request"
    assert "webhook is active" in await call("getUpdates")
    telegram.route("https://bot.example", "http://127.0.0.1:9")
    await telegram.person().send("waits")
    assert await call("deleteWebhook")
    assert [each["message"]["text"] for each in await call("getUpdates")] == ["waits"]


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({"url": "http://bot.example/hook"}, "HTTPS URL must be provided"),
        ({"url": "https://bot.example", "secret_token": "with spaces"}, "unallowed characters"),
        ({"url": "https://bot.example", "max_connections": 101}, "between 1 and 100"),
    ],
)
async def test_a_wrong_webhook_is_refused(call: Api, params: dict[str, Any], refusal: str) -> None:
    """As Telegram refuses it, and nothing is set."""
    assert refusal in await call("setWebhook", **params)
    assert (await call("getWebhookInfo"))["url"] == ""
