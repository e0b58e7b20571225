"""
What Umami is sent: an admitted record inside Umami's limits.

Umami 3.1.0 answers a value that it cannot store with a 500 that keeps half the event, so nothing that it cannot store
is sent: it is cut, cleaned or said in another way here. Sources are the measured limits of Umami 3.1.0.
"""

import ipaddress
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from otel_umami_exporter.errors import SettingsError
from otel_umami_exporter.gate import Admitted
from otel_umami_exporter.taxonomy import Scalar, parse_timestamp

NAME_LIMIT: Final = 50  # UTF-16 units; more is a 400
TAG_LIMIT: Final = 50  # UTF-16 units; more is a 400
HOSTNAME_LIMIT: Final = 100  # characters; more is a 400
ID_LIMIT: Final = 50  # characters; more is a 500
URL_LIMIT: Final = 500  # UTF-16 units; more is cut in silence
VALUE_LIMIT: Final = 500  # characters; more is a 500 and the event loses all its properties
CURRENCY_LIMIT: Final = 10  # characters of `currency` beside `revenue`; more is a 500
NUMBER_LIMIT: Final = 10**15  # from here on a 500 (numeric(19,4)), and the event loses all its properties
TIME_MIN: Final = 1  # seconds; 0 means now
TIME_MAX: Final = 8_640_000_000_000  # seconds; more is a 500
NO_GEOGRAPHY: Final = "127.0.0.1"  # else every visitor lives where this program's host stands
_NO_AMOUNT: Final = " (no amount)"
_NS: Final = 1_000_000_000

# Of these forms Umami makes a date; one of them that names no real moment is a 500.
_UMAMI_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(Z|\+\d\d:\d\d)?)?", re.ASCII)
_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_HOST_CHARACTERS: Final = re.compile(r"[^a-z0-9._-]+")
_NUMERIC_LABEL: Final = re.compile(r"\d+|0x[0-9a-f]*")
_WORDS: Final = re.compile(r"[\s/]+")


@dataclass(frozen=True)
class Site:
    """The website that is written to, and how this program shows there."""

    website_id: str
    hostname: str | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        try:
            website_id = str(UUID(self.website_id))  # lower case: upper case is another session of the same visitor
        except (ValueError, AttributeError):
            raise SettingsError("website id: this is no UUID") from None
        object.__setattr__(self, "website_id", website_id)


def to_item(admitted: Admitted, site: Site) -> dict[str, Any]:
    """Return one item for Umami's `/api/batch`, also a whole body for `/api/send`; Umami can store all of it."""
    record = admitted.record
    payload: dict[str, Any] = {
        "website": site.website_id,
        "hostname": clean_hostname(site.hostname or record.service),
        "url": operation_url(record.name) if record.is_view else f"/event/{record.name}",
        "ip": NO_GEOGRAPHY,
        "timestamp": min(max(record.time_ns // _NS, TIME_MIN), TIME_MAX),
    }
    if not record.is_view:
        payload["name"] = record.name
        data = clean_data(admitted.properties)
        if record.trace_id is not None:
            data["trace_id"] = record.trace_id
        if data:
            payload["data"] = data
    tag = clean_tag(site.tag or record.environment)
    if tag:
        payload["tag"] = tag
    visitor = clean_visitor(admitted.visitor)
    if visitor:
        payload["id"] = visitor
    return {"type": "event", "payload": payload}


def to_json(item: Mapping[str, Any]) -> bytes:
    """Return *item* as JSON; a number that JSON cannot say would have spoiled the whole batch, so it raises."""
    return _JSON.encode(item).encode()


def clean_text(text: str) -> str:
    """Return *text* without NUL, which the database refuses, and without lone surrogates, which are no characters."""
    if text.isascii() and "\x00" not in text:
        return text
    return _SURROGATE.sub("\ufffd", text.replace("\x00", ""))


def clean_data(properties: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the properties as Umami can store them: long text cut, impossible numbers and dates said as text."""
    data = {name: clean_value(value) for name, value in properties.items()}
    if "revenue" in data and "currency" in data:  # of these two Umami makes a row of its own
        data["currency"] = str(data["currency"])[:CURRENCY_LIMIT]
        if isinstance(revenue := data["revenue"], str):  # it reads numbers from text, also those it cannot store
            data["revenue"] = revenue[: VALUE_LIMIT - len(_NO_AMOUNT)] + _NO_AMOUNT
    return data


def clean_value(value: Scalar) -> Scalar:
    """Return one value as Umami can store it; nothing of a number is lost, text is cut at 500 characters."""
    if isinstance(value, str):
        if len(value) > VALUE_LIMIT or not value.isascii() or "\x00" in value:
            value = clean_text(value)[:VALUE_LIMIT]
        return _clean_date(value) if value[4:5] == "-" and _UMAMI_DATE.fullmatch(value) else value
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) and abs(value) < NUMBER_LIMIT else repr(value)
    return value if abs(value) < NUMBER_LIMIT else _digits(value)


def _digits(number: int) -> str:
    """Python refuses to write integers of thousands of digits, and Umami to store them: say how long it is."""
    bits = number.bit_length()
    return f"an integer of {bits} bits" if bits > VALUE_LIMIT * 3 else str(number)


def _clean_date(text: str) -> str:
    moment = parse_timestamp(text if text[19:].endswith("Z") or "+" in text[19:] else f"{text}Z")
    # The server turns it into UTC: the first and the last day may leave the years that it knows.
    return text if moment is not None and date.min < moment.date() < date.max else text.replace("T", " ")


def clean_visitor(visitor: str | None) -> str | None:
    """Return the visitor's id; one that is too long is hashed, because cutting would make two visitors one."""
    if not visitor:
        return None
    text = clean_text(visitor)
    return text if len(text) <= ID_LIMIT else blake2b(text.encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=256)
def clean_tag(tag: str | None) -> str | None:
    """Return the tag inside its limit of UTF-16 units."""
    return cut_utf16(clean_text(tag), TAG_LIMIT) if tag else None


def cut_utf16(text: str, limit: int) -> str:
    """Return the longest beginning of *text* of at most *limit* UTF-16 units that splits no character."""
    if len(text) * 2 <= limit:
        return text
    return text.encode("utf-16-le")[: limit * 2].decode("utf-16-le", errors="ignore")


@lru_cache(maxsize=256)
def clean_hostname(name: str | None) -> str:
    """Return a hostname that Umami's URL parser takes: a blank in it, or five numbers, would be a 500."""
    host = _HOST_CHARACTERS.sub("-", (name or "").lower())
    host = re.sub("xn-{2,}", "xn-", host).strip(".-")[:HOSTNAME_LIMIT]  # what looks like punycode must be punycode
    host = re.sub(r"\.{2,}", ".", host).rstrip(".-")
    if not host:
        return "localhost"
    if _NUMERIC_LABEL.fullmatch(host.rsplit(".", 1)[-1]) and not _is_ipv4(host):
        return f"{host[: HOSTNAME_LIMIT - 6]}.local"
    return host


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def operation_url(name: str) -> str:
    """Return the path of an operation's page view: `command /subscribe` is `/command/subscribe`."""
    words = [word for word in _WORDS.split(clean_text(name)) if word not in ("", ".", "..")]
    url = "/" + "/".join(quote(word, safe=":{}<>*@!$&'()+,;=") for word in words)
    # Cut before an escape, not in it: half of one is no text for the server.
    return url if len(url) <= URL_LIMIT else url[:URL_LIMIT].rpartition("%")[0] or url[:URL_LIMIT]
