"""What the bot keeps, and how it is read and written."""

from termin_bot.storage.database import Database, StorageError, UnitOfWork
from termin_bot.storage.repositories import SUBMITTING
from termin_bot.storage.tables import (
    ANY_OFFICE,
    PRECONFIRMED,
    Appointment,
    BookingSession,
    Person,
    SlotRow,
    Subscription,
    Table,
    ToldSlot,
)

__all__ = [
    "ANY_OFFICE",
    "PRECONFIRMED",
    "SUBMITTING",
    "Appointment",
    "BookingSession",
    "Database",
    "Person",
    "SlotRow",
    "StorageError",
    "Subscription",
    "Table",
    "ToldSlot",
    "UnitOfWork",
]
