"""Who hears what about free appointments: once per slot, and only what Telegram accepted counts as told."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from opentelemetry.trace import SpanKind

from otel_umami_exporter import record, use_visitor
from termin_bot.events import NotificationFailed, NotificationFailure, NotificationSent, NotificationType
from termin_bot.munich import Catalogue
from termin_bot.services.catalogue import office_label, page_of, service_name
from termin_bot.services.clock import Clock, day_of
from termin_bot.services.notices import Offer, SlotsFree, SlotsGone
from termin_bot.services.people import People
from termin_bot.services.ports import Accepted, Blocked, Failed, Messenger, NoSuchMessage, Outcome, TooMany, Work
from termin_bot.storage import Person, SlotRow, Subscription
from termin_bot.tracing import ERROR_TYPE, VISITOR, span

MAX_OFFERS: Final = 6
EDIT_SECONDS: Final = 600
"""More news within this time changes the message instead of sending another."""
QUIET_SECONDS: Final = 1800
"""After this time without anything free, the next find is news from the start again."""

Decision = Literal["initial", "update_message", "new_message", "reminder", "gone", "nothing"]


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


@dataclass(frozen=True)
class ReminderRule:
    """When people who did not react are reminded once; None is never."""

    after_seconds: float | None = 600


def decide(situation: Situation, rule: ReminderRule) -> Decision:
    """Return what one person is to hear about one service now."""
    age = None if situation.sent_at is None else situation.now - situation.sent_at
    if situation.has_message and not situation.free:
        return "gone"
    if situation.fresh:
        if situation.has_message and age is not None and age < EDIT_SECONDS:
            return "update_message"
        long_ago = situation.last_free_at is None or situation.now - situation.last_free_at >= QUIET_SECONDS
        return "initial" if long_ago else "new_message"
    is_idle = situation.sent_at is not None and situation.last_seen_at <= situation.sent_at
    is_due = rule.after_seconds is not None and age is not None and age >= rule.after_seconds
    if situation.has_message and situation.free and is_idle and is_due and not situation.reminded:
        return "reminder"
    return "nothing"


_KINDS: Final[dict[Decision, NotificationType]] = {
    "initial": "initial",
    "update_message": "update",
    "new_message": "update",
    "reminder": "reminder",
}


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
    ) -> None:
        self._work = work
        self._people = people
        self._messenger = messenger
        self._clock = clock
        self._rule = rule
        self._chance = chance

    async def tell(self, subscription_ids: Sequence[int], catalogue: Catalogue) -> None:
        """Tell everybody among these what is new to them; in random order, so that nobody is always first."""
        for subscription_id in self._chance.sample(subscription_ids, len(subscription_ids)):
            await self._tell_one(subscription_id, catalogue)

    async def _tell_one(self, subscription_id: int, catalogue: Catalogue) -> None:
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id)
            if found is None or found[0].paused or found[1].blocked_at is not None:
                return
            subscription, person = found
            rows = await work.slots.free(subscription.service_id, subscription.office_ids)
            told = await work.slots.told(subscription.id)
        now = self._clock()
        free = [
            each
            for each in rows
            if each.start > now and subscription.suits(each.service_id, each.office_id, day_of(each.start))
        ]
        fresh = [each for each in free if each.id not in told]
        decision = decide(_situation(subscription, person, free, fresh, now), self._rule)
        if decision == "gone":
            await self._say_gone(subscription, person, catalogue)
        elif decision != "nothing":
            await self._notify(decision, subscription, person, free, catalogue)
        elif free:
            await self._note_free(subscription.id)

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
        )
        attributes = {VISITOR: person.visitor, "termin_bot.notification_type": kind}
        with (
            span("notification", kind=SpanKind.PRODUCER, attributes=attributes) as current,
            use_visitor(person.visitor),
        ):
            outcome = await self._deliver(decision, subscription, person, notice)
            if isinstance(outcome, Accepted):
                await self._note_told(decision, subscription.id, free, outcome.message_id)
                record(
                    NotificationSent(
                        service_id=subscription.service_id,
                        service_name=name,
                        notification_type=kind,
                        slots_count=len(free),
                    )
                )
                return
            if isinstance(outcome, Blocked):
                await self._people.blocked(person.telegram_id)
            current.set_attribute(ERROR_TYPE, _failure(outcome))
            record(NotificationFailed(error_type=_failure(outcome), service_id=subscription.service_id))

    async def _deliver(
        self, decision: Decision, subscription: Subscription, person: Person, notice: SlotsFree
    ) -> Outcome:
        if decision == "update_message" and subscription.notice_message_id is not None:
            outcome = await self._messenger.change(person.telegram_id, subscription.notice_message_id, notice)
            if not isinstance(outcome, NoSuchMessage):
                return outcome
        return await self._messenger.send(person.telegram_id, notice)

    async def _say_gone(self, subscription: Subscription, person: Person, catalogue: Catalogue) -> None:
        assert subscription.notice_message_id is not None
        notice = SlotsGone(service_name=service_name(catalogue, subscription.service_id), at=self._clock())
        attributes = {VISITOR: person.visitor}
        with span("notification", kind=SpanKind.PRODUCER, attributes=attributes), use_visitor(person.visitor):
            outcome = await self._messenger.change(person.telegram_id, subscription.notice_message_id, notice)
            if isinstance(outcome, Blocked):
                await self._people.blocked(person.telegram_id)
        if isinstance(outcome, Accepted | NoSuchMessage):
            async with self._work() as work:
                found = await work.subscriptions.with_person(subscription.id)
                if found is not None and found[0].notice_message_id == subscription.notice_message_id:
                    found[0].notice_message_id = None
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
            subscription.last_free_at = now
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


def _situation(
    subscription: Subscription, person: Person, free: list[SlotRow], fresh: list[SlotRow], now: float
) -> Situation:
    return Situation(
        now=now,
        has_message=subscription.notice_message_id is not None,
        sent_at=subscription.notice_sent_at,
        reminded=subscription.reminded,
        last_free_at=subscription.last_free_at,
        last_seen_at=person.last_seen_at,
        free=len(free),
        fresh=len(fresh),
    )


def _failure(outcome: Outcome) -> NotificationFailure:
    match outcome:
        case Blocked():
            return "user_blocked_bot"
        case TooMany():
            return "rate_limit_exceeded"
        case Failed() | NoSuchMessage() | Accepted():
            return "telegram_api_error"
