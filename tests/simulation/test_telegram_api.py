"""The simulated Bot API on the wire: what it accepts, refuses, keeps and forgets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from termin_bot.simulation.telegram import CannotWrite, NoSuchButton, Person, SimulatedTelegram


class Clock:
    """Time that stands still until moved."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def __call__(self) -> float:
        """Return the seconds since the epoch."""
        return self.now


class Client:
    """A bare Bot API client: a method and its parameters in; status and the result or the description out."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(self, method: str, **params: object) -> tuple[int, object]:
        """Call *method*."""
        form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        response = await self._http.post(method, data=form)
        body = response.json()
        assert body["ok"] is (response.status_code == 200)
        return response.status_code, body["result"] if body["ok"] else body["description"]

    async def updates(self, **params: object) -> list[tuple[int, str]]:
        """Poll, and return ids and message texts."""
        status, updates = await self("getUpdates", **params)
        assert status == 200
        assert isinstance(updates, list)
        return [(update["update_id"], update["message"]["text"]) for update in updates]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def telegram(clock: Clock) -> SimulatedTelegram:
    return SimulatedTelegram(clock=clock)


@pytest.fixture
async def call(telegram: SimulatedTelegram) -> AsyncIterator[Client]:
    base_url = f"http://telegram/bot{telegram.token}/"
    async with httpx.AsyncClient(transport=telegram.transport(), base_url=base_url) as http:
        yield Client(http)


@pytest.fixture
async def anna(telegram: SimulatedTelegram) -> Person:
    """Someone the bot may write to."""
    person = telegram.person(first_name="Anna", username="anna_m")
    await person.meet()
    return person


def keyboard(**button: object) -> dict[str, object]:
    return {"inline_keyboard": [[button]]}


class TestUpdates:
    """Queueing, fetching and acknowledging."""

    async def test_only_a_higher_offset_acknowledges(self, telegram: SimulatedTelegram, call: Client) -> None:
        """Updates are returned again and again until the bot asks for later ones."""
        person = telegram.person()
        for text in ("one", "two", "three"):
            await person.send(text)

        ((first, _), *_) = fetched = await call.updates()

        assert [text for _, text in fetched] == ["one", "two", "three"]
        assert await call.updates(limit=1) == [(first, "one")]
        assert telegram.updates_pending() == 3
        assert await call.updates(offset=first + 2) == [(first + 2, "three")]
        assert telegram.updates_pending() == 1

    async def test_a_negative_offset_keeps_the_last(self, telegram: SimulatedTelegram, call: Client) -> None:
        """Offset -1 forgets all but the newest update."""
        person = telegram.person()
        for text in ("one", "two", "three"):
            await person.send(text)

        assert [text for _, text in await call.updates(offset=-1)] == ["three"]
        assert telegram.updates_pending() == 1

    async def test_a_pending_poll_is_answered_at_once(self, telegram: SimulatedTelegram, call: Client) -> None:
        """A long poll ends with the update, not with its timeout."""
        poll = asyncio.create_task(call.updates(timeout=50))
        await telegram.until(lambda: bool(telegram.calls("getUpdates")))
        assert not poll.done()

        await telegram.person().send("now")

        assert [text for _, text in await asyncio.wait_for(poll, 40)] == ["now"]

    async def test_a_poll_without_updates_ends_with_its_timeout(self, call: Client) -> None:
        """Timeout 0 returns at once, timeout 1 after a second."""
        assert await asyncio.wait_for(call.updates(), 40) == []

        started = time.monotonic()
        assert await asyncio.wait_for(call.updates(timeout=1), 40) == []
        assert time.monotonic() - started >= 0.9

    async def test_the_newest_poll_wins(self, telegram: SimulatedTelegram, call: Client) -> None:
        """A second bot with the same token ends the first one's poll with a conflict."""
        older = asyncio.create_task(call("getUpdates", timeout=50))
        await telegram.until(lambda: len(telegram.calls("getUpdates")) == 1)

        assert await call.updates() == []

        status, description = await older
        assert status == 409
        assert str(description).startswith("Conflict: terminated by other getUpdates request")

    async def test_kinds_the_bot_does_not_want_are_not_kept(self, telegram: SimulatedTelegram, call: Client) -> None:
        """allowed_updates holds for what happens later, and until it is given again."""
        person = telegram.person()
        await person.send("before")
        await call("getUpdates", allowed_updates=["my_chat_member"])
        await person.send("unwanted")
        await person.block()

        _, updates = await call("getUpdates")
        assert isinstance(updates, list)

        assert [set(update) - {"update_id"} for update in updates] == [{"message"}, {"my_chat_member"}]

    async def test_a_webhook_and_polling_exclude_each_other(self, telegram: SimulatedTelegram, call: Client) -> None:
        """While a webhook is set polls are refused; deleting it can drop what waits."""
        await telegram.person().send("hello")

        assert await call("setWebhook", url="http://plain.example") == (
            400,
            "Bad Request: bad webhook: An HTTPS URL must be provided for webhook",
        )
        assert await call("setWebhook", url="https://bot.example/hook") == (200, True)
        status, _ = await call("getUpdates")
        assert status == 409
        _, info = await call("getWebhookInfo")
        assert isinstance(info, dict)
        assert (info["url"], info["pending_update_count"]) == ("https://bot.example/hook", 1)
        assert await call("deleteWebhook", drop_pending_updates=True) == (200, True)
        assert await call.updates() == []

    async def test_a_stopping_server_ends_the_poll_and_forgets_nothing(self, telegram: SimulatedTelegram) -> None:
        """The server stops long before the end of a pending poll, and may come back on the same port."""
        person = telegram.person()
        async with httpx.AsyncClient(timeout=60) as http:
            async with telegram.serve() as url:
                path = f"{url}/bot{telegram.token}/getUpdates"
                poll = asyncio.create_task(http.get(path, params={"timeout": 50}, timeout=60))
                await telegram.until(lambda: bool(telegram.calls("getUpdates")))
                started = time.monotonic()
            assert time.monotonic() - started < 40
            assert (await poll).json()["result"] == []
            with pytest.raises(httpx.ConnectError):
                await http.get(path)

            await person.send("while away")
            async with telegram.serve(int(url.rpartition(":")[2])):
                updates = (await http.get(path)).json()["result"]

        assert [update["message"]["text"] for update in updates] == ["while away"]


