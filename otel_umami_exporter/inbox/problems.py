"""What the real Umami would have dropped, refused, half stored or changed: noted with the reason and the remedy."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from . import dates, javascript, properties, texts
from .errors import Refused, ServerError
from .javascript import Json
from .store import Store
from .validation import Payload

Severity = Literal["lost", "damaged", "changed"]

_NO_UNICODE: Final = re.compile("[\ud800-\udfff\ufffd]")
_SHOWN: Final = 200
_TOLERATED_FUTURE_SECONDS: Final = 60
_MILLISECONDS_BEGIN: Final = 100_000_000_000  # as seconds this is the year 5138; as milliseconds 1973

# What helps against a field that Umami's check refuses: a pattern of "path: message", and the advice.
_REMEDIES: Final = (
    (
        r"^body: ",
        "Send plain JSON (no NaN or Infinity, no compression) of at most 10 MiB; to /api/batch an array of objects.",
    ),
    (r"^payload\.name: Too big", "Shorten the name to 50 UTF-16 units; an emoji counts two."),
    (r"Too big: expected string", "Shorten the text to the limit, counted in UTF-16 units."),
    (r"received (null|undefined)$", "Leave the key out instead of sending null."),
    (r"^payload\.(website|link|pixel): ", "Send the website's id as Umami shows it in its settings, a UUID."),
    (r"^payload\.timestamp: ", "Send whole seconds since 1970 as an integer."),
    (r"^payload\.data: ", "Send the properties as an object: names and values."),
    (r"^type: ", 'Send "type": "event".'),
    (r"Invalid URL", "Send a path such as /checkout, or a whole address."),
)

_CAUSES: Final = {
    ("LengthMismatch", "nothing"): (
        "The id is longer than 50 characters, or browser, os or device is longer than 20.",
        "Shorten it; ids can be hashed.",
    ),
    ("LengthMismatch", "the session"): (
        "A campaign parameter of the url (utm_…, gclid …) is longer than 255 characters.",
        "Shorten it or leave it out of the url.",
    ),
    ("LengthMismatch", "the event without its properties"): (
        "The name or the text of a property, or the JSON of a list, is longer than 500 characters.",
        "Cut it to 500 characters before sending.",
    ),
    ("LengthMismatch", "the properties before the failing one"): (
        "The name or the text of a property, or the JSON of a list, is longer than 500 characters.",
        "Cut it to 500 characters before sending.",
    ),
    ("LengthMismatch", "the event with its properties"): (
        "The currency is longer than 10 characters.",
        "Send the three letters of the currency.",
    ),
    ("ValueOutOfRange", None): (
        "A number is 1e15 or larger.",
        "Send it as a text, or in a larger unit.",
    ),
    ("RangeError", None): (
        "A text looks like a date and is none (2026-13-45T99:99:99), or the properties are nested too deeply.",
        "Send real dates and flat properties.",
    ),
    ("TypeError", None): (
        "The hostname cannot be part of an address.",
        "Use letters, digits, dots and hyphens: no blanks, and no five numbers.",
    ),
    ("PrismaClientValidationError", None): (
        "revenue and currency came with a page view, or the currency is no text.",
        "Give the event a name, and the currency as a text.",
    ),
    ("DatabaseNotReachable", None): (
        "The database of Umami is away.",
        "Temporary: keep the event and send it again later.",
    ),
    ("postgres", "nothing"): (
        "A NUL character in id, language or screen, or a timestamp out of range.",
        "Remove the NUL; send the timestamp in seconds.",
    ),
    ("postgres", None): (
        "A NUL character, which PostgreSQL cannot store, or a date in the year 0000.",
        "Remove NUL characters before sending.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """
    One thing that Umami would not have stored as it was meant.

    *severity*: "lost" - nothing of the event is stored; "damaged" - a part of it; "changed" - all of it, not as sent.
    *reason* is a stable word for programs, *message* and *remedy* are for people; *kept* says what is stored.
    """

    at: datetime
    severity: Severity
    reason: str
    message: str
    remedy: str
    kept: str
    website_id: str | None
    event_name: str | None


class Problems:
    """Notes problems in the store, and reads them back."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def all(self) -> list[Problem]:
        """Return every problem since the last clear(), oldest first."""
        rows = self._store.query("SELECT * FROM inbox_problem ORDER BY seq")
        return [_problem(dict(row)) for row in rows]

    def refused(self, body: Json, refused: Refused) -> None:
        """Note a body or an item that did not pass the check (400)."""
        payload = body.get("payload") if isinstance(body, dict) else None
        fields = payload if isinstance(payload, dict) else {}
        faults = list(_faults(refused.body["error"]))
        self._note(
            "lost",
            "invalid",
            "; ".join(faults),
            " ".join(dict.fromkeys(_remedy(fault) for fault in faults)),
            name=_text(fields.get("name")),
            website=_text(fields.get("website")),
        )

    def unknown_website(self, payload: Payload) -> None:
        """Note a website that Umami does not have (400)."""
        message = "There is no website with this id."
        remedy = "Create the website in Umami, or correct the id."
        self._note_payload("lost", "unknown-website", message, remedy, payload)

    def bot(self, payload: Payload, user_agent: str) -> None:
        """Note an event that is dropped for its User-Agent (200, beep boop)."""
        message = f"The User-Agent {user_agent!r} looks like a bot to Umami: the answer is 200, and nothing is stored."
        remedy = "Send one that begins like a browser's: Mozilla/5.0 (X11; Linux x86_64) your-program/1.0."
        self._note_payload("lost", "bot", message, remedy, payload)

    def failed(self, payload: Payload, error: ServerError) -> None:
        """Note a 500; for ever the same for this payload, unless the database was away."""
        cause = _CAUSES.get((error.kind, error.kept)) or _CAUSES[error.kind, None]
        message, remedy = cause
        if error.kept == "the event without its properties":
            guilty = ", ".join(repr(name[:_SHOWN]) for name in _guilty(payload.data or {}))
            message = f"{message} It is in: {guilty}." if guilty else message
        code = error.code or error.kind
        reason = "database-down" if error.kind == "DatabaseNotReachable" else "server-error"
        severity: Severity = "lost" if error.kept in ("nothing", "the session") else "damaged"
        self._note_payload(severity, reason, f"500 {code}: {message}", remedy, payload, kept=error.kept)

    def no_session(self, payload: Payload) -> None:
        """Note an event that a foreign x-umami-cache token left without a session."""
        message = "The x-umami-cache token belongs to another id: the event has no session and shares a visit."
        remedy = "Do not send x-umami-cache."
        self._note_payload("damaged", "cache-token", message, remedy, payload, kept="the event without a session")

    def accepted(self, payload: Payload, *, now: float) -> None:
        """Note what was stored otherwise than it was sent."""
        for reason, message, remedy in _changes(payload, now):
            self._note_payload("changed", reason, message, remedy, payload, kept="the event")

    def _note_payload(
        self,
        severity: Severity,
        reason: str,
        message: str,
        remedy: str,
        payload: Payload,
        *,
        kept: str = "nothing",
    ) -> None:
        self._note(severity, reason, message, remedy, kept=kept, name=payload.name, website=payload.source)

    def _note(
        self,
        severity: Severity,
        reason: str,
        message: str,
        remedy: str,
        *,
        kept: str = "nothing",
        name: str | None,
        website: str | None,
    ) -> None:
        self._store.add_problem(
            {
                "at": int(self._clock() * 1000),
                "severity": severity,
                "reason": reason,
                "message": javascript.scrub(message),
                "remedy": remedy,
                "kept": kept,
                "website_id": javascript.scrub(website[:_SHOWN]) if website else None,
                "event_name": javascript.scrub(name[:_SHOWN]) if name else None,
            }
        )


