"""The real python-telegram-bot, with its own polling loop, against the simulated Telegram."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from telegram import (
    Bot,
    BotCommand,
    ChatMember,
    ChatMemberUpdated,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Update,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.ext import (
    Application,
    ApplicationBuilder,
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    filters,
)
from telegram.request import HTTPXRequest

from termin_bot.pacing import Pacing
from termin_bot.simulation.telegram import NoSuchButton, SimulatedTelegram

App = Application[Any, Any, Any, Any, Any, Any]
Context = ContextTypes.DEFAULT_TYPE
NOON = 1_795_000_000.0
ALLOWED = ["message", "callback_query", "my_chat_member"]


class EchoBot:
    """A small bot that answers, edits and notes what it saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.memberships: asyncio.Queue[str] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()

    def install(self, bot: App) -> None:
        """Take over the handlers of *bot*."""
        bot.add_handler(CommandHandler("start", self.start))
        bot.add_handler(CallbackQueryHandler(self.press))
        bot.add_handler(ChatMemberHandler(self.member, ChatMemberHandler.MY_CHAT_MEMBER))
        bot.add_handler(MessageHandler(filters.TEXT, self.echo))
        bot.add_error_handler(self.error)

    async def start(self, update: Update, _context: Context) -> None:
        """Greet with buttons."""
        assert update.message is not None
        assert update.effective_user is not None
        keyboard = InlineKeyboardMarkup(
            [
                [
                    InlineKeyboardButton("Plus", callback_data="count:1"),
                    InlineKeyboardButton("Same", callback_data="same"),
                ],
                [InlineKeyboardButton("Website", url="https://www.muenchen.de")],
            ]
        )
        await update.message.reply_text(
            f"<b>Hello</b> {update.effective_user.first_name} ({update.effective_user.language_code})",
            parse_mode=ParseMode.HTML,
            reply_markup=keyboard,
        )

    async def press(self, update: Update, _context: Context) -> None:
        """Answer a press and edit its message."""
        query = update.callback_query
        assert query is not None
        assert query.data is not None
        self.seen.append(query.data)
        await query.answer(f"pressed {query.data}", show_alert=query.data == "same")
        if query.data == "same":
            assert query.message is not None
            await query.edit_message_text(query.message.text, reply_markup=query.message.reply_markup)  # type: ignore[attr-defined]
        else:
            await query.edit_message_text(f"You pressed {query.data}")

    async def member(self, update: Update, _context: Context) -> None:
        """Note who comes and goes."""
        change = update.my_chat_member
        assert isinstance(change, ChatMemberUpdated)
        self.memberships.put_nowait(change.new_chat_member.status)

    async def echo(self, update: Update, _context: Context) -> None:
        """Say the same."""
        assert update.message is not None
        assert update.message.text is not None
        self.seen.append(update.message.text)
        await update.message.reply_text(f"echo {update.message.text}")

    async def error(self, _update: object, context: Context) -> None:
        """Note what went wrong."""
        assert context.error is not None
        self.errors.put_nowait(context.error)


@contextlib.asynccontextmanager
async def running(builder: ApplicationBuilder[Any, Any, Any, Any, Any, Any], echo: EchoBot) -> AsyncIterator[App]:
    """Run a bot with its own polling loop while the block runs."""
    bot: App = builder.build()
    echo.install(bot)
    async with bot:
        assert bot.updater is not None
        await bot.updater.start_polling(allowed_updates=ALLOWED)
        await bot.start()
        try:
            yield bot
        finally:
            await bot.updater.stop()
            await bot.stop()


def in_memory(telegram: SimulatedTelegram) -> ApplicationBuilder[Any, Any, Any, Any, Any, Any]:
    def request() -> HTTPXRequest:
        return HTTPXRequest(httpx_kwargs={"transport": telegram.transport()})

    builder = ApplicationBuilder().token(telegram.token).base_url("http://telegram/bot")
    return builder.request(request()).get_updates_request(request())


def patient() -> HTTPXRequest:
    """Return requests that wait for a busy machine: what is tried again was done twice."""
    return HTTPXRequest(read_timeout=60, write_timeout=60, connect_timeout=60, pool_timeout=60)


@contextlib.asynccontextmanager
async def over_tcp(telegram: SimulatedTelegram) -> AsyncIterator[ApplicationBuilder[Any, Any, Any, Any, Any, Any]]:
    async with telegram.serve() as url:
        builder = ApplicationBuilder().token(telegram.token).base_url(f"{url}/bot").base_file_url(f"{url}/file/bot")
        yield builder.request(patient()).get_updates_request(patient())


@pytest.fixture(autouse=True)
def _timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let python-telegram-bot give durations as it soon always will, without its warning."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
def telegram() -> SimulatedTelegram:
    return SimulatedTelegram(clock=lambda: NOON)


