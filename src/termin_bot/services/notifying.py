"""Who hears what about free appointments: once per slot, and only what Telegram accepted counts as told."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, Literal

from opentelemetry.trace import Span, SpanKind, StatusCode

from termin_bot.events import NotificationFailed, NotificationFailure, NotificationSent, NotificationType
from termin_bot.munich import Catalogue
from termin_bot.recording import name_on_span, on_behalf_of, record
from termin_bot.services.catalogue import office_label, offices_of, page_of, service_name
from termin_bot.services.clock import Clock, today
from termin_bot.services.deciding import ABUNDANCE, Decision, ReminderRule, Situation, decide, next_look
from termin_bot.services.notices import Offer, ServiceLeft, SlotsBooked, SlotsFree, SlotsGone
from termin_bot.services.patience import Patience
from termin_bot.services.people import People
from termin_bot.services.ports import Accepted, Blocked, Failed, Messenger, NoSuchMessage, Outcome, TooMany, Work
from termin_bot.services.sharing import Instance
from termin_bot.services.sights import look, pushes_on
from termin_bot.storage import Person, SlotRow, Subscription
from termin_bot.tracing import ERROR_TYPE, carrying_on, say_who, span

__all__ = ["MAX_OFFERS", "Decision", "Notifying", "ReminderRule", "Situation", "decide", "pushes_on"]

_log: Final = logging.getLogger(__name__)
MAX_OFFERS: Final = 6

Over = Literal["gone", "booked", "left"]
"""What ends a message: nothing is free any more, they took one themselves, or the city no longer offers it at all."""

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

    async def tell_one(self, subscription_id: int, catalogue: Catalogue) -> None:
        """Tell the person behind a subscription what is new to them, if anything is and this is the time for it."""
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
            sight = await look(work, subscription, person, self._clock())
            decision: Decision | Over = decide(sight.situation, self._rule)
            if not offices_of(catalogue, subscription.service_id, subscription.office_ids):
                decision = "wait" if sight.situation.is_quiet else "left"
            if decision in ("nothing", "wait"):
                self._put_off(subscription, sight.situation)
                await work.commit()
                return
            if self._instance.shared:
                subscription.teller = self._instance.id  # until it is noted, or this instance is no more
                await work.commit()
        match decision:
            case "gone" | "booked" | "left":
                await self._say_over(decision, subscription, person, catalogue)
            case _:
                await self._notify(decision, subscription, person, sight.free, catalogue)

    def _put_off(self, subscription: Subscription, situation: Situation) -> None:
        """Note what was seen, and when to look again: what is written after a change must have seen that change."""
        subscription.look_at = next_look(situation, self._rule)
        if situation.free and not situation.is_quiet:
            subscription.last_free_at = situation.now

    async def _notify(
        self,
        decision: Decision,
        subscription: Subscription,
        person: Person,
        free: Sequence[SlotRow],
        catalogue: Catalogue,
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

    async def _say_over(self, decision: Over, subscription: Subscription, person: Person, catalogue: Catalogue) -> None:
        message_id = subscription.notice_message_id
        name = service_name(catalogue, subscription.service_id)
        with _notification(person) as current, on_behalf_of(person):
            current.set_attribute("termin_bot.notification_type", decision)
            if decision == "left":
                outcome = await self._messenger.send(person.telegram_id, ServiceLeft(service_name=name))
            else:
                assert message_id is not None
                is_gone = decision == "gone"
                notice = SlotsGone(service_name=name, at=self._clock()) if is_gone else SlotsBooked(service_name=name)
                outcome = await self._messenger.change(person.telegram_id, message_id, notice)
            if not isinstance(outcome, Accepted | NoSuchMessage):
                _undelivered(current, outcome)
            if isinstance(outcome, Blocked):
                await self._people.blocked(person.telegram_id)
        if isinstance(outcome, Accepted | NoSuchMessage):
            said = partial(self._note_over, subscription.id, message_id, pauses=decision == "left")
            await self._patience.insist(said)
        else:
            await self._let_go(subscription.id)

    async def _note_over(self, subscription_id: int, message_id: int | None, *, pauses: bool = False) -> None:
        """Change this message no more."""
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id, locked=True)
            if found is not None:
                subscription, person = found
                sight = await look(work, subscription, person, self._clock())
                subscription.teller = None
                subscription.paused = subscription.paused or pauses
                if subscription.notice_message_id == message_id:
                    subscription.notice_message_id = None
                    if not sight.situation.is_quiet:
                        subscription.last_free_at = sight.situation.now  # until just now
                self._put_off(subscription, sight.after(subscription, person))
                await work.commit()

    async def _let_go(self, subscription_id: int) -> None:
        if not self._instance.shared:
            return
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id)
            if found is not None:
                found[0].teller = None
                await work.commit()

    async def _note_told(
        self, decision: Decision, subscription_id: int, free: Sequence[SlotRow], message_id: int
    ) -> None:
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id, locked=True)
            if found is None:
                return  # they left while Telegram was taking the message
            subscription, person = found
            sight = await look(work, subscription, person, self._clock())
            now = sight.situation.now
            said = await work.slots.kept([each.id for each in free if each.id not in sight.told])
            work.slots.tell(subscription_id, said, message_id, now)
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
            self._put_off(subscription, sight.after(subscription, person, said))
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
