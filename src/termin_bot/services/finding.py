"""What a person is likely to look for among many services."""

from typing import Final

from termin_bot.munich import Catalogue, Service
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.tracing import traced

FAVOURITES: Final = 3
POPULAR_FROM: Final = 3
"""How many people must watch a service before others hear that it is popular: fewer could be somebody they know."""


class Finding:
    """Knows what a person is likely to look for."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @traced("service finding.favourites")
    async def favourites(self, visit: Visit, catalogue: Catalogue) -> tuple[Service, ...]:
        """Return what this person watches, then what most people watch: at most FAVOURITES, all still offered."""
        async with self._work() as work:
            own = [each.service_id for each in await work.subscriptions.of(visit.person_id)]
            popular = await work.subscriptions.popular(at_least=POPULAR_FROM)
        offered = {each.id: each for each in catalogue.bookable_services}
        wanted = dict.fromkeys([*own, *popular])
        return tuple(offered[each] for each in wanted if each in offered)[:FAVOURITES]
