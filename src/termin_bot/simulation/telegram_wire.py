"""How Bot API calls look on the wire: parameters in, answers and refusals out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import HeaderParser
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

JsonDict = dict[str, Any]

_TRUE = frozenset({"true", "1", "yes"})


class ApiError(Exception):
    """Telegram refuses a call: HTTP status, description and, for some, response parameters."""

    def __init__(self, status: int, description: str, parameters: JsonDict | None = None) -> None:
        super().__init__(f"{status} {description}")
        self.status = status
        self.description = description
        self.parameters = parameters

    def response(self) -> JSONResponse:
        """Return the refusal as Telegram words it."""
        body: JsonDict = {"ok": False, "error_code": self.status, "description": self.description}
        if self.parameters:
            body["parameters"] = self.parameters
        return JSONResponse(body, status_code=self.status)


def bad_request(reason: str) -> ApiError:
    """Return the refusal of a call whose content is wrong."""
    return ApiError(400, f"Bad Request: {reason}")


@dataclass(frozen=True)
class Upload:
    """One uploaded file."""

    name: str
    mime_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Params:
    """
    The parameters of one call.

    Values stay text until a method asks for a number or an object: "1" may be a message as well as an id.
    """

    values: Mapping[str, str] = field(repr=False)
    files: Mapping[str, Upload] = field(default_factory=dict, repr=False)

    def text(self, name: str, default: str = "") -> str:
        """Return the parameter as it was sent."""
        return self.values.get(name, default)

    def integer(self, name: str, default: int | None = None) -> int | None:
        """Return the parameter as a number, *default* if it is absent."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except ValueError:
            raise bad_request(f"invalid {name} specified") from None

    def flag(self, name: str) -> bool:
        """Return whether the parameter is set to true."""
        return self.values.get(name, "").lower() in _TRUE

    def json(self, name: str) -> Any:
        """Return the parameter decoded, None if it is absent."""
        value = self.values.get(name)
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name} JSON object") from None

    def upload(self, name: str) -> Upload | None:
        """Return the file sent under *name*, directly or as ``attach://``."""
        value = self.values.get(name, "")
        return self.files.get(value.removeprefix("attach://") if value.startswith("attach://") else name)


async def read_params(request: Request) -> Params:
    """Read the parameters from the query, a form, a multipart form or a JSON object."""
    values = dict(request.query_params)
    files: dict[str, Upload] = {}
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        form, files = _read_multipart(body, content_type)
        values |= form
    elif content_type.startswith("application/json"):
        values |= _read_json(body)
    else:
        values |= parse_qsl(body.decode(), keep_blank_values=True)
    return Params(values, files)


def _read_json(body: bytes) -> dict[str, str]:
    try:
        decoded = json.loads(body or b"{}")
    except ValueError:
        raise bad_request("can't parse request JSON object") from None
    if not isinstance(decoded, dict):
        raise bad_request("request must be a JSON object")
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in decoded.items()
        if value is not None
    }


def _read_multipart(body: bytes, content_type: str) -> tuple[dict[str, str], dict[str, Upload]]:
    boundary = _headers(b"Content-Type: " + content_type.encode()).get_param("boundary")
    if not isinstance(boundary, str):
        raise bad_request("multipart without a boundary")
    values: dict[str, str] = {}
    files: dict[str, Upload] = {}
    delimiter = b"\r\n--" + boundary.encode()
    for part in (b"\r\n" + body).split(delimiter)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = _headers(head)
        name = str(headers.get_param("name", header="content-disposition"))
        file_name = headers.get_filename()
        if file_name is None:
            values[name] = content.decode()
        else:
            files[name] = Upload(file_name, headers.get_content_type(), content)
    return values, files


def _headers(raw: bytes) -> Any:
    return HeaderParser().parsestr(raw.decode(errors="replace") + "\r\n\r\n")
