"""We pause before the city makes us, and stop when it wants us to."""

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import pytest
from munich_town import PASSPORT, ManualClock, Town, at, day, open_town

from termin_bot.munich import MunichBlacklisted, MunichRateLimited
from termin_bot.munich.rate_limit import RateLimit
from termin_bot.simulation.city import SimulatedCity

if TYPE_CHECKING:
    from termin_bot.simulation.city_gate import RateRule


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with open_town() as opened:
        yield opened


def new_limit(clock: ManualClock) -> RateLimit:
    return RateLimit(clock, clock.sleep, lambda: 0.5)


def headers(remaining: object, reset: object) -> dict[str, str]:
    return {"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": str(reset)}


@pytest.mark.parametrize(("remaining", "wait"), [(11, 0.0), (10, 61.0), (0, 61.0)])
def test_polling_pauses_when_ten_are_left(remaining: int, wait: float) -> None:
    """Until a second after the reset; the last ten belong to people who book."""
    clock = ManualClock()
    limit = new_limit(clock)
    limit.succeeded(headers(remaining, int(clock.now) + 60))

    assert (limit.wait("poll"), limit.wait("booking")) == (wait, 0.0)


@pytest.mark.parametrize(
    ("given", "wait"),
    [
        ({}, 0.0),
        (headers("few", "soon"), 0.0),
        (headers(5, ""), 0.0),
        (headers(5, 0), 1.0),
        (headers(5, 99_999_999_999), 120.0),
    ],
)
def test_odd_headers_do_not_stop_us(given: dict[str, str], wait: float) -> None:
    """Absent, unreadable, in the past, or from a clock far ahead: never more than two minutes."""
    limit = new_limit(ManualClock())
    limit.succeeded(given)

    assert limit.wait("poll") == wait


async def test_after_a_429_nobody_is_sent() -> None:
    """Polling waits 61 s and some jitter; a booking hears at once how long."""
    clock = ManualClock()
    limit = new_limit(clock)
    assert limit.exceeded() == 66.0

    with pytest.raises(MunichRateLimited) as caught:
        await limit.admit("reserve-appointment", "booking")
    await limit.admit("available-calendar", "poll")

    assert (caught.value.retry_after, clock.slept) == (66.0, [66.0])
    await limit.admit("reserve-appointment", "booking")


async def test_a_steady_watcher_never_meets_a_429() -> None:
    """One question a second for an hour, against the city's rule that forgets nothing while we keep asking."""
    async with open_town(city=partial(SimulatedCity, rate_limit=30)) as town:
        for _ in range(600):
            await town.look()
            town.clock.now += 1

    assert town.observer.errors == []
    assert len(town.clock.slept) == 29  # one pause for every 20 questions: 30 less the ten that are kept
    assert set(town.clock.slept) == {60.0}


async def test_a_booking_goes_through_while_polling_pauses(town: Town) -> None:
    """The budget is nearly used up; a citizen is served from what is kept."""
    slot = town.release(PASSPORT, at(day(1), 9))
    while town.asked("available-calendar") < 110:
        await town.look()
    slept = list(town.clock.slept)

    await town.client.reserve(slot)

    assert slept == town.clock.slept == []


async def test_the_citys_429(town: Town) -> None:
    """The caller hears it once; the next poll comes after the pause."""
    town.city.fail("available-calendar", 429, "rateLimitExceeded")

    with pytest.raises(MunichRateLimited) as caught:
        await town.look()
    await town.look()

    assert (caught.value.retry_after, town.clock.slept) == (66.0, [66.0])
    assert town.observer.errors == [("available-calendar", "rate_limited", "rateLimitExceeded")]


async def test_the_city_counts_as_oddly_as_it_does() -> None:
    """With the renewing rule a caller every 30 s is cut off after the limit; with a fixed window never."""
    refused: dict[RateRule, int] = {}
    rules: tuple[RateRule, ...] = ("renewing", "fixed", "off")
    for rule in rules:
        clock = ManualClock()
        city = SimulatedCity(clock, rate_rule=rule, rate_limit=20)
        refused[rule] = 0
        for _ in range(40):
            refused[rule] += city.rate.count("192.0.2.1") is None
            clock.now += 30

    # Cut off at the 21st and 22nd, then 60 s have passed since the last allowed one.
    assert refused == {"renewing": 1, "fixed": 0, "off": 0}


@pytest.mark.parametrize("code", ["IP_BLACKLISTED", "ipBlacklisted"])
async def test_a_blacklisted_address_sends_nothing_more(town: Town, code: str) -> None:
    """Until an operator has spoken with the city."""
    slot = town.release(PASSPORT, at(day(1), 9))
    town.city.fail("available-calendar", 403, code)

    for step in (town.look(), town.look(), town.client.reserve(slot), town.client.catalogue()):
        with pytest.raises(MunichBlacklisted):
            await step
    assert (len(town.city.requests), town.client.blacklisted) == (1, True)
    assert town.observer.errors == [("available-calendar", "blacklisted", code)]

    town.client.resume()
    assert len((await town.look()).slots) == 1
