"""What an operator relies on: settings, order, errors, logs, the schema, starting and stopping."""

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from bot_databases import NOBODYS
from bot_process import TRIES, running
from bot_world import EAT, EXCEPTION, World, settings_for
from opentelemetry.trace import StatusCode
from pydantic import ValidationError
from sqlalchemy import Connection
from telegram import Message, Update
from telegram.error import InvalidToken

from termin_bot import buttons, buttons_booking, callback_data, logging_setup, operations
from termin_bot.app import user_agent
from termin_bot.bot import Bot
from termin_bot.events import TAXONOMY
from termin_bot.program import main
from termin_bot.settings import Settings
from termin_bot.simulation.telegram import DEMO_TOKEN
from termin_bot.storage import Table
from termin_bot.updates import NotOurs, operation_of, route_of

ROOT = Path(__file__).parents[2]
TOKEN = "123456:canary-token-of-the-bot"
GOOD = {"TELEGRAM_BOT_TOKEN": TOKEN, "ANALYTICS_ENABLED": "false"}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Make an environment without any of our settings, in a folder without `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, "TELEGRAM_BOT_TOKEN"),
        ({**GOOD, "TELEGRAM_BOT_TOKEN": "canary-no-token"}, "TELEGRAM_BOT_TOKEN"),
        ({**GOOD, "ANALYTICS_ENABLED": "true"}, "UMAMI_ENDPOINT"),
        ({**GOOD, "ANALYTICS_ENABLED": "true", "UMAMI_ENDPOINT": "https://umami.example"}, "UMAMI_WEBSITE_ID"),
        ({**GOOD, "CHECK_INTERVAL_SECONDS": "canary"}, "CHECK_INTERVAL_SECONDS"),
        ({**GOOD, "CHECK_INTERVAL_SECONDS": "10"}, "CHECK_INTERVAL_SECONDS"),
        ({**GOOD, "MUNICH_CAPTCHA": "canary"}, "MUNICH_CAPTCHA"),
        ({**GOOD, "MUNICH_BASE_URL": "canary"}, "MUNICH_BASE_URL"),
        ({**GOOD, "DATABASE_URL": "canary"}, "DATABASE_URL"),
        ({**GOOD, "DATABASE_URL": "mysql://canary:canary@db/bot"}, "DATABASE_URL"),
        ({**GOOD, "DATABASE_URL": "postgresql://canary:canary@db/bot"}, "ENCRYPTION_KEYS"),
        ({**GOOD, "DATABASE_URL": "postgresql+asyncpg://canary:canary@db/bot"}, "ENCRYPTION_KEYS"),
        ({**GOOD, "ENCRYPTION_KEYS": "canary"}, "ENCRYPTION_KEYS"),
        ({**GOOD, "ADMIN_IDS": "1,canary"}, "ADMIN_IDS"),
        ({**GOOD, "REMINDER_SECONDS": "-1"}, "REMINDER_SECONDS"),
        ({**GOOD, "WEBHOOK_URL": "http://canary.example/hook"}, "WEBHOOK_URL"),
        ({**GOOD, "WEBHOOK_URL": "https://canary:canary@bot.example/hook"}, "WEBHOOK_URL"),
        ({**GOOD, "WEBHOOK_URL": "https://bot.example:8081/canary"}, "WEBHOOK_URL"),
        ({**GOOD, "WEBHOOK_SECRET": "canary"}, "WEBHOOK_SECRET"),
        ({**GOOD, "WEBHOOK_PORT": "70000"}, "WEBHOOK_PORT"),
        ({**GOOD, "HEALTH_PORT": "canary"}, "HEALTH_PORT"),
        ({**GOOD, "LOG_FORMAT": "canary"}, "LOG_FORMAT"),
        ({**GOOD, "TELEGRAM_MESSAGES_PER_SECOND": "0"}, "TELEGRAM_MESSAGES_PER_SECOND"),
    ],
)
def test_a_wrong_setting_is_one_line(
    environment: Mapping[str, str], names: str, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the variable, shows no value, and the exit status is 2."""
    for name, value in environment.items():
        bare.setenv(name, value)

    assert main() == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{names}: ")
    assert "canary" not in line


def test_the_production_start_without_settings_is_one_line(tmp_path: Path) -> None:
    """`python telegram_bot.py` on a fresh machine says what is missing, from any folder."""
    done = subprocess.run(  # noqa: S603  our own script
        [sys.executable, str(ROOT / "telegram_bot.py")],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "TELEGRAM_BOT_TOKEN: it is missing\n")


def test_a_short_interval_is_for_loopback_only(tmp_path: Path) -> None:
    """The city's rate limit is kept by the settings already."""
    with pytest.raises(ValidationError):
        settings_for(tmp_path, check_interval_seconds=2)
    loopback = settings_for(tmp_path, check_interval_seconds=2, munich_base_url="http://127.0.0.1:8080/api")
    assert loopback.check_interval_seconds == 2


def test_settings_keep_their_secrets() -> None:
    """The token is in no repr; every setting says what it is for."""
    settings = Settings.model_validate({"telegram_bot_token": TOKEN, "analytics_enabled": False})
    assert TOKEN not in repr(settings)
    assert "database_url" not in repr(settings), "a password may be in it"
    assert all(each.description for each in Settings.model_fields.values())


def test_the_city_learns_who_asks() -> None:
    """The User-Agent has the contact, and no character that a header could not carry."""
    assert re.fullmatch(r"munich-appointment-bot/\S+ \(ops@example\.org\)", user_agent("ops@example.org"))
    assert re.fullmatch(r"munich-appointment-bot/\S+", user_agent("\r\n"))


@pytest.mark.usefixtures("bot")
async def test_a_persons_messages_are_handled_in_order(world: World) -> None:
    """In order per person, whatever the others do; nothing is lost."""
    people = [world.telegram.person(first_name=f"P{number}") for number in range(5)]
    for person in people:
        await person.send("/start")
    for command in ("/help", "/cancel", "/subscribe", "/stop"):
        for person in people:
            await person.send(command)
    for person in people:
        await person.until(lambda who=person: len(who.inbox) == 5, timeout=60)  # type: ignore[misc]  # a default argument
    await world.telegram.settled()

    for visitor in {each.visitor for each in world.events("user_registered")}:
        ran = [each for each in world.events("command_executed") if each.visitor == visitor]
        ordered = [each.properties["command_name"] for each in sorted(ran, key=lambda each: each.time_ns)]
        assert ordered == ["/start", "/help", "/cancel", "/subscribe", "/stop"]
    assert len(world.events("user_registered")) == 5


async def test_an_error_is_answered_once_and_says_nothing(
    world: World, bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    """The person gets kind words; the span the class of the error; neither span nor log what was typed."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    await anna.press_data(f"s:{EAT}")
    await world.telegram.settled()
    await world.say(anna, "/setdates")
    async with bot.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE subscription RENAME COLUMN date_to TO elsewhere")
    inbox = len(anna.inbox)

    with caplog.at_level(logging.DEBUG):
        assert "something went wrong on my side" in await world.say(anna, "24.11.2026-01.12.2026")

    assert inbox + 1 == len(anna.inbox)
    (span,) = world.spans("conversation setdates.range")
    assert StatusCode.ERROR is span.status.status_code
    assert span.status.description is None
    assert (span.attributes or {})["error.type"] in ("OperationalError", "ProgrammingError")  # SQLite, PostgreSQL
    (said,) = [dict(event.attributes or {}) for event in span.events if event.name == EXCEPTION]
    assert set(said) == {"exception.type", "exception.stacktrace"}, "its message may hold what was typed"
    assert "at termin_bot." in caplog.text
    assert "24.11.2026" not in caplog.text
    async with bot.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE subscription RENAME COLUMN elsewhere TO date_to")


@pytest.mark.usefixtures("bot")
async def test_a_command_that_fails_is_counted_as_failed(world: World) -> None:
    """Without the city /subscribe fails with a reason, and the person is told."""
    anna = world.telegram.person()
    await world.say(anna, "/start")
    world.city.fail_with("offices-and-services", "html", times=None)

    assert "does not answer" in await world.say(anna, "/subscribe")

    assert {"status": "failure", "failure_reason": "city_unavailable"}.items() <= (
        world.events("command_executed")[-1].properties.items()
    )


def test_no_log_line_has_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither message nor arguments nor traceback, at DEBUG and from any logger."""
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    root.handlers = []
    try:
        logging_setup.set_up("DEBUG", secrets=(TOKEN,))
        log = logging.getLogger("somebody.else")
        log.debug("GET https://api.example/bot%s/getMe", TOKEN)
        try:
            raise RuntimeError(f"no route to {TOKEN}")
        except RuntimeError:
            log.exception("failed")
        logging.getLogger("httpx").info("HTTP Request: %s", TOKEN)
        logging.getLogger("telegram.ext.Application").debug("Processing update with words")
    finally:
        root.handlers = kept
        root.setLevel(level)

    said = capsys.readouterr().err
    assert TOKEN not in said
    assert said.count("[redacted]") == 2
    assert "HTTP Request" not in said
    assert "Processing" not in said


async def test_the_migrations_make_the_schema_of_the_tables(bot: Bot) -> None:
    """What the migrations build is what the code expects; every personal table hangs on the person."""

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Table.metadata))

    async with bot.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    for table in Table.metadata.sorted_tables:
        if table.name not in ("person", *NOBODYS):
            cascades = {key.column.table.name for key in table.foreign_keys if key.ondelete == "CASCADE"}
            assert cascades & {"person", "subscription"}, table.name


def test_every_button_fits_telegram_and_reads_back() -> None:
    """At most 64 bytes, nothing but ids, and each has a declared route and operation."""
    largest = 2**63 - 1
    every: list[buttons.Button] = [
        *(buttons.Menu(each) for each in ("help", "subscribe", "myservices", "setdates", "stop")),
        *(buttons.Shortcut(each) for each in get_args(buttons.ShortcutCommand)),
        buttons.ServicePage(largest),
        buttons.PickService(largest),
        buttons.PickOffice(largest, largest),
        buttons.RemoveSubscription(largest),
        buttons.DatesTarget(largest),
        buttons.DatesPreset(largest, "any"),
        buttons.StopConfirm(),
        buttons.StopKeep(),
        buttons_booking.Book(largest),
        buttons_booking.PickTime(largest),
        buttons_booking.SkipQuestion(largest),
        buttons_booking.ConfirmBooking(largest),
        buttons_booking.CancelBooking(largest),
        buttons_booking.ChangeDetail(largest, "name"),
        buttons_booking.ChangeDetail(largest, "email"),
        buttons_booking.ChangeTime(largest),
        buttons_booking.KeepTime(largest),
        buttons_booking.CalendarFile(largest),
        buttons_booking.CancelAppointment(largest),
        buttons_booking.ConfirmCancel(largest),
        buttons_booking.KeepAppointment(largest),
        buttons.CategoryPage("registration", largest),
        buttons.PauseSubscription(largest),
        buttons.ResumeSubscription(largest),
        buttons.CalendarPage(largest, largest),
        buttons.CalendarDay(largest, largest),
        buttons.QuietHours(largest, largest),
        buttons.QuietOff(),
        buttons.PickLanguage("de"),
        buttons.Counting("on"),
        buttons.Counting("off"),
    ]
    for button in every:
        data = callback_data.encode(button)
        assert len(data.encode()) <= 64
        assert button == callback_data.parse(data)
        buttons.context_of(button)
    routes = {button.route for button in every} | {"unknown"}
    assert routes == set(operations.BUTTON_ROUTES)


def test_the_closed_list_is_closed() -> None:
    """25 events; every operation that can be a span's name is declared."""
    assert len(TAXONOMY.events) == 25
    assert all(TAXONOMY.has_operation(operations.command(name)) for name in (*operations.COMMANDS, "whatever"))
    assert all(TAXONOMY.has_operation(name) for name in operations.CONVERSATIONS.values())
    assert not TAXONOMY.has_operation(operations.IGNORED)


def test_a_group_is_none_of_our_business() -> None:
    """Only private chats are served; what is said elsewhere is traced as ignored, and no page view."""
    person = {"id": 1, "is_bot": False, "first_name": "Anna"}
    message = {"message_id": 1, "date": 0, "from": person, "chat": {"id": -5, "type": "group"}, "text": "/start"}
    route = route_of(Update(update_id=1, message=Message.de_json(message, None)))
    assert route == NotOurs()
    assert operation_of(route, None) == operations.IGNORED


async def test_a_token_that_telegram_does_not_know_opens_nothing(world: World, tmp_path: Path) -> None:
    """The start fails as what it is, and everything that was opened is closed again."""
    stranger = World(
        telegram=world.telegram,
        city=world.city,
        clock=world.clock,
        settings=settings_for(tmp_path, telegram_bot_token=TOKEN),
        exporter=world.exporter,
    )
    with pytest.raises(InvalidToken):
        async with stranger.bot():
            pass


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_real_process_in_order(how: signal.Signals, tmp_path: Path) -> None:
    """Within five seconds, with exit status 0 and without a traceback."""
    took = []
    for number in range(TRIES):
        (tmp_path / str(number)).mkdir()
        async with running(tmp_path / str(number)) as bot:
            anna = bot.telegram.person()
            await anna.send("/start")
            await anna.answer(timeout=60)
            took.append(await bot.stop(how))
        assert bot.process.returncode == 0
        assert "Traceback" not in bot.err
        assert DEMO_TOKEN not in bot.err
        if took[-1] < 5:
            break
    assert min(took) < 5, took