def _problem(row: dict[str, Any]) -> Problem:
    fields = {name: value for name, value in row.items() if name not in ("seq", "at")}
    return Problem(at=dates.as_datetime(row["at"]), **fields)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _faults(tree: Json, path: str = "") -> Iterator[str]:
    """Yield "path: message" for every error of a 400."""
    if not isinstance(tree, dict):
        return
    own, branches, items = tree.get("errors"), tree.get("properties"), tree.get("items")
    yield from (f"{path or 'body'}: {error}" for error in (own if isinstance(own, list) else []))
    for name, node in (branches if isinstance(branches, dict) else {}).items():
        yield from _faults(node, f"{path}.{name}" if path else name)
    for index, node in enumerate(items if isinstance(items, list) else []):
        yield from _faults(node, f"body[{index}]")


def _remedy(fault: str) -> str:
    advice = (advice for pattern, advice in _REMEDIES if re.search(pattern, fault))
    return next(advice, "Change the field as the message says.")


def _guilty(data: dict[str, Json]) -> Iterator[str]:
    """Yield the names of the properties that cannot be stored."""
    for name, value in data.items():
        try:
            properties.event_rows({name: value})
        except ServerError:
            yield name


def _changes(payload: Payload, now: float) -> Iterator[tuple[str, str, str]]:
    """Yield reason, message and remedy of what a stored event lost or became."""
    data = payload.data or {}
    if payload.type == "event":
        for column in texts.of(payload).cut:
            yield "cut", f"{column} is longer than {texts.CUT_AT} characters and was cut.", "Shorten it before sending."
        if payload.name == "":
            yield "empty-name", "An event without a name is a page view to Umami.", "Give the event a name."
    if any(_NO_UNICODE.search(text) for text in _all_texts(payload, data)):
        remedy = "Send UTF-8, and cut texts between characters."
        yield "replaced-characters", "A broken character became \ufffd.", remedy
    for name, value in data.items():
        if isinstance(value, float) and math.isinf(value):
            yield "infinite-number", f"{name[:_SHOWN]!r} is infinite: its number is lost.", "Send finite numbers."
    seconds = payload.timestamp or 0
    if seconds >= _MILLISECONDS_BEGIN:
        message = f"The timestamp means {dates.iso(seconds * 1000)}: milliseconds were sent as seconds."
        yield "milliseconds", message, "Send whole seconds since 1970."
    elif seconds > now + _TOLERATED_FUTURE_SECONDS:
        yield "future", "The timestamp is in the future; Umami hides the event until then.", "Check the sender's clock."


def _all_texts(payload: Payload, data: dict[str, Json]) -> Iterator[str]:
    yield from (value for value in vars(payload).values() if isinstance(value, str))
    for name, value in data.items():
        yield name
        if isinstance(value, str):
            yield value
