"""From an update to its handler, and from the handler's answer to the screen; records commands and presses."""

from typing import Literal, cast

from opentelemetry import trace
from telegram import Update
from telegram.ext import ContextTypes

from termin_bot import buttons, operations, texts
from termin_bot.events import ButtonClicked, CommandExecuted, CommandFailure, CommandName, CommandSource
from termin_bot.handlers.calls import Answer, Call, Services
from termin_bot.handlers.commands import COMMANDS, CommandHandler, unknown
from termin_bot.handlers.messages import typed
from termin_bot.handlers.presses import PRESSES, stale
from termin_bot.munich import MunichError
from termin_bot.recording import Behind, record, use_visitor
from termin_bot.screens import Screen
from termin_bot.services.patience import Patience
from termin_bot.services.people import Visit
from termin_bot.services.ports import Accepted, Blocked, NoSuchMessage
from termin_bot.telegram_messenger import TelegramMessenger
from termin_bot.tracing import mark_failed, say_who
from termin_bot.updates import ButtonPressed, CommandGiven, Incoming, TextTyped, WasBlocked, current, update_failed


class UndeliveredError(Exception):
    """Telegram did not take an answer; the person is there, so trying again may help them."""


class Dispatcher:
    """The one handler that python-telegram-bot knows of."""

    def __init__(self, services: Services, messenger: TelegramMessenger, patience: Patience) -> None:
        self._services = services
        self._messenger = messenger
        self._patience = patience

    async def handle(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        """Handle one update."""
        incoming = current()
        if incoming.trouble is not None:
            raise incoming.trouble
        match incoming.route:
            case WasBlocked():
                await self._patience.insist(lambda: self._services.people.blocked(incoming.telegram_id))
            case CommandGiven() | ButtonPressed() | TextTyped() if incoming.visit is None:
                await self._stranger(update, incoming)
            case CommandGiven() | ButtonPressed() | TextTyped():
                assert incoming.visit is not None
                await self._person(update, incoming, incoming.visit)
            case _:
                pass  # being unblocked was noticed on arrival, and the rest is none of our business

    async def failed(self, update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        """Answer kindly, once, when handling failed."""
        assert context.error is not None
        update_failed(trace.get_current_span(), context.error)
        if not isinstance(update, Update) or update.effective_user is None:
            return
        if update.callback_query is not None:
            await self._messenger.acknowledge(update.callback_query.id, None)
        await self._messenger.show(update.effective_user.id, Screen(texts.TROUBLE()))

    async def _stranger(self, update: Update, incoming: Incoming) -> None:
        """
        Meet somebody who has not sent /start: with it, they are one of us; else we ask for it.

        What strangers do is traced but no business event: there is no visitor to it yet.
        """
        user, route = update.effective_user, incoming.route
        assert user is not None
        if not (isinstance(route, CommandGiven) and route.name == "start"):
            if update.callback_query is not None:
                await self._messenger.acknowledge(update.callback_query.id, None)
            await self._messenger.show(user.id, Screen(texts.STRANGER()))
            return
        visit = await self._patience.insist(
            lambda: self._services.people.register(
                user.id, language=(user.language_code or "en")[:16], has_username=user.username is not None
            ),
            waiting=(user.id,),
        )
        say_who(trace.get_current_span(), visit.visitor)
        with use_visitor(visit.visitor):
            call = Call(visit=visit, services=self._services, text=route.argument, is_new=True)
            await self._show(update, visit, await self._run("start", "typed", call))

    async def _person(self, update: Update, incoming: Incoming, visit: Visit) -> None:
        match incoming.route:
            case CommandGiven(name, argument):
                call = Call(visit=visit, services=self._services, text=argument)
                await self._show(update, visit, await self._run(name, "typed", call))
            case ButtonPressed(button):
                await self._pressed(update, visit, button)
            case TextTyped(text):
                call = Call(visit=visit, services=self._services, text=text)
                await self._show(update, visit, await self._answer(call, typed))

    async def _pressed(self, update: Update, visit: Visit, button: buttons.Button | None) -> None:
        call = Call(visit=visit, services=self._services)
        if button is None:
            record(ButtonClicked(button_id="unknown", context="unknown"))
            answer = stale()
        else:
            record(ButtonClicked(button_id=button.route, context=buttons.context_of(button)))
            match button:
                case buttons.Menu(command):
                    answer = await self._run(command, "menu_selection", call)
                case buttons.Shortcut(command):
                    answer = await self._run(command, "button_click", call)
                case chosen:
                    answer = await self._answer(call, lambda each: PRESSES[type(chosen)](each, chosen))
        query = update.callback_query
        assert query is not None
        is_seen = await self._messenger.acknowledge(query.id, answer.screen.text if answer.is_stale else None)
        if not (answer.is_stale and is_seen):  # what came of the press is shown, whatever became of the waiting sign
            await self._show(update, visit, answer)

    async def _run(self, name: str, source: CommandSource, call: Call) -> Answer:
        """Run a command, and record that it ran, however it ended."""
        failure: CommandFailure | None = "error"
        behind: str | Behind | None = Behind.CURRENT
        try:
            answer = await self._answer(call, COMMANDS.get(name, unknown))
            failure, behind = answer.failure, answer.behind
            return answer
        finally:
            status: Literal["success", "failure"] = "success" if failure is None else "failure"
            event = CommandExecuted(
                command_name=_command_name(name), source=source, status=status, failure_reason=failure
            )
            record(event, visitor=behind)

    async def _answer(self, call: Call, answering: CommandHandler) -> Answer:
        """Return the answer; it waits for the database, and goes without the city."""
        try:
            return await self._patience.insist(lambda: answering(call), waiting=(call.visit.telegram_id,))
        except MunichError as error:
            mark_failed(trace.get_current_span(), error)
            return Answer(Screen(texts.CITY_AWAY()), failure="city_unavailable")

    async def _show(self, update: Update, visit: Visit, answer: Answer) -> None:
        pressed = update.callback_query.message if update.callback_query is not None else None
        outcome = None
        if answer.in_place and pressed is not None:
            outcome = await self._messenger.replace(visit.telegram_id, pressed.message_id, answer.screen)
        if outcome is None or isinstance(outcome, NoSuchMessage):
            outcome = await self._messenger.show(visit.telegram_id, answer.screen)
        if answer.attachment is not None and isinstance(outcome, Accepted):
            outcome = await self._messenger.attach(visit.telegram_id, answer.attachment)
        match outcome:
            case Accepted():
                pass
            case Blocked():
                await self._patience.insist(lambda: self._services.people.blocked(visit.telegram_id))
            case _:
                raise UndeliveredError(type(outcome).__name__)


def _command_name(name: str) -> CommandName:
    return cast("CommandName", f"/{name}") if name in operations.COMMANDS else "unknown"
