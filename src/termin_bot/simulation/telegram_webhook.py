"""Updates brought to the bot's webhook, as Telegram brings them."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count

import httpx

from .telegram_bell import Bell
from .telegram_updates import UpdateQueue, Waiting
from .telegram_wire import JsonDict

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  a header's name
LONGEST_PAUSE_SECONDS = 60.0
DEFAULT_CONNECTIONS = 40


@dataclass
class Hook:
    """A webhook that the bot set."""

    url: str
    secret: str = field(default="", repr=False)
    max_connections: int = DEFAULT_CONNECTIONS
    last_error_date: int | None = None
    last_error_message: str = ""


class Delivery:
    """
    Posts what waits, each person's updates in order and one at a time, several people at once.

        waiting ──POST──► 2xx: gone        anything else: waiting again, after a pause that doubles up to a minute
    """

    def __init__(self, updates: UpdateQueue, bell: Bell, *, first_pause: float) -> None:
        self._updates = updates
        self._bell = bell
        self._first_pause = first_pause
        self._routes: dict[str, tuple[str, ...]] = {}
        self._turn = count()
        self._busy: set[int] = set()
        self._failures: defaultdict[int, int] = defaultdict(int)
        self._not_before: dict[int, float] = {}
        self.posted = 0

    def route(self, public: str, *backends: str) -> None:
        """Let everything below *public* arrive at *backends* in turn, as a load balancer does."""
        self._routes[public.rstrip("/")] = backends

    async def run(self) -> None:
        """Deliver until cancelled."""
        # No environment: a proxy of the machine's has nothing to do with loopback.
        async with httpx.AsyncClient(timeout=60.0, trust_env=False) as client, asyncio.TaskGroup() as group:
            try:
                while True:
                    hook, update = await self._bell.until(self._next, None)
                    self._busy.add(update.person)
                    group.create_task(self._bring(client, hook, update))
            finally:
                self._busy.clear()

    def _next(self) -> tuple[Hook, Waiting] | None:
        hook = self._updates.hook
        if not isinstance(hook, Hook) or len(self._busy) >= hook.max_connections:
            return None
        now = asyncio.get_running_loop().time()
        passed_over: set[int] = set()
        for update in self._updates.waiting:
            if update.person in passed_over:
                continue
            passed_over.add(update.person)
            if update.person not in self._busy and self._not_before.get(update.person, 0.0) <= now:
                return hook, update
        return None

    async def _bring(self, client: httpx.AsyncClient, hook: Hook, update: Waiting) -> None:
        self._updates.hand_out(update)
        self.posted += 1
        try:
            headers = {SECRET_HEADER: hook.secret} if hook.secret else {}
            response = await client.post(self._address(hook.url), json=update.body, headers=headers)
            trouble = None if response.is_success else f"Wrong response from the webhook: {response.status_code}"
        except httpx.HTTPError as error:
            trouble = f"Connection failed: {type(error).__name__}"
        finally:
            self._busy.discard(update.person)
        if trouble is None:
            self._failures.pop(update.person, None)
            self._updates.taken(update)
        else:
            hook.last_error_date, hook.last_error_message = self._updates.now(), trouble
            self._pause(update.person)
        self._bell.ring()

    def _pause(self, person: int) -> None:
        loop = asyncio.get_running_loop()
        seconds = min(LONGEST_PAUSE_SECONDS, self._first_pause * 2 ** min(self._failures[person], 16))
        self._failures[person] += 1
        self._not_before[person] = loop.time() + seconds
        loop.call_later(seconds, self._bell.ring)

    def _address(self, url: str) -> str:
        for public, backends in self._routes.items():
            if url.startswith(public):
                return backends[next(self._turn) % len(backends)].rstrip("/") + url.removeprefix(public)
        return url


def hook_as_json(hook: Hook | None, allowed: list[str], pending: int) -> JsonDict:
    """Return what getWebhookInfo says."""
    info: JsonDict = {"url": "", "has_custom_certificate": False, "pending_update_count": pending}
    if allowed:
        info["allowed_updates"] = allowed
    if hook is not None:
        info |= {"url": hook.url, "max_connections": hook.max_connections}
        if hook.last_error_date is not None:
            info |= {"last_error_date": hook.last_error_date, "last_error_message": hook.last_error_message}
    return info
