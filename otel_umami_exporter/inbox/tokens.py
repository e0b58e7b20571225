"""Signed strings that only this inbox can have made: the `cache` of an answer, and logins."""

import base64
import hmac
import json
import secrets

from .javascript import Json

_KEY_BYTES = 32


class Signer:
    """Makes and reads JSON web tokens under a key of its own; tokens of an earlier run read as garbage."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(_KEY_BYTES)

    def sign(self, content: dict[str, Json]) -> str:
        """Return *content* as a text that goes into a header."""
        signed = f"{_HEADER}.{_encode(json.dumps(content).encode())}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, token: str) -> dict[str, Json] | None:
        """Return the content of a token, or None for anything that this signer has not made."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        body = signed.partition(".")[2]
        content: dict[str, Json] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return content

    def _signature(self, signed: str) -> str:
        return _encode(hmac.digest(self._key, signed.encode(), "sha256"))


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


_HEADER = _encode(b'{"alg":"HS256","typ":"JWT"}')
