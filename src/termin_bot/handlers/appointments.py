"""The list of what was booked here, and its buttons."""

from termin_bot import buttons_booking, keyboards, keyboards_booking, texts_booking
from termin_bot.handlers.calls import Answer, Call
from termin_bot.screens import Screen
from termin_bot.services.appointments import CancelledAtCity, NoAppointment, NoFileYet, TooLateToCancel


def _over() -> Answer:
    return Answer(Screen(texts_booking.NO_APPOINTMENT()), is_stale=True)


async def listed(call: Call) -> Answer:
    """Show what the person booked here."""
    mine = await call.services.appointments.mine(call.visit)
    if not mine:
        return Answer(keyboards.hint(texts_booking.NO_APPOINTMENTS(), "subscribe"), failure="no_appointments")
    return Answer(keyboards_booking.my_appointments(mine))


async def calendar_file(call: Call, button: buttons_booking.CalendarFile) -> Answer:
    """Send the city's calendar file."""
    match await call.services.appointments.calendar_file(call.visit, button.appointment_id):
        case NoAppointment():
            return _over()
        case NoFileYet():
            return Answer(Screen(texts_booking.NO_FILE_YET()))
        case attachment:
            return Answer(Screen(texts_booking.CALENDAR_FILE()), attachment=attachment)


async def ask_cancel(call: Call, button: buttons_booking.CancelAppointment) -> Answer:
    """Ask before an appointment is cancelled."""
    found = await call.services.appointments.of(call.visit, button.appointment_id)
    return _over() if isinstance(found, NoAppointment) else Answer(keyboards_booking.ask_cancel(found))


async def confirm_cancel(call: Call, button: buttons_booking.ConfirmCancel) -> Answer:
    """Cancel an appointment at the city."""
    match await call.services.appointments.cancel(call.visit, button.appointment_id):
        case CancelledAtCity(name):
            return Answer(Screen(texts_booking.appointment_cancelled(name)), in_place=True)
        case TooLateToCancel(name):
            return Answer(Screen(texts_booking.too_late_to_cancel(name)), in_place=True)
        case NoAppointment():
            return _over()


async def keep(_call: Call, _button: buttons_booking.KeepAppointment) -> Answer:
    """Cancel nothing."""
    return Answer(Screen(texts_booking.APPOINTMENT_KEPT()), in_place=True)
