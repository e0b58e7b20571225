"""Reading and writing rows, in the service's transaction: nothing here commits."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, cast

from sqlalchemy import CursorResult, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from termin_bot.munich import Slot
from termin_bot.storage.tables import Appointment, BookingSession, Person, SlotRow, Subscription, ToldSlot

SUBMITTING = "submitting"
"""The step of a booking that the city is being asked about right now."""
_VISITING: Final = (  # asked for each update: built once
    select(Person, BookingSession.step)
    .outerjoin(BookingSession, BookingSession.person_id == Person.id)
    .where(Person.telegram_id == bindparam("telegram_id"))
)


class People:
    """The people who use the bot."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_telegram_id(self, telegram_id: int) -> Person | None:
        """Return the person behind a Telegram account, if they sent /start."""
        return await self._session.scalar(select(Person).where(Person.telegram_id == telegram_id))

    async def visiting(self, telegram_id: int) -> tuple[Person, str | None] | None:
        """Return the person behind a Telegram account, and at which step of a booking they are, if at any."""
        row = (await self._session.execute(_VISITING, {"telegram_id": telegram_id})).one_or_none()
        return None if row is None else (row[0], row[1])

    async def get(self, person_id: int) -> Person | None:
        """Return a person by row id."""
        return await self._session.get(Person, person_id)

    async def add(self, person: Person) -> Person:
        """Keep a new person."""
        self._session.add(person)
        await self._session.flush()
        return person

    async def idle_since(self, before: float) -> Sequence[Person]:
        """Return who blocked the bot before *before*, or was last seen before it and watches nothing."""
        watches = select(Subscription.id).where(Subscription.person_id == Person.id, Subscription.paused.is_(False))
        booked = select(Appointment.id).where(Appointment.person_id == Person.id)
        has_left = Person.blocked_at < before
        is_idle = (Person.last_seen_at < before) & ~watches.exists() & ~booked.exists()
        return (await self._session.scalars(select(Person).where(has_left | is_idle).order_by(Person.id))).all()

    async def delete(self, person_id: int) -> None:
        """Delete a person and, through the foreign keys, everything about them."""
        await self._session.execute(delete(Person).where(Person.id == person_id))


class Slots:
    """The free appointments that the city showed, and who was told about them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, slot_id: int) -> SlotRow | None:
        """Return a slot, free or gone."""
        return await self._session.get(SlotRow, slot_id)

    async def free(self, service_id: int, office_ids: Collection[int] = ()) -> Sequence[SlotRow]:
        """Return the free slots of a service, soonest first; at these offices, or at any."""
        query = select(SlotRow).where(SlotRow.service_id == service_id, SlotRow.gone_at.is_(None))
        if office_ids:
            query = query.where(SlotRow.office_id.in_(office_ids))
        return (await self._session.scalars(query.order_by(SlotRow.start, SlotRow.office_id))).all()

    def add(self, slots: Iterable[Slot], now: float) -> None:
        """Keep slots that became free."""
        self._session.add_all(
            SlotRow(service_id=each.service_id, office_id=each.office_id, start=each.start, seen_at=now)
            for each in slots
        )

    async def told(self, subscription_id: int) -> frozenset[int]:
        """Return the ids of the slots that a subscription's person was told about."""
        query = select(ToldSlot.slot_id).where(ToldSlot.subscription_id == subscription_id)
        return frozenset((await self._session.scalars(query)).all())

    async def told_of(self, subscription_id: int) -> Sequence[tuple[ToldSlot, SlotRow]]:
        """Return what a subscription's person was told, with the slots, the earliest news first."""
        query = (
            select(ToldSlot, SlotRow)
            .join(SlotRow, SlotRow.id == ToldSlot.slot_id)
            .where(ToldSlot.subscription_id == subscription_id)
            .order_by(ToldSlot.told_at, SlotRow.start)
        )
        return [(row[0], row[1]) for row in (await self._session.execute(query)).all()]

    async def kept(self, slot_ids: Collection[int]) -> Sequence[int]:
        """Return those of these ids whose slots are still kept, free or gone."""
        return (await self._session.scalars(select(SlotRow.id).where(SlotRow.id.in_(slot_ids)))).all()

    def tell(self, subscription_id: int, slot_ids: Iterable[int], message_id: int, now: float) -> None:
        """Note that Telegram accepted a message about these slots."""
        self._session.add_all(
            ToldSlot(subscription_id=subscription_id, slot_id=each, message_id=message_id, told_at=now)
            for each in slot_ids
        )

    async def forget_past(self, before: float) -> Sequence[int]:
        """Delete slots that began before *before*, whoever was told; return the services where nobody saw them go."""
        past = delete(SlotRow).where(SlotRow.start < before)
        unseen = await self._session.scalars(past.where(SlotRow.gone_at.is_(None)).returning(SlotRow.service_id))
        services = unseen.unique().all()
        await self._session.execute(past)
        return services

    async def forget(self, before: float) -> None:
        """Delete slots that have been gone since before *before*."""
        await self._session.execute(delete(SlotRow).where(SlotRow.gone_at < before))


