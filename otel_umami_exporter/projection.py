"""
Reduced copies: what a board may stand on when it says less than the event does.

A share link in Umami opens every raw row of its websites to anybody, for ever, and Umami's boards cannot filter by a
property. So a widget that is public, or that counts by a property, stands on a website of its own, which receives
nothing but copies:

    event    a chosen name, its own name, or the value of one property; no properties, no trace, no address, no tag
    view     one nameless page view per visitor and day: all that Umami counts visitors from
    visitor  keyed for this website (and this value): it joins with no other website
    time     the full hour; the day for a view

Where a property becomes a name, nothing is copied until its value was seen from `at_least` people; see ledger.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from otel_umami_exporter.errors import TaxonomyError
from otel_umami_exporter.gate import Admitted
from otel_umami_exporter.ledger import Ledger
from otel_umami_exporter.payload import (
    NAME_LIMIT,
    NO_GEOGRAPHY,
    TIME_MAX,
    TIME_MIN,
    Site,
    clean_hostname,
    clean_text,
    cut_utf16,
)
from otel_umami_exporter.taxonomy import Declaration, Event, Privacy, Property, Scalar, Taxonomy, declare

Source = Literal["events", "everything", "views"]
Visitor = Literal["keyed", "nobody"]

DEFAULT_AT_LEAST: Final = 5
TITLE_LIMIT: Final = 60  # Umami takes names of 100 characters; the dashboards' name stands before it
HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 86_400
_NS: Final = 1_000_000_000
_CUT: Final = NAME_LIMIT - 6  # room for an ellipsis and what tells two long names apart


@dataclass(frozen=True, kw_only=True)
class Projection:
    """
    One website of reduced copies; made by one of the class methods.

    *key* names it for ever: the id of its website is derived from it. *title* is for people.
    """

    key: str
    title: str
    source: Source
    events: tuple[str, ...] = ()
    where: tuple[tuple[str, Scalar], ...] = ()
    called: str | None = None
    by: str | None = None
    at_least: int = 1
    visitor: Visitor = "keyed"
    declarations: tuple[Declaration, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        words = self.key.split("-")
        if not all(word.isascii() and word.isalnum() and word == word.lower() for word in words):
            raise TaxonomyError(f"projection {self.key!r}: a key is small letters and digits, joined by hyphens")
        if not 0 < len(self.title) <= TITLE_LIMIT or not self.title.isprintable():
            raise TaxonomyError(f"projection {self.key}: a title of 1 to {TITLE_LIMIT} printable characters is needed")
        if self.at_least < 1:
            raise TaxonomyError(f"projection {self.key}: at_least counts people, from 1 on")
        if self.by is not None and "{}" not in (self.called or "{}"):
            raise TaxonomyError(f"projection {self.key}: {self.called!r} has no {{}} for the value of {self.by}")

    @classmethod
    def counting(
        cls,
        *events: type[Event],
        key: str,
        title: str,
        where: Mapping[str, Scalar] | None = None,
        called: str | None = None,
    ) -> "Projection":
        """
        Copy *events* whose properties have the values in *where*, under their own names or as *called*.

        Raises:
            TaxonomyError: a property is not declared, or can never have that value.
        """
        declarations = tuple(declare(event) for event in events)
        if not declarations:
            raise TaxonomyError(f"projection {key}: it counts no event")
        conditions = tuple((where or {}).items())
        for declaration in declarations:
            for name, value in conditions:
                if not _property(key, declaration, name).accepts(value):
                    raise TaxonomyError(f"projection {key}: {declaration.name}.{name} is never {value!r}")
        return cls(
            key=key,
            title=title,
            source="events",
            events=tuple(each.name for each in declarations),
            where=conditions,
            called=called,
            declarations=declarations,
        )

    @classmethod
    def naming(
        cls,
        event: type[Event],
        by: str,
        *,
        key: str,
        title: str,
        at_least: int = DEFAULT_AT_LEAST,
        called: str = "{}",
    ) -> "Projection":
        """
        Copy *event* under the value of its property *by*, once *at_least* people have shown that value.

        *called* may say more: `"captcha_solved: {}"`. Without a person behind the event each occurrence counts.

        Raises:
            TaxonomyError: the property is not declared.
        """
        declaration = declare(event)
        _property(key, declaration, by)
        return cls(
            key=key,
            title=title,
            source="events",
            events=(declaration.name,),
            called=called,
            by=by,
            at_least=at_least,
            declarations=(declaration,),
        )

    @classmethod
    def everything(cls, *, key: str, title: str, called: str) -> "Projection":
        """Copy every declared event under the one name *called*, with nobody behind it."""
        return cls(key=key, title=title, source="everything", called=called, visitor="nobody")

    @classmethod
    def active_visitors(cls, *, key: str, title: str) -> "Projection":
        """Copy one nameless page view per visitor and day: whom Umami counts as visitors."""
        return cls(key=key, title=title, source="views")

    @property
    def properties(self) -> tuple[tuple[Declaration, Property], ...]:
        """Every declared property that this projection shows or chooses by."""
        names = [name for name, _ in self.where] + ([self.by] if self.by else [])
        return tuple((each, each.properties[name]) for each in self.declarations for name in names)

    def site_id(self, main: str) -> str:
        """Return the id of its website beside the website *main*; the same everywhere, without configuration."""
        return str(uuid5(UUID(main), f"otel-umami projection {self.key}"))

    def takes(self, admitted: Admitted) -> bool:
        """Whether it copies this event or view."""
        if admitted.record.is_view:
            return self.source == "views" and bool(admitted.visitor)
        if self.source != "everything" and admitted.record.name not in self.events:
            return False
        return all(admitted.properties.get(name) == value for name, value in self.where)


class Projector:
    """
    Makes the copies of one event.

    Args:
        projections: what is copied.
        main: the website of the events themselves.
        ledger: who was seen, and what is held back.
    """

    def __init__(self, projections: Iterable[Projection], main: Site, ledger: Ledger) -> None:
        self._sites: Final = [(each, each.site_id(main.website_id)) for each in projections]
        self._main: Final = main
        self._ledger: Final = ledger

    def copies(self, admitted: Admitted) -> list[dict[str, Any]]:
        """
        Return the items for the projections' websites; none, one or several.

        Raises:
            SpoolError: the ledger cannot be written; nothing is copied then.
        """
        seconds = min(max(admitted.record.time_ns // _NS, TIME_MIN), TIME_MAX)
        found: list[dict[str, Any]] = []
        for projection, site in self._sites:
            if not projection.takes(admitted):
                continue
            if projection.source == "views":
                found += self._view(site, admitted, seconds)
            else:
                found += self._events(projection, site, admitted, seconds)
        return found

    def _view(self, site: str, admitted: Admitted, seconds: int) -> list[dict[str, Any]]:
        day = seconds // DAY_SECONDS
        who = self._keyed(site, "", admitted.visitor)
        if who is None or not self._ledger.meet(site, who, day):
            return []
        return [self._item(admitted, site, None, who, day * DAY_SECONDS)]

    def _events(self, projection: Projection, site: str, admitted: Admitted, seconds: int) -> list[dict[str, Any]]:
        hour = seconds // HOUR_SECONDS
        name = _name(projection, admitted)
        if name is None:
            return []
        visitor = admitted.visitor if projection.visitor == "keyed" else None
        who = self._keyed(site, name if projection.by else "", visitor)
        released: Sequence[tuple[str | None, int]] = [(who, hour)]
        if projection.by and projection.at_least > 1:
            released = self._ledger.show(site, name, who, hour, projection.at_least)
        return [self._item(admitted, site, name, each, then * HOUR_SECONDS) for each, then in released]

    def _item(self, admitted: Admitted, site: str, name: str | None, who: str | None, seconds: int) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "website": site,
            "hostname": clean_hostname(self._main.hostname or admitted.record.service),
            "url": "/active" if name is None else "/event",
            "ip": NO_GEOGRAPHY,
            "timestamp": max(seconds, TIME_MIN),
        }
        if name is not None:
            payload["name"] = name
        if who is not None:
            payload["id"] = who
        return {"type": "event", "payload": payload}

    def _keyed(self, site: str, scope: str, visitor: str | None) -> str | None:
        """Return who this is on this website alone; with a value as *scope*, for this value alone."""
        if not visitor:
            return None
        text = "\0".join((site, scope, clean_text(visitor))).encode()
        return blake2b(text, key=self._ledger.key, digest_size=16).hexdigest()


def check_projections(projections: Iterable[Projection], taxonomy: Taxonomy) -> tuple[Projection, ...]:
    """
    Return *projections*, once they fit *taxonomy*.

    Raises:
        TaxonomyError: one copies what is not declared, or two share a key.
    """
    found: dict[str, Projection] = {}
    for each in projections:
        if found.setdefault(each.key, each) != each:
            raise TaxonomyError(f"projection {each.key}: two of them share this key")
        for event in each.events:
            declaration = taxonomy.get(event)
            if declaration is None:
                raise TaxonomyError(f"projection {each.key}: event {event} is not in the taxonomy")
            for name in [name for name, _ in each.where] + ([each.by] if each.by else []):
                _property(each.key, declaration, name)
    return tuple(found.values())


def shown_name(text: str) -> str:
    """Return *text* as an event name that Umami takes; two long texts that differ at the end stay two names."""
    cleaned = clean_text(text)
    if cut_utf16(cleaned, NAME_LIMIT) == cleaned:
        return cleaned
    return f"{cut_utf16(cleaned, _CUT)}… {blake2b(cleaned.encode(), digest_size=2).hexdigest()}"


def _name(projection: Projection, admitted: Admitted) -> str | None:
    if projection.by is None:
        return shown_name(projection.called or admitted.record.name)
    value = admitted.properties.get(projection.by)
    if value is None or value == "":
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return shown_name((projection.called or "{}").replace("{}", text))


def _property(key: str, declaration: Declaration, name: str) -> Property:
    found = declaration.properties.get(name)
    if found is None:
        raise TaxonomyError(f"projection {key}: {declaration.name} has no property {name}")
    if found.privacy is Privacy.LOCAL:
        raise TaxonomyError(f"projection {key}: {declaration.name}.{name} is LOCAL and never leaves")
    return found
