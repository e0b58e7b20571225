"""What the bot keeps, and how it is read and written."""

from termin_bot.storage.database import Database, UnitOfWork
from termin_bot.storage.repositories import SUBMITTING
from termin_bot.storage.tables import (
    ANY_OFFICE,
    AT_ONCE,
    PRECONFIRMED,
    Appointment,
    Arrival,
    BookingSession,
    Person,
    SlotRow,
    Subscription,
    Table,
    ToldSlot,
)
from termin_bot.storage.trouble import (
    StorageAwayError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
    StorageUnusableError,
)
from termin_bot.storage.wishes import Wish, joined, offices_in

__all__ = [
    "ANY_OFFICE",
    "AT_ONCE",
    "PRECONFIRMED",
    "SUBMITTING",
    "Appointment",
    "Arrival",
    "BookingSession",
    "Database",
    "Person",
    "SlotRow",
    "StorageAwayError",
    "StorageError",
    "StorageFullError",
    "StorageReadOnlyError",
    "StorageUnusableError",
    "Subscription",
    "Table",
    "ToldSlot",
    "UnitOfWork",
    "Wish",
    "joined",
    "offices_in",
]
