"""Who hears what about free appointments: once per slot, and only what Telegram accepted counts as told."""

import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Final, Literal

from opentelemetry.trace import Span, SpanKind, StatusCode

from termin_bot.events import NotificationFailed, NotificationFailure, NotificationSent, NotificationType
from termin_bot.munich import Catalogue
from termin_bot.recording import name_on_span, on_behalf_of, record
from termin_bot.services.catalogue import office_label, page_of, service_name
from termin_bot.services.clock import Clock, day_of, today
from termin_bot.services.deciding import ABUNDANCE, Decision, Own, ReminderRule, Situation, decide
from termin_bot.services.notices import Offer, SlotsBooked, SlotsFree, SlotsGone
from termin_bot.services.patience import Patience
from termin_bot.services.people import People
from termin_bot.services.ports import Accepted, Blocked, Failed, Messenger, NoSuchMessage, Outcome, TooMany, Work
from termin_bot.services.quiet import is_quiet
from termin_bot.services.sharing import Instance
from termin_bot.storage import Person, SlotRow, Subscription, UnitOfWork
from termin_bot.tracing import ERROR_TYPE, carrying_on, say_who, span

__all__ = ["MAX_OFFERS", "Decision", "Notifying", "ReminderRule", "Situation", "decide", "pushes_on"]

_log: Final = logging.getLogger(__name__)
MAX_OFFERS: Final = 6
_STANDING: Final = frozenset({"preconfirmed", "confirmed"})

_KINDS: Final[dict[Decision, NotificationType]] = {
    "initial": "initial",
    "update_message": "update",
    "new_message": "update",
    "digest": "update",
    "reminder": "reminder",
}
_PUSHES: Final[frozenset[Decision]] = frozenset({"initial", "new_message", "reminder"})


class Notifying:
    """Brings the state of the slot table to the people who wait for it."""

    def __init__(
        self,
        *,
        work: Work,
        people: People,
        messenger: Messenger,
        clock: Clock,
        rule: ReminderRule,
        chance: random.Random,
        instance: Instance,
        patience: Patience,
    ) -> None:
        self._instance = instance
        self._patience = patience
        self._work = work
        self._people = people
        self._messenger = messenger
        self._clock = clock
        self._rule = rule
        self._chance = chance

    async def tell(self, subscription_ids: Sequence[int], catalogue: Catalogue) -> None:
        """Tell everybody among these what is new to them; in random order, so that nobody is always first."""
        for subscription_id in self._chance.sample(subscription_ids, len(subscription_ids)):
            with carrying_on(_log, "a notification"):
                await self._tell_one(subscription_id, catalogue)

    async def _tell_one(self, subscription_id: int, catalogue: Catalogue) -> None:
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id, locked=self._instance.shared)
            if found is None or found[0].paused or found[1].blocked_at is not None:
                return
            subscription, person = found
            if await self._instance.is_anothers(work, subscription.teller):
                return  # they are being told right now
            rows = await work.slots.free(subscription.service_id, subscription.office_ids)
            told = await work.slots.told(subscription.id)
            own = await _own(work, subscription)
            now = self._clock()
            free = [
                each
                for each in rows
                if each.start > now and subscription.suits(each.service_id, each.office_id, day_of(each.start))
            ]
            fresh = [each for each in free if each.id not in told]
            situation = _situation(subscription, person, own, now, free=len(free), fresh=len(fresh))
            decision = decide(situation, self._rule)
            if self._instance.shared and decision not in ("nothing", "wait"):
                subscription.teller = self._instance.id  # until it is noted, or this instance is no more
                await work.commit()
        match decision:
            case "gone" | "booked":
                await self._say_over(decision, subscription, person, catalogue)
            case "nothing" | "wait" if free and not situation.is_quiet:
                await self._note_free(subscription.id)
            case "nothing" | "wait":
                pass
            case _:
                await self._notify(decision, subscription, person, free, catalogue)

    async def _notify(
        self, decision: Decision, subscription: Subscription, person: Person, free: list[SlotRow], catalogue: Catalogue
    ) -> None:
        kind = _KINDS[decision]
        name = service_name(catalogue, subscription.service_id)
        notice = SlotsFree(
            kind=kind,
            service_name=name,
            link=page_of(subscription.service_id, subscription.single_office_id),
            offers=tuple(
                Offer(slot_id=each.id, start=each.start, office=office_label(catalogue, each.office_id))
                for each in free[:MAX_OFFERS]
            ),
            total=len(free),
            digest="daily" if decision == "digest" else "abundance" if len(free) > ABUNDANCE else None,
        )
        with _notification(person) as current, on_behalf_of(person):
            current.set_attribute("termin_bot.notification_type", kind)
            outcome = await self._deliver(decision, subscription, person, notice)
            if isinstance(outcome, Accepted):
                said = partial(self._note_told, decision, subscription.id, free, outcome.message_id)
                await self._patience.insist(said)  # forgotten, it would be said again
                record(
                    NotificationSent(
                        service_id=subscription.service_id,
                        service_name=name,
                        notification_type=kind,
                        slots_count=len(free),
                    )
                )
                return
            if isinstance(outcome, NoSuchMessage):
                # They deleted it. Whether their telephone may ring for a new one, the next cycle decides.
                await self._patience.insist(partial(self._note_over, subscription.id, subscription.notice_message_id))
                return
            if isinstance(outcome, Blocked):
                await self._people.blocked(person.telegram_id)
            _undelivered(current, outcome)
            record(NotificationFailed(error_type=_failure(outcome), service_id=subscription.service_id))
            await self._let_go(subscription.id)

    async def _deliver(
        self, decision: Decision, subscription: Subscription, person: Person, notice: SlotsFree
    ) -> Outcome:
        if decision == "update_message" and subscription.notice_message_id is not None:
            return await self._messenger.change(person.telegram_id, subscription.notice_message_id, notice)
        return await self._messenger.send(person.telegram_id, notice)

    async def _say_over(
        self,
        decision: Literal["gone", "booked"],
        subscription: Subscription,
        person: Person,
        catalogue: Catalogue,
    ) -> None:
        assert subscription.notice_message_id is not None
        name = service_name(catalogue, subscription.service_id)
        notice = (
            SlotsGone(service_name=name, at=self._clock()) if decision == "gone" else SlotsBooked(service_name=name)
        )
        with _notification(person) as current, on_behalf_of(person):
            current.set_attribute("termin_bot.notification_type", decision)
            outcome = await self._messenger.change(person.telegram_id, subscription.notice_message_id, notice)
            if not isinstance(outcome, Accepted | NoSuchMessage):
                _undelivered(current, outcome)
            if isinstance(outcome, Blocked):
                await self._people.blocked(person.telegram_id)
        if isinstance(outcome, Accepted | NoSuchMessage):
            await self._patience.insist(partial(self._note_over, subscription.id, subscription.notice_message_id))
        else:
            await self._let_go(subscription.id)

    async def _note_over(self, subscription_id: int, message_id: int | None) -> None:
        """Change this message no more."""
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id)
            if found is not None:
                found[0].teller = None
                if found[0].notice_message_id == message_id:
                    found[0].notice_message_id = None
                await work.commit()

    async def _let_go(self, subscription_id: int) -> None:
        if not self._instance.shared:
            return
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id)
            if found is not None:
                found[0].teller = None
                await work.commit()

    async def _note_told(self, decision: Decision, subscription_id: int, free: list[SlotRow], message_id: int) -> None:
        now = self._clock()
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id)
            if found is None:
                return  # they left while Telegram was taking the message
            subscription = found[0]
            told = await work.slots.told(subscription_id)
            fresh = [each.id for each in free if each.id not in told and await work.slots.get(each.id) is not None]
            work.slots.tell(subscription_id, fresh, message_id, now)
            subscription.notice_message_id = message_id
            subscription.teller = None
            subscription.last_free_at = now
            if decision in _PUSHES:
                subscription.pushes = pushes_on(subscription, today(now)) + 1
                subscription.pushed_on = today(now)
            if decision == "reminder":
                subscription.reminded = True
            else:
                if decision != "update_message":
                    subscription.notice_sent_at = now
                subscription.reminded = False
            await work.commit()

    async def _note_free(self, subscription_id: int) -> None:
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id)
            if found is not None:
                found[0].last_free_at = self._clock()
                await work.commit()


