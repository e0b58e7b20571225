"""What is free, and what only seems so."""

from collections.abc import AsyncIterator

import pytest
from munich_town import NATURALISATION, PASSPORT, TODAY, Town, at, day, open_town

from termin_bot.munich import MunichRefused, MunichServerError, Slot


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with open_town() as opened:
        yield opened


async def test_times_come_for_the_first_bookable_day_only(town: Town) -> None:
    """All bookable days are listed; the later ones have to be asked for one by one."""
    town.release(PASSPORT, at(day(3), 9, 10), at(day(3), 9), at(day(60), 8))

    calendar = await town.look()

    assert [Slot(*PASSPORT, at(day(3), 9)), Slot(*PASSPORT, at(day(3), 9, 10))] == list(calendar.slots)
    assert (day(3), day(3)) == (calendar.slots_start, calendar.slots_end)
    assert (day(60),) == calendar.unverified_days


async def test_a_day_that_was_asked_for_is_verified(town: Town) -> None:
    """Its times are real, and only its month is listed."""
    town.release(PASSPORT, at(day(3), 9), at(day(60), 8), at(day(61), 8))

    calendar = await town.look(on=day(60))

    assert (Slot(*PASSPORT, at(day(60), 8)),) == calendar.slots_on(day(60))
    assert [(day(60), True), (day(61), False)] == [(known.date, known.verified) for known in calendar.days]


async def test_a_day_without_times_makes_the_city_move_on(town: Town) -> None:
    """The answer is about another day: the day asked for has nothing."""
    town.release(PASSPORT, at(day(3), 9))

    calendar = await town.look(on=day(10))

    assert day(3) == calendar.slots_start
    assert calendar.slots_on(day(10)) == ()
    assert len(calendar.slots_on(day(3))) == 1


async def test_a_rumoured_day_is_never_offered(town: Town) -> None:
    """The list of days may hold a day on which nothing is free; asking for it shows that."""
    town.release(PASSPORT, at(day(3), 9))
    town.city.rumour(*PASSPORT, at(day(5), 9))

    first = await town.look()
    verified = await town.look(on=day(5))

    assert (day(5),) == first.unverified_days
    assert verified.slots_on(day(5)) == ()


async def test_several_offices_in_one_question(town: Town) -> None:
    """Each slot knows its office."""
    service, office = PASSPORT
    town.city.release(service, 102522, [at(day(1), 10)])
    town.city.release(service, office, [at(day(1), 9)])

    calendar = await town.client.calendar(service, [102522, office], TODAY, day(30))

    assert [Slot(service, office, at(day(1), 9)), Slot(service, 102522, at(day(1), 10))] == list(calendar.slots)
    assert calendar.days[0].office_ids == (10489, 102522)


async def test_days_are_those_of_munich(town: Town) -> None:
    """Half past midnight in Munich is still yesterday in UTC."""
    town.release(PASSPORT, at(day(2), 0, 30))

    calendar = await town.look(on=day(2))

    assert [day(2)] == [known.date for known in calendar.days]
    assert calendar.slots_on(day(2))[0].moment.isoformat() == "2026-11-25T00:30:00+01:00"


async def test_what_has_begun_cannot_be_had(town: Town) -> None:
    """A slot in the past is gone."""
    town.release(PASSPORT, int(town.clock.now) - 60, int(town.clock.now) + 60)

    assert [int(town.clock.now) + 60] == [slot.start for slot in (await town.look()).slots]


async def test_what_others_take_is_gone(town: Town) -> None:
    """The board shows the present."""
    town.release(PASSPORT, at(day(1), 9), at(day(1), 10))
    town.city.take(*PASSPORT, [at(day(1), 9)])

    assert [at(day(1), 10)] == [slot.start for slot in (await town.look()).slots]


async def test_what_we_ask_is_what_the_contract_says(town: Town) -> None:
    """Plural names, one count per service, and a window of one day."""
    await town.look(on=day(40))

    assert dict(town.city.requests[-1].query) == {
        "startDate": "2026-11-23",
        "endDate": "2027-05-22",
        "slotsStartDate": "2027-01-02",
        "slotsEndDate": "2027-01-02",
        "officeIds": "10489",
        "serviceIds": "1063453",
        "serviceCounts": "1",
    }


async def test_a_service_that_the_office_does_not_offer(town: Town) -> None:
    """The relation table decides, and the city says so."""
    with pytest.raises(MunichRefused) as caught:
        await town.look((NATURALISATION[0], PASSPORT[1]))

    assert caught.value.error_code == "invalidLocationAndServiceCombination"


async def test_more_than_a_year_is_the_citys_520(town: Town) -> None:
    """A range that is too long, or ends before it begins, is answered with an error that the city forgot to define."""
    for start, end in ((TODAY, day(366)), (day(1), TODAY)):
        with pytest.raises(MunichServerError) as caught:
            await town.client.calendar(PASSPORT[0], [PASSPORT[1]], start, end)
        assert caught.value.error_code == "unknownError"


def test_a_slot_has_an_identity() -> None:
    """Service, office and start."""
    slot = Slot(*PASSPORT, 1795507200)

    assert slot.key == "1063453|10489|1795507200"
    assert {slot} == {slot, Slot(*PASSPORT, 1795507200)}
