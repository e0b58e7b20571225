"""The body of a management call."""

from typing import Any

from starlette.requests import Request

from .javascript import NotJson, parse_json


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of *request*; nothing for a body that is none, whose fields are then missing."""
    try:
        body = parse_json(await request.body())
    except NotJson:
        return {}
    return dict(body) if isinstance(body, dict) else {}
