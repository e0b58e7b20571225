"""Two languages: whose language it is, and that no text is missing in either."""

import importlib.util
import inspect
import string
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from bot_world import EAT, EAT_OFFICE, FRIDAY_TEN, World

from termin_bot import languages, texts, texts_booking, texts_settings
from termin_bot.bot import Bot
from termin_bot.languages import LANGUAGES, SOURCE, catalogue_file, language_of, use_language

ROOT = Path(__file__).parents[2]
TRANSLATED = [each for each in LANGUAGES if each != SOURCE]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translations", ROOT / "scripts" / "translations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _catalogue(language: languages.Language) -> Catalog:
    with catalogue_file(language).open("rb") as source:
        return read_po(source, locale=language)


def _forms(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [] if text is None else [text] if isinstance(text, str) else list(text)


def _commands(text: str) -> int:
    return sum(word.startswith("/") for word in text.split())


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_no_translation_is_stale(language: languages.Language) -> None:
    """The catalogue has exactly the texts of the code, and words for each of them."""
    wanted = {message.id for message in _script().extracted() if message.id}
    known = {message.id: message for message in _catalogue(language) if message.id}

    assert len(wanted) > 200
    assert set(known) == wanted, "run scripts/translations.py and translate what is empty"
    assert not [each.id for each in known.values() if each.fuzzy or not (each.string and all(_forms(each.string)))]


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_keep_places_tags_and_commands(language: languages.Language) -> None:
    """What is filled in, Telegram's tags and the commands are the same in every language."""
    for message in _catalogue(language):
        if not message.id:
            continue
        for said in _forms(message.string):
            meant = _forms(message.id)[-1]
            assert _places(said) == _places(meant), said
            for mark in ("<b>", "</b>", "<code>", "</code>", "\n\n"):
                assert said.count(mark) == meant.count(mark), said
            assert _commands(said) == _commands(meant), said


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_constant_text_fits_telegram(language: languages.Language) -> None:
    """Menu descriptions, labels and texts keep Telegram's limits in every language."""
    with use_language(language):
        for name, described in texts.COMMAND_DESCRIPTIONS.items():
            assert 3 <= len(described()) <= 256, name
        assert len(f"{texts.HELP()}\n\n{texts.PRIVACY(days=90)}") <= 4096


@pytest.mark.parametrize(
    ("code", "language"), [("de", "de"), ("de-AT", "de"), ("DE_ch", "de"), ("en", "en"), ("fr", "en"), (None, "en")]
)
def test_the_language_follows_telegrams_code(code: str | None, language: str) -> None:
    """German for German-speaking apps, English for the rest."""
    assert language_of(code) == language


async def test_a_german_speaker_is_spoken_to_in_german(world: World, bot: Bot) -> None:
    """Answers, buttons, what the bot tells of its own accord, and a stranger's first words."""
    anna = world.telegram.person(language_code="de-DE")
    assert "kennen uns noch nicht" in await world.say(anna, "/help")
    assert (await world.say(anna, f"/start svc_{EAT}")).startswith("Hallo!")
    assert "Ich beobachte" in await world.press(anna, "Beobachten: Abholung")
    world.city.release(EAT, EAT_OFFICE, [FRIDAY_TEN])
    await bot.watch_once()
    assert anna.last.text.startswith("Jetzt frei: Abholung")
    assert "Wähl eine Zeit" in await world.press(anna, "Buchen Fr 27.11.")
    assert "Vor- und Nachnamen" in await world.press(anna, "Fr 27.11. 10:00")
    world.clock.pass_(minutes=5, seconds=1)
    await bot.sweep_once()
    assert "Zeit ist abgelaufen" in anna.last.text


@pytest.mark.usefixtures("bot")
async def test_the_language_can_be_changed(world: World) -> None:
    """By typing and by pressing; an unknown language is explained, with buttons."""
    anna = world.telegram.person(language_code="de")
    await world.say(anna, "/start")

    assert "Welche Sprache" in await world.say(anna, "/language")
    assert await world.press(anna, "English") == "All right, English it is."
    assert "Which language" in await world.say(anna, "/language")
    assert await world.say(anna, "/language Deutsch") == "In Ordnung, dann Deutsch."
    assert "nur diese Sprachen" in await world.say(anna, "/language latin")

    ran = [each.properties for each in world.events("command_executed")][-1]
    assert ran == {
        "command_name": "/language",
        "source": "typed",
        "status": "failure",
        "failure_reason": "invalid_input",
    }


@pytest.mark.usefixtures("bot")
async def test_the_menu_of_commands_is_there_in_both_languages(world: World) -> None:
    """Telegram shows each app its own."""
    assert world.telegram.commands()["subscribe"] == "Watch a service"
    assert world.telegram.commands("de")["subscribe"] == "Leistung beobachten"
    assert set(world.telegram.commands()) == set(world.telegram.commands("de"))


EVIL = "<i>&canary</i>"
SAMPLES: dict[str, object] = {
    "service": EVIL,
    "office": EVIL,
    "offices": (EVIL,),
    "label": EVIL,
    "details": (EVIL,),
    "listed": [EVIL],
    "step": "name_entry",
    "state": "confirmed",
    "first": None,
    "last": None,
    "digest": None,
    "is_reminder": False,
}
FOREIGN = {"service", "office", "offices", "label", "details", "listed"}
PLAIN = {"short", "offered_slot"}
"""What goes on a button, or through another text: Telegram reads no tags there."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_others_wrote_is_never_read_as_tags(language: languages.Language) -> None:
    """Names from the city and answers of people are escaped in every message."""
    looked_at = 0
    modules = (texts, texts_booking, texts_settings)
    own = {module.__name__ for module in modules}
    for name, function in (each for module in modules for each in inspect.getmembers(module, inspect.isfunction)):
        parameters = inspect.signature(function).parameters
        if function.__module__ not in own or name in PLAIN or name.startswith(("label_", "_")):
            continue
        if not FOREIGN & set(parameters):
            continue
        reason = "refused" if name == "booking_failed" else None
        values = {each: SAMPLES.get(each, reason if each == "reason" else FRIDAY_TEN) for each in parameters}
        with use_language(language):
            said = function(**values)
        assert "<i>" not in said, name
        assert "&lt;i&gt;&amp;canary" in said, name
        looked_at += 1
    assert looked_at > 25
