"""What the city says, as values. Parsing lives in `parsing`; nothing here knows JSON or HTTP."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Final, Literal
from zoneinfo import ZoneInfo

BERLIN: Final = ZoneInfo("Europe/Berlin")
"""The city's days begin and end here."""

Status = Literal["reserved", "preconfirmed", "confirmed", "deleted", "other"]
"""Where an appointment stands; `other` is everything that happens in the office on the day itself."""


@dataclass(frozen=True, kw_only=True)
class TextField:
    """A question of the office's own, such as "AZR-Nummer"."""

    activated: bool = False
    required: bool = False
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What an office demands of a booking, and how long it waits."""

    id: int
    short_name: str
    unit: str
    """The unit's own name, e.g. "Servicestelle für Zuwanderung und Einbürgerung (KVR-V/21)"."""
    email_required: bool
    telephone_activated: bool
    telephone_required: bool
    custom_text: TextField
    custom_text2: TextField
    captcha_required: bool
    appointments_per_mail: int | None
    reservation_minutes: int
    """How long a reservation holds without being preconfirmed."""
    activation_minutes: int
    """How long the citizen has for opening the link in the mail."""
    hint: str | None
    info_for_appointment: str | None


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where an office stands."""

    street: str
    house_number: str
    postal_code: str
    city: str

    @property
    def line(self) -> str:
        """Street and house number, e.g. "Ruppertstraße 19"."""
        return f"{self.street} {self.house_number}".strip()


@dataclass(frozen=True, kw_only=True)
class Office:
    """A place that keeps appointments."""

    id: int
    name: str
    """The city's display name; several offices may share it."""
    label: str
    """The name, with what tells this office from others of the same name."""
    address: Address | None
    scope: Scope | None
    slot_minutes: int | None

    @property
    def captcha_required(self) -> bool:
        """Whether the city asks for a captcha token before it shows or reserves times here."""
        return self.scope is not None and self.scope.captcha_required


@dataclass(frozen=True, kw_only=True)
class Service:
    """Something the city does for a citizen by appointment."""

    id: int
    name: str
    max_quantity: int
    show_on_start_page: bool


@dataclass(frozen=True, kw_only=True)
class Relation:
    """An office offers a service. Nothing else in the catalogue says so."""

    service_id: int
    office_id: int
    public: bool


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Services and offices, and which office offers which service."""

    services: Mapping[int, Service]
    offices: Mapping[int, Office]
    relations: tuple[Relation, ...]
    former: Mapping[int, Service] = field(default_factory=dict)
    """Services that earlier catalogues had and this one has not, for their names."""

    def offices_for(self, service_id: int) -> tuple[Office, ...]:
        """Return the offices where the public can book the service, by label; empty for an unknown service."""
        return self._offices_by_service.get(service_id, ())

    @cached_property
    def bookable_services(self) -> tuple[Service, ...]:
        """The services that some office offers to the public, by name."""
        bookable = (self.services[service_id] for service_id in self._offices_by_service)
        return tuple(sorted(bookable, key=lambda service: (service.name.casefold(), service.id)))

    def captcha_required(self, office_ids: Iterable[int]) -> bool:
        """Return whether a captcha token is needed for a question about all these offices at once."""
        offices = (self.offices.get(office_id) for office_id in office_ids)
        return any(office is not None and office.captcha_required for office in offices)

    @cached_property
    def _offices_by_service(self) -> Mapping[int, tuple[Office, ...]]:
        found: defaultdict[int, dict[int, Office]] = defaultdict(dict)
        for relation in self.relations:
            office = self.offices.get(relation.office_id)
            if relation.public and office is not None and relation.service_id in self.services:
                found[relation.service_id][office.id] = office
        return {
            service_id: tuple(sorted(offices.values(), key=lambda office: (office.label.casefold(), office.id)))
            for service_id, offices in found.items()
        }


@dataclass(frozen=True, order=True)
class Slot:
    """One free appointment; equal when service, office and start are equal."""

    service_id: int
    office_id: int
    start: int
    """Epoch seconds."""

    @property
    def moment(self) -> datetime:
        """The start, on Munich's clock."""
        return datetime.fromtimestamp(self.start, BERLIN)

    @property
    def key(self) -> str:
        """The slot's identity as text: service|office|epoch seconds."""
        return f"{self.service_id}|{self.office_id}|{self.start}"


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day on which the city may have appointments."""

    date: date
    office_ids: tuple[int, ...]
    slots: tuple[Slot, ...]
    """Real times, soonest first; always empty while `verified` is False."""
    verified: bool
    """Whether times were asked for this day. An unverified day may turn out to be full: never offer it."""


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The city's answer about one service: every day that may be bookable, and the times of the days in the window."""

    service_id: int
    slots_start: date
    slots_end: date
    """First and last day with real times; the city moves this window when the day asked for has nothing."""
    days: tuple[Day, ...]

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """All known free times, soonest first."""
        return tuple(sorted((slot for day in self.days for slot in day.slots), key=lambda slot: (slot.start, slot)))

    @property
    def unverified_days(self) -> tuple[date, ...]:
        """Days that have to be asked for one by one before anybody hears of them."""
        return tuple(day.date for day in self.days if not day.verified)

    def slots_on(self, day: date) -> tuple[Slot, ...]:
        """Return the known free times of one day; empty when the city moved on to a later one."""
        return tuple(slot for slot in self.slots if slot.moment.date() == day)


@dataclass(frozen=True)
class Credentials:
    """What opens, changes and cancels an appointment: never in a log, a span or an event; encrypted at rest."""

    process_id: int = field(repr=False)
    auth_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Contact:
    """What the citizen tells the office. Nothing of it prints itself."""

    family_name: str = field(repr=False)
    """First and last name, as the city's own page sends it."""
    email: str = field(repr=False)
    telephone: str = field(default="", repr=False)
    custom_text: str = field(default="", repr=False)
    custom_text2: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """An appointment as the city keeps it, from reserved to confirmed."""

    process_id: int = field(repr=False)
    auth_key: str = field(repr=False)
    service_id: int
    office_id: int
    start: int
    """Epoch seconds."""
    status: Status
    scope: Scope | None = field(default=None, repr=False)
    ics: str | None = field(default=None, repr=False)
    """The calendar entry, once there is one."""

    @property
    def credentials(self) -> Credentials:
        """What later calls about this appointment need."""
        return Credentials(self.process_id, self.auth_key)

    @property
    def slot(self) -> Slot:
        """The slot that this reservation holds."""
        return Slot(self.service_id, self.office_id, self.start)
