"""
Appointments in the simulated city, with the timers that the real one runs by cron.

    free ──reserve──► reserved ──preconfirm──► preconfirmed ──confirm──► confirmed
      ▲                  │ reservationDuration       │ activationDuration      │
      └──────────────────┴───────── deleted ◄────────┴──────── cancel ─────────┘
"""

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

from .city_calendar import day_of
from .city_errors import CityRefusedError

State = Literal["reserved", "preconfirmed", "confirmed", "deleted"]

PLACEHOLDER_EMAIL: Final = "test@muenchen.de"
PORTAL: Final = "https://stadt.muenchen.de/buergerservice/terminvereinbarung.html"
FIRST_PROCESS_ID: Final = 101002

_EMAIL: Final = re.compile(r"(?!\.)(?!.*\.\.)[\w.%-]+(?<!\.)@[\w.-]+\.[a-zA-Z]{2,}", re.ASCII)
_TELEPHONE: Final = re.compile(r"\+?[0-9]\d{6,14}", re.ASCII)
_TAG: Final = re.compile(r"<[^>]*>")
_LONGEST_TEXT: Final = 250


@dataclass(frozen=True, kw_only=True)
class Mail:
    """What the city sent to a citizen."""

    kind: Literal["activation", "confirmation", "cancellation"]
    process_id: int = field(repr=False)
    to: str = field(repr=False)
    link: str | None = field(default=None, repr=False)
    """Opens the page that confirms the appointment."""


@dataclass(frozen=True, kw_only=True)
class Booking:
    """One appointment as the city's clerk sees it."""

    process_id: int = field(repr=False)
    service_id: int
    office_id: int
    start: int
    state: State
    family_name: str = field(default="", repr=False)
    email: str = field(default=PLACEHOLDER_EMAIL, repr=False)
    telephone: str = field(default="", repr=False)
    custom_text: str = field(default="", repr=False)
    custom_text2: str = field(default="", repr=False)
    auth_key: str = field(repr=False)
    deadline: float = float("inf")
    """When the city gives the slot back by itself, epoch seconds."""
    captcha_token: str | None = field(default=None, repr=False)


