"""Kinds of services, and names compared however they are typed. Pure: the catalogue is an argument."""

import unicodedata
from collections.abc import Sequence
from typing import Final, Literal

from termin_bot.munich import Service

Category = Literal["residence", "identity", "registration", "driving", "family", "business", "other"]
_KINDS: Final[tuple[tuple[Category, tuple[str, ...]], ...]] = (
    ("residence", ("aufenthalt", "notfall-hilfe", "duldung", "einburger", "visum", "verpflichtungserkl", "niederlass")),
    ("driving", ("fuhrerschein", "fahrerlaubnis", "fahrzeug", "kfz", "kennzeichen", "zulassung")),
    ("identity", ("ausweis", "reisepass", "pass ", "eid")),
    ("registration", ("wohnsitz", "meldung", "melde", "umzug")),
    ("family", ("ehe", "geburt", "kind", "lebenspartner", "standesamt", "eltern", "sterbe")),
    ("business", ("gewerbe", "gaststatt", "betrieb", "firma")),
)
_SPELLED_OUT: Final = (("ae", "a"), ("oe", "o"), ("ue", "u"))


def search(services: Sequence[Service], text: str) -> tuple[Service, ...]:
    """Return the services whose names have every word of *text* in them; umlauts, accents and case do not matter."""
    words = set(fold(text).split())
    folded = ((each, fold(each.name)) for each in services) if words else ()
    return tuple(each for each, name in folded if all(word in name for word in words))


def of_kind(services: Sequence[Service], category: Category) -> tuple[Service, ...]:
    """Return the services of one kind."""
    return tuple(each for each in services if kind_of(each) == category)


def kinds(services: Sequence[Service]) -> tuple[Category, ...]:
    """Return the kinds that there are services of, in a fixed order."""
    found = {kind_of(each) for each in services}
    order: tuple[Category, ...] = (*(kind for kind, _ in _KINDS), "other")
    return tuple(each for each in order if each in found)


def kind_of(service: Service) -> Category:
    """Return what kind of service this is; the city's catalogue does not say, so its name must."""
    name = fold(service.name)
    return next((kind for kind, words in _KINDS if any(word in name for word in words)), "other")


def fold(text: str) -> str:
    """Return *text* as it is compared: small letters without marks; "ue" counts as the "ü" it may stand for."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    for spelled, letter in _SPELLED_OUT:
        plain = plain.replace(spelled, letter)
    return plain
