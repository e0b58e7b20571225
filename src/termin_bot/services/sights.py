"""What there is to see of one subscription: what is free for it, what its person knows of, and how they are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from termin_bot.services.clock import day_ends, day_of, today
from termin_bot.services.deciding import Own, Situation
from termin_bot.services.quiet import quiet_until
from termin_bot.storage import Person, SlotRow, Subscription, UnitOfWork

_STANDING: Final = frozenset({"preconfirmed", "confirmed"})


@dataclass(frozen=True)
class Sight:
    """What is *free* and suits, soonest first; the ids of slots that were *told*; and what follows from both."""

    free: Sequence[SlotRow]
    told: frozenset[int]
    situation: Situation

    def after(self, subscription: Subscription, person: Person, said: Collection[int] = ()) -> Situation:
        """Return how it is now that the row was changed, and these slots were told as well."""
        before = self.situation
        return _situation(subscription, person, self.free, self.told.union(said), before.own, before.now)


async def look(work: UnitOfWork, subscription: Subscription, person: Person, now: float) -> Sight:
    """Look at a subscription, in the caller's transaction."""
    wish = subscription.wish
    free = [
        each
        for each in await work.slots.free(subscription.service_id, subscription.office_ids)
        if each.start > now and wish.suits(each.service_id, each.office_id, day_of(each.start))
    ]
    told = await work.slots.told(subscription.id)
    own = await _own(work, subscription)
    return Sight(free, told, _situation(subscription, person, free, told, own, now))


async def _own(work: UnitOfWork, subscription: Subscription) -> Own:
    """Return whether this person holds, or has just booked, an appointment of the service they watch."""
    booking = await work.bookings.of(subscription.person_id)
    if booking is not None and booking.service_id == subscription.service_id and booking.process_id is not None:
        return "reserved"
    since = subscription.notice_sent_at
    if since is None:
        return "none"
    booked = await work.appointments.of(subscription.person_id)
    is_booked = any(
        each.service_id == subscription.service_id and each.booked_at >= since and each.state in _STANDING
        for each in booked
    )
    return "booked" if is_booked else "none"


def pushes_on(subscription: Subscription, day: date) -> int:
    """Return how many times a subscription made a telephone ring on that day."""
    return subscription.pushes if subscription.pushed_on == day else 0


def _situation(
    subscription: Subscription,
    person: Person,
    free: Sequence[SlotRow],
    told: Collection[int],
    own: Own,
    now: float,
) -> Situation:
    until = quiet_until(person, now)
    return Situation(
        now=now,
        has_message=subscription.notice_message_id is not None,
        sent_at=subscription.notice_sent_at,
        reminded=subscription.reminded,
        last_free_at=subscription.last_free_at,
        last_seen_at=person.last_seen_at,
        free=len(free),
        fresh=sum(each.id not in told for each in free),
        is_quiet=until > now,
        quiet_until=until,
        pushes=pushes_on(subscription, today(now)),
        day_ends=day_ends(now),
        own=own,
    )
