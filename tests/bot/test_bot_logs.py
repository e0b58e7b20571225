"""The log: one line an event, its trace beside it, and no secret in it, in either format."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from bot_process import running
from bot_world import settings_for
from cryptography.fernet import Fernet
from opentelemetry import trace

from termin_bot import logging_setup
from termin_bot.intake import derived_secret
from termin_bot.redaction import REDACTED, SentenceOnly, secrets_of
from termin_bot.settings import Settings
from termin_bot.simulation.telegram import DEMO_TOKEN
from termin_bot.tracing import span

ROOT = Path(__file__).parents[2]
KEY, OLD_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
Form = Literal["text", "json"]

ENVIRONMENT = {
    "UMAMI_PASSWORD": "canary-umami-password",
    "UMAMI_PROJECTION_KEY": "canary-projection-key",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20canary-otlp-key,x-other=canary-other-header",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "authorization=canary-metrics-key",
}


def with_secrets(tmp_path: Path) -> tuple[Settings, list[str]]:
    """Return settings full of secrets, and every form in which one of them could be written."""
    settings = settings_for(
        tmp_path,
        telegram_bot_token="4711:canary-bot-token",
        database_url="postgresql+asyncpg://bot:canary%2Fdb%40password@db.example/bot",
        encryption_keys=f"{KEY},{OLD_KEY}",
        webhook_url="https://bot.example.org/telegram",
        webhook_secret="canary-webhook-secret",
        umami_endpoint="https://owner:canary-basic-auth@umami.example",
    )
    return settings, [
        "4711:canary-bot-token",
        "canary-bot-token",
        "4711%3Acanary-bot-token",
        "canary%2Fdb%40password",
        "canary/db@password",
        KEY,
        OLD_KEY,
        "canary-webhook-secret",
        "canary-basic-auth",
        "canary-umami-password",
        "canary-projection-key",
        "Bearer canary-otlp-key",
        "canary-other-header",
        "canary-metrics-key",
    ]


@contextmanager
def alone() -> Iterator[None]:
    """Take the test runner's own handlers off the root logger."""
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    root.handlers = []
    try:
        yield
    finally:
        root.handlers = kept
        root.setLevel(level)


