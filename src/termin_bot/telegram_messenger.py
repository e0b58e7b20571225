"""Screens to Telegram, and Telegram's refusals as outcomes."""

import logging
from contextlib import AbstractContextManager
from typing import Any, Final

from opentelemetry.trace import Span, SpanKind
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError
from telegram.ext import ExtBot

from termin_bot import keyboards
from termin_bot.callback_data import encode
from termin_bot.pacing import Pace
from termin_bot.screens import Key, Screen
from termin_bot.services.notices import Attachment, DatesOver, Notice, ServiceLeft, SlotsBooked, SlotsFree, SlotsGone
from termin_bot.services.ports import Accepted, Blocked, Failed, NoSuchMessage, Outcome, TooMany
from termin_bot.tracing import mark_failed, span

_log: Final = logging.getLogger(__name__)
_TOAST_LIMIT: Final = 200


class TelegramMessenger:
    """A Messenger that also shows screens."""

    def __init__(self, bot: ExtBot[Any]) -> None:
        self._bot = bot

    async def send(self, telegram_id: int, notice: Notice) -> Outcome:
        """Send a notice as a new message."""
        # The day's last digest comes without a sound: enough has rung.
        is_silent = isinstance(notice, SlotsFree) and notice.digest == "daily"
        return await self.show(telegram_id, keyboards.notice(notice), silently=is_silent, pace=pace_of(notice))

    async def change(self, telegram_id: int, message_id: int, notice: Notice) -> Outcome:
        """Turn an earlier message into a notice."""
        return await self.replace(telegram_id, message_id, keyboards.notice(notice), pace=pace_of(notice))

    async def is_answered(self) -> bool:
        """Whether Telegram answers us."""
        with _call("getMe") as current:
            try:
                await self._bot.get_me()
            except TelegramError as error:
                mark_failed(current, error)
                return False
        return True

    async def acknowledge(self, press_id: str, text: str | None) -> bool:
        """
        Take the waiting sign off a button, with a line of text or none; False when Telegram has trouble.

        A press of long ago cannot be acknowledged, and that is no trouble.
        """
        with _call("answerCallbackQuery") as current:
            try:
                await self._bot.answer_callback_query(press_id, None if text is None else text[:_TOAST_LIMIT])
            except (BadRequest, Forbidden):
                return True
            except TelegramError as error:
                mark_failed(current, error)
                return False
        return True

    async def attach(self, telegram_id: int, attachment: Attachment) -> Outcome:
        """Send a file."""
        with _call("sendDocument") as current:
            try:
                message = await self._bot.send_document(telegram_id, attachment.content, filename=attachment.name)
            except TelegramError as error:
                return _refused(error, current)
        return Accepted(message.message_id)

    async def show(self, telegram_id: int, screen: Screen, *, silently: bool = False, pace: Pace = "answer") -> Outcome:
        """Send a screen as a new message."""
        with _call("sendMessage") as current:
            try:
                message = await self._bot.send_message(
                    telegram_id,
                    screen.text,
                    reply_markup=markup(screen),
                    disable_notification=silently,
                    rate_limit_args=pace,
                )
            except TelegramError as error:
                return _refused(error, current)
        return Accepted(message.message_id)

    async def replace(self, telegram_id: int, message_id: int, screen: Screen, *, pace: Pace = "answer") -> Outcome:
        """Turn an earlier message into a screen."""
        with _call("editMessageText") as current:
            try:
                await self._bot.edit_message_text(
                    screen.text,
                    chat_id=telegram_id,
                    message_id=message_id,
                    reply_markup=markup(screen),
                    rate_limit_args=pace,
                )
            except TelegramError as error:
                if isinstance(error, BadRequest) and "not modified" in error.message.lower():
                    return Accepted(message_id)
                return _refused(error, current)
        return Accepted(message_id)


def pace_of(notice: Notice) -> Pace:
    """Return how urgent a notice is: what concerns a booking is an answer, what was found in a check is not."""
    found = SlotsFree | SlotsGone | SlotsBooked | DatesOver | ServiceLeft
    return "notification" if isinstance(notice, found) else "answer"


def _call(method: str) -> AbstractContextManager[Span]:
    """Open the span of a call; the template says where it goes, the token is never part of it."""
    attributes = {
        "http.request.method": "POST",
        "messaging.system": "telegram",
        "url.template": f"/bot{{token}}/{method}",
    }
    return span(f"telegram {method}", kind=SpanKind.CLIENT, attributes=attributes)


def _refused(error: TelegramError, current: Span) -> Outcome:
    mark_failed(current, error)
    return outcome_of(error)


def outcome_of(error: TelegramError) -> Outcome:
    """Return what a refusal means."""
    said = error.message.lower()
    match error:
        case Forbidden() | BadRequest() if "user is deactivated" in said:
            return Blocked("user_is_deactivated")
        case BadRequest() if "chat not found" in said:
            return Blocked("chat_not_found")
        case Forbidden():
            return Blocked("bot_was_blocked")
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
