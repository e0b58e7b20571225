"""What Umami's PostgreSQL columns take, and with which error they refuse the rest."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from .errors import ServerError
from .javascript import scrub

NUL: Final = "\x00"
LARGEST_NUMBER: Final = 10**15  # numeric(19,4) ends below it
_FOUR_DECIMALS: Final = Decimal("0.0001")

SESSION_LIMITS: Final = {
    "browser": 20,
    "os": 20,
    "device": 20,
    "screen": 11,
    "language": 35,
    "distinct_id": 50,
}
EVENT_LIMITS: Final = {
    "url_path": 500,
    "url_query": 500,
    "referrer_path": 500,
    "referrer_query": 500,
    "referrer_domain": 500,
    "page_title": 500,
    "event_name": 50,
    "tag": 50,
    "hostname": 100,
    **dict.fromkeys(("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"), 255),
    **dict.fromkeys(("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid"), 255),
}
KEY_LIMIT: Final = 500
VALUE_LIMIT: Final = 500
CURRENCY_LIMIT: Final = 10


def as_stored(texts: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return *texts* as they arrive in the database: what is no Unicode becomes U+FFFD."""
    return {name: None if text is None else scrub(text) for name, text in texts.items()}


def refuse_nul(texts: Iterable[str | None]) -> None:
    """Raise ServerError if a text has a NUL, which PostgreSQL cannot hold."""
    if any(NUL in text for text in texts if text is not None):
        raise ServerError("postgres")


def refuse_too_long(texts: Mapping[str, str | None], limits: Mapping[str, int]) -> None:
    """Raise ServerError if a text has more characters (code points) than its column."""
    if any(len(texts.get(name) or "") > limit for name, limit in limits.items()):
        raise ServerError("LengthMismatch", "P2000")


def numeric(number: float) -> str:
    """Return *number* with the four decimals that Umami keeps, rounded; raises ServerError if it is too large."""
    if abs(number) >= LARGEST_NUMBER:
        raise ServerError("ValueOutOfRange", "P2020")
    rounded = Decimal(repr(number)).quantize(_FOUR_DECIMALS, ROUND_HALF_UP)
    return str(abs(rounded) if rounded == 0 else rounded)
