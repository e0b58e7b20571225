"""Values that must not turn up anywhere, and the search for them."""

import json
import random
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from termin_bot.simulation.citizens import Identity

SHORT = 8
"""Values up to this length count only where they stand alone, because any long number may hold them."""


def canary(number: int, chance: random.Random) -> Identity:
    """Invent a citizen of whom everything can be recognised, wherever it turns up."""
    return Identity(
        telegram_id=6_660_000_001 + number,
        first_name=f"Kanarienvorname{number}x",
        username=f"kanarienhandle{number}x",
        full_name=f"Kanarienname{number}x Müller-Łukasz",
        email=f"kanarienpost{number}x@example.org",
        plus_address=f"kanarienpost{number}x+plus@example.org",
        telephone=f"+49 666 {chance.randint(1_000_000, 9_999_999)}",
        file_number=f"KANARIENAKTE-{number}x",
        chatter=(f"kanarienwort{number}x", f"zweites kanarienwort{number}x <b>&amp;"),
    )


def leaks(evidence: Mapping[str, bytes], values: Iterable[str]) -> list[str]:
    """Return "value in place" for each value that is in a piece of *evidence*, in any usual spelling."""
    lowered = {place: content.lower() for place, content in evidence.items()}
    return [
        f"{value} in {place}"
        for value in dict.fromkeys(values)
        for place, content in lowered.items()
        if any(_is_in(spelling, content) for spelling in set(_spellings(value)))
    ]


def _spellings(value: str) -> Iterator[bytes]:
    yield value.encode()
    yield quote(value).encode()
    yield quote(value, safe="").encode()
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(value, ensure_ascii=False)[1:-1].encode()
    yield value.encode("utf-16-le")
    if value.isascii() and len(value) > SHORT:
        yield b64encode(value.encode()[: len(value) // 3 * 3])
    digits = re.sub(r"\D", "", value)
    if len(digits) > SHORT:
        yield digits.encode()


def _is_in(spelling: bytes, content: bytes) -> bool:
    wanted = spelling.lower()
    if len(wanted) > SHORT:
        return wanted in content
    # Nor is it one behind a point: each of thousands of moments has six digits of its second.
    return re.search(rb"(?<![0-9a-z])(?<![0-9]\.)" + re.escape(wanted) + rb"(?![0-9a-z])", content) is not None
