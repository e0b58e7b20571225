"""Who watches what, and whose turn it is; in the service's transaction: nothing here commits."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Final, cast

from sqlalchemy import ColumnElement, CursorResult, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from termin_bot.storage.tables import AT_ONCE, Person, Subscription
from termin_bot.storage.wishes import Wish

_ACTIVE: Final = (Person.blocked_at.is_(None), Subscription.paused.is_(False))


class Subscriptions:
    """Who watches what."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, person_id: int) -> Sequence[Subscription]:
        """Return a person's subscriptions, oldest first."""
        query = select(Subscription).where(Subscription.person_id == person_id).order_by(Subscription.id)
        return (await self._session.scalars(query)).all()

    async def own(self, person_id: int, subscription_id: int) -> Subscription | None:
        """Return a subscription, if it is this person's."""
        found = await self._session.get(Subscription, subscription_id)
        return found if found is not None and found.person_id == person_id else None

    async def with_person(self, subscription_id: int, *, locked: bool = False) -> tuple[Subscription, Person] | None:
        """Return a subscription and whose it is; *locked* against other instances until the end of the transaction."""
        query = select(Subscription, Person).join(Person).where(Subscription.id == subscription_id)
        if locked:
            query = query.with_for_update(of=Subscription)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def wishes(self) -> Sequence[Wish]:
        """Return what is to be watched: what is not paused, and whose person can be reached."""
        what = (Subscription.service_id, Subscription.offices, Subscription.date_from, Subscription.date_to)
        query = (
            select(*what, func.count(Subscription.id))
            .join(Person)
            .where(*_ACTIVE)
            .group_by(*what)
            .order_by(Subscription.service_id, func.min(Subscription.id))
        )
        return [
            Wish(service_id=row[0], offices=row[1], date_from=row[2], date_to=row[3], people=row[4])
            for row in await self._session.execute(query)
        ]

    async def due(self, service_id: int, offices: Collection[str], now: float) -> Sequence[int]:
        """Return the ids of those to look at: something has changed for them, or their time has come."""
        query = (
            select(Subscription.id)
            .join(Person)
            .where(*_ACTIVE, *_watches(service_id, offices), Subscription.look_at <= now)
            .order_by(Subscription.id)
        )
        return (await self._session.scalars(query)).all()

    async def watching(self, service_id: int, offices: Collection[str]) -> Sequence[int]:
        """Return the ids of all that watch a service at exactly these offices, and are not paused."""
        query = select(Subscription.id).join(Person).where(*_ACTIVE, *_watches(service_id, offices))
        return (await self._session.scalars(query.order_by(Subscription.id))).all()

    async def over(self, first: date) -> Sequence[int]:
        """Return the ids of those whose last day was before *first*, and that are not paused."""
        query = select(Subscription.id).join(Person).where(*_ACTIVE, Subscription.date_to < first)
        return (await self._session.scalars(query.order_by(Subscription.id))).all()

    async def stir(self, service_id: int, office_ids: Iterable[int], first: date, last: date) -> None:
        """Have everybody looked at who may wait for something at these offices between these days, also the paused."""
        at = select(Subscription.offices).where(Subscription.service_id == service_id).distinct()
        wanted = {str(each) for each in office_ids}
        concerned = [
            each for each in (await self._session.scalars(at)).all() if not each or wanted.intersection(each.split(","))
        ]
        await self._session.execute(
            update(Subscription)
            .where(
                *_watches(service_id, concerned),
                or_(Subscription.date_from.is_(None), Subscription.date_from <= last),
                or_(Subscription.date_to.is_(None), Subscription.date_to >= first),
            )
            .values(look_at=AT_ONCE)
            .execution_options(synchronize_session=False)
        )

    async def stir_services(self, service_ids: Collection[int]) -> None:
        """Have everybody looked at who watches one of these services."""
        query = update(Subscription).where(Subscription.service_id.in_(service_ids)).values(look_at=AT_ONCE)
        await self._session.execute(query)

    async def stir_person(self, person_id: int) -> None:
        """Have everything looked at that a person watches."""
        query = update(Subscription).where(Subscription.person_id == person_id).values(look_at=AT_ONCE)
        await self._session.execute(query)

    async def popular(self, *, at_least: int) -> Sequence[int]:
        """Return the services that at least so many people watch, the most watched first."""
        watchers = func.count(Subscription.id)
        query = (
            select(Subscription.service_id)
            .group_by(Subscription.service_id)
            .having(watchers >= at_least)
            .order_by(watchers.desc(), Subscription.service_id)
        )
        return (await self._session.scalars(query)).all()

    async def add(self, subscription: Subscription) -> Subscription:
        """Keep a new subscription."""
        self._session.add(subscription)
        await self._session.flush()
        return subscription

    async def delete(self, subscription_id: int) -> bool:
        """Delete a subscription; False when it was gone already."""
        result = await self._session.execute(delete(Subscription).where(Subscription.id == subscription_id))
        return cast("CursorResult[object]", result).rowcount == 1


def _watches(service_id: int, offices: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return Subscription.service_id == service_id, Subscription.offices.in_(offices)