@pytest.fixture
def echo() -> EchoBot:
    return EchoBot()


@pytest.fixture(params=["memory", "tcp"])
async def bot(request: pytest.FixtureRequest, telegram: SimulatedTelegram, echo: EchoBot) -> AsyncIterator[App]:
    """Run the echo bot, once in memory and once over TCP."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "tcp":
            builder = await stack.enter_async_context(over_tcp(telegram))
        else:
            builder = in_memory(telegram)
        yield await stack.enter_async_context(running(builder, echo))


@pytest.fixture(params=["memory", "tcp"])
async def sender(request: pytest.FixtureRequest, telegram: SimulatedTelegram) -> AsyncIterator[Bot]:
    """Provide a bot that only sends, once in memory and once over TCP."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "tcp":
            url = await stack.enter_async_context(telegram.serve())
            bot = Bot(telegram.token, base_url=f"{url}/bot", request=patient(), get_updates_request=patient())
        else:
            bot = in_memory(telegram).build().bot
        yield await stack.enter_async_context(bot)


async def outcome_of(call: Awaitable[object]) -> type[BaseException] | None:
    """Return the class of what the call raised."""
    try:
        await call
    except Exception as error:  # noqa: BLE001  the class is the outcome
        return type(error)
    return None


@pytest.mark.usefixtures("bot")
async def test_a_message_is_answered(telegram: SimulatedTelegram) -> None:
    """What a person writes reaches the bot, and its answer the person, with Telegram's date on it."""
    anna = telegram.person(first_name="Anna", language_code="de")

    await anna.send("/start")
    greeting = await anna.answer("Hello")

    assert greeting.text == "Hello Anna (de)"
    assert greeting.entities == ({"type": "bold", "offset": 0, "length": 5},)
    assert greeting.labels == ["Plus", "Same", "Website"]
    assert greeting.date == NOON


@pytest.mark.usefixtures("bot")
async def test_a_digit_stays_text(telegram: SimulatedTelegram) -> None:
    """A message that looks like a number is no number."""
    anna = telegram.person()

    await anna.send("1")

    assert (await anna.answer()).text == "echo 1"


@pytest.mark.usefixtures("bot")
async def test_a_press_is_answered_and_edits(telegram: SimulatedTelegram, echo: EchoBot) -> None:
    """A press brings the bot its data, the person a notice, and the edit replaces text and buttons."""
    anna = telegram.person()
    await anna.send("/start")
    greeting = await anna.answer("Hello")

    press = await anna.press("Plus")
    edited = await anna.answer("You pressed")

    assert echo.seen == ["count:1"]
    assert (await press.answered()).text == "pressed count:1"
    assert (edited.id, edited.text, edited.edits, edited.buttons) == (greeting.id, "You pressed count:1", 1, ())
    assert anna.inbox == (edited,)


@pytest.mark.usefixtures("bot")
async def test_an_edit_without_a_change_is_refused(telegram: SimulatedTelegram, echo: EchoBot) -> None:
    """The bot meets "message is not modified" as it does on the real Telegram."""
    anna = telegram.person()
    await anna.send("/start")
    await anna.answer("Hello")

    press = await anna.press("Same")
    assert (await press.answered()).alert
    await anna.until(lambda: anna.last.edits == 1)  # The same words without bold are a change.
    await anna.press("Same")

    assert str(await echo.errors.get()).startswith("Message is not modified")
    assert anna.last.edits == 1


async def test_a_missing_button_is_named_with_those_there(telegram: SimulatedTelegram, bot: App) -> None:
    """Who presses what is not there learns what is."""
    anna = telegram.person()
    await anna.meet()
    await bot.bot.send_message(
        anna.id,
        "Choose",
        reply_markup=InlineKeyboardMarkup(
            [[InlineKeyboardButton("Yes", callback_data="y"), InlineKeyboardButton("More", url="https://example.org")]]
        ),
    )

    with pytest.raises(NoSuchButton, match=r"labelled 'No'; .*\[\['Yes', 'More \(link\)'\]\]"):
        await anna.press("No")
    with pytest.raises(NoSuchButton):
        await anna.press("More")


async def test_the_newest_message_with_the_button_is_pressed(
    telegram: SimulatedTelegram, echo: EchoBot, bot: App
) -> None:
    """Equal labels: the newest message wins, messages without the button are passed over."""
    anna = telegram.person()
    await anna.meet()
    for data in ("old", "new"):
        keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Book", callback_data=data)]])
        await bot.bot.send_message(anna.id, data, reply_markup=keyboard)
    await bot.bot.send_message(anna.id, "no buttons here")

    await anna.press(lambda button: button.label.startswith("B"))
    await anna.answer("You pressed new")

    assert echo.seen == ["new"]


