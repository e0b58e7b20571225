"""Both ends of the road compared: what the bot recorded, and what arrived."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PAGE_VIEWS: Final = "page views"


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What has arrived, and what Umami would have objected to."""

    events: Mapping[str, int]
    views: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How many events and page views never arrived, and what else is wrong."""

    lost: int
    troubles: tuple[str, ...]


def compare(events: Mapping[str, int], views: int, arrived: Arrived) -> Verdict:
    """Return how what was recorded (*events* by name, and *views*) differs from what *arrived*."""
    recorded = {**events, PAGE_VIEWS: views}
    found = {**arrived.events, PAGE_VIEWS: arrived.views}
    missing = {name: recorded.get(name, 0) - found.get(name, 0) for name in {**recorded, **found}}
    doubled = [f"{-each} of {name} arrived without having been recorded" for name, each in missing.items() if each < 0]
    objections = [f"the inbox objects: {each}" for each in arrived.problems]
    return Verdict(lost=sum(each for each in missing.values() if each > 0), troubles=(*doubled, *objections))
