"""What one person hears about one service: a pure decision."""

from dataclasses import dataclass
from typing import Final, Literal

EDIT_SECONDS: Final = 600
"""More news within this time changes the message instead of sending another."""
QUIET_SECONDS: Final = 1800
"""After this time without anything free, the next find is news from the start again."""
ABUNDANCE: Final = 20
"""More free appointments than this are summed up, at most once in DIGEST_SECONDS."""
DIGEST_SECONDS: Final = 3600
MAX_PUSHES: Final = 6
"""How often a telephone rings for one subscription on one day; what comes after that comes silently."""

Decision = Literal[
    "initial", "update_message", "new_message", "digest", "reminder", "gone", "booked", "wait", "nothing"
]
"""`wait`: there is news, but not now; it stays untold until the next cycle. `digest`: the day's silent last message."""

Own = Literal["none", "reserved", "booked"]
"""Whether the person holds an appointment of this service in a booking, or booked one since they were told."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that the decision depends on."""

    now: float
    has_message: bool
    sent_at: float | None
    reminded: bool
    last_free_at: float | None
    last_seen_at: float
    free: int
    fresh: int
    is_quiet: bool = False
    pushes: int = 0
    own: Own = "none"


@dataclass(frozen=True)
class ReminderRule:
    """When people who did not react are reminded once; None is never."""

    after_seconds: float | None = 600


def decide(situation: Situation, rule: ReminderRule) -> Decision:
    """Return what one person is to hear about one service now."""
    if situation.own == "reserved":
        return "wait"  # they are booking it: nothing they were told of is gone for them, and more would disturb
    if situation.has_message and not situation.free:
        return "booked" if situation.own == "booked" else "gone"
    if situation.fresh:
        return _news(situation)
    return "reminder" if _reminder_is_due(situation, rule) else "nothing"


def _news(situation: Situation) -> Decision:
    age = None if situation.sent_at is None else situation.now - situation.sent_at
    knows_of_plenty = situation.free - situation.fresh > ABUNDANCE
    if knows_of_plenty and age is not None and age < DIGEST_SECONDS:
        return "wait"
    if situation.has_message and age is not None and age < EDIT_SECONDS:
        return "update_message"
    if situation.is_quiet:
        return "wait"
    if situation.pushes >= MAX_PUSHES:
        return "update_message" if situation.has_message else "digest"
    long_ago = situation.last_free_at is None or situation.now - situation.last_free_at >= QUIET_SECONDS
    return "initial" if long_ago else "new_message"


def _reminder_is_due(situation: Situation, rule: ReminderRule) -> bool:
    if situation.sent_at is None or rule.after_seconds is None:
        return False
    may_ring = not situation.is_quiet and situation.pushes < MAX_PUSHES
    is_wanted = situation.has_message and situation.free > 0 and not situation.reminded
    is_idle = situation.last_seen_at <= situation.sent_at
    return may_ring and is_wanted and is_idle and situation.now - situation.sent_at >= rule.after_seconds
