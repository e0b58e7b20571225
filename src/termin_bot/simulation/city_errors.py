"""What the simulated city says when it refuses: the texts of the city's own catalogue."""
# ruff: noqa: E501  its messages are as long as they are

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Saying(NamedTuple):
    """How the city words one error."""

    status: int
    kind: str
    message: str


SAYINGS: Final[Mapping[str, Saying]] = {
    "zmsClientCommunicationError": Saying(
        503, "error", "The service is temporarily unavailable. Please try again later."
    ),
    "notImplemented": Saying(501, "error", "Feature not implemented yet."),
    "notFound": Saying(404, "error", "Endpoint not found."),
    "invalidRequest": Saying(400, "warning", "Invalid request."),
    "requestMethodNotAllowed": Saying(405, "warning", "Request method not allowed."),
    "captchaVerificationFailed": Saying(400, "error", "Captcha verification failed."),
    "invalidLocationAndServiceCombination": Saying(
        400, "warning", "The provided service(s) do not exist at the given location."
    ),
    "invalidStartDate": Saying(400, "warning", "startDate is required and must be a valid date."),
    "invalidEndDate": Saying(400, "warning", "endDate is required and must be a valid date."),
    "invalidSlotsStartDate": Saying(400, "warning", "slotsStartDate must be a valid date."),
    "invalidSlotsEndDate": Saying(400, "warning", "slotsEndDate must be a valid date."),
    "slotsStartDateAfterEndDate": Saying(400, "warning", "slotsStartDate must not be after slotsEndDate."),
    "invalidOfficeId": Saying(400, "warning", "officeId should be a 32-bit integer."),
    "invalidServiceId": Saying(400, "warning", "serviceId should be a 32-bit integer."),
    "EMPTY_SERVICE_ARRAYS": Saying(400, "warning", "Service IDs and counts cannot be empty."),
    "MISMATCHED_ARRAYS": Saying(400, "warning", "Service IDs and counts must have same length."),
    "invalidServiceCount": Saying(400, "warning", "serviceCounts should be an array of numeric values."),
    "invalidProcessId": Saying(400, "warning", "processId should be a positive 32-bit integer."),
    "invalidScopeId": Saying(400, "warning", "scopeId should be a positive 32-bit integer."),
    "invalidAuthKey": Saying(400, "warning", "authKey should be a string."),
    "invalidDate": Saying(400, "warning", "date is required and must be a valid date."),
    "invalidTimestamp": Saying(
        400, "warning", "Missing timestamp or invalid timestamp format. It should be a positive numeric value."
    ),
    "invalidFamilyName": Saying(400, "warning", "familyName should be a non-empty string."),
    "invalidEmail": Saying(400, "warning", "email should be a valid email address."),
    "invalidTelephone": Saying(400, "warning", "telephone should be a numeric string between 7 and 15 digits."),
    "invalidCustomTextfield": Saying(
        400,
        "warning",
        "customTextfield must be non-empty when required and at most 250 characters after normalization.",
    ),
    "invalidCustomTextfield2": Saying(
        400,
        "warning",
        "customTextfield2 must be non-empty when required and at most 250 characters after normalization.",
    ),
    "appointmentCanNotBeCanceled": Saying(406, "warning", "The selected appointment cannot be canceled."),
    "appointmentNotAvailable": Saying(404, "error", "The selected appointment is unfortunately no longer available."),
    "noAppointmentForThisDay": Saying(404, "info", "No available days found for the given criteria."),
    "captchaVerificationError": Saying(400, "error", "An error occurred during captcha verification."),
    "captchaMissing": Saying(400, "error", "Missing captcha token."),
    "captchaInvalid": Saying(400, "error", "Invalid captcha token."),
    "captchaExpired": Saying(400, "error", "Captcha token expired."),
    "serviceUnavailable": Saying(503, "error", "Service Unavailable: The application is under maintenance."),
    "invalidSchema": Saying(400, "warning", "Data does not match the required schema."),
    "internalError": Saying(500, "error", "An internal error occurred. Please try again later."),
    "invalidApiClient": Saying(400, "warning", "Invalid API client."),
    "sourceNotFound": Saying(404, "info", "Source not found."),
    "departmentNotFound": Saying(404, "error", "Department not found."),
    "mailNotFound": Saying(404, "error", "Mail template not found."),
    "organisationNotFound": Saying(404, "error", "Organisation not found."),
    "providerNotFound": Saying(404, "error", "Provider not found."),
    "requestNotFound": Saying(404, "error", "Requested service not found."),
    "scopeNotFound": Saying(404, "error", "Scope not found."),
    "processInvalid": Saying(400, "warning", "The process data is invalid."),
    "processAlreadyExists": Saying(409, "warning", "An appointment process already exists."),
    "processDeleteFailed": Saying(500, "error", "Failed to delete the appointment."),
    "processAlreadyCalled": Saying(409, "warning", "The appointment has already been called."),
    "processNotReservedAnymore": Saying(409, "error", "The appointment is no longer reserved."),
    "processNotPreconfirmedAnymore": Saying(409, "error", "The appointment is no longer preconfirmed."),
    "emailIsRequired": Saying(406, "warning", "Email address is required."),
    "telephoneIsRequired": Saying(406, "warning", "Telephone number is required."),
    "appointmentNotFound": Saying(
        404,
        "error",
        "Maybe you have already canceled your appointment? Otherwise, please check that you have used the correct link.",
    ),
    "authKeyMismatch": Saying(406, "warning", "Invalid authentication key."),
    "invalidCredentials": Saying(406, "warning", "Invalid credentials."),
    "noAppointmentForThisScope": Saying(404, "info", "Please try again at a later time."),
    "tooManyAppointmentsWithSameMail": Saying(
        406,
        "error",
        "You can only book a limited number of appointments with your e-mail address. Please cancel another appointment before you book a new one.",
    ),
    "tooManySlotsPerAppointment": Saying(
        400, "error", "The number of slots exceeds the maximum allowed slots per appointment."
    ),
    "tooManyServicesPerAppointment": Saying(
        400, "error", "The quantity of a service exceeds the maximum allowed quantity."
    ),
    "scopesNotFound": Saying(404, "error", "No scopes found."),
    "preconfirmationExpired": Saying(
        400,
        "error",
        "Unfortunately, the time for activating your appointment has expired. Please schedule the appointment again.",
    ),
    "IP_BLACKLISTED": Saying(403, "error", "Access denied - IP address is blacklisted."),
    "rateLimitExceeded": Saying(429, "warning", "Rate limit exceeded. Please try again later."),
    "requestEntityTooLarge": Saying(413, "warning", "Request entity too large."),
    "securityHeaderViolation": Saying(403, "error", "Security policy violation."),
    "unauthorized": Saying(403, "error", "You are not authorized to access this resource."),
    # Not in the catalogue: what the city says when even that fails.
    "unknownError": Saying(520, "error", "An unknown error occurred."),
}


class CityRefusedError(Exception):
    """The city answers with one or more errors of its catalogue."""

    def __init__(self, *codes: str) -> None:
        super().__init__(", ".join(codes))
        self.codes = codes


def error_body(*codes: str, status: int | None = None) -> dict[str, Any]:
    """Return the city's form of these errors, with another status than the catalogue's if given."""
    errors = []
    for code in codes:
        saying = SAYINGS.get(code) or Saying(status or 520, "error", "An unknown error occurred.")
        errors.append(
            {
                "errorCode": code,
                "errorMessage": saying.message,
                "statusCode": status or saying.status,
                "errorType": saying.kind,
            }
        )
    return {"errors": errors}
