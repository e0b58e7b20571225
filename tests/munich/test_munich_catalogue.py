"""Which service can be booked where."""

import copy
from typing import Any

import httpx
import pytest
from munich_town import EMERGENCY, LICENCE, NATURALISATION, ManualClock, new_client, open_town

from termin_bot.munich import Catalogue, MunichMalformed, TextField
from termin_bot.simulation.city import SimulatedCity
from termin_bot.simulation.city_catalogue import CITIZENS_OFFICES, build_catalogue


async def read(catalogue: dict[str, Any]) -> Catalogue:
    async with open_town(city=lambda clock: SimulatedCity(clock, catalogue=catalogue)) as town:
        return await town.client.catalogue()


async def test_relations_decide_and_only_public_ones_count() -> None:
    """An office that is related but not public is not offered."""
    catalogue = await read(build_catalogue())

    assert [office.id for office in catalogue.offices_for(EMERGENCY[0])] == [10461]
    assert set(CITIZENS_OFFICES) == {office.id for office in catalogue.offices_for(1063441)}
    assert catalogue.offices_for(4711) == ()


async def test_services_come_by_name() -> None:
    """Ready for a list of buttons; a service without a public office is not among them."""
    raw = build_catalogue()
    raw["services"].append({**raw["services"][0], "id": 99, "name": "Aal"})
    catalogue = await read(raw)

    names = [service.name for service in catalogue.bookable_services]
    assert sorted(names, key=str.casefold) == names
    assert len(names) == 9


async def test_equally_named_offices_are_told_apart() -> None:
    """By address, or by the counter where they share the address; other names stay as they are."""
    offices = (await read(build_catalogue())).offices

    assert offices[10461].label == "Servicestelle für Zuwanderung und Einbürgerung (ABH Notfall)"
    assert offices[10187259].label == "Servicestelle für Zuwanderung und Einbürgerung (ABH Studierende)"
    assert offices[10502].label == "Meldestelle (Orleansstraße 50)"
    assert offices[54261].label == "Bürgerbüro Pasing"
    assert len(offices) == len({office.label for office in offices.values()})


async def test_offices_without_address_and_scope_still_get_labels() -> None:
    """Both may be null in the city's data: then the number tells them apart."""
    raw = build_catalogue()
    for office in raw["offices"][:2]:
        office |= {"address": None, "scope": None}
    offices = (await read(raw)).offices

    assert offices[10461].label == "Servicestelle für Zuwanderung und Einbürgerung (10461)"
    assert not offices[10461].captcha_required


async def test_what_an_office_demands() -> None:
    """Telephone, own questions, captcha and deadlines arrive."""
    catalogue = await read(build_catalogue())

    licence = catalogue.offices[LICENCE[1]].scope
    naturalisation = catalogue.offices[NATURALISATION[1]].scope
    assert licence is not None
    assert naturalisation is not None
    assert (licence.telephone_activated, licence.telephone_required, licence.reservation_minutes) == (True, True, 10)
    assert TextField(activated=True, required=True, label="Aktenzeichen") == naturalisation.custom_text
    assert TextField() == naturalisation.custom_text2
    assert (
        naturalisation.reservation_minutes,
        naturalisation.activation_minutes,
        naturalisation.appointments_per_mail,
    ) == (20, 30, 1)


async def test_one_office_with_a_captcha_is_enough() -> None:
    """A question about several offices needs a token when any of them does."""
    catalogue = await read(build_catalogue())

    assert catalogue.captcha_required([10489, 10461])
    assert not catalogue.captcha_required([10489, 4711])


async def test_missing_deadlines_are_read_cautiously() -> None:
    """Without a number from the city we promise the shortest time it is known to give."""
    raw = build_catalogue()
    raw["offices"][0]["scope"] |= {"reservationDuration": None, "activationDuration": None}
    scope = (await read(raw)).offices[10461].scope

    assert scope is not None
    assert (scope.reservation_minutes, scope.activation_minutes) == (5, 15)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("offices", "id", None),
        ("offices", "name", ""),
        ("offices", "scope", []),
        ("offices", "address", "Ruppertstraße 19"),
        ("services", "id", "ten"),
        ("services", "name", 10339028),
        ("services", "showOnStartPage", "yes"),
        ("relations", "officeId", None),
        ("relations", "public", 1),
    ],
)
async def test_a_catalogue_outside_the_contract_is_refused(part: str, key: str, value: object) -> None:
    """Half a catalogue would quietly take services away from people."""
    raw = copy.deepcopy(build_catalogue())
    raw[part][0][key] = value
    client = new_client(ManualClock(), httpx.MockTransport(lambda _: httpx.Response(200, json=raw)))

    async with client:
        with pytest.raises(MunichMalformed):
            await client.catalogue()
