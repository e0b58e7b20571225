"""Telegram's HTML: text with tags in, plain text with entities out."""

import html
import re
from dataclasses import dataclass
from typing import NoReturn

from .telegram_wire import JsonDict, bad_request

_TAG_TYPES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "tg-emoji": "custom_emoji",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
_MARKUP = re.compile(
    r"""</(?P<end>[^<>]*)>
      | <(?P<start>[a-zA-Z][a-zA-Z0-9-]*)(?P<attributes>(?:[^<>"']|"[^"]*"|'[^']*')*)>
      | <(?P<stray>[a-zA-Z0-9-]*)
      | &(?:lt|gt|amp|quot|\#[0-9]+|\#x[0-9a-fA-F]+);""",
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")


@dataclass
class _Open:
    """A start tag that waits for its end."""

    tag: str
    attributes: dict[str, str]
    offset: int


def parse_html(source: str) -> tuple[str, list[JsonDict]]:
    """
    Return the text without tags, and its entities with offsets in UTF-16 code units.

    Raises ApiError as Telegram does where a tag is unknown, stray, crossed or left open.
    """
    text = ""
    entities: list[JsonDict] = []
    stack: list[_Open] = []
    position = 0
    for match in _MARKUP.finditer(source):
        text += source[position : match.start()]
        position = match.end()
        at = len(source[: match.start()].encode())
        if match["end"] is not None:
            opened = _close(stack, match["end"].strip().lower(), at)
            entities += _entity(opened, text, stack)
        elif match["start"] is not None:
            stack.append(_open(match["start"].lower(), match["attributes"], utf16_length(text), at))
        elif match["stray"] is not None:
            _refuse(f'Unsupported start tag "{match["stray"]}" at byte offset {at}')
        else:
            text += html.unescape(match[0])
    text += source[position:]
    if stack:
        _refuse(f'Can\'t find end tag corresponding to start tag "{stack[-1].tag}"')
    return trimmed(text, sorted(entities, key=lambda entity: (entity["offset"], -entity["length"])))


def utf16_length(text: str) -> int:
    """Return the length in the unit Telegram counts offsets in."""
    return len(text.encode("utf-16-le")) // 2


def trimmed(text: str, entities: list[JsonDict]) -> tuple[str, list[JsonDict]]:
    """Return text and entities without white space at the ends, as Telegram keeps them."""
    lead = utf16_length(text) - utf16_length(text.lstrip())
    text = text.strip()
    end = utf16_length(text)
    kept = []
    for entity in entities:
        start = max(entity["offset"] - lead, 0)
        stop = min(entity["offset"] + entity["length"] - lead, end)
        if stop > start:
            kept.append(entity | {"offset": start, "length": stop - start})
    return text, kept


def _open(tag: str, attributes: str, offset: int, at: int) -> _Open:
    found = {
        name.lower(): html.unescape(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(attributes)
    }
    if tag not in _TAG_TYPES or (tag == "span" and found.get("class") != "tg-spoiler"):
        _refuse(f'Unsupported start tag "{tag}" at byte offset {at}')
    return _Open(tag, found, offset)


def _close(stack: list[_Open], tag: str, at: int) -> _Open:
    if not stack:
        _refuse(f"Unexpected end tag at byte offset {at}")
    opened = stack.pop()
    if tag not in ("", opened.tag):
        _refuse(f'Unmatched end tag at byte offset {at}, expected "</{opened.tag}>", found "</{tag}>"')
    return opened


def _entity(opened: _Open, text: str, stack: list[_Open]) -> list[JsonDict]:
    """Return what the closed tag stands for: one entity, or none."""
    kind = _TAG_TYPES[opened.tag]
    length = utf16_length(text) - opened.offset
    language = opened.attributes.get("class", "").removeprefix("language-")
    if opened.tag == "code" and language and stack and stack[-1].tag == "pre":
        stack[-1].attributes["language"] = language
        return []
    extra: JsonDict = {}
    if kind == "text_link":
        extra["url"] = opened.attributes.get("href") or text.encode("utf-16-le")[2 * opened.offset :].decode(
            "utf-16-le"
        )
    elif kind == "custom_emoji":
        extra["custom_emoji_id"] = opened.attributes.get("emoji-id", "")
    elif kind == "pre" and "language" in opened.attributes:
        extra["language"] = opened.attributes["language"]
    elif kind == "blockquote" and "expandable" in opened.attributes:
        kind = "expandable_blockquote"
    return [{"type": kind, "offset": opened.offset, "length": length} | extra] if length else []


def _from_utf16_offset(text: str, offset: int) -> str:
    return text.encode("utf-16-le")[2 * offset :].decode("utf-16-le")


def _refuse(reason: str) -> NoReturn:
    raise bad_request(f"can't parse entities: {reason}")
