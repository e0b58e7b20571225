"""
Which language a person reads. The code speaks English; the others are gettext catalogues, read as they are committed.

    locale/<language>/LC_MESSAGES/termin_bot.po     no build step: a clone and the image have all that is needed
"""

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

Language = Literal["en", "de"]
LANGUAGES: Final[dict[Language, str]] = {"en": "English", "de": "Deutsch"}
"""What there is, each in its own words."""
SOURCE: Final[Language] = "en"
LOCALE: Final = Path(__file__).parent / "locale"
_current: ContextVar[Language] = ContextVar("termin-bot-language", default=SOURCE)


def language_of(code: str | None) -> Language:
    """Return the language for Telegram's language code (such as "de-AT"); English for those we do not speak."""
    return "de" if (code or "").lower().replace("_", "-").partition("-")[0] == "de" else "en"


def current_language() -> Language:
    """Return the language of the person who is being talked to."""
    return _current.get()


@contextmanager
def use_language(language: Language) -> Iterator[None]:
    """Speak this language in the block, across awaits."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def tr(message: str, **values: object) -> str:
    """Return *message* in the current language, with *values* in its `{places}`."""
    said = translations(_current.get()).gettext(message)
    return said.format(**values) if values else said


def trn(one: str, many: str, count: int) -> str:
    """Return the form that goes with *count*, which is in its `{count}`."""
    return translations(_current.get()).ngettext(one, many, count).format(count=count)


@dataclass(frozen=True)
class Phrase:
    """A text that is written once, and said in the language of whoever hears it."""

    message: str

    def __call__(self, **values: object) -> str:
        """Return it in the current language."""
        return tr(self.message, **values)


def phrase(message: str) -> Phrase:
    """Write a text down; say it by calling it."""
    return Phrase(message)


@cache
def translations(language: Language) -> gettext.NullTranslations:
    """Return the catalogue of a language; the one of the code's own says everything as it stands."""
    if language == SOURCE:
        return gettext.NullTranslations()
    compiled = BytesIO()
    with catalogue_file(language).open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def catalogue_file(language: Language) -> Path:
    """Return where the catalogue of a language is."""
    return LOCALE / language / "LC_MESSAGES" / "termin_bot.po"
