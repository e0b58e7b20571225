"""
What can go wrong between the bot and the city.

    MunichError
    ├── MunichUnreachable     network_error   no connection, or it broke
    ├── MunichTimeout         timeout         no answer in time
    ├── MunichMalformed       parsing_error   an answer outside the contract (HTML, empty, other keys, odd status)
    ├── MunichServerError     server_error    5xx, 520 among them
    ├── MunichRateLimited     rate_limited    429; knows when it is worth trying again
    ├── MunichBlacklisted     blacklisted     the city wants no more requests from this address: stop
    ├── MunichCaptchaFailed   captcha         no token to be had, or the city did not take ours
    └── MunichRefused         refused         a 4xx: the city understood and said no
        ├── SlotGone                          somebody else was faster: offer another time
        └── ReservationExpired                the reservation or the appointment is no longer there

Every error is made of closed lists only, so it may be logged, traced and counted as it is: no URL, no credential,
nothing a person typed, and none of the city's free text.
"""
# ruff: noqa: N818  the names say what happened; "SlotGoneError" would say it twice

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

Endpoint = Literal[
    "offices-and-services",
    "captcha-challenge",
    "captcha-verify",
    "available-calendar",
    "reserve-appointment",
    "update-appointment",
    "preconfirm-appointment",
    "appointment",
    "cancel-appointment",
]
"""The city's endpoints that the bot calls; confirm-appointment is the citizen's own and not among them."""

ErrorType = Literal[
    "network_error",
    "timeout",
    "parsing_error",
    "rate_limited",
    "blacklisted",
    "captcha",
    "server_error",
    "refused",
]

CITY_CODES: Final[Mapping[str, int]] = {
    # The city's catalogue: its code and the HTTP status it belongs to.
    "invalidRequest": 400,
    "captchaVerificationFailed": 400,
    "invalidLocationAndServiceCombination": 400,
    "invalidStartDate": 400,
    "invalidEndDate": 400,
    "invalidSlotsStartDate": 400,
    "invalidSlotsEndDate": 400,
    "slotsStartDateAfterEndDate": 400,
    "invalidOfficeId": 400,
    "invalidServiceId": 400,
    "EMPTY_SERVICE_ARRAYS": 400,
    "MISMATCHED_ARRAYS": 400,
    "invalidServiceCount": 400,
    "invalidProcessId": 400,
    "invalidScopeId": 400,
    "invalidAuthKey": 400,
    "invalidDate": 400,
    "invalidTimestamp": 400,
    "invalidFamilyName": 400,
    "invalidEmail": 400,
    "invalidTelephone": 400,
    "invalidCustomTextfield": 400,
    "invalidCustomTextfield2": 400,
    "captchaVerificationError": 400,
    "captchaMissing": 400,
    "captchaInvalid": 400,
    "captchaExpired": 400,
    "invalidSchema": 400,
    "invalidApiClient": 400,
    "processInvalid": 400,
    "tooManySlotsPerAppointment": 400,
    "tooManyServicesPerAppointment": 400,
    "preconfirmationExpired": 400,
    "IP_BLACKLISTED": 403,
    "securityHeaderViolation": 403,
    "unauthorized": 403,
    "notFound": 404,
    "appointmentNotAvailable": 404,
    "noAppointmentForThisDay": 404,
    "sourceNotFound": 404,
    "departmentNotFound": 404,
    "mailNotFound": 404,
    "organisationNotFound": 404,
    "providerNotFound": 404,
    "requestNotFound": 404,
    "scopeNotFound": 404,
    "appointmentNotFound": 404,
    "noAppointmentForThisScope": 404,
    "scopesNotFound": 404,
    "requestMethodNotAllowed": 405,
    "appointmentCanNotBeCanceled": 406,
    "emailIsRequired": 406,
    "telephoneIsRequired": 406,
    "authKeyMismatch": 406,
    "invalidCredentials": 406,
    "tooManyAppointmentsWithSameMail": 406,
    "processAlreadyExists": 409,
    "processAlreadyCalled": 409,
    "processNotReservedAnymore": 409,
    "processNotPreconfirmedAnymore": 409,
    "requestEntityTooLarge": 413,
    "rateLimitExceeded": 429,
    "internalError": 500,
    "processDeleteFailed": 500,
    "notImplemented": 501,
    "zmsClientCommunicationError": 503,
    "serviceUnavailable": 503,
    "unknownError": 520,
    # Raised by the city's code, missing from its catalogue: seen as 400 and as 520 unknownError.
    "startDateAfterEndDate": 400,
    "dateRangeTooLarge": 400,
    "invalidDateRange": 400,
    # The key of IP_BLACKLISTED in the catalogue, reported by others as the code itself.
    "ipBlacklisted": 403,
}

