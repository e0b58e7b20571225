"""
The city's JSON, read strictly: a value outside the contract is an error, never a default that looks like an answer.

Nulls are taken where the city's own schema allows them. Ids and timestamps come as numbers or as digits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, cast

from .models import (
    Address,
    Calendar,
    Catalogue,
    Day,
    Office,
    Relation,
    Reservation,
    Scope,
    Service,
    Slot,
    Status,
    TextField,
)

FALLBACK_RESERVATION_MINUTES: Final = 5
"""For an office that names none: the shortest in the city's data, so that we never promise too much."""
FALLBACK_ACTIVATION_MINUTES: Final = 15

_STATUSES: Final = frozenset({"reserved", "preconfirmed", "confirmed", "deleted"})


class OutsideContractError(ValueError):
    """An answer is not what the contract says; `where` is the name of the key, never its value."""

    def __init__(self, where: str) -> None:
        super().__init__(f"outside the contract at {where}")
        self.where = where


def parse_catalogue(data: object) -> Catalogue:
    """Read the answer of offices-and-services."""
    root = _object(data, "catalogue")
    services = [_service(item) for item in _list(root, "services")]
    offices = _told_apart([_office(item) for item in _list(root, "offices")])
    return Catalogue(
        services={service.id: service for service in services},
        offices={office.id: office for office in offices},
        relations=tuple(_relation(item) for item in _list(root, "relations")),
    )


def parse_calendar(service_id: int, data: object) -> Calendar:
    """Read the answer of available-calendar."""
    root = _object(data, "calendar")
    first, last = _date(root, "slotsStartDate"), _date(root, "slotsEndDate")
    days = tuple(_day(service_id, item, first, last) for item in _list(root, "availableDays"))
    return Calendar(service_id=service_id, slots_start=first, slots_end=last, days=days)


def parse_reservation(data: object) -> Reservation:
    """Read a "thinned process", the answer of every call about one appointment."""
    root = _object(data, "appointment")
    status = _text(root, "status")
    scope = root.get("scope")
    return Reservation(
        process_id=_number(root, "processId"),
        auth_key=_text(root, "authKey"),
        service_id=_number(root, "serviceId"),
        office_id=_number(root, "officeId"),
        start=_number(root, "timestamp"),
        status=cast("Status", status) if status in _STATUSES else "other",
        scope=None if scope is None else _scope(scope),
        ics=_optional_text(root, "icsContent"),
    )


