"""Services and offices of the simulated city: real ids, in the JSON of the city's offices-and-services."""
# ruff: noqa: RUF001  the city writes its names with en dashes

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Final

Json = dict[str, Any]

RUPPERTSTRASSE: Final = ("Ruppertstraße", "19", "80337")
SERVICE_POINT: Final = "Servicestelle für Zuwanderung und Einbürgerung"

CITIZENS_OFFICES: Final = (102522, 102523, 102524, 102526, 54261, 10489)
"""Offices that all offer the same three services."""

_LARGE_OFFICES: Final = 78
_CAPTCHA_OFFICES: Final = 5
_OFFICES_OF_SERVICES: Final = (1,) * 124 + (12,) * 6 + (6,) * 8 + (5,) * 6 + (3,) * 8 + (2,) * 4


def build_catalogue() -> Json:
    """Return a fresh copy of the catalogue, as offices-and-services sends it."""
    return {"offices": _offices(), "services": _services(), "relations": _relations()}


def build_large_catalogue() -> Json:
    """
    Return a catalogue as large as the real one: 156 services, 78 offices, 306 relations.

    124 services have one office, the others up to twelve; five offices want a captcha. Names and ids are made up.
    """
    offices = [
        _office(
            20_001 + number,
            f"Dienststelle {number + 1}",
            RUPPERTSTRASSE,
            _scope(
                1001 + number,
                20_001 + number,
                f"Dienststelle {number + 1}",
                f"KVR-{number + 1}",
                f"D{number + 1}",
                captchaActivatedRequired=number < _CAPTCHA_OFFICES,
            ),
        )
        for number in range(_LARGE_OFFICES)
    ]
    services, relations, turn = [], [], count()
    for number, offering in enumerate(_OFFICES_OF_SERVICES):
        services.append(_service(9_000_001 + number, f"Dienstleistung {number + 1}"))
        relations += [
            _relation(9_000_001 + number, 20_001 + next(turn) % _LARGE_OFFICES, public=True) for _ in range(offering)
        ]
    return {"offices": offices, "services": services, "relations": relations}


def _services() -> list[Json]:
    return [
        _service(10339028, "Notfall-Hilfe Aufenthaltstitel – Beschäftigte, Angehörige"),
        _service(10339027, "Notfall-Hilfe Aufenthaltstitel – Studierende, Hochschulabsolvent*innen, Selbstständige"),
        _service(10502137, "Abholung elektronischer Aufenthaltstitel (eAT)"),
        _service(1071907, "Einbürgerung"),
        _service(1071896, "Umschreibung eines ausländischen Führerscheins"),
        _service(1063741, "Verpflichtungserklärung"),
        _service(1063475, "Wohnsitzanmeldung", max_quantity=5),
        _service(1063441, "Personalausweis", max_quantity=2, combinable={"1": {"1063453": list(CITIZENS_OFFICES)}}),
        _service(1063453, "Reisepass", max_quantity=2, combinable={"1": {"1063441": list(CITIZENS_OFFICES)}}),
    ]


def _offices() -> list[Json]:
    azr_number: Json = {"customTextfieldActivated": True, "customTextfieldLabel": "AZR-Nummer"}
    file_number: Json = {
        "customTextfieldActivated": True,
        "customTextfieldRequired": True,
        "customTextfieldLabel": "Aktenzeichen",
    }
    telephone: Json = {"telephoneActivated": True, "telephoneRequired": True}
    return [
        _office(
            10461,
            SERVICE_POINT,
            RUPPERTSTRASSE,
            _scope(58, 10461, SERVICE_POINT, "KVR-V/21", "ABH Notfall", captchaActivatedRequired=True, **azr_number),
        ),
        _office(
            10187259,
            SERVICE_POINT,
            RUPPERTSTRASSE,
            _scope(
                59, 10187259, SERVICE_POINT, "KVR-V/22", "ABH Studierende", captchaActivatedRequired=True, **azr_number
            ),
        ),
        _office(
            10456,
            "Ausländerbehörde – Abholung",
            RUPPERTSTRASSE,
            _scope(60, 10456, "Ausländerbehörde – Abholung", "KVR-II/2", "eAT Abholung", reservationDuration=5),
        ),
        _office(
            10471,
            "Einbürgerungsbehörde",
            RUPPERTSTRASSE,
            _scope(
                61, 10471, "Einbürgerungsbehörde", "KVR-II/4", "Einbürgerung", reservationDuration=20, **file_number
            ),
            slot_minutes=60,
        ),
        _office(
            10308174,
            "Führerscheinstelle",
            ("Garmischer Straße", "19-21", "81373"),
            _scope(
                62, 10308174, "Führerscheinstelle", "KVR-III/3", "Umschreibung", reservationDuration=10, **telephone
            ),
        ),
        _office(
            10308621,
            "Verpflichtungserklärung",
            RUPPERTSTRASSE,
            _scope(63, 10308621, "Verpflichtungserklärung", "KVR-II/3", "VE", appointmentsPerMail=None),
        ),
        *_citizens_offices(),
    ]


