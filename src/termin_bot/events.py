"""Every business event the bot records, and every operation that counts as a page view: the closed list."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from otel_umami_exporter import Event, Form, Privacy, Prop, Taxonomy
from termin_bot.munich import Endpoint, ErrorType
from termin_bot.operations import OPERATIONS, ButtonId

CommandName = Literal[
    "/start",
    "/help",
    "/subscribe",
    "/myservices",
    "/setdates",
    "/appointments",
    "/status",
    "/pause",
    "/resume",
    "/quiet",
    "/language",
    "/privacy",
    "/analytics",
    "/export",
    "/health",
    "/stop",
    "/cancel",
    "unknown",
]
CommandSource = Literal["typed", "button_click", "menu_selection"]
CommandFailure = Literal[
    "unknown_command",
    "limit_reached",
    "no_subscriptions",
    "no_appointments",
    "invalid_input",
    "nothing_to_cancel",
    "city_unavailable",
    "error",
]
ButtonContext = Literal[
    "menu_message",
    "notification_message",
    "booking_message",
    "appointment_message",
    "subscription_message",
    "settings_message",
    "unknown",
]
RemovalReason = Literal["user_initiated", "auto_cleanup"]
RangeDirection = Literal["expanded", "narrowed", "set"]
NotificationType = Literal["initial", "update", "reminder"]
NotificationFailure = Literal["telegram_api_error", "user_blocked_bot", "rate_limit_exceeded"]
LeadTime = Literal["0-1", "2-3", "4-7", "8-14", "15-30", "31+"]
Step = Literal["time_selection", "name_entry", "email_entry", "telephone_entry", "text_entry", "confirmation"]
BookingStatus = Literal["success", "failure"]
BookingFailure = Literal[
    "slot_gone",
    "reservation_expired",
    "too_many_appointments",
    "captcha",
    "invalid_details",
    "refused",
    "rate_limited",
    "city_unavailable",
    "error",
]
CancelReason = Literal["user_initiated", "session_expired"]
AlertType = Literal["consecutive_failures", "high_error_rate"]

_PUBLIC: Final = Privacy.PUBLIC
_INTERNAL: Final = Privacy.INTERNAL

ServiceId = Annotated[int, Prop("The service, by its id in the city's catalogue", _PUBLIC, example=1063441)]
ServiceName = Annotated[
    str, Prop("The service's name", _PUBLIC, source="the city's catalogue", example="Personalausweis")
]
OfficeId = Annotated[int, Prop("The office, by its id in the city's catalogue", _PUBLIC, example=102522)]
AnyOfficeId = Annotated[
    int | None, Prop("The office, by its id; absent when several offices or any will do", _PUBLIC, example=102522)
]
SlotsCount = Annotated[int, Prop("How many free appointments", _PUBLIC, example=6)]
DurationMs = Annotated[int, Prop("How long it took, in milliseconds", _INTERNAL, example=840)]
BookingStep = Annotated[Step, Prop("The step the booking had reached", _INTERNAL, example="name_entry")]


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Event):
    """A person sent their first /start."""

    name: ClassVar[str] = "user_registered"

    username: Annotated[
        Literal["set", "anonymous"], Prop("Whether they have a Telegram username; never the name", _INTERNAL)
    ]


@dataclass(frozen=True, kw_only=True)
class UserReengaged(Event):
    """A person sent /start after more than 30 days without any activity."""

    name: ClassVar[str] = "user_reengaged"

    days_inactive: Annotated[int, Prop("Whole days since they were last seen", _INTERNAL, example=45)]


@dataclass(frozen=True, kw_only=True)
class UserStopped(Event):
    """A person confirmed /stop, and everything about them was deleted."""

    name: ClassVar[str] = "user_stopped"

    days_since_registration: Annotated[int, Prop("Whole days since their first /start", _INTERNAL, example=12)]
    total_subscriptions_at_stop: Annotated[int, Prop("How many services they watched", _INTERNAL, example=2)]


@dataclass(frozen=True, kw_only=True)
class UserBlockedBot(Event):
    """A person blocked the bot: Telegram said so, or refused a message to them; once per block."""

    name: ClassVar[str] = "user_blocked_bot"

    last_command_timestamp: Annotated[
        str | None,
        Prop("When their last command came", _INTERNAL, form=Form.TIMESTAMP, example="2026-11-24T09:00:00+00:00"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class UserUnblocked(Event):
    """A person who had blocked the bot let it in again."""

    name: ClassVar[str] = "user_unblocked"

    days_blocked: Annotated[int, Prop("Whole days the block lasted", _INTERNAL, example=3)]


@dataclass(frozen=True, kw_only=True)
class CommandExecuted(Event):
    """A command ran to its end, well or not."""

    name: ClassVar[str] = "command_executed"

    command_name: Annotated[CommandName, Prop("Which command", _PUBLIC, example="/subscribe")]
    source: Annotated[CommandSource, Prop("How it was given", _INTERNAL, example="typed")]
    status: Annotated[Literal["success", "failure"], Prop("How it ended", _INTERNAL, example="success")]
    failure_reason: Annotated[CommandFailure | None, Prop("Why it failed", _INTERNAL, example="limit_reached")] = None


@dataclass(frozen=True, kw_only=True)
class ButtonClicked(Event):
    """A person pressed an inline button."""

    name: ClassVar[str] = "button_clicked"

    button_id: Annotated[ButtonId, Prop("The button's route, never its data", _INTERNAL, example="subscribe.service")]
    context: Annotated[ButtonContext, Prop("The kind of message it hung under", _INTERNAL, example="menu_message")]


@dataclass(frozen=True, kw_only=True)
class SubscriptionAdded(Event):
    """A person began to watch a service, or another office of it."""

    name: ClassVar[str] = "subscription_added"

    service_id: ServiceId
    service_name: ServiceName
    office_id: AnyOfficeId = None


@dataclass(frozen=True, kw_only=True)
class SubscriptionRemoved(Event):
    """A subscription ended, by the person or by clean-up."""

    name: ClassVar[str] = "subscription_removed"

    service_id: ServiceId
    service_name: ServiceName
    office_id: AnyOfficeId = None
    reason: Annotated[RemovalReason, Prop("Who ended it", _INTERNAL, example="user_initiated")]


@dataclass(frozen=True, kw_only=True)
class DateRangeSet(Event):
    """A person said which days suit them."""

    name: ClassVar[str] = "date_range_set"

    range_days: Annotated[int, Prop("How many days the range spans", _INTERNAL, example=14)]
    range_direction: Annotated[RangeDirection, Prop("Compared with the range before", _INTERNAL, example="expanded")]


@dataclass(frozen=True, kw_only=True)
class AppointmentCheckBatch(Event):
    """A check cycle over all watched services ended."""

    name: ClassVar[str] = "appointment_check_batch"
    person: ClassVar[bool] = False

    total_checks: Annotated[int, Prop("Services (with their offices) that were to be checked", _INTERNAL, example=12)]
    successful_checks: Annotated[int, Prop("Checks the city answered", _INTERNAL, example=11)]
    failed_checks: Annotated[int, Prop("Checks without a usable answer", _INTERNAL, example=1)]
    appointments_found: Annotated[int, Prop("Appointments that became free since the last cycle", _INTERNAL, example=4)]
    duration_ms: DurationMs


@dataclass(frozen=True, kw_only=True)
class AppointmentFound(Event):
    """Appointments became available at an office; on the edge, not in every cycle."""

    name: ClassVar[str] = "appointment_found"
    person: ClassVar[bool] = False

    service_id: ServiceId
    service_name: ServiceName
    office_id: OfficeId
    slots_count: SlotsCount
    matched_users: Annotated[int, Prop("How many people they suit", _INTERNAL, example=3)]


@dataclass(frozen=True, kw_only=True)
class NotificationSent(Event):
    """Telegram accepted a notification about free appointments."""

    name: ClassVar[str] = "notification_sent"

    service_id: ServiceId
    service_name: ServiceName
    notification_type: Annotated[NotificationType, Prop("First news, more of it, or a reminder", _INTERNAL)]
    slots_count: SlotsCount


@dataclass(frozen=True, kw_only=True)
class NotificationFailed(Event):
    """A notification could not be delivered."""

    name: ClassVar[str] = "notification_failed"

    error_type: Annotated[NotificationFailure, Prop("Why not", _INTERNAL, example="user_blocked_bot")]
    service_id: ServiceId


@dataclass(frozen=True, kw_only=True)
class CaptchaSolved(Event):
    """An attempt to get a captcha token from the city ended."""

    name: ClassVar[str] = "captcha_solved"
    person: ClassVar[bool] = False

    success: Annotated[bool, Prop("Whether it brought a token", _INTERNAL, example=True)]
    duration_ms: DurationMs
    consecutive_failures: Annotated[int | None, Prop("Failures in a row; only if it failed", _INTERNAL, example=2)] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class BookingStarted(Event):
    """A person pressed "Book" under a free appointment."""

    name: ClassVar[str] = "booking_started"

    service_id: ServiceId
    service_name: ServiceName
    office_id: OfficeId
    lead_time: Annotated[LeadTime, Prop("Days until the appointment, as a band", _INTERNAL, example="2-3")]


@dataclass(frozen=True, kw_only=True)
class SlotSelected(Event):
    """A person chose a time."""

    name: ClassVar[str] = "slot_selected"

    service_id: ServiceId
    selected_time: Annotated[
        str, Prop("The time of day chosen, without the day", _INTERNAL, form=Form.TIME_OF_DAY, example="09:10")
    ]


@dataclass(frozen=True, kw_only=True)
class NameEntered(Event):
    """A person gave a valid name; the name itself goes to the city only."""

    name: ClassVar[str] = "name_entered"

    service_id: ServiceId
    step_number: Annotated[Literal[2], Prop("The step of the funnel", _INTERNAL, example=2)] = 2


@dataclass(frozen=True, kw_only=True)
class EmailEntered(Event):
    """A person gave a valid e-mail address; the address itself goes to the city only."""

    name: ClassVar[str] = "email_entered"

    service_id: ServiceId
    step_number: Annotated[Literal[3], Prop("The step of the funnel", _INTERNAL, example=3)] = 3


@dataclass(frozen=True, kw_only=True)
class BookingConfirmed(Event):
    """A person pressed "Confirm" under the summary."""

    name: ClassVar[str] = "booking_confirmed"

    service_id: ServiceId
    step_number: Annotated[Literal[4], Prop("The step of the funnel", _INTERNAL, example=4)] = 4


@dataclass(frozen=True, kw_only=True)
class BookingCompleted(Event):
    """The city answered a booking, with yes or no."""

    name: ClassVar[str] = "booking_completed"

    service_id: ServiceId
    service_name: ServiceName
    status: Annotated[BookingStatus, Prop("How it ended", _PUBLIC, example="success")]
    failure_reason: Annotated[BookingFailure | None, Prop("Why it failed", _INTERNAL, example="slot_gone")] = None
    duration_ms: Annotated[
        int | None,
        Prop(
            'From "Book" to the city\'s answer, in milliseconds',
            _INTERNAL,
            measured="since_span_start_ms",
            example=94_000,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class BookingCancelled(Event):
    """A booking ended before the city was asked, by the person or by running out of time."""

    name: ClassVar[str] = "booking_cancelled"

    service_id: ServiceId
    cancelled_at_step: BookingStep
    reason: Annotated[CancelReason, Prop("Who ended it", _INTERNAL, example="user_initiated")]


@dataclass(frozen=True, kw_only=True)
class ApiError(Event):
    """A request to the city failed."""

    name: ClassVar[str] = "api_error"
    person: ClassVar[bool] = False

    endpoint: Annotated[Endpoint, Prop("The city's endpoint", _INTERNAL, example="available-calendar")]
    error_type: Annotated[ErrorType, Prop("The kind of trouble", _INTERNAL, example="timeout")]
    error_message: Annotated[
        str,
        Prop("The city's error code, or ours", _INTERNAL, source="the city's error catalogue", example="http_502"),
    ]


@dataclass(frozen=True, kw_only=True)
class HealthAlert(Event):
    """A threshold of trouble was crossed: the bot is blind, or half blind."""

    name: ClassVar[str] = "health_alert"
    person: ClassVar[bool] = False

    alert_type: Annotated[AlertType, Prop("Which threshold", _INTERNAL, example="consecutive_failures")]
    consecutive_failures: Annotated[int, Prop("Bad check cycles in a row", _INTERNAL, example=3)]


@dataclass(frozen=True, kw_only=True)
class BookingSessionExpired(Event):
    """A booking ran out of time."""

    name: ClassVar[str] = "booking_session_expired"

    expired_at_step: BookingStep
    minutes_since_start: Annotated[int, Prop('Whole minutes since "Book"', _INTERNAL, example=10)]


TAXONOMY: Final = Taxonomy(
    [
        UserRegistered,
        UserReengaged,
        UserStopped,
        UserBlockedBot,
        UserUnblocked,
        CommandExecuted,
        ButtonClicked,
        SubscriptionAdded,
        SubscriptionRemoved,
        DateRangeSet,
        AppointmentCheckBatch,
        AppointmentFound,
        NotificationSent,
        NotificationFailed,
        CaptchaSolved,
        BookingStarted,
        SlotSelected,
        NameEntered,
        EmailEntered,
        BookingConfirmed,
        BookingCompleted,
        BookingCancelled,
        ApiError,
        HealthAlert,
        BookingSessionExpired,
    ],
    operations=OPERATIONS,
)