@contextmanager
def _notification(person: Person) -> Iterator[Span]:
    attributes = {
        "messaging.system": "telegram",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    with span("notification", kind=SpanKind.PRODUCER, attributes=attributes) as opened:
        say_who(opened, name_on_span(person.visitor, ""))  # it hangs under the look at a service
        yield opened


def _undelivered(current: Span, outcome: Outcome) -> None:
    current.set_status(StatusCode.ERROR)
    current.set_attribute(ERROR_TYPE, outcome.why if isinstance(outcome, Blocked) else _failure(outcome))


async def _own(work: UnitOfWork, subscription: Subscription) -> Own:
    """Return whether this person holds, or has just booked, an appointment of the service they watch."""
    booking = await work.bookings.of(subscription.person_id)
    if booking is not None and booking.service_id == subscription.service_id and booking.process_id is not None:
        return "reserved"
    since = subscription.notice_sent_at
    booked = await work.appointments.of(subscription.person_id)
    if since is not None and any(
        each.service_id == subscription.service_id and each.booked_at >= since and each.state in _STANDING
        for each in booked
    ):
        return "booked"
    return "none"


def pushes_on(subscription: Subscription, day: date) -> int:
    """Return how many times a subscription made a telephone ring on that day."""
    return subscription.pushes if subscription.pushed_on == day else 0


def _situation(subscription: Subscription, person: Person, own: Own, now: float, *, free: int, fresh: int) -> Situation:
    return Situation(
        now=now,
        has_message=subscription.notice_message_id is not None,
        sent_at=subscription.notice_sent_at,
        reminded=subscription.reminded,
        last_free_at=subscription.last_free_at,
        last_seen_at=person.last_seen_at,
        free=free,
        fresh=fresh,
        is_quiet=is_quiet(person, now),
        pushes=pushes_on(subscription, today(now)),
        own=own,
    )


def _failure(outcome: Outcome) -> NotificationFailure:
    match outcome:
        case Blocked("chat_not_found"):
            return "telegram_api_error"
        case Blocked():
            return "user_blocked_bot"
        case TooMany():
            return "rate_limit_exceeded"
        case Failed() | NoSuchMessage() | Accepted():
            return "telegram_api_error"