def _citizens_offices() -> Iterable[Json]:
    places = {
        102522: ("Bürgerbüro Orleansplatz", ("Orleansstraße", "50", "81667")),
        102523: ("Bürgerbüro Leonrodstraße", ("Leonrodstraße", "21", "80634")),
        102524: ("Bürgerbüro Riesenfeldstraße", ("Riesenfeldstraße", "75", "80809")),
        102526: ("Bürgerbüro Forstenrieder Allee", ("Forstenrieder Allee", "61a", "81476")),
        54261: ("Bürgerbüro Pasing", ("Landsberger Straße", "486", "81241")),
        10489: ("Bürgerbüro Ruppertstraße", RUPPERTSTRASSE),
        # Two desks with one display name, told apart by their addresses; nothing here is for the public.
        10502: ("Meldestelle", ("Orleansstraße", "50", "81667")),
        10503: ("Meldestelle", ("Leonrodstraße", "21", "80634")),
    }
    for number, (office_id, (name, address)) in enumerate(places.items(), start=70):
        yield _office(
            office_id,
            name,
            address,
            _scope(number, office_id, name, f"KVR-II/{number}", "BB", address=address, appointmentsPerMail="5"),
        )


def _relations() -> list[Json]:
    single = {
        10339028: 10461,
        10339027: 10187259,
        10502137: 10456,
        1071907: 10471,
        1071896: 10308174,
        1063741: 10308621,
    }
    public = list(single.items())
    public += [(service_id, office_id) for service_id in (1063475, 1063441, 1063453) for office_id in CITIZENS_OFFICES]
    hidden = [(1063475, 10502), (1063475, 10503), (1063441, 10461)]
    return [_relation(*pair, public=True) for pair in public] + [_relation(*pair, public=False) for pair in hidden]


def _service(service_id: int, name: str, *, max_quantity: int = 1, combinable: Mapping[str, Any] | None = None) -> Json:
    return {
        "id": service_id,
        "name": name,
        "maxQuantity": max_quantity,
        "combinable": combinable or [],  # PHP: an empty object is a list
        "parentId": None,
        "variantId": None,
        "rootParentId": service_id,
        "showOnStartPage": True,
    }


def _relation(service_id: int, office_id: int, *, public: bool) -> Json:
    return {"officeId": office_id, "serviceId": service_id, "slots": 1, "public": public, "maxQuantity": 0}


def _office(office_id: int, name: str, address: tuple[str, str, str], scope: Json, *, slot_minutes: int = 10) -> Json:
    street, house_number, postal_code = address
    return {
        "id": office_id,
        "name": name,
        "address": {
            "house_number": house_number,
            "city": "München",
            "postal_code": postal_code,
            "street": street,
            "hint": False,
        },
        "showAlternativeLocations": True,
        "displayNameAlternatives": [],
        "organization": "Landeshauptstadt München",
        "organizationUnit": "Kreisverwaltungsreferat",
        "slotTimeInMinutes": slot_minutes,
        "geo": {"lat": "48.124681688670854", "lon": "11.549865797138638"},
        "disabledByServices": [],
        "priority": 1,
        "scope": scope,
        "slotsPerAppointment": None,
        "parentId": None,
        "allowDisabledServicesMix": None,
        "sharedBookingOfficeIds": None,
    }


def _scope(
    scope_id: int,
    office_id: int,
    name: str,
    unit: str,
    short_name: str,
    *,
    address: tuple[str, str, str] = RUPPERTSTRASSE,
    **rules: Any,
) -> Json:
    street, house_number, postal_code = address
    unit_name = f"{name} ({unit})"
    return {
        "id": scope_id,
        "provider": {
            "id": office_id,
            "name": unit_name,
            "displayName": name,
            "lat": 48.124681,
            "lon": 11.549866,
            "source": "dldb",
            "contact": {
                "city": "München",
                "country": "Germany",
                "name": unit_name,
                "postalCode": postal_code,
                "region": "München",
                "street": street,
                "streetNumber": house_number,
            },
        },
        "shortName": short_name,
        "emailFrom": "no-reply@muenchen.de",
        "emailRequired": True,
        "telephoneActivated": False,
        "telephoneRequired": False,
        "customTextfieldActivated": False,
        "customTextfieldRequired": False,
        "customTextfieldLabel": "",
        "customTextfield2Activated": False,
        "customTextfield2Required": False,
        "customTextfield2Label": "",
        "captchaActivatedRequired": False,
        "infoForAppointment": None,
        "infoForAllAppointments": None,
        "slotsPerAppointment": None,
        "appointmentsPerMail": "1",
        "whitelistedMails": None,
        "reservationDuration": 15,
        "activationDuration": 30,
        "hint": None,
    } | rules
