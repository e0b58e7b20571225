"""One Telegram before several instances: a load balancer that hands every update to the next of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import httpx

from termin_bot.simulation.telegram import SimulatedTelegram

_PAUSE = 0.02


class Balancer:
    """
    Takes the updates from a Telegram, and gives each instance its own.

    An update is confirmed when its instance confirmed it; what an instance that is gone did not confirm goes to the
    next one, as Telegram would send it again.
    """

    def __init__(self, telegram: SimulatedTelegram, size: int, *, twice: bool = False) -> None:
        self._telegram = telegram
        self._twice = twice
        self._waiting: list[list[dict[str, Any]]] = [[] for _ in range(size)]
        self._next = cycle(range(size))
        self.handed_out = [0] * size

    def line(self, instance: int) -> httpx.AsyncBaseTransport:
        """Return the transport of one instance."""
        return _InstanceLine(self, instance, self._telegram.transport())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hand out updates during the block."""
        task = asyncio.create_task(self._hand_out())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def confirmed(self, instance: int, offset: int) -> list[dict[str, Any]]:
        """Return what waits for an instance, after it confirmed everything before *offset*."""
        waiting = self._waiting[instance]
        waiting[:] = [each for each in waiting if each["update_id"] >= offset]
        return list(waiting)

    async def _hand_out(self) -> None:
        offset = 0
        async with httpx.AsyncClient(transport=self._telegram.transport()) as client:
            while True:
                url = f"http://telegram.example/bot{self._telegram.token}/getUpdates"
                answer = await client.post(url, data={"offset": offset, "timeout": 1})
                for update in answer.json().get("result", ()):
                    offset = update["update_id"] + 1
                    for _ in range(2 if self._twice else 1):
                        instance = next(self._next)
                        self._waiting[instance].append(update)
                        self.handed_out[instance] += 1


class _InstanceLine(httpx.AsyncBaseTransport):
    def __init__(self, balancer: Balancer, instance: int, inner: httpx.AsyncBaseTransport) -> None:
        self._balancer = balancer
        self._instance = instance
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("getUpdates"):
            return await self._inner.handle_async_request(request)
        body = dict(httpx.QueryParams(request.content.decode()))
        waiting = self._balancer.confirmed(self._instance, int(body.get("offset") or 0))
        if not waiting:
            await asyncio.sleep(_PAUSE)
        return httpx.Response(200, content=json.dumps({"ok": True, "result": waiting}), request=request)