class TestWhatTheBotSees:
    """The shape of updates."""

    async def test_a_message(self, telegram: SimulatedTelegram, call: Client, clock: Clock) -> None:
        """A command comes with its entity, the person's names and the clock's date."""
        person = telegram.person(id=42, first_name="Jürgen", username="jue", language_code="en")
        await person.send("🎉 /start svc_1063441 a/b")

        _, updates = await call("getUpdates")
        assert isinstance(updates, list)

        assert updates[0]["message"] == {
            "message_id": 1,
            "date": clock.now,
            "chat": {"id": 42, "type": "private", "first_name": "Jürgen", "username": "jue"},
            "from": {"id": 42, "is_bot": False, "first_name": "Jürgen", "username": "jue", "language_code": "en"},
            "text": "🎉 /start svc_1063441 a/b",
            "entities": [{"type": "bot_command", "offset": 3, "length": 6}],
        }

    async def test_a_person_without_username_has_none(self, telegram: SimulatedTelegram, call: Client) -> None:
        """What a person does not have is absent, not null."""
        await telegram.person(language_code=None).send("hello")

        _, updates = await call("getUpdates")
        assert isinstance(updates, list)

        assert set(updates[0]["message"]["from"]) == {"id", "is_bot", "first_name"}
        assert "entities" not in updates[0]["message"]

    async def test_a_person_who_renames_stays_the_same(self, telegram: SimulatedTelegram) -> None:
        """The id decides who it is; without one everybody is new."""
        first = telegram.person(id=42, first_name="Anna")

        assert telegram.person(id=42, first_name="Anne") is first
        assert first.first_name == "Anne"
        assert telegram.person() is not telegram.person()


