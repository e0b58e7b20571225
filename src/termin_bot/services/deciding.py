"""What one person hears about one service, and when to look again: pure decisions."""

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
"""`wait`: there is news, but not now; it stays untold until its time. `digest`: the day's silent last message."""

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
    quiet_until: float = 0.0
    """When the quiet hours that it is in end."""
    day_ends: float = 0.0
    """When the day's pushes are counted anew."""


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


def next_look(situation: Situation, rule: ReminderRule) -> float | None:
    """Return when this person may hear something though nothing changes; None is not before something does."""
    if decide(situation, rule) not in ("nothing", "wait") or situation.own == "reserved":
        return situation.now  # how a booking goes on is not written down here
    if situation.fresh:
        return _digest_at(situation) if _waits_for_digest(situation) else situation.quiet_until
    return _reminder_at(situation, rule)


def _waits_for_digest(situation: Situation) -> bool:
    knows_of_plenty = situation.free - situation.fresh > ABUNDANCE
    return knows_of_plenty and situation.sent_at is not None and situation.now < _digest_at(situation)


def _digest_at(situation: Situation) -> float:
    assert situation.sent_at is not None
    return situation.sent_at + DIGEST_SECONDS


def _news(situation: Situation) -> Decision:
    if _waits_for_digest(situation):
        return "wait"
    age = None if situation.sent_at is None else situation.now - situation.sent_at
    if situation.has_message and age is not None and age < EDIT_SECONDS:
        return "update_message"
    if situation.is_quiet:
        return "wait"
    if situation.pushes >= MAX_PUSHES:
        return "update_message" if situation.has_message else "digest"
    # A message that stands says that something was free until now: nobody looks again while nothing changes.
    long_ago = situation.last_free_at is None or situation.now - situation.last_free_at >= QUIET_SECONDS
    return "initial" if long_ago and not situation.has_message else "new_message"


def _reminder_at(situation: Situation, rule: ReminderRule) -> float | None:
    """Return when a reminder may come, None if none ever does for what is free now."""
    if situation.sent_at is None or rule.after_seconds is None:
        return None
    is_wanted = situation.has_message and situation.free > 0 and not situation.reminded
    if not is_wanted or situation.last_seen_at > situation.sent_at:
        return None
    due = situation.sent_at + rule.after_seconds
    if situation.now < due or _may_ring(situation):
        return due
    return situation.quiet_until if situation.is_quiet else situation.day_ends


def _reminder_is_due(situation: Situation, rule: ReminderRule) -> bool:
    at = _reminder_at(situation, rule)
    return at is not None and at <= situation.now and _may_ring(situation)


def _may_ring(situation: Situation) -> bool:
    return not situation.is_quiet and situation.pushes < MAX_PUSHES
