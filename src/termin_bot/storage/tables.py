"""
What the bot keeps. Everything about a person hangs on `person` and goes with it.

    person ─┬─ subscription ── told_slot ── slot      (slots are the city's, not a person's)
            ├─ booking_session                        (one at a time; purged when it ends)
            └─ appointment
    arrival     what Telegram handed over and nobody has handled; once handled, a number without a person
    instance, lease, shared                           (where several instances share the database; nobody's data)

Moments are epoch seconds. Ids that appear in buttons are never used twice. What people type into a booking, and the
city's credentials, are sealed: encrypted in the database, plain in a row in memory.
"""

from datetime import date
from typing import Any, Final

from sqlalchemy import BigInteger, Date, Double, ForeignKey, Index, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from termin_bot.storage.sealing import Sealed, SealedInt
from termin_bot.storage.wishes import Wish

ANY_OFFICE = ""
AT_ONCE: Final = 0.0
PRECONFIRMED: Final = "preconfirmed"


class Table(DeclarativeBase):
    """The base of all tables; constraints have names, so that migrations can find them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    def __repr__(self) -> str:
        """Say which row it is, never what is in it."""
        return f"<{type(self).__name__} {getattr(self, 'id', None)}>"


class Person(Table):
    """Somebody who sent /start. *pseudonym* is random: nothing outside this row joins it to a Telegram account."""

    __tablename__ = "person"
    __table_args__: Any = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    telegram_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    pseudonym: Mapped[str] = mapped_column("visitor", String(50), unique=True)
    language: Mapped[str] = mapped_column(String(16))
    registered_at: Mapped[float] = mapped_column(Double)
    last_seen_at: Mapped[float] = mapped_column(Double)
    last_command_at: Mapped[float | None] = mapped_column(Double)
    blocked_at: Mapped[float | None] = mapped_column(Double)
    asked_dates_for: Mapped[int | None]
    """The subscription whose dates the next typed message sets; 0 is all, None is that nothing was asked."""
    quiet_from: Mapped[int | None]
    quiet_until: Mapped[int | None]
    """The hours (0 to 23, on Munich's clock) between which nothing may ring; None is never quiet."""
    analytics: Mapped[bool] = mapped_column(default=True)
    """Whether the person is counted."""
    asked_search: Mapped[bool] = mapped_column(default=False)
    """Whether the next typed message is a part of a service's name."""
    calendar_start: Mapped[date | None] = mapped_column(Date)
    """The first day of a range that is being chosen on a calendar."""

    @property
    def visitor(self) -> str | None:
        """The pseudonym for events; None is a person who does not want to be counted."""
        return self.pseudonym if self.analytics else None


class Subscription(Table):
    """A person watches a service; also holds what the current notification about it is."""

    __tablename__ = "subscription"
    __table_args__: Any = (
        UniqueConstraint("person_id", "service_id"),
        Index(None, "service_id", "look_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    service_id: Mapped[int] = mapped_column(BigInteger)
    offices: Mapped[str] = mapped_column(String(400), default=ANY_OFFICE)
    """Office ids, ascending, with commas; empty is any office."""
    date_from: Mapped[date | None] = mapped_column(Date)
    date_to: Mapped[date | None] = mapped_column(Date)
    paused: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float] = mapped_column(Double)
    notice_message_id: Mapped[int | None] = mapped_column(BigInteger)
    """The message that lists free appointments now; None when there is none or it says that they are gone."""
    notice_sent_at: Mapped[float | None] = mapped_column(Double)
    reminded: Mapped[bool] = mapped_column(default=False)
    last_free_at: Mapped[float | None] = mapped_column(Double)
    pushes: Mapped[int] = mapped_column(default=0)
    pushed_on: Mapped[date | None] = mapped_column(Date)
    """The day in Munich that *pushes* counts."""
    teller: Mapped[str | None] = mapped_column(String(36))
    """The instance that is sending this person something about it; nobody else does meanwhile, while it lives."""

    look_at: Mapped[float | None] = mapped_column(Double, default=AT_ONCE)
    """When a check cycle is to see whether this person hears something: AT_ONCE when anything has changed or a message
    is not noted yet, later for what comes with time (a reminder, the end of quiet hours), None only after a change."""

    @property
    def wish(self) -> Wish:
        """What is watched."""
        return Wish(service_id=self.service_id, offices=self.offices, date_from=self.date_from, date_to=self.date_to)

    @property
    def office_ids(self) -> tuple[int, ...]:
        """The chosen offices; empty is any."""
        return self.wish.office_ids

    @property
    def single_office_id(self) -> int | None:
        """The office, if exactly one was chosen."""
        chosen = self.office_ids
        return chosen[0] if len(chosen) == 1 else None


class SlotRow(Table):
    """A free appointment that the city showed. One that comes back after it was gone is a new row."""

    __tablename__ = "slot"
    __table_args__: Any = (Index(None, "service_id", "gone_at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    service_id: Mapped[int] = mapped_column(BigInteger)
    office_id: Mapped[int] = mapped_column(BigInteger)
    start: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[float] = mapped_column(Double)
    gone_at: Mapped[float | None] = mapped_column(Double)


class ToldSlot(Table):
    """Telegram accepted a message that tells this subscription's person about this slot."""

    __tablename__ = "told_slot"

    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscription.id", ondelete="CASCADE"), primary_key=True)
    slot_id: Mapped[int] = mapped_column(ForeignKey("slot.id", ondelete="CASCADE"), primary_key=True, index=True)
    message_id: Mapped[int] = mapped_column(BigInteger)
    told_at: Mapped[float] = mapped_column(Double)


class BookingSession(Table):
    """A booking under way: what the person typed, the city's credentials; it is deleted when the booking ends."""

    __tablename__ = "booking_session"
    __table_args__: Any = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), unique=True)
    service_id: Mapped[int] = mapped_column(BigInteger)
    office_id: Mapped[int] = mapped_column(BigInteger)
    start: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[str] = mapped_column(String(32))
    started_at_ns: Mapped[int] = mapped_column(BigInteger)
    deadline: Mapped[float] = mapped_column(Double, index=True)
    trace_id: Mapped[str] = mapped_column(String(32))
    span_id: Mapped[str] = mapped_column(String(16))
    process_id: Mapped[int | None] = mapped_column(SealedInt)
    auth_key: Mapped[str | None] = mapped_column(Sealed)
    name: Mapped[str | None] = mapped_column(Sealed)
    email: Mapped[str | None] = mapped_column(Sealed)
    telephone: Mapped[str | None] = mapped_column(Sealed)
    custom_text: Mapped[str | None] = mapped_column(Sealed)
    custom_text2: Mapped[str | None] = mapped_column(Sealed)
    alias: Mapped[str] = mapped_column(String(50), default="")
    """Random: stands for the booking where events that name a service do not tell who it is."""
    warned: Mapped[bool] = mapped_column(default=False)
    """Whether the person heard that time is running out, or never will because there was little from the start."""
    submitter: Mapped[str | None] = mapped_column(String(36))
    """The instance that is asking the city about it."""


class Appointment(Table):
    """
    An appointment that the bot booked, and what it needs to ask after it or to cancel it.

    preconfirmed ──the citizen opens the link──► confirmed      credentials are kept until the appointment
         └── expired (not opened in time) or cancelled ◄──┘      credentials are deleted at once
    """

    __tablename__ = "appointment"
    __table_args__: Any = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    service_id: Mapped[int] = mapped_column(BigInteger)
    office_id: Mapped[int] = mapped_column(BigInteger)
    start: Mapped[int] = mapped_column(BigInteger)
    booked_at: Mapped[float] = mapped_column(Double)
    state: Mapped[str] = mapped_column(String(16), default=PRECONFIRMED)
    process_id: Mapped[int | None] = mapped_column(SealedInt)
    auth_key: Mapped[str | None] = mapped_column(Sealed)
    activate_by: Mapped[float | None] = mapped_column(Double)
    look_at: Mapped[float | None] = mapped_column(Double, index=True)
    """When the city is asked next whether the link was opened; None when it need not be asked any more."""


class Arrival(Table):
    """
    An update of Telegram's, written down before Telegram hears that it arrived.

    waiting ──its turn──► started ──► handled: whose it was and what was in it are deleted at once; the number stays
    for some days, because Telegram may send an update twice.
    """

    __tablename__ = "arrival"

    update_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    telegram_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    content: Mapped[str | None] = mapped_column(Sealed)
    arrived_at: Mapped[float] = mapped_column(Double, index=True)
    holder: Mapped[str | None] = mapped_column(String(36))
    """The instance that is going to handle it; nobody's when that one left."""
    started: Mapped[bool] = mapped_column(default=False)
    handled_at: Mapped[float | None] = mapped_column(Double)


class Instance(Table):
    """A running bot. What it holds is its own until *alive_until*, which it keeps moving."""

    __tablename__ = "instance"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    alive_until: Mapped[float] = mapped_column(Double)


class Lease(Table):
    """Something that one instance does for all."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(36))


class Shared(Table):
    """Something that one instance got from the city, for all of them."""

    __tablename__ = "shared"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[str] = mapped_column(Sealed)
    good_until: Mapped[float] = mapped_column(Double)
