"""From a free slot to an appointment, and every way out of it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from munich_town import LICENCE, NATURALISATION, PASSPORT, TODAY, ManualClock, Town, at, day, new_client, open_town

from termin_bot.munich import (
    AvailabilitySource,
    BookingGateway,
    CatalogueSource,
    Contact,
    Credentials,
    MunichClient,
    MunichRefused,
    MunichTimeout,
    Reservation,
    ReservationExpired,
    SlotGone,
)
from termin_bot.simulation.city import CityRefusedError, SimulatedCity
from termin_bot.simulation.serving import serve

ADA = Contact(family_name="Ada Example", email="ada@example.org")
BOB = Contact(family_name="Bob Example", email="bob@example.org", telephone="+4989123456", custom_text="A-17")


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with open_town() as opened:
        yield opened


async def reserved(town: Town, pair: tuple[int, int] = PASSPORT, *, hour: int = 9) -> Reservation:
    return await town.client.reserve(town.release(pair, at(day(1), hour)))


async def preconfirmed(town: Town, contact: Contact = ADA) -> Reservation:
    reservation = await reserved(town)
    await town.client.update(reservation.credentials, contact)
    return await town.client.preconfirm(reservation.credentials)


async def test_the_whole_way(town: Town) -> None:
    """Reserve, fill in, have the mail sent, wait for the citizen, keep the calendar entry, cancel."""
    reservation = await reserved(town)
    assert (reservation.status, reservation.slot.office_id, reservation.ics) == ("reserved", PASSPORT[1], None)
    assert reservation.scope is not None
    assert reservation.scope.reservation_minutes == 15

    updated = await town.client.update(reservation.credentials, ADA)
    waiting = await town.client.preconfirm(reservation.credentials)
    assert (updated.status, waiting.status) == ("reserved", "preconfirmed")
    assert [(mail.kind, mail.to) for mail in town.city.outbox] == [("activation", "ada@example.org")]

    town.city.activate(reservation.process_id)
    confirmed = await town.client.appointment(reservation.credentials)
    assert confirmed.status == "confirmed"
    assert confirmed.ics is not None
    assert confirmed.ics.startswith("BEGIN:VCALENDAR\r\n")

    assert (await town.client.cancel(reservation.credentials)).status == "deleted"
    assert [mail.kind for mail in town.city.outbox] == ["activation", "confirmation", "cancellation"]
    assert town.city.free(*PASSPORT) == [reservation.start]


async def test_the_city_keeps_what_the_citizen_said(town: Town) -> None:
    """Name, address, telephone and the office's own question arrive."""
    reservation = await reserved(town, NATURALISATION)
    await town.client.update(reservation.credentials, BOB)

    booking = town.city.booking(reservation.process_id)
    assert (booking.family_name, booking.email, booking.telephone, booking.custom_text) == (
        "Bob Example",
        "bob@example.org",
        "+4989123456",
        "A-17",
    )


async def test_a_reserved_slot_is_not_free(town: Town) -> None:
    """Two people press at once: one of them hears that it is gone."""
    reservation = await reserved(town)

    with pytest.raises(SlotGone):
        await town.client.reserve(reservation.slot)
    assert (await town.look()).slots == ()


async def test_a_reservation_ends_by_itself(town: Town) -> None:
    """To the second; the slot is free again, and every step says that it is over."""
    reservation = await reserved(town)
    town.clock.now += 15 * 60 - 1
    await town.client.update(reservation.credentials, ADA)
    town.clock.now += 1

    for step in (
        town.client.update(reservation.credentials, ADA),
        town.client.preconfirm(reservation.credentials),
        town.client.appointment(reservation.credentials),
        town.client.cancel(reservation.credentials),
    ):
        with pytest.raises(ReservationExpired):
            await step
    assert len((await town.look()).slots) == 1


async def test_a_mail_that_nobody_opens(town: Town) -> None:
    """After 30 minutes the appointment is gone, and the link in the mail comes too late."""
    reservation = await preconfirmed(town)
    town.clock.now += 30 * 60

    with pytest.raises(CityRefusedError, match="preconfirmationExpired"):
        town.city.activate(reservation.process_id)
    with pytest.raises(ReservationExpired) as caught:
        await town.client.appointment(reservation.credentials)
    assert caught.value.error_code == "appointmentNotFound"
    assert town.city.free(*PASSPORT) == [reservation.start]


async def test_preconfirming_twice(town: Town) -> None:
    """The reservation is no longer one."""
    reservation = await preconfirmed(town)

    with pytest.raises(ReservationExpired) as caught:
        await town.client.preconfirm(reservation.credentials)
    assert caught.value.error_code == "processNotReservedAnymore"