@pytest.mark.usefixtures("bot")
async def test_a_stale_button_still_sends_its_data(telegram: SimulatedTelegram, echo: EchoBot) -> None:
    """Screens lag behind: a button that was edited away can still be pressed."""
    anna = telegram.person()
    await anna.send("/start")
    await anna.answer("Hello")
    await anna.press("Plus")
    await anna.answer("You pressed count:1")

    await anna.press_data("count:99")
    await anna.answer("You pressed count:99")

    assert echo.seen == ["count:1", "count:99"]


async def test_blocking_is_told_and_forbids_writing(telegram: SimulatedTelegram, echo: EchoBot, bot: App) -> None:
    """A block arrives as my_chat_member kicked, a send is Forbidden; an unblock undoes both."""
    anna = telegram.person()
    await anna.send("hi")
    await anna.answer("echo hi")

    await anna.block()
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.bot.send_message(anna.id, "are you there?")
    await anna.unblock()
    await bot.bot.send_message(anna.id, "welcome back")

    assert [await echo.memberships.get() for _ in range(2)] == [ChatMember.BANNED, ChatMember.MEMBER]
    assert [message.text for message in anna.inbox] == ["echo hi", "welcome back"]


async def test_who_is_gone_or_unknown_cannot_be_written_to(telegram: SimulatedTelegram, bot: App) -> None:
    """Deactivated accounts, strangers and unknown chats are refused, each in Telegram's words."""
    gone, stranger = telegram.person(), telegram.person()
    await gone.meet()
    await gone.deactivate()

    with pytest.raises(Forbidden, match="user is deactivated"):
        await bot.bot.send_message(gone.id, "hello")
    with pytest.raises(Forbidden, match="can't initiate conversation"):
        await bot.bot.send_message(stranger.id, "hello")
    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.bot.send_message(4711, "hello")


@pytest.mark.usefixtures("bot")
async def test_updates_keep_their_order(telegram: SimulatedTelegram, echo: EchoBot) -> None:
    """A hundred and fifty messages, more than one batch, arrive in the order they were written."""
    anna = telegram.person()
    written = [f"message {number}" for number in range(150)]
    for text in written:
        await anna.send(text)
    await anna.answer("echo message 149")

    assert echo.seen == written
    assert [message.text for message in anna.inbox] == [f"echo {text}" for text in written]


async def test_documents_arrive_byte_for_byte(telegram: SimulatedTelegram, bot: App) -> None:
    """An uploaded file keeps its name, type and content, whatever bytes are in it; it can be sent again by its id."""
    anna = telegram.person()
    await anna.meet()
    content = bytes(range(256)) + b"\r\n--boundary\r\n\r\n"

    sent = await bot.bot.send_document(anna.id, content, filename="termin.ics", caption="Your appointment")
    assert sent.document is not None
    await bot.bot.send_document(anna.id, sent.document.file_id)

    assert [(document.name, document.mime_type) for document in anna.documents] == [("termin.ics", "text/calendar")] * 2
    assert [document.content for document in anna.documents] == [content] * 2
    assert anna.inbox[0].text == "Your appointment"


async def test_deleted_messages_disappear(telegram: SimulatedTelegram, bot: App) -> None:
    """The bot may delete its own messages and, in a private chat, the person's."""
    anna = telegram.person()
    mine = await anna.send("my name")
    answer = await anna.answer("echo")

    await bot.bot.delete_message(anna.id, answer.id)
    await bot.bot.delete_message(anna.id, mine.id)

    assert (anna.inbox, anna.outbox) == ((), ())
    with pytest.raises(BadRequest, match="Message to delete not found"):
        await bot.bot.delete_message(anna.id, answer.id)


async def test_the_menu_is_kept_by_language(telegram: SimulatedTelegram, bot: App) -> None:
    """Commands set for one language are shown to that language."""
    await bot.bot.set_my_commands([BotCommand("start", "Begin")])
    await bot.bot.set_my_commands([BotCommand("start", "Los")], language_code="de")

    assert (telegram.commands(), telegram.commands("de")) == ({"start": "Begin"}, {"start": "Los"})
    assert await bot.bot.get_my_commands(language_code="de") == (BotCommand("start", "Los"),)


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (lambda telegram: telegram.fail("sendMessage", 502, "Bad Gateway"), NetworkError),
        (lambda telegram: telegram.fail("sendMessage", 403, "Forbidden: bot was blocked by the user"), Forbidden),
        (lambda telegram: telegram.fail("*", 400, "Bad Request: chat not found"), BadRequest),
        (lambda telegram: telegram.retry_after("sendMessage", 3), RetryAfter),
        (lambda telegram: telegram.drop_connection("sendMessage"), NetworkError),
    ],
    ids=["502", "403", "any method", "429", "cut line"],
)
async def test_troubles_happen_as_often_as_told(
    telegram: SimulatedTelegram,
    sender: Bot,
    trouble: Callable[[SimulatedTelegram], None],
    expected: type[Exception],
) -> None:
    """A fault hits the next call, has no effect but the error, and is gone after."""
    anna = telegram.person()
    await anna.meet()

    trouble(telegram)
    outcomes = [await outcome_of(sender.send_message(anna.id, text)) for text in ("first", "second")]

    assert outcomes == [expected, None]
    assert [message.text for message in anna.inbox] == ["second"]


