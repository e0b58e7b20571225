"""One payload after another into the tables, in Umami's order: body, website, bot, session, event, data, revenue."""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from . import columns, dates, javascript, properties, texts, useragent, validation
from .client import Client, CountryOf, Sender, client_of
from .errors import Kept, Refused, ServerError, website_not_found
from .javascript import Json
from .problems import Problems
from .store import EventRow, SessionRow, Store
from .tokens import Signer
from .validation import Payload

_NAMESPACE: Final = uuid.UUID("c0ffee00-0000-5000-8000-000000000b0b")
_VISIT_SECONDS: Final = 1800  # a cache token keeps a visit going for so long
_LATEST: Final = 8_640_000_000_000  # seconds: the end of JavaScript's time
_EARLIEST: Final = -210_866_803_200  # seconds: the beginning of PostgreSQL's time


class EventType(IntEnum):
    """Umami's numbers for what an event is."""

    VIEW = 1
    CUSTOM = 2
    LINK = 3
    PIXEL = 4
    PERFORMANCE = 5


@dataclass(frozen=True)
class Stored:
    """Umami took it: 200 with the ids of session and visit."""

    cache: str
    session_id: str
    visit_id: str

    @property
    def body(self) -> dict[str, Json]:
        """The body of the answer."""
        return {"cache": self.cache, "sessionId": self.session_id, "visitId": self.visit_id}


@dataclass(frozen=True)
class Dropped:
    """Umami takes the sender for a bot: 200, and nothing is stored."""

    body: dict[str, Json]


Taken = Stored | Dropped


@dataclass(frozen=True)
class _Visit:
    """Session, visit and time of one payload."""

    source: str
    session_id: str
    visit_id: str
    issued_at: int
    milliseconds: int


