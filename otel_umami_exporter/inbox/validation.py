"""Umami's check of a body, before anything is looked up or stored: every wrong field is named in one 400."""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, cast

from . import urls
from .errors import ErrorTree
from .javascript import Json, length, to_number, type_name

_UUID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    r"|00000000-0000-0000-0000-000000000000|ffffffff-ffff-ffff-ffff-ffffffffffff",
    re.IGNORECASE,
)
_TYPES: Final = ("event", "identify", "performance")
_SOURCES: Final = ("website", "link", "pixel")
_TEXTS: Final = ("title", "ip", "userAgent", "id", "browser", "os", "device")
_LIMITED_TEXTS: Final = {"hostname": 100, "language": 35, "screen": 11, "name": 50, "tag": 50}
_ADDRESSES: Final = ("url", "referrer")
_LARGEST_SAFE_INTEGER: Final = 2**53 - 1
_LOCALHOST: Final = urls.Url(host="localhost", path="/")

CollectionType = Literal["event", "identify", "performance"]


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A payload that passed Umami's check; what was not sent is None."""

    type: CollectionType
    website: str | None
    link: str | None
    pixel: str | None
    data: dict[str, Json] | None
    hostname: str | None
    language: str | None
    referrer: str | None
    screen: str | None
    title: str | None
    url: str | None
    name: str | None
    tag: str | None
    ip: str | None
    user_agent: str | None
    timestamp: int | None
    id: str | None
    browser: str | None
    os: str | None
    device: str | None

    @property
    def source(self) -> str:
        """The id of the website, link or pixel, as it was sent."""
        return self.website or self.pixel or self.link or ""


class _Checker:
    """Checks the fields of one object and gathers what is wrong with them."""

    def __init__(self, fields: dict[str, Json], errors: ErrorTree) -> None:
        self._fields = fields
        self._errors = errors
        self.aborted = False  # a wrong type ends the check of the object; a wrong length or form does not

    def text(self, name: str, limit: float = math.inf) -> str | None:
        if name not in self._fields:
            return None
        value = self._fields[name]
        if not isinstance(value, str):
            self._wrong_type(name, "string", type_name(value))
            return None
        if length(value) > limit:
            self._errors.at(name).errors.append(f"Too big: expected string to have <={limit} characters")
        return value

    def uuid(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not _UUID.fullmatch(value):
            self._errors.at(name).errors.append("Invalid UUID")
        return value

    def address(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None:
            try:
                urls.parse(value, _LOCALHOST)
            except urls.InvalidUrl:
                self._errors.at(name).errors.append("Invalid URL.")
        return value

    def record(self, name: str) -> dict[str, Json] | None:
        if name not in self._fields:
            return None
        value = self._fields[name]
        if not isinstance(value, dict):
            self._wrong_type(name, "record", type_name(value))
            return None
        return {key: item for key, item in value.items() if key != "__proto__"}

    def seconds(self, name: str) -> int | None:
        if name not in self._fields:
            return None
        number = to_number(self._fields[name])
        if math.isnan(number):
            self._wrong_type(name, "number", "NaN")
        elif math.isinf(number):
            self._wrong_type(name, "number", "Infinity")
        elif not number.is_integer():
            self._wrong_type(name, "int", "number")
        elif number > _LARGEST_SAFE_INTEGER:
            self._errors.at(name).errors.append(f"Too big: expected int to be <={_LARGEST_SAFE_INTEGER}")
        elif number < -_LARGEST_SAFE_INTEGER:
            self._errors.at(name).errors.append(f"Too small: expected int to be >=-{_LARGEST_SAFE_INTEGER}")
        else:
            return int(number)
        return None

    def _wrong_type(self, name: str, expected: str, received: str) -> None:
        self._errors.at(name).errors.append(f"Invalid input: expected {expected}, received {received}")
        self.aborted = True


def check(body: Json) -> Payload:
    """Return the payload of a body of /api/send, or of an item of /api/batch; raises Refused with all that is wrong."""
    errors = ErrorTree()
    if not isinstance(body, dict):
        errors.errors.append(f"Invalid input: expected object, received {type_name(body)}")
        raise errors.refusal()
    kind = body.get("type")
    if kind not in _TYPES:
        options = "|".join(f'"{option}"' for option in _TYPES)
        errors.at("type").errors.append(f"Invalid option: expected one of {options}")
    fields = body.get("payload")
    if not isinstance(fields, dict):
        received = type_name(fields) if "payload" in body else "undefined"
        errors.at("payload").errors.append(f"Invalid input: expected object, received {received}")
        raise errors.refusal()
    payload_errors = ErrorTree()
    payload = _check_payload(cast("CollectionType", kind), fields, payload_errors)
    if payload_errors:
        errors.properties["payload"] = payload_errors
    if errors:
        raise errors.refusal()
    return payload


def _check_payload(kind: CollectionType, fields: dict[str, Json], errors: ErrorTree) -> Payload:
    checker = _Checker(fields, errors)
    sources = {name: checker.uuid(name) for name in _SOURCES}
    texts = {name: checker.text(name) for name in _TEXTS}
    limited = {name: checker.text(name, limit) for name, limit in _LIMITED_TEXTS.items()}
    addresses = {name: checker.address(name) for name in _ADDRESSES}
    payload = Payload(
        type=kind,
        **sources,
        user_agent=texts.pop("userAgent"),
        **texts,
        **limited,
        **addresses,
        data=checker.record("data"),
        timestamp=checker.seconds("timestamp"),
    )
    if not checker.aborted and sum(map(bool, sources.values())) != 1:
        errors.at("website").errors.append("Exactly one of website, link, or pixel must be provided")
    return payload


def check_batch(body: Json) -> list[dict[str, Json]]:
    """Return the items of a body of /api/batch; raises Refused when it is no array of objects."""
    errors = ErrorTree()
    if not isinstance(body, list):
        errors.errors.append(f"Invalid input: expected array, received {type_name(body)}")
        raise errors.refusal()
    items = []
    for index, item in enumerate(body):
        if isinstance(item, dict):
            items.append(item)
        else:
            message = f"Invalid input: expected record, received {type_name(item)}"
            errors.items[index] = ErrorTree(errors=[message])
    if errors:
        raise errors.refusal()
    return items


def no_json(expected: Literal["object", "array"]) -> ErrorTree:
    """Return what is said about a body that is no JSON."""
    return ErrorTree(errors=[f"Invalid input: expected {expected}, received undefined"])
