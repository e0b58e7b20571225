"""
How updates come in.

    polling      the bot asks Telegram; one instance only. The start deletes a webhook that is set.
    webhook      Telegram brings them to WEBHOOK_URL; any number of instances behind one address. The start sets it.

Neither end deletes the webhook: other instances may serve it, and what nobody takes waits at Telegram for a day.
"""

import hmac
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from telegram import Update
from telegram.error import TelegramError
from telegram.ext import Updater
from tornado.httpserver import HTTPServer

from termin_bot.settings import Settings

ALLOWED_UPDATES: Final = (Update.MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER)
MAX_BODY_BYTES: Final = 1 << 20
"""More than any update has: a message is 4,096 characters."""
MAX_HEADER_BYTES: Final = 16 << 10
BODY_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 120.0
BACKLOG: Final = 128
CONNECTIONS: Final = 40
"""How many updates Telegram may bring at the same time."""
_DERIVES: Final = b"termin_bot webhook secret 1"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where Telegram brings updates, and where we take them from the proxy; *secret* comes with each."""

    url: str
    host: str
    port: int
    secret: str = field(repr=False)

    @property
    def path(self) -> str:
        """The path of the address: the proxy leaves it as it is."""
        return urlsplit(self.url).path or "/"


class ListenError(Exception):
    """A port cannot be listened on; the message names the setting."""


def webhook_of(settings: Settings) -> Webhook | None:
    """Return the webhook that the operator wants, None for polling."""
    if settings.webhook_url is None:
        return None
    secret = settings.webhook_secret
    token = settings.telegram_bot_token.get_secret_value()
    return Webhook(
        url=settings.webhook_url,
        host=settings.webhook_host,
        port=settings.webhook_port,
        secret=derived_secret(token) if secret is None else secret.get_secret_value(),
    )


def derived_secret(token: str) -> str:
    """Return a secret that every instance with this token knows, and that says nothing about the token."""
    return hmac.new(token.encode(), _DERIVES, sha256).hexdigest()


async def take_updates(
    updater: Updater, webhook: Webhook | None, polling_failed: Callable[[TelegramError], None]
) -> None:
    """
    Begin to take updates; *polling_failed* hears of each question to Telegram that fails, and polling goes on.

    Raises:
        telegram.error.TelegramError: Telegram cannot be reached, or refuses the address.
        ListenError: the port is taken, or not ours.
    """
    if webhook is None:
        await updater.start_polling(allowed_updates=list(ALLOWED_UPDATES), error_callback=polling_failed)
        return
    # The library makes its server without limits, and these are the defaults of every server of this process.
    HTTPServer.configure(
        None,
        max_body_size=MAX_BODY_BYTES,
        max_header_size=MAX_HEADER_BYTES,
        body_timeout=BODY_SECONDS,
        idle_connection_timeout=IDLE_SECONDS,
    )
    listen(webhook.host, webhook.port, "WEBHOOK_PORT").close()  # the library would find out when Telegram already posts
    await updater.start_webhook(
        listen=webhook.host,
        port=webhook.port,
        url_path=re.escape(webhook.path),  # the server takes it for a pattern
        webhook_url=webhook.url,
        allowed_updates=list(ALLOWED_UPDATES),
        max_connections=CONNECTIONS,
        secret_token=webhook.secret,
    )


def listen(host: str, port: int, setting: str) -> socket.socket:
    """
    Return a socket that listens.

    Raises:
        ListenError: the port is taken, or not ours; its message begins with *setting*.
    """
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        raise ListenError(f"{setting}: cannot listen there ({type(error).__name__})") from None
    listener.setblocking(False)  # noqa: FBT003  the name of its only argument is no help
    return listener