class Appointments:
    """The slot board and everything booked on it. Clock: epoch seconds."""

    def __init__(self, clock: Callable[[], float], scopes: Mapping[int, Mapping[str, Any]]) -> None:
        self.outbox: list[Mail] = []
        self._clock = clock
        self._scopes = scopes
        self._free: set[tuple[int, int, int]] = set()
        self._rumours: set[tuple[int, int, date]] = set()
        self._bookings: dict[int, Booking] = {}
        self._never_activated: set[int] = set()

    def release(self, service_id: int, office_id: int, starts: Iterable[int]) -> None:
        """Put free appointments on the board."""
        self._free.update((service_id, office_id, start) for start in starts)

    def take(self, service_id: int, office_id: int, starts: Iterable[int] | None) -> None:
        """Remove appointments from the board, all of this service and office without *starts*."""
        gone = None if starts is None else set(starts)
        self._free = {
            slot for slot in self._free if slot[:2] != (service_id, office_id) or not (gone is None or slot[2] in gone)
        }

    def rumour(self, service_id: int, office_id: int, start: int) -> None:
        """Keep a day in the list of days although nothing is free on it."""
        self._rumours.add((service_id, office_id, day_of(start)))

    def free(self, service_id: int, office_ids: Iterable[int]) -> list[tuple[int, int]]:
        """Return (office, start) of what can be had now."""
        self.expire()
        offices, now = set(office_ids), self._clock()
        return sorted((o, start) for s, o, start in self._free if s == service_id and o in offices and start > now)

    def rumoured(self, service_id: int, office_ids: Iterable[int]) -> list[tuple[int, date]]:
        """Return (office, day) of days that are only rumoured to have something."""
        offices = set(office_ids)
        return sorted((o, day) for s, o, day in self._rumours if s == service_id and o in offices)

    def all(self) -> tuple[Booking, ...]:
        """Return every booking ever made, oldest first."""
        self.expire()
        return tuple(self._bookings.values())

    def expire(self) -> None:
        """Do what the city's cron does: delete what was not completed in time, and free its slot."""
        now = self._clock()
        for booking in [known for known in self._bookings.values() if known.deadline <= now]:
            if booking.state == "preconfirmed":
                self._never_activated.add(booking.process_id)
            self._delete(booking)

    def reserve(self, service_id: int, office_id: int, start: int, captcha_token: str | None) -> Booking:
        """Hold a free slot."""
        if (office_id, start) not in self.free(service_id, [office_id]):
            raise CityRefusedError("appointmentNotAvailable")
        self._free.discard((service_id, office_id, start))
        return self._keep(
            Booking(
                process_id=FIRST_PROCESS_ID + len(self._bookings),
                service_id=service_id,
                office_id=office_id,
                start=start,
                state="reserved",
                auth_key=secrets.token_hex(32),
                deadline=self._clock() + self._minutes(office_id, "reservationDuration") * 60,
                captcha_token=captcha_token,
            )
        )

    def update(self, process_id: int, auth_key: str, details: Mapping[str, object]) -> Booking:
        """Write the citizen's details into a reservation."""
        booking = self._reserved(process_id, auth_key)
        texts = {name: _plain(details.get(name)) for name in ("familyName", "email", "telephone")}
        texts |= {name: _plain(details.get(name)) for name in ("customTextfield", "customTextfield2")}
        codes = objections(texts, self._scopes[booking.office_id])
        if codes:
            raise CityRefusedError(*codes)
        self._not_too_many(booking, texts["email"])
        return self._keep(
            replace(
                booking,
                family_name=texts["familyName"],
                email=texts["email"],
                telephone=texts["telephone"],
                custom_text=texts["customTextfield"],
                custom_text2=texts["customTextfield2"],
            )
        )

    def preconfirm(self, process_id: int, auth_key: str) -> Booking:
        """Send the mail with the link that confirms."""
        booking = self._reserved(process_id, auth_key)
        if self._scopes[booking.office_id]["emailRequired"] and booking.email == PLACEHOLDER_EMAIL:
            raise CityRefusedError("emailIsRequired")
        self._not_too_many(booking, booking.email)
        minutes = self._minutes(booking.office_id, "activationDuration")
        key = base64.b64encode(json.dumps({"id": process_id, "authKey": auth_key}).encode()).decode()
        link = f"{PORTAL}#/appointment/confirm/{key}"
        self.outbox.append(Mail(kind="activation", process_id=process_id, to=booking.email, link=link))
        return self._keep(replace(booking, state="preconfirmed", deadline=self._clock() + minutes * 60))

    def confirm(self, process_id: int, auth_key: str) -> Booking:
        """Make the appointment definite, as the page behind the link does."""
        booking = self._opened(process_id, auth_key)
        if process_id in self._never_activated:
            raise CityRefusedError("preconfirmationExpired")
        if booking.state != "preconfirmed":
            raise CityRefusedError("processNotPreconfirmedAnymore")
        self.outbox.append(Mail(kind="confirmation", process_id=process_id, to=booking.email))
        return self._keep(replace(booking, state="confirmed", deadline=float("inf")))

    def read(self, process_id: int, auth_key: str) -> Booking:
        """Return what can still be seen of an appointment."""
        booking = self._opened(process_id, auth_key)
        if booking.state == "deleted":
            raise CityRefusedError("appointmentNotFound")
        return booking

    def cancel(self, process_id: int, auth_key: str) -> Booking:
        """Delete an appointment before it starts."""
        booking = self.read(process_id, auth_key)
        if booking.start <= self._clock():
            raise CityRefusedError("appointmentCanNotBeCanceled")
        if booking.state != "reserved":
            self.outbox.append(Mail(kind="cancellation", process_id=process_id, to=booking.email))
        return self._delete(booking)

    def booking(self, process_id: int) -> Booking:
        """Return one booking; raises CityRefusedError when there is none of that number."""
        self.expire()
        if process_id not in self._bookings:
            raise CityRefusedError("appointmentNotFound")
        return self._bookings[process_id]

    def _opened(self, process_id: int, auth_key: str) -> Booking:
        booking = self.booking(process_id)
        if not secrets.compare_digest(booking.auth_key, auth_key):
            raise CityRefusedError("authKeyMismatch")
        return booking

    def _reserved(self, process_id: int, auth_key: str) -> Booking:
        booking = self._opened(process_id, auth_key)
        if booking.state != "reserved":
            raise CityRefusedError("processNotReservedAnymore")
        return booking

    def _not_too_many(self, booking: Booking, email: str) -> None:
        limit = self._scopes[booking.office_id]["appointmentsPerMail"]
        same = [
            other
            for other in self._bookings.values()
            if (other.office_id, other.email) == (booking.office_id, email)
            and other.state in ("preconfirmed", "confirmed")
        ]
        if limit is not None and len(same) >= int(limit):
            raise CityRefusedError("tooManyAppointmentsWithSameMail")

    def _minutes(self, office_id: int, duration: str) -> int:
        return int(self._scopes[office_id][duration])

    def _delete(self, booking: Booking) -> Booking:
        self._free.add((booking.service_id, booking.office_id, booking.start))
        return self._keep(replace(booking, state="deleted", deadline=float("inf")))

    def _keep(self, booking: Booking) -> Booking:
        self._bookings[booking.process_id] = booking
        return booking


def calendar_entry(booking: Booking) -> str:
    """Return the appointment as an .ics file."""
    starts = datetime.fromtimestamp(booking.start, UTC)
    return "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Simulated City//DE",
            "BEGIN:VEVENT",
            f"UID:{booking.process_id}@city.example",
            f"DTSTAMP:{starts:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{starts:%Y%m%dT%H%M%SZ}",
            "SUMMARY:Termin Landeshauptstadt München",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )


def _plain(value: object) -> str:
    return _TAG.sub("", value).strip() if isinstance(value, str) else ""


def objections(texts: Mapping[str, str], scope: Mapping[str, Any]) -> list[str]:
    """Return the codes with which the city refuses these details, if any."""
    codes = []
    if not texts["familyName"]:
        codes.append("invalidFamilyName")
    if (scope["emailRequired"] or texts["email"]) and not _EMAIL.fullmatch(texts["email"]):
        codes.append("invalidEmail")
    telephone_wanted = scope["telephoneRequired"] or (scope["telephoneActivated"] and texts["telephone"])
    if telephone_wanted and not _TELEPHONE.fullmatch(texts["telephone"]):
        codes.append("invalidTelephone")
    for name in ("customTextfield", "customTextfield2"):
        missing = scope[f"{name}Required"] and not texts[name]
        if scope[f"{name}Activated"] and (missing or len(texts[name]) > _LONGEST_TEXT):
            codes.append(f"invalid{name[0].upper()}{name[1:]}")
    return codes