class Bookings:
    """Bookings under way."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, person_id: int) -> BookingSession | None:
        """Return a person's booking, locked against others until the end of the transaction."""
        query = select(BookingSession).where(BookingSession.person_id == person_id).with_for_update()
        return await self._session.scalar(query)

    async def add(self, booking: BookingSession) -> BookingSession:
        """Keep a new booking."""
        self._session.add(booking)
        await self._session.flush()
        return booking

    async def take(self, booking_id: int) -> bool:
        """Delete a booking and with it all that the person typed; False when another was faster."""
        result = await self._session.execute(delete(BookingSession).where(BookingSession.id == booking_id))
        return cast("CursorResult[object]", result).rowcount == 1

    async def overdue(self, now: float) -> Sequence[BookingSession]:
        """Return the bookings that ran out of time, except those that the city is being asked about."""
        query = (
            select(BookingSession)
            .where(BookingSession.deadline <= now, BookingSession.step != SUBMITTING)
            .order_by(BookingSession.deadline)
            .with_for_update()
        )
        return (await self._session.scalars(query)).all()

    async def submitting(self) -> Sequence[BookingSession]:
        """Return the bookings that the city was being asked about."""
        return (await self._session.scalars(select(BookingSession).where(BookingSession.step == SUBMITTING))).all()

    async def running_out(self, before: float) -> Sequence[BookingSession]:
        """Return the bookings that hold an appointment, end before *before* and whose people do not know it yet."""
        query = select(BookingSession).where(
            BookingSession.deadline <= before,
            BookingSession.warned.is_(False),
            BookingSession.process_id.is_not(None),
            BookingSession.step != SUBMITTING,
        )
        return (await self._session.scalars(query)).all()


class Appointments:
    """What came of bookings."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, appointment: Appointment) -> None:
        """Keep an appointment."""
        self._session.add(appointment)

    async def of(self, person_id: int, since: float = 0.0) -> Sequence[Appointment]:
        """Return a person's appointments that begin after *since*, soonest first."""
        query = select(Appointment).where(Appointment.person_id == person_id, Appointment.start > since)
        return (await self._session.scalars(query.order_by(Appointment.start, Appointment.id))).all()

    async def own(self, person_id: int, appointment_id: int) -> Appointment | None:
        """Return an appointment, if it is this person's."""
        found = await self._session.get(Appointment, appointment_id)
        return found if found is not None and found.person_id == person_id else None

    async def get(self, appointment_id: int) -> Appointment | None:
        """Return an appointment by row id."""
        return await self._session.get(Appointment, appointment_id)

    async def to_look_at(self, now: float) -> Sequence[Appointment]:
        """Return the appointments whose turn it is to be asked after, the longest due first."""
        query = select(Appointment).where(Appointment.look_at <= now).order_by(Appointment.look_at, Appointment.id)
        return (await self._session.scalars(query)).all()

    async def forget_past(self, before: float) -> None:
        """Delete appointments that began before *before*."""
        await self._session.execute(delete(Appointment).where(Appointment.start < before))

    async def forget_credentials(self, now: float) -> None:
        """Delete what opens an appointment that has begun."""
        query = update(Appointment).where(Appointment.start <= now, Appointment.auth_key.is_not(None))
        await self._session.execute(query.values(process_id=None, auth_key=None, look_at=None))