class TestWhatIsRefused:
    """Telegram's checks, in Telegram's words."""

    async def test_a_wrong_token(self, telegram: SimulatedTelegram) -> None:
        """Another bot's token opens nothing, and is not recorded."""
        async with httpx.AsyncClient(transport=telegram.transport()) as http:
            response = await http.get("http://telegram/bot1:wrong/getMe")

        assert (response.status_code, response.json()["description"]) == (401, "Unauthorized")
        assert telegram.requests == []

    async def test_an_unknown_method(self, call: Client) -> None:
        """What the simulation does not know, it says so as Telegram would."""
        assert await call("setMyDescription", description="x") == (404, "Not Found")

    async def test_method_names_ignore_case(self, call: Client) -> None:
        """Telegram looks methods up without regard to case."""
        assert (await call("GETME"))[0] == 200

    @pytest.mark.parametrize(
        ("text", "description"),
        [
            ("", "Bad Request: message text is empty"),
            (" \n ", "Bad Request: message text is empty"),
            ("x" * 4097, "Bad Request: message is too long"),
        ],
    )
    async def test_texts_of_a_wrong_length(self, call: Client, anna: Person, text: str, description: str) -> None:
        """A text has 1 to 4096 characters after trimming."""
        assert await call("sendMessage", chat_id=anna.id, text=text) == (400, description)
        assert anna.inbox == ()

    async def test_the_longest_text_counts_without_tags(self, call: Client, anna: Person) -> None:
        """4096 characters are fine, and tags do not count."""
        status, _ = await call("sendMessage", chat_id=anna.id, text=f"<b>{'x' * 4096}</b>", parse_mode="HTML")

        assert status == 200

    @pytest.mark.parametrize(
        ("data", "status"),
        [("x" * 64, 200), ("x" * 65, 400), ("ü" * 32, 200), ("ü" * 33, 400), ("", 400)],
    )
    async def test_callback_data_has_1_to_64_bytes(self, call: Client, anna: Person, data: str, status: int) -> None:
        """Bytes count, not characters."""
        markup = keyboard(text="Go", callback_data=data)

        answer = await call("sendMessage", chat_id=anna.id, text="hello", reply_markup=markup)

        assert answer[0] == status
        if status == 400:
            assert answer[1] == "Bad Request: BUTTON_DATA_INVALID"

    @pytest.mark.parametrize(
        "button",
        [{"text": "no action"}, {"callback_data": "no text"}, {"text": "x", "url": "javascript:alert(1)"}, "no object"],
    )
    async def test_buttons_that_are_none(self, call: Client, anna: Person, button: object) -> None:
        """A button has a label, and data or a web address."""
        markup = {"inline_keyboard": [[button]]}

        status, _ = await call("sendMessage", chat_id=anna.id, text="hello", reply_markup=markup)

        assert status == 400

    @pytest.mark.parametrize(
        "markup", ["{broken", [1], {"inline_keyboard": "x"}, {"inline_keyboard": [{"text": "row missing"}]}]
    )
    async def test_malformed_markup(self, call: Client, anna: Person, markup: object) -> None:
        """Broken JSON and wrong shapes are bad requests, never server errors."""
        status, _ = await call("sendMessage", chat_id=anna.id, text="hello", reply_markup=markup)

        assert status == 400

    @pytest.mark.parametrize("chat_id", ["", "@somebody", "4711", "-100", "²", "--5"])
    async def test_chats_that_do_not_exist(self, call: Client, chat_id: str) -> None:
        """The bot can only write to people."""
        assert (await call("sendMessage", chat_id=chat_id, text="hello"))[0] == 400

    async def test_edits_of_what_is_not_there_or_not_the_bots(self, call: Client, anna: Person) -> None:
        """Only the bot's own, existing text messages can be edited."""
        own = await anna.send("mine")
        await call("sendMessage", chat_id=anna.id, text="old")

        unknown = await call("editMessageText", chat_id=anna.id, message_id=99, text="new")
        foreign = await call("editMessageText", chat_id=anna.id, message_id=own.id, text="new")
        nameless = await call("editMessageText", chat_id=anna.id, text="new")
        empty = await call("editMessageText", chat_id=anna.id, message_id=anna.last.id, text="")

        assert unknown == (400, "Bad Request: message to edit not found")
        assert foreign == (400, "Bad Request: message can't be edited")
        assert nameless == (400, "Bad Request: message identifier is not specified")
        assert empty == (400, "Bad Request: message text is empty")
        assert anna.last.text == "old"

    async def test_an_edit_must_change_something(self, call: Client, anna: Person) -> None:
        """Same text and same buttons are refused; other buttons are a change, and none at all too."""
        markup = keyboard(text="Go", callback_data="go")
        await call("sendMessage", chat_id=anna.id, text="hello", reply_markup=markup)
        message_id = anna.last.id

        same = await call("editMessageText", chat_id=anna.id, message_id=message_id, text="hello", reply_markup=markup)
        other = keyboard(text="Stop", callback_data="stop")
        changed = await call("editMessageReplyMarkup", chat_id=anna.id, message_id=message_id, reply_markup=other)
        labels = anna.last.labels
        removed = await call("editMessageReplyMarkup", chat_id=anna.id, message_id=message_id)
        again = await call("editMessageReplyMarkup", chat_id=anna.id, message_id=message_id)

        assert [same[0], changed[0], removed[0], again[0]] == [400, 200, 200, 400]
        assert str(same[1]).startswith("Bad Request: message is not modified")
        assert (labels, anna.last.labels, anna.last.edits) == (["Stop"], [], 2)

    async def test_old_messages_cannot_be_deleted(self, call: Client, anna: Person, clock: Clock) -> None:
        """48 hours after it was sent, a message stays."""
        await call("sendMessage", chat_id=anna.id, text="hello")
        clock.now += 48 * 3600 + 1

        answer = await call("deleteMessage", chat_id=anna.id, message_id=anna.last.id)

        assert answer == (400, "Bad Request: message can't be deleted")

    async def test_answers_to_presses_nobody_made(self, call: Client) -> None:
        """An unknown query is too old."""
        assert await call("answerCallbackQuery", callback_query_id="1") == (
            400,
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
        )

    @pytest.mark.parametrize(
        ("commands", "description"),
        [
            ([{"command": "Start!", "description": "x"}], "Bad Request: BOT_COMMAND_INVALID"),
            (["start"], "Bad Request: can't parse commands: expected an Array of at most 100 BotCommand"),
            ([{"command": "start", "description": ""}], "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID"),
        ],
    )
    async def test_menus_that_are_none(self, call: Client, commands: object, description: str) -> None:
        """Commands are lower case and described."""
        assert await call("setMyCommands", commands=commands) == (400, description)

    async def test_unknown_chat_actions_and_parse_modes(self, call: Client, anna: Person) -> None:
        """Closed lists are closed."""
        assert (await call("sendChatAction", chat_id=anna.id, action="typing"))[0] == 200
        assert (await call("sendChatAction", chat_id=anna.id, action="dancing"))[0] == 400
        assert (await call("sendMessage", chat_id=anna.id, text="x", parse_mode="Word"))[0] == 400
        assert anna.chat_actions == ("typing",)


