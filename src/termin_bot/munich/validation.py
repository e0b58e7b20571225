"""The city's rules for what a citizen types, so that people hear of a mistake at once. Pure."""

import re
from typing import Final, Literal

from .models import TextField

Reason = Literal["empty", "too_long", "plus_address", "malformed"]

MAX_NAME: Final = 100
"""Our own limit: the city names none, and nobody's name needs a whole Telegram message."""
MAX_EMAIL: Final = 254
"""The longest address that mail can be sent to."""
MAX_TEXT: Final = 250
"""The city's limit for its text fields, counted without HTML."""

_EMAIL: Final = re.compile(
    r"[A-Za-z0-9_%-]+(?:\.[A-Za-z0-9_%-]+)*"  # no plus, no dot at either end, no two dots
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
)
_TELEPHONE: Final = re.compile(r"\+?[0-9]{7,15}")
_TELEPHONE_SEPARATORS: Final = re.compile(r"[\s()/.-]")
_TAG: Final = re.compile(r"<[^>]*>")


def validate_name(text: str) -> Reason | None:
    """Return why the city would refuse this name, or None."""
    name = text.strip()
    if not _TAG.sub("", name).strip():
        return "empty"  # the city takes HTML out before it looks
    if len(name) > MAX_NAME:
        return "too_long"
    return "malformed" if any(not character.isprintable() for character in name) else None


def validate_email(text: str) -> Reason | None:
    """Return why the city would refuse this address, or None; plus-addresses are refused, valid as they are."""
    address = text.strip()
    if not address:
        return "empty"
    if len(address) > MAX_EMAIL:
        return "too_long"
    if _EMAIL.fullmatch(address):
        return None
    return "plus_address" if _EMAIL.fullmatch(address.replace("+", "")) and "+" in address else "malformed"


def normalised_telephone(text: str) -> str:
    """Return the number without the spaces, brackets, dots, dashes and slashes that the city refuses."""
    return _TELEPHONE_SEPARATORS.sub("", text)


def validate_telephone(text: str) -> Reason | None:
    """Return why the city would refuse this number (once normalised), or None."""
    number = normalised_telephone(text)
    if not number:
        return "empty"
    return None if _TELEPHONE.fullmatch(number) else "malformed"


def plain_text(text: str) -> str:
    """Return an answer to a text field as the city reads it: without HTML."""
    return _TAG.sub("", text).strip()


def validate_text(text: str, field: TextField) -> Reason | None:
    """Return why the city would refuse this answer to its text field, or None."""
    plain = plain_text(text)
    if not plain:
        return "empty" if field.required else None
    return "too_long" if len(plain) > MAX_TEXT else None