def log_in_every_way(secret: str) -> None:
    """Log a secret as a message, an argument, one that does not fit, beside a stack and in an exception."""
    log = logging.getLogger("somebody.else")
    log.info("calling https://api.example/bot%s/getMe", secret)
    log.warning("the settings are " + secret)  # noqa: G003  as careless code does
    log.error("%d does not fit", secret)
    log.info(secret, stack_info=True, extra={"who": secret})
    try:
        raise RuntimeError(secret) from ValueError(f"inner {secret}")
    except RuntimeError:
        log.exception("failed with %r", {"key": secret})


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_in_any_line(form: Form, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Token, passwords, keys and the webhook's secret, in messages, arguments and tracebacks, quoted or not."""
    settings, secrets = with_secrets(tmp_path)
    with alone():
        logging_setup.set_up("DEBUG", secrets=secrets_of(settings, ENVIRONMENT), form=form)
        for secret in secrets:
            log_in_every_way(secret)
    said = capsys.readouterr().err
    assert [each for each in secrets if each in said] == []
    assert said.count(REDACTED) >= 5 * len(secrets)
    assert "Logging error" not in said


def test_the_canaries_would_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the secrets each of them is in the log: the test above can fail."""
    _, secrets = with_secrets(tmp_path)
    with alone():
        logging_setup.set_up("DEBUG", secrets=())
        for secret in secrets:
            log_in_every_way(secret)
    said = capsys.readouterr().err
    assert [each for each in secrets if each not in said] == []


def test_the_derived_secret_is_struck_out_too(tmp_path: Path) -> None:
    """Also what nobody wrote into a setting; an empty or a very short one strikes nothing."""
    settings = settings_for(
        tmp_path,
        webhook_url="https://bot.example.org/x",
        encryption_keys=KEY,
        database_url="postgresql+asyncpg://bot:abc@db/bot",
    )
    secrets = secrets_of(settings, {"UMAMI_PASSWORD": ""})
    assert derived_secret(DEMO_TOKEN) in secrets
    assert "" not in secrets
    assert "abc" not in secrets


@pytest.mark.usefixtures("exporter")
def test_json_is_one_object_a_line_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """In a span with its ids, else with null; line ends and tracebacks inside the string."""
    log = logging.getLogger("termin_bot.somewhere")
    with alone():
        logging_setup.set_up("INFO", secrets=(), form="json")
        log.warning("two\nlines for %s", "Zoë")
        with span("check cycle") as current:
            context = current.get_span_context()
            try:
                raise KeyError("x")
            except KeyError:
                log.exception("in a span")

    outside, inside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert {key: outside[key] for key in ("level", "logger", "message", "trace_id", "span_id")} == {
        "level": "WARNING",
        "logger": "termin_bot.somewhere",
        "message": "two\nlines for Zoë",
        "trace_id": None,
        "span_id": None,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", outside["time"])
    assert inside["trace_id"] == trace.format_trace_id(context.trace_id)
    assert inside["span_id"] == trace.format_span_id(context.span_id)
    assert inside["exception"].endswith("KeyError: 'x'")


@pytest.mark.usefixtures("exporter")
def test_text_has_the_trace_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of the line; outside of a span nothing is added."""
    log = logging.getLogger("termin_bot.somewhere")
    with alone():
        logging_setup.set_up("INFO", secrets=())
        log.info("outside")
        with span("check cycle") as current:
            log.info("inside")
            trace_id = trace.format_trace_id(current.get_span_context().trace_id)
    outside, inside = capsys.readouterr().err.splitlines()
    assert outside.endswith("INFO termin_bot.somewhere: outside")
    assert f"INFO termin_bot.somewhere: inside trace_id={trace_id} span_id=" in inside


def test_a_library_that_quotes_keeps_its_sentence_only() -> None:
    """python-telegram-bot logs whole updates that it cannot read: the words go, the place stays."""
    try:
        int("canary-words")
    except ValueError:
        record = logging.LogRecord("x", logging.CRITICAL, __file__, 1, "not read: %r", ("canary",), sys.exc_info())
    SentenceOnly().filter(record)
    said = logging.Formatter().format(record)
    assert said.startswith("not read: ...\n")
    assert "test_bot_logs.py" in said
    assert said.endswith("ValueError")
    assert "canary-words" not in said.replace('int("canary-words")', "")


async def test_the_process_logs_nothing_but_json(tmp_path: Path) -> None:
    """From the start to the stop, with trouble in between: each line of standard error is an object."""
    async with running(tmp_path, LOG_FORMAT="json") as bot:
        anna = bot.telegram.person()
        await anna.send("/start")
        await anna.answer(timeout=60)
        bot.telegram.fail("sendMessage", 500, "Internal Server Error canary-words")
        await anna.send("/help canary-words")
        await anna.answer(timeout=60)
        await bot.stop()

    lines: list[dict[str, Any]] = [json.loads(line) for line in bot.err.splitlines()]
    messages = [line["message"] for line in lines]
    assert messages[0] == "the bot is running"
    assert messages[-1] == "stopping"
    failed = next(line for line in lines if line["message"].startswith("Telegram did not take a message"))
    assert re.fullmatch("[0-9a-f]{32}", failed["trace_id"])
    assert "canary" not in bot.err
    assert DEMO_TOKEN not in bot.err


def test_what_nobody_caught_is_a_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The exception that ends the process, without its secrets."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with alone():
        logging_setup.set_up("INFO", secrets=("canary-secret",), form="json")
        logging_setup.log_what_nobody_caught()
        logging.captureWarnings(capture=False)
        try:
            raise RuntimeError("canary-secret")
        except RuntimeError as error:
            sys.excepthook(RuntimeError, error, error.__traceback__)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "the bot ends by an error"
    assert "canary" not in line