class TestPeople:
    """The other side: people with their screens."""

    async def test_waiting_ends_with_what_is_visible(self, call: Client, anna: Person) -> None:
        """A wait in vain says what could be seen instead."""
        await call("sendMessage", chat_id=anna.id, text="Good morning")

        with pytest.raises(TimeoutError, match=r"no message with 'Good night' .*\['Good morning'\]"):
            await anna.wait_for("Good night", timeout=0)

    async def test_an_answer_is_newer_than_the_question(self, call: Client, anna: Person) -> None:
        """wait_for takes what is there already, answer only what came or changed since."""
        await call("sendMessage", chat_id=anna.id, text="hello")
        await anna.send("again?")
        assert (await anna.wait_for("hello", timeout=0)).text == "hello"
        with pytest.raises(TimeoutError):
            await anna.answer("hello", timeout=0)

        await call("editMessageText", chat_id=anna.id, message_id=anna.last.id, text="hello again")

        assert (await anna.answer("hello", timeout=0)).edits == 1

    async def test_a_wait_is_woken_by_the_message(self, call: Client, anna: Person) -> None:
        """Waiting needs no polling: the message itself ends it."""
        wait = asyncio.create_task(anna.wait_for(lambda message: message.silent))
        await call("sendMessage", chat_id=anna.id, text="loud")
        await call("sendMessage", chat_id=anna.id, text="soft", disable_notification=True)

        assert (await asyncio.wait_for(wait, 40)).text == "soft"

    async def test_who_blocks_or_is_gone_cannot_write(self, anna: Person) -> None:
        """The app does not let them, and neither does the simulation."""
        await anna.block()
        with pytest.raises(CannotWrite, match="unblock"):
            await anna.send("hello")
        await anna.unblock()
        await anna.deactivate()
        with pytest.raises(CannotWrite, match="deactivated"):
            await anna.send("hello")

    async def test_blocking_twice_is_told_once(self, telegram: SimulatedTelegram, anna: Person) -> None:
        """Only a change is an update."""
        await anna.unblock()
        await anna.block()
        await anna.block()

        assert telegram.updates_pending() == 1
        assert anna.has_blocked

    @pytest.mark.parametrize("text", ["", "  ", "x" * 4097])
    async def test_apps_do_not_send_such_texts(self, anna: Person, text: str) -> None:
        """Empty and overlong texts never leave the phone."""
        with pytest.raises(ValueError, match="1 to 4096"):
            await anna.send(text)

    async def test_an_empty_chat_has_nothing_to_press_or_read(self, anna: Person) -> None:
        """Where the bot has written nothing, that is said."""
        with pytest.raises(NoSuchButton):
            await anna.press("Go")
        with pytest.raises(NoSuchButton):
            await anna.press_data("go")
        with pytest.raises(LookupError):
            _ = anna.last

    async def test_a_bot_that_does_not_react_is_not_settled(
        self, telegram: SimulatedTelegram, call: Client, anna: Person
    ) -> None:
        """Unacknowledged is an error, unanswered is told."""
        await anna.send("anybody there?")
        with pytest.raises(TimeoutError):
            await telegram.settled(timeout=0)

        ((update_id, _),) = await call.updates()
        await call.updates(offset=update_id + 1)

        assert not await telegram.settled(patience=0.01)
        await call("sendMessage", chat_id=anna.id, text="yes")
        assert await telegram.settled(patience=60)


