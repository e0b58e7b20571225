"""
What the bot shows: the six public widgets of the analytics guide, and its internal ones.

`otel-umami dashboards apply termin_bot.dashboards` makes them in Umami; the pipeline makes the copies they stand on.
"""

from datetime import timedelta
from typing import Final

from otel_umami_exporter.dashboards import (
    Audience,
    Board,
    Chart,
    Dashboards,
    Funnel,
    Goal,
    Metric,
    Projection,
    Step,
    Table,
    Text,
)
from termin_bot.events import (
    TAXONOMY,
    ApiError,
    AppointmentFound,
    BookingCompleted,
    BookingConfirmed,
    BookingStarted,
    CaptchaSolved,
    CommandExecuted,
    EmailEntered,
    NameEntered,
    NotificationFailed,
    SlotSelected,
    SubscriptionAdded,
    UserBlockedBot,
    UserRegistered,
    UserStopped,
)

_BOOKING_STEP: Final = timedelta(minutes=30)  # longer than a booking session lives

# Public: anybody may read every row of these websites.
ACTIVE_USERS: Final = Projection.active_visitors(key="active-users", title="Active users")
APPOINTMENTS: Final = Projection.counting(AppointmentFound, key="appointments", title="Appointments found")
BOOKINGS: Final = Projection.counting(
    BookingCompleted,
    key="bookings",
    title="Successful bookings",
    where={"status": "success"},
    called="booking_completed: success",
)
ACTIVITY: Final = Projection.everything(key="activity", title="Bot activity", called="event")
SERVICES: Final = Projection.naming(SubscriptionAdded, "service_name", key="services", title="Popular services")

# Internal: closed lists of the bot's own, so a value seen once may be shown.
API_ERRORS: Final = Projection.naming(
    ApiError, "error_type", key="api-errors", title="Errors of the city's API", at_least=1
)
FAILED_NOTIFICATIONS: Final = Projection.naming(
    NotificationFailed, "error_type", key="failed-notifications", title="Failed notifications", at_least=1
)
CAPTCHAS: Final = Projection.naming(
    CaptchaSolved, "success", key="captchas", title="Captchas", at_least=1, called="captcha solved: {}"
)
COMMANDS: Final = Projection.naming(CommandExecuted, "command_name", key="commands", title="Commands", at_least=1)
USERS: Final = Projection.counting(UserRegistered, UserStopped, key="users", title="Users who came and left")

PUBLIC_BOARD: Final = Board(
    "Munich Appointment Bot",
    slug="munich-appointment-bot",
    audience=Audience.PUBLIC,
    description="What the bot does for Munich.",
    rows=[
        [Metric("Active users", of=ACTIVE_USERS, over="30day")],
        [
            Metric("Appointments found", of=APPOINTMENTS, over="24hour"),
            Metric("Successful bookings", of=BOOKINGS, over="24hour"),
        ],
        [
            Chart("Appointment trend", of=APPOINTMENTS, over="7day"),
            Chart("Bot activity by hour", of=ACTIVITY, over="24hour"),
        ],
        [Table("Popular services", of=SERVICES, over="30day", limit=10)],
        [
            Text(
                "About these numbers",
                "All numbers are for the range chosen above. They are counted from reduced copies of the bot's events: "
                "no names, no properties, full hours only, and no service that fewer than five people watch.",
            )
        ],
    ],
)

BOOKING_FUNNEL: Final = Funnel(
    "Booking funnel",
    steps=[
        Step(BookingStarted),
        Step(SlotSelected),
        Step(NameEntered),
        Step(EmailEntered),
        Step(BookingConfirmed),
        Step(BookingCompleted, where=(("status", "success"),)),
    ],
    within=_BOOKING_STEP,
)

INTERNAL_BOARD: Final = Board(
    "Munich Appointment Bot, internal",
    slug="munich-appointment-bot-internal",
    audience=Audience.INTERNAL,
    description="For the team.",
    rows=[
        [
            Table(
                "Booking steps",
                of=[BookingStarted, SlotSelected, NameEntered, EmailEntered, BookingConfirmed, BookingCompleted],
            ),
            BOOKING_FUNNEL,
            Goal("People who registered", of=UserRegistered),
        ],
        [
            Table("API errors by type", of=API_ERRORS, over="7day"),
            Table("Failed notifications by type", of=FAILED_NOTIFICATIONS, over="7day"),
            Table("Captchas solved and failed", of=CAPTCHAS, over="7day", limit=5),
        ],
        [
            Table("Commands", of=COMMANDS, over="30day", limit=20),  # the most that Umami lists
            Metric("People who blocked the bot", of=UserBlockedBot, over="30day"),
        ],
        [Chart("Registered against stopped", of=USERS, over="30day")],
    ],
)

DASHBOARDS: Final = Dashboards("Munich Appointment Bot", TAXONOMY, [PUBLIC_BOARD, INTERNAL_BOARD])
