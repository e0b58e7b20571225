"""Screens to Telegram, and Telegram's refusals as outcomes."""

import logging
from typing import Final

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from termin_bot import keyboards
from termin_bot.buttons import encode
from termin_bot.screens import Key, Screen
from termin_bot.services.notices import Notice
from termin_bot.services.ports import Accepted, Blocked, Failed, NoSuchMessage, Outcome, TooMany

_log: Final = logging.getLogger(__name__)


class TelegramMessenger:
    """A Messenger that also shows screens."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def send(self, telegram_id: int, notice: Notice) -> Outcome:
        """Send a notice as a new message."""
        return await self.show(telegram_id, keyboards.notice(notice))

    async def change(self, telegram_id: int, message_id: int, notice: Notice) -> Outcome:
        """Turn an earlier message into a notice."""
        return await self.replace(telegram_id, message_id, keyboards.notice(notice))

    async def show(self, telegram_id: int, screen: Screen) -> Outcome:
        """Send a screen as a new message."""
        try:
            message = await self._bot.send_message(telegram_id, screen.text, reply_markup=markup(screen))
        except TelegramError as error:
            return outcome_of(error)
        return Accepted(message.message_id)

    async def replace(self, telegram_id: int, message_id: int, screen: Screen) -> Outcome:
        """Turn an earlier message into a screen."""
        try:
            await self._bot.edit_message_text(
                screen.text, chat_id=telegram_id, message_id=message_id, reply_markup=markup(screen)
            )
        except BadRequest as error:
            if "not modified" in error.message.lower():
                return Accepted(message_id)
            return outcome_of(error)
        except TelegramError as error:
            return outcome_of(error)
        return Accepted(message_id)


def outcome_of(error: TelegramError) -> Outcome:
    """Return what a refusal means."""
    said = error.message.lower()
    match error:
        case Forbidden():
            return Blocked()
        case BadRequest() if "chat not found" in said or "user is deactivated" in said:
            return Blocked()
        case BadRequest() if "message to edit not found" in said or "can't be edited" in said:
            return NoSuchMessage()
        case RetryAfter():
            return TooMany()
        case _:
            _log.warning("Telegram did not take a message: %s", type(error).__name__)
            return Failed()


def markup(screen: Screen) -> InlineKeyboardMarkup | None:
    """Return a screen's buttons as Telegram's, or None."""
    if not screen.rows:
        return None
    return InlineKeyboardMarkup([[_key(key) for key in row] for row in screen.rows])


def _key(key: Key) -> InlineKeyboardButton:
    if key.does is not None:
        return InlineKeyboardButton(key.label, callback_data=encode(key.does))
    return InlineKeyboardButton(key.label, url=key.opens)
