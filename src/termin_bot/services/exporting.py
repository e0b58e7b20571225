"""Everything the bot keeps about a person, as a document for that person."""

import json
from datetime import date
from typing import Final

from termin_bot.services.clock import timestamp
from termin_bot.services.notices import Attachment
from termin_bot.services.people import Visit
from termin_bot.services.ports import Work
from termin_bot.storage import Appointment, BookingSession, Person, Subscription
from termin_bot.tracing import traced

FILE_NAME: Final = "my-data.json"
Json = dict[str, object]


class Exporting:
    """Writes a person's data down."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @traced("service export")
    async def document(self, visit: Visit) -> Attachment:
        """Return all of it as JSON. What opens an appointment at the city is left out: files get forwarded."""
        async with self._work() as work:
            person = await work.people.get(visit.person_id)
            watched = await work.subscriptions.of(visit.person_id)
            booking = await work.bookings.of(visit.person_id)
            booked = await work.appointments.of(visit.person_id)
            told = [await work.slots.told(each.id) for each in watched]
        content: Json = {
            "person": None if person is None else _person(person),
            "subscriptions": [_subscription(each, len(slots)) for each, slots in zip(watched, told, strict=True)],
            "booking": None if booking is None else _booking(booking),
            "appointments": [_appointment(each) for each in booked],
        }
        return Attachment(name=FILE_NAME, content=json.dumps(content, ensure_ascii=False, indent=2).encode())


def _person(person: Person) -> Json:
    return {
        "telegram_id": person.telegram_id,
        "pseudonym": person.pseudonym,
        "is_counted": person.analytics,
        "language": person.language,
        "registered_at": timestamp(person.registered_at),
        "last_seen_at": timestamp(person.last_seen_at),
        "last_command_at": _moment(person.last_command_at),
        "quiet_from": person.quiet_from,
        "quiet_until": person.quiet_until,
    }


def _subscription(watched: Subscription, told: int) -> Json:
    return {
        "service_id": watched.service_id,
        "office_ids": list(watched.office_ids),
        "date_from": _day(watched.date_from),
        "date_to": _day(watched.date_to),
        "is_paused": watched.paused,
        "since": timestamp(watched.created_at),
        "last_notification_at": _moment(watched.notice_sent_at),
        "appointments_told": told,
    }


def _booking(booking: BookingSession) -> Json:
    return {
        "service_id": booking.service_id,
        "office_id": booking.office_id,
        "start": timestamp(booking.start),
        "step": booking.step,
        "ends_at": timestamp(booking.deadline),
        "name": booking.name,
        "email": booking.email,
        "telephone": booking.telephone,
        "custom_text": booking.custom_text,
        "custom_text2": booking.custom_text2,
    }


def _appointment(booked: Appointment) -> Json:
    return {
        "service_id": booked.service_id,
        "office_id": booked.office_id,
        "start": timestamp(booked.start),
        "booked_at": timestamp(booked.booked_at),
        "state": booked.state,
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else timestamp(at)


def _day(at: date | None) -> str | None:
    return None if at is None else at.isoformat()
