"""
Bring the bot's gettext catalogues up to date with the texts in the code: `python scripts/translations.py`.

New texts appear untranslated and changed ones disappear: a translator fills in what is empty; a test finds what is not.
"""

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).parents[1] / "src" / "termin_bot"
HEADER = """\
# The bot's words. `python scripts/translations.py` brings the msgids up to date.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""
KEYWORDS: dict[str, tuple[int | tuple[int, int] | tuple[int, str], ...] | None] = {
    "phrase": None,
    "tr": None,
    "trn": (1, 2),
}


def extracted() -> Catalog:
    """Return every text in the code, without translations."""
    found = Catalog(charset="utf-8")
    for _file, _line, message, _comments, context in extract_from_dir(
        str(SOURCE), method_map=[("**.py", "python")], keywords=KEYWORDS
    ):
        found.add(message, context=context)
    return found


def renewed(language: str) -> Catalog:
    """Return the catalogue of a language with exactly the texts of the code, and the translations it has for them."""
    path = SOURCE / "locale" / language / "LC_MESSAGES" / "termin_bot.po"
    known = Catalog(locale=language)
    if path.exists():
        with path.open("rb") as source:
            known = read_po(source, locale=language)
    result = Catalog(locale=language, project="termin_bot", charset="utf-8", fuzzy=False, header_comment="")
    for message in extracted():
        if message.id:
            same = known.get(message.id)
            result.add(message.id, same.string if same is not None else None)
    return result


def main() -> int:
    """Rewrite every catalogue."""
    for folder in sorted(each for each in (SOURCE / "locale").iterdir() if each.is_dir()):
        path = folder / "LC_MESSAGES" / "termin_bot.po"
        content = renewed(folder.name)
        with path.open("wb") as target:
            target.write(HEADER.format(language=folder.name, plurals=content.plural_forms).encode())
            write_po(target, content, width=100, omit_header=True, sort_output=True)
        missing = sum(1 for each in content if each.id and not each.string)
        print(f"{path.name} {folder.name}: {len(content)} texts, {missing} to translate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