class TestWire:
    """The ways parameters may come."""

    async def test_json_bodies_and_queries_are_read_too(self, telegram: SimulatedTelegram, anna: Person) -> None:
        """Telegram takes parameters as a form, as JSON and from the query."""
        url = f"http://telegram/bot{telegram.token}/sendMessage"
        async with httpx.AsyncClient(transport=telegram.transport()) as http:
            await http.post(url, json={"chat_id": anna.id, "text": "json", "parse_mode": None})
            await http.get(url, params={"chat_id": anna.id, "text": "query"})
            broken = await http.post(url, content=b"{", headers={"content-type": "application/json"})
            array = await http.post(url, json=[1])

        assert [message.text for message in anna.inbox] == ["json", "query"]
        assert [broken.status_code, array.status_code] == [400, 400]

    async def test_an_empty_or_missing_file_is_refused(self, telegram: SimulatedTelegram, anna: Person) -> None:
        """A document is a file with content, or the id of one sent before."""
        url = f"http://telegram/bot{telegram.token}/sendDocument"
        form = {"chat_id": str(anna.id)}
        async with httpx.AsyncClient(transport=telegram.transport()) as http:
            empty = await http.post(url, data=form, files={"document": ("a.txt", b"")})
            missing = await http.post(url, data=form | {"document": "no-such-id"})
            attached = await http.post(
                url, data=form | {"document": "attach://here"}, files={"here": ("Größe.txt", b"ok")}
            )

        assert [empty.status_code, missing.status_code, attached.status_code] == [400, 400, 200]
        assert [document.name for document in anna.documents] == ["Größe.txt"]
