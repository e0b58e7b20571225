"""The check cycle: one look per distinct service and offices, and whoever has a reason to hears of what it showed."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
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
from termin_bot.services.telling import Telling
from termin_bot.storage import Wish, offices_in
from termin_bot.tracing import carrying_on, mark_failed, place, root_span, span

_log: Final = logging.getLogger(__name__)
_KEEP_GONE_SECONDS: Final = 2 * 86_400
_MS: Final = 1000
MISSING_SECONDS: Final = 6 * 3600.0
"""How long a service must be missing in the city's catalogue until its people hear that it is gone: a night's repair
of the city's is not that."""

Plans = dict[Plan, list[Wish]]


class Watching:
    """Runs check cycles. A look that failed is never "nothing free", and never stops the cycle."""

    def __init__(
        self,
        *,
        work: Work,
        shelf: CatalogueShelf,
        poller: Poller,
        telling: Telling,
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
        self._telling = telling
        self._people = people
        self._messenger = messenger
        self._gauge = gauge
        self._bulletin = bulletin
        self._clock = clock
        self._captcha_mode = captcha_mode
        self._operators = operators
        self._refused = False
        self._leaving = False
        self._checked_at: dict[tuple[int, str], float] = {}
        self._missing_since: dict[tuple[int, str], float] = {}

    @property
    def is_refused(self) -> bool:
        """Whether the city refuses our address: nothing is asked until the bot is started again."""
        return self._refused

    def checked_at(self, service_id: int, offices: str) -> float | None:
        """Return when the city last answered about a service there, epoch seconds; None when not since the start."""
        return self._checked_at.get((service_id, offices))

    def leave(self) -> None:
        """Look no further: the bot is being stopped, and what is under way ends soon."""
        self._leaving = True

    async def run_cycle(self) -> None:
        """Check everything that is watched once; nothing watched, nothing asked; refused by the city, neither."""
        if self._refused:
            return
        async with self._work() as work:
            wishes = await work.subscriptions.wishes()
        if wishes:
            with root_span("check cycle"):
                await self._cycle(wishes)

    async def _cycle(self, wishes: Sequence[Wish]) -> None:
        began = self._clock()
        successful = failed = found = 0
        watched = dict.fromkeys((each.service_id, each.offices) for each in wishes)
        self._checked_at = {each: at for each, at in self._checked_at.items() if each in watched}
        try:
            catalogue = await self._shelf.current()
        except MunichError as error:
            failed = len(watched)
            _log.warning("check cycle: no catalogue: %s", error)
            self._refused = isinstance(error, MunichBlacklisted)
        else:
            await self._clean_up(catalogue)
            for plan, concerned in self._plans(catalogue, wishes).items():
                if self._leaving:
                    break
                change = await self._check(catalogue, plan, concerned)
                successful += change is not None
                failed += change is None
                found += 0 if change is None else len(change.appeared)
            await self._say_what_is_missing(catalogue, watched)
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

    def _plans(self, catalogue: Catalogue, wishes: Sequence[Wish]) -> Plans:
        plans: Plans = defaultdict(list)
        first = today(self._clock())
        for each in wishes:
            if each.date_to is not None and each.date_to < first:
                continue
            office_ids = tuple(sorted(office.id for office in offices_of(catalogue, each.service_id, each.office_ids)))
            guarded = self._captcha_mode == "link_only" and catalogue.captcha_required(office_ids)
            if office_ids and not guarded:
                plans[Plan(each.service_id, office_ids)].append(each)
        return plans

    async def _say_what_is_missing(self, catalogue: Catalogue, watched: Iterable[tuple[int, str]]) -> None:
        """Have those told whose service has been missing in the city's catalogue for long."""
        now = self._clock()
        missing = {
            (service_id, offices)
            for service_id, offices in watched
            if not offices_of(catalogue, service_id, offices_in(offices))
        }
        self._missing_since = {each: self._missing_since.get(each, now) for each in missing}
        for (service_id, offices), since in self._missing_since.items():
            if now - since >= MISSING_SECONDS:
                with carrying_on(_log, "telling what is missing"):
                    async with self._work() as work:
                        concerned = await work.subscriptions.watching(service_id, (offices,))
                    await self._telling.tell(concerned, catalogue)

    async def _check(self, catalogue: Catalogue, plan: Plan, wishes: Sequence[Wish]) -> Change | None:
        with span("check service", attributes={"termin_bot.service_id": plan.service_id}) as current:
            try:
                change = await self._poller.poll(plan, wishes)
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
            self._checked_at |= dict.fromkeys(((each.service_id, each.offices) for each in wishes), self._clock())
            with carrying_on(_log, "telling what was found"):
                await self._record_found(catalogue, plan, change)
                async with self._work() as work:
                    offices = {each.offices for each in wishes}
                    due = await work.subscriptions.due(plan.service_id, offices, self._clock())
                await self._telling.tell(due, catalogue)
            return change

    async def _record_found(self, catalogue: Catalogue, plan: Plan, change: Change) -> None:
        if not change.appeared:
            return
        async with self._work() as work:
            wishes = await work.subscriptions.wishes()
        for office_id, count in sorted(Counter(slot.office_id for slot in change.appeared).items()):
            days = {day_of(slot.start) for slot in change.appeared if slot.office_id == office_id}
            matched = (  # nobody watches a service twice
                each.people for each in wishes if any(each.suits(plan.service_id, office_id, day) for day in days)
            )
            record(
                AppointmentFound(
                    service_id=plan.service_id,
                    service_name=service_name(catalogue, plan.service_id),
                    office_id=office_id,
                    slots_count=count,
                    matched_users=sum(matched),
                )
            )

    async def _clean_up(self, catalogue: Catalogue) -> None:
        """End what is watched for days that have passed."""
        async with self._work() as work:
            over = await work.subscriptions.over(today(self._clock()))
        for each in over:
            with carrying_on(_log, "cleaning up"):
                await self._end(catalogue, each)

    async def _end(self, catalogue: Catalogue, subscription_id: int) -> None:
        async with self._work() as work:
            found = await work.subscriptions.with_person(subscription_id)
            if found is None or not await work.subscriptions.delete(subscription_id):
                return
            await work.commit()
        outdated, person = found
        name = service_name(catalogue, outdated.service_id)
        record(
            SubscriptionRemoved(
                service_id=outdated.service_id,
                service_name=name,
                office_id=outdated.single_office_id,
                reason="auto_cleanup",
            ),
            visitor=person.visitor,
        )
        with on_behalf_of(person):
            outcome = await self._messenger.send(person.telegram_id, DatesOver(service_name=name))
        if isinstance(outcome, Blocked):
            await self._people.blocked(person.telegram_id)

    async def _forget_old_slots(self) -> None:
        async with self._work() as work:
            await work.slots.forget(self._clock() - _KEEP_GONE_SECONDS)
            await work.commit()
