"""What the services want of the world around them, besides the city's ports in `munich`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from termin_bot.munich import AvailabilitySource, BookingGateway, CatalogueSource
from termin_bot.services.notices import Attachment, Notice
from termin_bot.storage import UnitOfWork

Work = Callable[[], UnitOfWork]


class City(CatalogueSource, AvailabilitySource, BookingGateway, Protocol):
    """All of the city."""


@dataclass(frozen=True)
class Accepted:
    """Telegram took the message."""

    message_id: int


@dataclass(frozen=True)
class Blocked:
    """Nothing reaches this person any more: they blocked the bot, deleted their account, or there is no such chat."""

    why: Literal["bot_was_blocked", "user_is_deactivated", "chat_not_found"] = "bot_was_blocked"


@dataclass(frozen=True)
class TooMany:
    """Telegram wants fewer messages; the next cycle tries again."""


@dataclass(frozen=True)
class Failed:
    """Telegram did not take the message; the next cycle tries again."""


@dataclass(frozen=True)
class NoSuchMessage:
    """The message that was to be changed is gone: send a new one."""


Outcome = Accepted | Blocked | TooMany | Failed | NoSuchMessage


class Messenger(Protocol):
    """Brings notices to people."""

    async def send(self, telegram_id: int, notice: Notice) -> Outcome:
        """Send a new message."""
        ...

    async def change(self, telegram_id: int, message_id: int, notice: Notice) -> Outcome:
        """Change a message that was sent before, silently."""
        ...

    async def attach(self, telegram_id: int, attachment: Attachment) -> Outcome:
        """Send a file."""
        ...
