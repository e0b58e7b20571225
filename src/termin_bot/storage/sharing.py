"""The rows by which several instances share the work, in the service's transaction: nothing here commits."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import and_, bindparam, delete, exists, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from termin_bot.storage.sealing import Sealed
from termin_bot.storage.tables import Arrival, Instance, Lease, Shared

# Both databases understand these words; whether somebody lives is asked for in the same breath.
_BEAT: Final = text(
    "INSERT INTO instance (id, alive_until) VALUES (:id, :until) "
    "ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until"
)
_CLAIM: Final = text(
    "INSERT INTO lease (name, holder) VALUES (:name, :holder) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder WHERE lease.holder = excluded.holder "
    "OR NOT EXISTS (SELECT 1 FROM instance WHERE instance.id = lease.holder AND instance.alive_until > :now) "
    "RETURNING name"
)
_ARRIVE: Final = text(
    "INSERT INTO arrival (update_id, telegram_id, content, holder, arrived_at, started) "
    "VALUES (:update_id, :telegram_id, :content, :holder, :now, false) "
    "ON CONFLICT (update_id) DO NOTHING RETURNING update_id"
).bindparams(bindparam("content", type_=Sealed()))


class Instances:
    """Who is running, and what each holds."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def beat(self, instance: str, until: float) -> None:
        """Note that an instance lives, until then at least."""
        await self._session.execute(_BEAT, {"id": instance, "until": until})

    async def is_alive(self, instance: str, now: float) -> bool:
        """Whether an instance lives."""
        query = select(Instance.id).where(Instance.id == instance, Instance.alive_until > now)
        return await self._session.scalar(query) is not None

    async def claim(self, name: str, instance: str, now: float) -> bool:
        """Take a lease that is free, one's own or a dead instance's; False when another has it."""
        row = await self._session.execute(_CLAIM, {"name": name, "holder": instance, "now": now})
        return row.first() is not None

    async def release(self, name: str, instance: str) -> None:
        """Give a lease back."""
        await self._session.execute(delete(Lease).where(Lease.name == name, Lease.holder == instance))

    async def leave(self, instance: str) -> None:
        """Let go of everything that an instance holds, and forget it."""
        await self._session.execute(delete(Lease).where(Lease.holder == instance))
        waiting = update(Arrival).where(Arrival.holder == instance, Arrival.handled_at.is_(None))
        await self._session.execute(waiting.values(holder=None, started=False))
        await self._session.execute(delete(Instance).where(Instance.id == instance))

    async def forget(self, before: float) -> None:
        """Delete instances that have been dead since before *before*."""
        await self._session.execute(delete(Instance).where(Instance.alive_until < before))


class Arrivals:
    """The updates that arrived, in order per person."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, update_id: int, telegram_id: int | None, content: str, holder: str, now: float) -> bool:
        """Write an update down; False when another instance has it, or it is handled."""
        values = {"update_id": update_id, "telegram_id": telegram_id, "content": content, "holder": holder, "now": now}
        if (await self._session.execute(_ARRIVE, values)).first() is not None:
            return True
        return await self.own(update_id, holder) is not None

    async def own(self, update_id: int, holder: str) -> Arrival | None:
        """Return an update that this instance is to handle; None when it is handled, or another's by now."""
        query = select(Arrival).where(
            Arrival.update_id == update_id, Arrival.holder == holder, Arrival.handled_at.is_(None)
        )
        return await self._session.scalar(query)

    async def lock(self, telegram_id: int) -> None:
        """Keep other instances from looking at this person's updates until the end of the transaction."""
        if self._session.get_bind().dialect.name == "postgresql":  # SQLite lets one writer in anyway
            await self._session.execute(select(func.pg_advisory_xact_lock(telegram_id)))

    async def is_behind(self, arrival: Arrival) -> bool:
        """Whether another update of the same person goes first: an earlier one, or one that has started."""
        query = select(Arrival.update_id).where(
            Arrival.telegram_id == arrival.telegram_id,
            Arrival.handled_at.is_(None),
            Arrival.update_id != arrival.update_id,
            or_(Arrival.update_id < arrival.update_id, Arrival.started.is_(True)),
        )
        return await self._session.scalar(query.limit(1)) is not None

    async def handled(self, update_id: int, now: float) -> None:
        """Note that an update is done with, and forget whose it was and what was in it."""
        done = update(Arrival).where(Arrival.update_id == update_id)
        await self._session.execute(
            done.values(handled_at=now, telegram_id=None, content=None, holder=None, started=False)
        )

    async def adopt(self, holder: str, now: float, *, known: Collection[int], limit: int) -> Sequence[Arrival]:
        """
        Take over, oldest first, what instances that are no more have left behind.

        Also what is this instance's own, but not among what it knows of: its word got lost on the way to Telegram.
        """
        lives = exists().where(Instance.id == Arrival.holder, Instance.alive_until > now)
        unknown = and_(Arrival.holder == holder, Arrival.update_id.not_in(known))
        query = (
            select(Arrival)
            .where(Arrival.handled_at.is_(None), or_(unknown, Arrival.holder.is_distinct_from(holder) & ~lives))
            .order_by(Arrival.update_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        found = (await self._session.scalars(query)).all()
        for each in found:
            if each.holder != holder:
                each.holder, each.started = holder, False
        return found

    async def forget(self, before: float) -> None:
        """Delete the numbers of updates that arrived before *before* and are handled."""
        await self._session.execute(delete(Arrival).where(Arrival.arrived_at < before, Arrival.handled_at.is_not(None)))


class SharedThings:
    """What one instance got, for all."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, name: str, now: float) -> str | None:
        """Return what is still good."""
        found = await self._session.get(Shared, name)
        return None if found is None or found.good_until <= now else found.content

    async def put(self, name: str, content: str, good_until: float) -> None:
        """Keep something in place of what was there."""
        await self._session.merge(Shared(name=name, content=content, good_until=good_until))

    async def forget(self, now: float) -> None:
        """Delete what is good no longer."""
        await self._session.execute(delete(Shared).where(Shared.good_until <= now))
