"""The check cycle: one look per distinct service and offices, and everybody concerned hears of what changed."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from termin_bot.events import AppointmentCheckBatch, AppointmentFound, HealthAlert, SubscriptionRemoved
from termin_bot.languages import SOURCE, use_language
from termin_bot.munich import CaptchaMode, Catalogue, MunichBlacklisted, MunichError
from termin_bot.recording import on_behalf_of, record
from termin_bot.services.catalogue import CatalogueShelf, offices_of, service_name
from termin_bot.services.clock import Clock, day_of, today
from termin_bot.services.health import HealthGauge
from termin_bot.services.notices import AddressRefused, CityBack, CityBlind, DatesOver, Notice
from termin_bot.services.people import People
from termin_bot.services.polling import Change, Plan, Poller
from termin_bot.services.ports import Blocked, Messenger, Work
from termin_bot.services.sharing import Bulletin, News
from termin_bot.services.telling import Tells
from termin_bot.storage import Subscription
from termin_bot.tracing import carrying_on, mark_failed, place, root_span, span

_log: Final = logging.getLogger(__name__)
_KEEP_GONE_SECONDS: Final = 2 * 86_400
_MS: Final = 1000

Plans = dict[Plan, list[Subscription]]


class Watching:
    """Runs check cycles. A look that failed is never "nothing free", and never stops the cycle."""

    def __init__(
        self,
        *,
        work: Work,
        shelf: CatalogueShelf,
        poller: Poller,
        notifying: Tells,
        people: People,
        messenger: Messenger,
        gauge: HealthGauge,
        bulletin: Bulletin,
        clock: Clock,
        captcha_mode: CaptchaMode,
        operators: Sequence[int] = (),
    ) -> None:
        self._work = work
        self._shelf = shelf
        self._poller = poller
        self._notifying = notifying
        self._people = people
        self._messenger = messenger
        self._gauge = gauge
        self._bulletin = bulletin
        self._clock = clock
        self._captcha_mode = captcha_mode
        self._operators = operators
        self._refused = False
        self._leaving = False
        self._checked_at: dict[int, float] = {}

    @property
    def is_refused(self) -> bool:
        """Whether the city refuses our address: nothing is asked until the bot is started again."""
        return self._refused

    def checked_at(self, subscription_id: int) -> float | None:
        """Return when the city last answered about a subscription, epoch seconds; None when not since the start."""
        return self._checked_at.get(subscription_id)

    def leave(self) -> None:
        """Look no further: the bot is being stopped, and what is under way ends soon."""
        self._leaving = True

    async def run_cycle(self) -> None:
        """Check everything that is watched once; nothing watched, nothing asked; refused by the city, neither."""
        if self._refused:
            return
        async with self._work() as work:
            watched = await work.subscriptions.active()
        if watched:
            with root_span("check cycle"):
                await self._cycle(watched)

    async def _cycle(self, watched: Sequence[Subscription]) -> None:
        began = self._clock()
        successful = failed = found = 0
        active = {each.id for each in watched}
        self._checked_at = {each: at for each, at in self._checked_at.items() if each in active}
        try:
            catalogue = await self._shelf.current()
        except MunichError as error:
            failed = len({(each.service_id, each.offices) for each in watched})
            _log.warning("check cycle: no catalogue: %s", error)
            self._refused = isinstance(error, MunichBlacklisted)
        else:
            watched = await self._without_outdated(catalogue, watched)
            for plan, subscriptions in self._plans(catalogue, watched).items():
                if self._leaving:
                    break
                change = await self._check(catalogue, plan, subscriptions)
                successful += change is not None
                failed += change is None
                found += 0 if change is None else len(change.appeared)
            await self._forget_old_slots()
        await self._note_health(successful, failed)
        await self._bulletin.post(News(self._checked_at, self._gauge.blind_since))
        record(
            AppointmentCheckBatch(
                total_checks=successful + failed,
                successful_checks=successful,
                failed_checks=failed,
                appointments_found=found,
                duration_ms=round((self._clock() - began) * _MS),
            )
        )

    async def _note_health(self, successful: int, failed: int) -> None:
        """Raise the alarm where it is due, and tell the operators; also that it is over."""
        blind_since = self._gauge.blind_since
        alert = self._gauge.after_cycle(successful, failed, self._clock())
        notice: Notice | None = None
        if self._refused:
            self._gauge.refused(self._clock())
            alert = HealthAlert(alert_type="consecutive_failures", consecutive_failures=self._gauge.failures)
            notice = AddressRefused()
        elif alert is not None and self._gauge.blind_since is not None:
            notice = CityBlind(cycles=alert.consecutive_failures, since=self._gauge.blind_since)
        elif blind_since is not None and not self._gauge.is_blind:
            _log.warning("the city answers again")
            notice = CityBack(since=blind_since)
        if alert is not None:
            _log.error("health alert: %s, %d cycles in a row", alert.alert_type, alert.consecutive_failures)
            record(alert)
        if notice is not None:
            for telegram_id in self._operators:
                operator = await self._people.find(telegram_id)
                with use_language(SOURCE if operator is None else operator.language):
                    await self._messenger.send(telegram_id, notice)

    def _plans(self, catalogue: Catalogue, watched: Sequence[Subscription]) -> Plans:
        plans: Plans = defaultdict(list)
        for each in watched:
            office_ids = tuple(sorted(office.id for office in offices_of(catalogue, each.service_id, each.office_ids)))
            guarded = self._captcha_mode == "link_only" and catalogue.captcha_required(office_ids)
            if office_ids and not guarded:
                plans[Plan(each.service_id, office_ids)].append(each)
        return plans

    async def _check(self, catalogue: Catalogue, plan: Plan, subscriptions: Sequence[Subscription]) -> Change | None:
        with span("check service", attributes={"termin_bot.service_id": plan.service_id}) as current:
            try:
                change = await self._poller.poll(plan, subscriptions)
            except MunichError as error:
                mark_failed(current, error)
                _log.warning("check of service %d failed: %s", plan.service_id, error)
                self._refused = self._refused or isinstance(error, MunichBlacklisted)
                return None
            except Exception as error:  # noqa: BLE001  one service's trouble, ours too, is not the others'
                mark_failed(current, error)
                where = place(error)
                _log.error("check of service %d failed: %s at %s", plan.service_id, type(error).__name__, where)
                return None
            self._checked_at |= dict.fromkeys((each.id for each in subscriptions), self._clock())
            with carrying_on(_log, "telling what was found"):
                await self._record_found(catalogue, plan, change)
                await self._notifying.tell([each.id for each in subscriptions], catalogue)
            return change

    async def _record_found(self, catalogue: Catalogue, plan: Plan, change: Change) -> None:
        if not change.appeared:
            return
        async with self._work() as work:
            watched = await work.subscriptions.active()
        for office_id, count in sorted(Counter(slot.office_id for slot in change.appeared).items()):
            days = {day_of(slot.start) for slot in change.appeared if slot.office_id == office_id}
            matched = {
                each.person_id for each in watched if any(each.suits(plan.service_id, office_id, day) for day in days)
            }
            record(
                AppointmentFound(
                    service_id=plan.service_id,
                    service_name=service_name(catalogue, plan.service_id),
                    office_id=office_id,
                    slots_count=count,
                    matched_users=len(matched),
                )
            )

    async def _without_outdated(self, catalogue: Catalogue, watched: Sequence[Subscription]) -> list[Subscription]:
        first = today(self._clock())
        kept = []
        for each in watched:
            if each.date_to is not None and each.date_to < first:
                with carrying_on(_log, "cleaning up"):
                    await self._clean_up(catalogue, each)
            else:
                kept.append(each)
        return kept

    async def _clean_up(self, catalogue: Catalogue, outdated: Subscription) -> None:
        async with self._work() as work:
            found = await work.subscriptions.with_person(outdated.id)
            if found is None or not await work.subscriptions.delete(outdated.id):
                return
            await work.commit()
        name = service_name(catalogue, outdated.service_id)
        record(
            SubscriptionRemoved(
                service_id=outdated.service_id,
                service_name=name,
                office_id=outdated.single_office_id,
                reason="auto_cleanup",
            ),
            visitor=found[1].visitor,
        )
        with on_behalf_of(found[1]):
            outcome = await self._messenger.send(found[1].telegram_id, DatesOver(service_name=name))
        if isinstance(outcome, Blocked):
            await self._people.blocked(found[1].telegram_id)

    async def _forget_old_slots(self) -> None:
        async with self._work() as work:
            await work.slots.forget(self._clock() - _KEEP_GONE_SECONDS)
            await work.commit()
