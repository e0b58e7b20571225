"""
What became of one event that was sent, as types; and what the sender does about each.

    Delivered      stored                                              gone from the spool
    Refused        it can never be stored                              a dead letter, never retried
    Throttled      the server asked us to wait                         retried, not before its time
    Unavailable    the server or its database is not there             retried with back-off
    Misconfigured  it would be dropped or refused until somebody acts  retried with back-off, and said with the remedy
    BatchRefused   the batch as a whole, it is not known which item    retried in smaller batches, down to one
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Delivered:
    """Umami has stored it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Umami will never store it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """Umami asked us to wait; the event is good."""

    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody who could store it is there; the event is good. A *doubtful* one may itself be the cause."""

    reason: str
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Nothing will be stored until somebody changes a setting; the event is good."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class BatchRefused:
    """The server refused the batch as a whole, too large for example; which event is to blame is not known."""

    reason: str


DELIVERED: Final = Delivered()
Outcome = Delivered | Refused | Throttled | Unavailable | Misconfigured | BatchRefused
