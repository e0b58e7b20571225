"""Forgetting what is no longer needed, without being asked."""

import logging
from typing import Final

from termin_bot.events import SubscriptionRemoved
from termin_bot.recording import record, use_visitor
from termin_bot.services.catalogue import CatalogueShelf, service_name
from termin_bot.services.clock import DAY_SECONDS, Clock
from termin_bot.services.ports import Work
from termin_bot.tracing import root_span

_log: Final = logging.getLogger(__name__)
EVERY_SECONDS: Final = 3600.0
SLOT_SECONDS: Final = 2 * DAY_SECONDS
ARRIVAL_SECONDS: Final = 2 * DAY_SECONDS
"""Telegram sends an update again for a day at most."""


class Retention:
    """
    Deletes, at most hourly, what is older than the operator's *days*.

    That is: appointments that are over; people who blocked the bot, or who neither watch nor write anything. Free
    appointments that began two days ago go as well, watched or not; so do the numbers of handled updates.
    """

    def __init__(self, *, work: Work, shelf: CatalogueShelf, clock: Clock, days: int) -> None:
        self._work = work
        self._shelf = shelf
        self._clock = clock
        self._seconds = days * DAY_SECONDS
        self._next_at = 0.0

    async def tidy(self) -> None:
        """Forget what is due, if it is time to look."""
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + EVERY_SECONDS
        before = now - self._seconds
        async with self._work() as work:
            await work.subscriptions.stir_services(await work.slots.forget_past(now - SLOT_SECONDS))
            await work.appointments.forget_past(before)
            await work.arrivals.forget(now - ARRIVAL_SECONDS)
            await work.shared.forget(now)
            leaving = [
                (person, await work.subscriptions.of(person.id)) for person in await work.people.idle_since(before)
            ]
            for person, _ in leaving:
                await work.people.delete(person.id)
            await work.commit()
        if not leaving:
            return
        catalogue = await self._shelf.current_or_empty()
        with root_span("retention"):
            for person, watched in leaving:
                with use_visitor(person.visitor):
                    for each in watched:
                        record(
                            SubscriptionRemoved(
                                service_id=each.service_id,
                                service_name=service_name(catalogue, each.service_id),
                                office_id=each.single_office_id,
                                reason="auto_cleanup",
                            )
                        )
        _log.info("forgot %d people who were long away", len(leaving))