async def test_confirming_what_is_not_preconfirmed(town: Town) -> None:
    """The city's page refuses a reservation that was never filled in."""
    reservation = await reserved(town)

    with pytest.raises(CityRefusedError, match="processNotPreconfirmedAnymore"):
        town.city.activate(reservation.process_id)


@pytest.mark.parametrize(
    ("pair", "contact", "code"),
    [
        (PASSPORT, replace(ADA, family_name=" "), "invalidFamilyName"),
        (PASSPORT, replace(ADA, email="ada+bot@example.org"), "invalidEmail"),
        (PASSPORT, replace(ADA, email=""), "invalidEmail"),
        (LICENCE, ADA, "invalidTelephone"),
        (LICENCE, replace(ADA, telephone="none"), "invalidTelephone"),
        (NATURALISATION, ADA, "invalidCustomTextfield"),
        (NATURALISATION, replace(BOB, custom_text="x" * 251), "invalidCustomTextfield"),
    ],
)
async def test_details_that_the_city_refuses(town: Town, pair: tuple[int, int], contact: Contact, code: str) -> None:
    """The reservation stays as it was."""
    reservation = await reserved(town, pair)

    with pytest.raises(MunichRefused) as caught:
        await town.client.update(reservation.credentials, contact)

    assert caught.value.error_code == code
    assert town.city.booking(reservation.process_id).family_name == ""


async def test_preconfirming_without_details(town: Town) -> None:
    """Nobody would get the mail."""
    with pytest.raises(MunichRefused) as caught:
        await town.client.preconfirm((await reserved(town)).credentials)

    assert caught.value.error_code == "emailIsRequired"


async def test_too_many_appointments_with_one_address(town: Town) -> None:
    """The office allows one; a cancelled one does not count."""
    first = await reserved(town, LICENCE)
    await town.client.update(first.credentials, BOB)
    await town.client.preconfirm(first.credentials)
    second = await reserved(town, LICENCE, hour=10)

    with pytest.raises(MunichRefused) as caught:
        await town.client.update(second.credentials, BOB)
    assert caught.value.error_code == "tooManyAppointmentsWithSameMail"

    await town.client.cancel(first.credentials)
    assert (await town.client.update(second.credentials, BOB)).status == "reserved"


async def test_somebody_elses_key(town: Town) -> None:
    """Opens nothing."""
    reservation = await reserved(town)

    for key, code in (("f" * 64, "authKeyMismatch"), ("short", "invalidAuthKey")):
        with pytest.raises(MunichRefused) as caught:
            await town.client.cancel(Credentials(reservation.process_id, key))
        assert caught.value.error_code == code


async def test_an_appointment_that_has_begun_cannot_be_cancelled(town: Town) -> None:
    """It is too late for that."""
    reservation = await preconfirmed(town)
    town.city.activate(reservation.process_id)
    town.clock.now = reservation.start

    with pytest.raises(MunichRefused) as caught:
        await town.client.cancel(reservation.credentials)
    assert caught.value.error_code == "appointmentCanNotBeCanceled"


async def test_one_client_is_all_three_ports(town: Town) -> None:
    """Whoever needs only one of them asks for only that one."""
    catalogue: CatalogueSource = town.client
    availability: AvailabilitySource = town.client
    gateway: BookingGateway = town.client
    town.release(PASSPORT, at(day(1), 9))

    office = (await catalogue.catalogue()).offices_for(PASSPORT[0])[-1]
    calendar = await availability.calendar(PASSPORT[0], [office.id], TODAY, day(2))

    assert (await gateway.reserve(calendar.slots[0])).status == "reserved"


async def test_the_whole_way_over_tcp() -> None:
    """The same city behind a real server on loopback; a line that stays silent is a timeout there too."""
    clock = ManualClock()
    city = SimulatedCity(clock)
    city.release(*PASSPORT, [at(day(1), 9)])
    city.fail_with("cancel-appointment", "timeout")
    async with (
        serve(city.app) as url,
        new_client(clock, httpx.AsyncHTTPTransport(), base_url=url, timeout=60.0) as client,
        new_client(clock, httpx.AsyncHTTPTransport(), base_url=url, timeout=1.0) as impatient,
    ):
        calendar = await client.calendar(PASSPORT[0], [PASSPORT[1]], TODAY, day(2))
        reservation = await client.reserve(calendar.slots[0])
        with pytest.raises(MunichTimeout):
            await impatient.cancel(reservation.credentials)
        assert (await client.cancel(reservation.credentials)).status == "deleted"


def test_the_client_cannot_confirm() -> None:
    """Confirming is the citizen's own step; there is no method that could do it."""
    assert not [name for name in dir(MunichClient) if "confirm" in name and name != "preconfirm"]