async def test_troubles_come_in_the_order_told(telegram: SimulatedTelegram, sender: Bot) -> None:
    """Several faults of one method wait in line; healing forgets the rest."""
    anna = telegram.person()
    await anna.meet()
    telegram.fail("sendMessage", 502, "Bad Gateway", times=2)
    telegram.fail("sendMessage", 400, "Bad Request: chat not found", times=2)

    outcomes = [await outcome_of(sender.send_message(anna.id, "hello")) for _ in range(3)]
    telegram.heal()
    outcomes.append(await outcome_of(sender.send_message(anna.id, "hello")))

    assert outcomes == [NetworkError, NetworkError, BadRequest, None]


async def test_a_trouble_may_concern_one_chat(telegram: SimulatedTelegram, sender: Bot) -> None:
    """A fault for one chat leaves the others alone."""
    anna, bert = telegram.person(), telegram.person()
    await anna.meet()
    await bert.meet()
    telegram.fail("sendMessage", 502, "Bad Gateway", chat_id=bert.id)

    outcomes = [await outcome_of(sender.send_message(person.id, "hello")) for person in (anna, bert, bert)]

    assert outcomes == [None, NetworkError, None]


async def test_the_rate_limiter_waits_and_tries_again(
    telegram: SimulatedTelegram, echo: EchoBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot's own one meets 429 with retry_after, waits that long and delivers the message once."""
    anna = telegram.person()
    await anna.meet()
    telegram.retry_after("sendMessage", 0.001, times=2)
    monkeypatch.setenv("PTB_TIMEDELTA", "true")

    async with running(in_memory(telegram).rate_limiter(Pacing(30)), echo) as bot:
        await bot.bot.send_message(anna.id, "patience")

    assert [request.status for request in telegram.calls("sendMessage")] == [429, 429, 200]
    assert [message.text for message in anna.inbox] == ["patience"]


async def test_a_restarted_bot_gets_what_was_written_meanwhile(telegram: SimulatedTelegram, echo: EchoBot) -> None:
    """Messages wait while no bot runs, and none comes twice."""
    anna = telegram.person()
    async with running(in_memory(telegram), echo):
        await anna.send("before")
        await anna.answer("echo before")
    await anna.send("meanwhile")
    assert telegram.updates_pending() == 1

    async with running(in_memory(telegram), echo):
        await anna.answer("echo meanwhile")
        await telegram.settled()

    assert echo.seen == ["before", "meanwhile"]
    assert telegram.updates_pending() == 0


async def test_a_bot_that_died_gets_the_same_updates_again(telegram: SimulatedTelegram, echo: EchoBot) -> None:
    """Fetched is not acknowledged: only a higher offset makes an update go away."""
    anna = telegram.person()
    await anna.send("important")
    async with httpx.AsyncClient(transport=telegram.transport(), base_url=f"http://x/bot{telegram.token}") as dying:
        fetched = (await dying.post("/getUpdates")).json()["result"]
    assert [update["message"]["text"] for update in fetched] == ["important"]

    async with running(in_memory(telegram), echo):
        await anna.answer("echo important")

    assert echo.seen == ["important"]


async def test_a_wrong_token_does_not_start(telegram: SimulatedTelegram) -> None:
    """A bot with another token is refused at its first call."""
    builder = in_memory(telegram).token("7000000001:some-other-token")

    with pytest.raises(InvalidToken):
        await builder.build().initialize()


@pytest.mark.usefixtures("bot")
async def test_settled_means_acknowledged_and_answered(telegram: SimulatedTelegram) -> None:
    """After settled, everyone has been answered."""
    people = [telegram.person() for _ in range(5)]
    for person in people:
        await person.send("/start")

    assert await telegram.settled(patience=60)

    assert telegram.updates_pending() == 0
    assert [len(person.inbox) for person in people] == [1] * 5


@pytest.mark.usefixtures("bot")
async def test_the_token_is_not_recorded(telegram: SimulatedTelegram) -> None:
    """Recorded requests show method and payload, never the token."""
    anna = telegram.person()
    await anna.send("/start")
    await anna.answer()

    (sent,) = telegram.calls("sendMessage")

    assert sent.payload["chat_id"] == str(anna.id)
    assert not any(telegram.token in str(vars(request)) for request in telegram.requests)