OWN_CODES: Final = frozenset(
    {
        "network_error",
        "timeout",
        "malformed_body",
        "captcha_challenge_failed",  # HTTP 200, meta.success false
        "captcha_rejected",  # HTTP 200, the solution was not accepted
        "captcha_unsolved",  # no solution before the deadline
        "captcha_cooling_down",  # failed again and again: no new attempt for a while
        "captcha_link_only",  # the operator does not solve captchas
    }
)
"""What we call it when the city did not name it."""

ERROR_CODES: Final = frozenset(CITY_CODES) | OWN_CODES | {f"http_{status}" for status in range(100, 600)}
"""Every `error_code` there can be."""

BLACKLISTED_CODES: Final = frozenset({"IP_BLACKLISTED", "ipBlacklisted"})
CAPTCHA_CODES: Final = frozenset(
    {"captchaMissing", "captchaInvalid", "captchaExpired", "captchaVerificationFailed", "captchaVerificationError"}
)
EXPIRED_CODES: Final = frozenset(
    {"processNotReservedAnymore", "processNotPreconfirmedAnymore", "preconfirmationExpired", "appointmentNotFound"}
)


class MunichError(Exception):
    """
    A call to the city brought no usable answer.

    `error_code` is one of `ERROR_CODES`; `http_status` is None when there was no answer at all.
    """

    error_type: ClassVar[ErrorType]

    def __init__(self, endpoint: Endpoint, error_code: str, http_status: int | None = None) -> None:
        if error_code not in ERROR_CODES:
            error_code = "malformed_body" if http_status is None else f"http_{http_status}"
        super().__init__(f"{endpoint}: {self.error_type} {error_code}")
        self.endpoint: Endpoint = endpoint
        self.error_code = error_code
        self.http_status = http_status


class MunichUnreachable(MunichError):
    """No connection to the city, or it broke before the answer was complete."""

    error_type = "network_error"


class MunichTimeout(MunichError):
    """The city did not answer in time; a booking step may or may not have happened."""

    error_type = "timeout"


class MunichMalformed(MunichError):
    """The city answered outside its contract; this says nothing about free appointments."""

    error_type = "parsing_error"


class MunichServerError(MunichError):
    """The city's own trouble (5xx)."""

    error_type = "server_error"


class MunichRateLimited(MunichError):
    """Too many requests from this address; worth trying again in `retry_after` seconds."""

    error_type = "rate_limited"

    def __init__(
        self, endpoint: Endpoint, error_code: str, http_status: int | None = None, *, retry_after: float = 61.0
    ) -> None:
        super().__init__(endpoint, error_code, http_status)
        self.retry_after = retry_after


class MunichBlacklisted(MunichError):
    """The city refuses this address; the client sends nothing more until it is told to resume."""

    error_type = "blacklisted"


class MunichCaptchaFailed(MunichError):
    """No captcha token could be had, or the city refused a fresh one."""

    error_type = "captcha"


class MunichRefused(MunichError):
    """The city understood the request and said no; `error_code` says why."""

    error_type = "refused"


class SlotGone(MunichRefused):
    """The appointment was taken by somebody else."""


class ReservationExpired(MunichRefused):
    """The reservation (or the time for activating it) is over, or the appointment does not exist any more."""


_BY_CODE: Final[Mapping[str, type[MunichError]]] = {
    **dict.fromkeys(BLACKLISTED_CODES, MunichBlacklisted),
    **dict.fromkeys(CAPTCHA_CODES, MunichCaptchaFailed),
    **dict.fromkeys(EXPIRED_CODES, ReservationExpired),
    "appointmentNotAvailable": SlotGone,
    "rateLimitExceeded": MunichRateLimited,
}


def error_for(endpoint: Endpoint, http_status: int, city_code: str | None) -> MunichError:
    """Return the error that an answer with this status and this code of the city stands for."""
    if city_code is None or city_code not in CITY_CODES:
        return _class_of(http_status)(endpoint, f"http_{http_status}", http_status)
    kind = _BY_CODE.get(city_code)
    if kind is None:
        # An error sent with HTTP 200 is the error that its code says.
        kind = _class_of(http_status if http_status >= 400 else CITY_CODES[city_code])  # noqa: PLR2004
    return kind(endpoint, city_code, http_status)


def _class_of(http_status: int) -> type[MunichError]:
    if http_status == 429:  # noqa: PLR2004
        return MunichRateLimited
    if http_status >= 500:  # noqa: PLR2004
        return MunichServerError
    return MunichRefused if http_status >= 400 else MunichMalformed  # noqa: PLR2004