def error_code(data: object) -> str | None:
    """Return the city's code of the gravest error in an answer, or None when it is not in the city's error form."""
    if not isinstance(data, Mapping) or not isinstance(data.get("errors"), list):
        return None
    found = [
        (status if isinstance(status := item.get("statusCode"), int) else 0, code)
        for item in data["errors"]
        if isinstance(item, Mapping) and isinstance(code := item.get("errorCode"), str)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def carries_errors(data: object) -> bool:
    """Return whether an answer is one of the error forms, whatever its HTTP status says."""
    return isinstance(data, Mapping) and bool(data.get("errors") or data.get("error"))


def _service(data: object) -> Service:
    item = _object(data, "services")
    return Service(
        id=_number(item, "id"),
        name=_text(item, "name"),
        max_quantity=_number(item, "maxQuantity"),
        show_on_start_page=_flag(item, "showOnStartPage"),
    )


def _relation(data: object) -> Relation:
    item = _object(data, "relations")
    return Relation(
        service_id=_number(item, "serviceId"), office_id=_number(item, "officeId"), public=_flag(item, "public")
    )


def _office(data: object) -> Office:
    item = _object(data, "offices")
    name = _text(item, "name")
    address, scope = item.get("address"), item.get("scope")
    return Office(
        id=_number(item, "id"),
        name=name,
        label=name,
        address=None if address is None else _address(address),
        scope=None if scope is None else _scope(scope),
        slot_minutes=_optional_number(item, "slotTimeInMinutes"),
    )


def _address(data: object) -> Address:
    item = _object(data, "address")
    return Address(
        street=_text(item, "street"),
        house_number=_optional_text(item, "house_number") or "",
        postal_code=_optional_text(item, "postal_code") or "",
        city=_optional_text(item, "city") or "",
    )


def _scope(data: object) -> Scope:
    item = _object(data, "scope")
    provider = item.get("provider")
    return Scope(
        id=_number(item, "id"),
        short_name=_optional_text(item, "shortName") or "",
        unit="" if provider is None else _optional_text(_object(provider, "provider"), "name") or "",
        email_required=_flag(item, "emailRequired"),
        telephone_activated=_flag(item, "telephoneActivated"),
        telephone_required=_flag(item, "telephoneRequired"),
        custom_text=_text_field(item, "customTextfield"),
        custom_text2=_text_field(item, "customTextfield2"),
        captcha_required=_flag(item, "captchaActivatedRequired"),
        appointments_per_mail=_optional_number(item, "appointmentsPerMail"),
        reservation_minutes=_optional_number(item, "reservationDuration") or FALLBACK_RESERVATION_MINUTES,
        activation_minutes=_optional_number(item, "activationDuration") or FALLBACK_ACTIVATION_MINUTES,
        hint=_optional_text(item, "hint"),
        info_for_appointment=_optional_text(item, "infoForAppointment"),
    )


def _text_field(item: Mapping[str, object], prefix: str) -> TextField:
    return TextField(
        activated=_flag(item, f"{prefix}Activated"),
        required=_flag(item, f"{prefix}Required"),
        label=_optional_text(item, f"{prefix}Label") or "",
    )


def _day(service_id: int, data: object, first: date, last: date) -> Day:
    item = _object(data, "availableDays")
    day = _date(item, "date")
    ids = _text(item, "providerIDs").split(",")
    verified = first <= day <= last
    slots = {
        Slot(service_id, office_id, start) for office in _list(item, "offices") for office_id, start in _starts(office)
    }
    return Day(
        date=day,
        office_ids=tuple(_digits(office_id.strip(), "providerIDs") for office_id in ids),
        slots=tuple(sorted(slots, key=lambda slot: (slot.start, slot))) if verified else (),
        verified=verified,
    )


def _starts(data: object) -> list[tuple[int, int]]:
    office = _object(data, "offices")
    office_id = _number(office, "officeId")
    return [(office_id, _digits(start, "appointments")) for start in _list(office, "appointments")]


def _told_apart(offices: Sequence[Office]) -> list[Office]:
    """
    Give equally named offices different labels.

    By address, else by the short name of their counter, else by their unit, else by their number:
    the first of these that only this office among its namesakes has.
    """
    names = Counter(office.name for office in offices)
    details = {office.id: _details(office) for office in offices}
    labelled = []
    for office in offices:
        namesakes = [other for other in offices if other.name == office.name and other.id != office.id]
        detail = next(
            own
            for rank, own in enumerate(details[office.id])
            if own and all(details[other.id][rank] != own for other in namesakes)
        )
        labelled.append(office if names[office.name] == 1 else replace(office, label=f"{office.name} ({detail})"))
    return labelled


def _details(office: Office) -> tuple[str, str, str, str]:
    short_name = office.scope.short_name if office.scope else ""
    unit = office.scope.unit.removeprefix(office.name).strip(" ()") if office.scope else ""
    return (office.address.line if office.address else "", short_name, unit, str(office.id))


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise OutsideContractError(where)
    return value


def _list(item: Mapping[str, object], key: str) -> list[object]:
    value = item.get(key)
    if not isinstance(value, list):
        raise OutsideContractError(key)
    return value


def _text(item: Mapping[str, object], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise OutsideContractError(key)
    return value


def _optional_text(item: Mapping[str, object], key: str) -> str | None:
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        raise OutsideContractError(key)
    return value or None


def _flag(item: Mapping[str, object], key: str) -> bool:
    value = item.get(key)
    if value is not None and not isinstance(value, bool):
        raise OutsideContractError(key)
    return bool(value)


def _number(item: Mapping[str, object], key: str) -> int:
    return _digits(item.get(key), key)


def _optional_number(item: Mapping[str, object], key: str) -> int | None:
    value = item.get(key)
    return None if value is None or value == "" else _digits(value, key)


def _digits(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise OutsideContractError(where)


def _date(item: Mapping[str, object], key: str) -> date:
    try:
        return date.fromisoformat(_text(item, key))
    except ValueError:
        raise OutsideContractError(key) from None
