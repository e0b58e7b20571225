"""What a booking asks, in which order, and whether an answer will do. Pure: rows in, rows changed, nothing stored."""

from dataclasses import dataclass
from typing import Final, Literal

from termin_bot.events import EmailEntered, NameEntered, Step
from termin_bot.munich import (
    Reason,
    Scope,
    TextField,
    normalised_telephone,
    plain_text,
    validate_email,
    validate_name,
    validate_telephone,
    validate_text,
)
from termin_bot.storage import BookingSession

_NO_FIELD: Final = TextField()
Detail = Literal["name", "email"]


@dataclass(frozen=True)
class Invalid:
    """The city would refuse this answer."""

    step: Step
    reason: Reason


@dataclass(frozen=True)
class Answered:
    """The answer is in the row; *event* is what there is to record."""

    event: NameEntered | EmailEntered | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The next question; *label* is the office's own wording, where it has one."""

    step: Step
    column: str = ""
    label: str = ""
    is_optional: bool = False
    text_field: TextField = _NO_FIELD


def question_of(booking: BookingSession, scope: Scope | None) -> Asked:
    """Return the first question without an answer; an empty answer is one, None is none."""
    if booking.process_id is None:
        return Asked(step="time_selection")
    if booking.name is None:
        return Asked(step="name_entry", column="name")
    if booking.email is None:
        return Asked(step="email_entry", column="email")
    if scope is not None:
        if scope.telephone_activated and booking.telephone is None:
            return Asked(step="telephone_entry", column="telephone", is_optional=not scope.telephone_required)
        for column, text_field in (("custom_text", scope.custom_text), ("custom_text2", scope.custom_text2)):
            if text_field.activated and getattr(booking, column) is None:
                return Asked(
                    step="text_entry",
                    column=column,
                    label=text_field.label,
                    is_optional=not text_field.required,
                    text_field=text_field,
                )
    return Asked(step="confirmation")


def answer(booking: BookingSession, text: str, scope: Scope | None) -> Answered | Invalid:
    """Put an answer into the row and move on, unless the city would refuse it."""
    asked = question_of(booking, scope)
    if not asked.column:
        return Answered()  # a button is what we wait for
    value = _normalised(asked, text)
    reason = _refusal(asked, value)
    if reason is not None:
        return Invalid(asked.step, reason)
    _fill(booking, asked, value, scope)
    match asked.step:
        case "name_entry":
            return Answered(NameEntered(service_id=booking.service_id))
        case "email_entry":
            return Answered(EmailEntered(service_id=booking.service_id))
        case _:
            return Answered()


def keep_step(booking: BookingSession, scope: Scope | None) -> None:
    """Put the booking at its first open question."""
    booking.step = question_of(booking, scope).step


def change(booking: BookingSession, detail: Detail, scope: Scope | None) -> None:
    """Ask once more for a detail that was given."""
    setattr(booking, detail, None)
    keep_step(booking, scope)


def skip_question(booking: BookingSession, scope: Scope | None) -> None:
    """Leave the question open for good, if it may be left open."""
    asked = question_of(booking, scope)
    if asked.column and asked.is_optional:
        _fill(booking, asked, "", scope)


def _normalised(asked: Asked, text: str) -> str:
    """Return what is kept of an answer, and sent: never more than the city reads of it."""
    match asked.step:
        case "telephone_entry":
            return normalised_telephone(text)
        case "text_entry":
            return plain_text(text)
        case _:
            return text.strip()


def _refusal(asked: Asked, value: str) -> Reason | None:
    match asked.step:
        case "name_entry":
            return validate_name(value)
        case "email_entry":
            return validate_email(value)
        case "telephone_entry":
            return validate_telephone(value)
        case _:
            return validate_text(value, asked.text_field)


def _fill(booking: BookingSession, asked: Asked, value: str, scope: Scope | None) -> None:
    setattr(booking, asked.column, value)
    keep_step(booking, scope)
