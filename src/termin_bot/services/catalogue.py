"""The city's catalogue, asked for at most hourly."""

import asyncio
from dataclasses import replace
from typing import Final

from termin_bot.munich import Catalogue, CatalogueSource, MunichError, Office
from termin_bot.services.clock import Clock

FRESH_SECONDS: Final = 3600
RETRY_SECONDS: Final = 61
_PAGE: Final = "https://stadt.muenchen.de/buergerservice/terminvereinbarung.html#/services"


class CatalogueShelf:
    """
    Keeps the latest catalogue; an old one is better than none while the city does not answer.

    After a failure the city is asked again no sooner than in RETRY_SECONDS.
    """

    def __init__(self, source: CatalogueSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._catalogue: Catalogue | None = None
        self._trouble: MunichError | None = None
        self._ask_at = 0.0
        self._lock = asyncio.Lock()

    async def current(self) -> Catalogue:
        """
        Return the catalogue.

        Raises:
            MunichError: there is none yet, and the city gives none.
        """
        async with self._lock:
            if self._clock() >= self._ask_at:
                try:
                    self._catalogue, self._trouble = self._remembering(await self._source.catalogue()), None
                    self._ask_at = self._clock() + FRESH_SECONDS
                except MunichError as error:
                    self._trouble = error.with_traceback(None)
                    self._ask_at = self._clock() + RETRY_SECONDS  # however many people ask meanwhile
            if self._catalogue is None:
                assert self._trouble is not None, "it was asked for, and came to nothing"
                raise self._trouble.with_traceback(None)
            return self._catalogue

    def _remembering(self, fresh: Catalogue) -> Catalogue:
        """Return the fresh catalogue with what has left it since this instance started."""
        if self._catalogue is None:
            return fresh
        known = {**self._catalogue.former, **self._catalogue.services}
        return replace(fresh, former={each: known[each] for each in known.keys() - fresh.services.keys()})

    async def current_or_empty(self) -> Catalogue:
        """Return the catalogue, or an empty one: for names only, where a missing name is no reason to stop."""
        try:
            return await self.current()
        except MunichError:
            return Catalogue(services={}, offices={}, relations=())


def service_name(catalogue: Catalogue, service_id: int) -> str:
    """Return the service's name, or a neutral one for a service that left the catalogue."""
    service = catalogue.services.get(service_id) or catalogue.former.get(service_id)
    return service.name if service is not None else f"Service {service_id}"


def office_label(catalogue: Catalogue, office_id: int) -> str:
    """Return what tells this office from others, or a neutral name for one that left the catalogue."""
    office = catalogue.offices.get(office_id)
    return office.label if office is not None else f"Office {office_id}"


def offices_of(catalogue: Catalogue, service_id: int, chosen: tuple[int, ...]) -> tuple[Office, ...]:
    """Return the offices to ask: the chosen ones that still offer the service, or all when any will do."""
    offering = catalogue.offices_for(service_id)
    return tuple(each for each in offering if not chosen or each.id in chosen)


def page_of(service_id: int, office_id: int | None = None) -> str:
    """Return the address of the city's own page about a service."""
    return f"{_PAGE}/{service_id}" + (f"/locations/{office_id}" if office_id is not None else "")