class Ingest:
    """Takes payloads as Umami's collector does, and tells *problems* what got lost or changed on the way."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        problems: Problems,
        *,
        any_website: bool,
        country_of: CountryOf,
        clock: Callable[[], float],
        check_database: Callable[[], None],
    ) -> None:
        self._store = store
        self._signer = signer
        self._problems = problems
        self._any_website = any_website
        self._country_of = country_of
        self._clock = clock
        self._check_database = check_database

    def take(self, body: Json, sender: Sender) -> Taken:
        """Store one body of /api/send; raises Refused (400) or ServerError (500), which may leave rows behind."""
        try:
            payload = validation.check(body)
        except Refused as refused:
            self._problems.refused(body, refused)
            raise
        try:
            return self._take_payload(payload, sender)
        except Refused:
            self._problems.unknown_website(payload)
            raise
        except ServerError as error:
            self._problems.failed(payload, error)
            raise

    def _take_payload(self, payload: Payload, sender: Sender) -> Taken:
        self._check_database()
        cache = self._cache(payload, sender)
        self._check_website(payload, cache)
        client = client_of(payload, sender, self._country_of)
        if useragent.is_bot(client.user_agent):
            self._problems.bot(payload, client.user_agent)
            return Dropped({"beep": "boop"})
        visit = self._visit(payload, client, cache)
        if cache is None:
            self._store.add_session(_session(payload, client, visit))
        if payload.type == "identify":
            self._identify(payload, visit)
        else:
            self._event(payload, visit)
        self._problems.accepted(payload, now=self._clock())
        if cache is not None and not self._has_session(visit):
            self._problems.no_session(payload)
        token = self._signer.sign(
            {
                "websiteId": visit.source,
                "sessionId": visit.session_id,
                "visitId": visit.visit_id,
                "iat": visit.issued_at,
            }
        )
        return Stored(token, visit.session_id, visit.visit_id)

    def _cache(self, payload: Payload, sender: Sender) -> dict[str, Json] | None:
        header = sender.headers.get("x-umami-cache")
        content = self._signer.read(header) if header and payload.website else None
        return content if content and "visitId" in content else None

    def _check_website(self, payload: Payload, cache: dict[str, Json] | None) -> None:
        if not payload.website or cache is not None:
            return
        website_id = payload.website.lower()
        if self._store.has_website(website_id):
            return
        if not self._any_website or website_id == str(uuid.UUID(int=0)):
            raise website_not_found()
        now = int(self._clock() * 1000)
        self._store.add_website(website_id, name="made by the inbox", domain="localhost", now=now)

    def _visit(self, payload: Payload, client: Client, cache: dict[str, Json] | None) -> _Visit:
        now = self._clock()
        milliseconds = payload.timestamp * 1000 if payload.timestamp else int(now * 1000)
        source = payload.source
        if payload.id:
            session_id = _hash(source, payload.id)
        else:
            session_id = _hash(source, client.ip, client.user_agent, dates.month_of(milliseconds))
        visit_id = _hash(session_id, str(dates.hour_of(milliseconds)))
        issued_at = int(now)
        if cache is not None and (payload.timestamp or now - float(str(cache["iat"])) <= _VISIT_SECONDS):
            visit_id, issued_at = str(cache["visitId"]), int(str(cache["iat"]))
        return _Visit(source, session_id, visit_id, issued_at, milliseconds)

    def _has_session(self, visit: _Visit) -> bool:
        return bool(self._store.query("SELECT 1 FROM session WHERE session_id = ?", [visit.session_id]))

    def _event(self, payload: Payload, visit: _Visit) -> None:
        with _keeping("the session"):
            text = texts.of(payload).stored
            columns.refuse_nul(text.values())
            columns.refuse_too_long(text, columns.EVENT_LIMITS)
        event = self._store.add_event(
            EventRow(
                website_id=visit.source.lower(),
                session_id=visit.session_id,
                visit_id=visit.visit_id,
                event_type=event_type(payload),
                created_at=visit.milliseconds,
                texts=text,
            )
        )
        if payload.data:
            with _keeping("the event without its properties"):
                rows = properties.event_rows(payload.data)
            self._store.add_event_data(event, rows)
            with _keeping("the event with its properties"):
                self._revenue(payload, payload.data, event)

    def _revenue(self, payload: Payload, data: dict[str, Json], event: int) -> None:
        amount, currency = javascript.to_number(data.get("revenue")), data.get("currency")
        if not (amount > 0 and currency):
            return
        if not payload.name or not isinstance(currency, str):
            raise ServerError("PrismaClientValidationError")
        columns.refuse_too_long({"currency": currency}, {"currency": columns.CURRENCY_LIMIT})
        name = javascript.scrub(payload.name)
        self._store.add_revenue(event, event_name=name, currency=currency, revenue=columns.numeric(amount))

    def _identify(self, payload: Payload, visit: _Visit) -> None:
        rows, error = properties.session_rows(payload.data or {})
        for row in rows:
            self._store.put_session_data(visit.source.lower(), visit.session_id, row)
        if error is not None:
            kept: Kept = "the properties before the failing one" if rows else "the session"
            raise replace(error, kept=kept)


@contextmanager
def _keeping(kept: Kept) -> Iterator[None]:
    """Say of every ServerError inside what Umami has stored by then."""
    try:
        yield
    except ServerError as error:
        error.kept = kept
        raise


def event_type(payload: Payload) -> EventType:
    """Return what Umami makes of a payload; without a name it is a page view."""
    if payload.type == "performance":
        return EventType.PERFORMANCE
    if payload.link:
        return EventType.LINK
    if payload.pixel:
        return EventType.PIXEL
    return EventType.CUSTOM if payload.name else EventType.VIEW


def _session(payload: Payload, client: Client, visit: _Visit) -> SessionRow:
    text = columns.as_stored(
        {
            "browser": client.browser,
            "os": client.os,
            "device": client.device,
            "screen": payload.screen,
            "language": payload.language,
            "country": client.country,
            "distinct_id": payload.id,
        }
    )
    try:
        columns.refuse_nul(text.values())
        columns.refuse_too_long(text, columns.SESSION_LIMITS)
        if not _EARLIEST <= visit.milliseconds // 1000 <= _LATEST:
            raise ServerError("postgres")
    except ServerError as error:
        raise replace(error, code="P2010") from error
    return SessionRow(
        session_id=visit.session_id,
        website_id=visit.source.lower(),
        region=None,
        city=None,
        created_at=visit.milliseconds,
        **text,
    )


def _hash(*parts: str) -> str:
    """Return an id that is the same for the same parts; not Umami's own, which has a secret in it."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps(parts)))


def batch_answer(outcomes: Sequence[Taken | Refused | ServerError]) -> dict[str, Json]:
    """Return the answer of /api/batch: 200 whatever became of the items. Bots count as processed."""
    errors: list[tuple[int, dict[str, Json]]] = []
    cache: str | None = None
    saw_bot = False
    for index, outcome in enumerate(outcomes):
        match outcome:
            case Refused() | ServerError():
                errors.append((index, outcome.body))
            case Stored():
                cache = cache or outcome.cache
            case Dropped():
                saw_bot = True
    answer: dict[str, Json] = {
        "size": len(outcomes),
        "processed": len(outcomes) - len(errors),
        "errors": len(errors),
        "details": [{"index": index, "response": body} for index, body in errors],
    }
    if cache or not saw_bot:
        answer["cache"] = cache
    return answer
