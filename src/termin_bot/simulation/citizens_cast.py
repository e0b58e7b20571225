"""Who plays what in the demo: stories, places and names, decided by the seed alone."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .citizens import Identity, Place, invent
from .citizens_stories import STORIES, Story
from .city_catalogue import CITIZENS_OFFICES

Inventor = Callable[[int, random.Random], Identity]
"""Makes up the citizen of that number."""

MOST_CITIZENS: Final = 60
SHOWN_OFFERS: Final = 6
"""How many appointments a notification shows: so many citizens can share an office without competing."""
CITIZENS_SERVICES: Final = (1063475, 1063441, 1063453)
SINGLE_OFFICE: Final = ((10502137, 10456), (1063741, 10308621))


@dataclass(frozen=True)
class Part:
    """One citizen's part."""

    number: int
    story: Story
    place: Place
    identity: Identity
    seed: str


def cast(citizens: int, seed: int, inventor: Inventor = invent) -> tuple[Part, ...]:
    """Return the parts of so many *citizens*; the same seed casts the same play."""
    if not 1 <= citizens <= MOST_CITIZENS:
        raise ValueError(f"1 to {MOST_CITIZENS} citizens can play")
    chance = random.Random(f"cast {seed}")  # noqa: S311  a play, no secret
    taken: Counter[tuple[int, int]] = Counter()
    parts = []
    for number in range(citizens):
        story = STORIES[number] if number < len(STORIES) else chance.choice(STORIES)
        place = _place(story, taken, chance)
        parts.append(Part(number, story, place, inventor(number, chance), f"citizen {number} of {seed}"))
    return tuple(parts)


def _place(story: Story, taken: Counter[tuple[int, int]], chance: random.Random) -> Place:
    wanted = None if story.place is None else (story.place.service_id, story.place.office_id)
    if wanted is None or taken[wanted] >= SHOWN_OFFERS:
        wanted = chance.choice([each for each in _everywhere() if taken[each] < SHOWN_OFFERS])
    taken[wanted] += 1
    return Place(*wanted, rank=taken[wanted] - 1)


def _everywhere() -> list[tuple[int, int]]:
    shared = [(service_id, office_id) for service_id in CITIZENS_SERVICES for office_id in CITIZENS_OFFICES]
    return [*SINGLE_OFFICE, *shared]
