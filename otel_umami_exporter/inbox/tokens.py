"""Signed strings that only this inbox can have made: the `cache` of an answer, and logins."""

import base64
import hmac
import json
import secrets

from .javascript import Json

_SIGNATURE_BYTES = 32


class Signer:
    """Makes and reads tokens under a key of its own; tokens of an earlier run read as garbage."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(_SIGNATURE_BYTES)

    def sign(self, content: dict[str, Json]) -> str:
        """Return *content* as an opaque text that goes into a header."""
        body = json.dumps(content).encode()
        return base64.urlsafe_b64encode(self._signature(body) + body).decode()

    def read(self, token: str) -> dict[str, Json] | None:
        """Return the content of a token, or None for anything that this signer has not made."""
        try:
            raw = base64.urlsafe_b64decode(token.encode())
        except ValueError:
            return None
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(body)):
            return None
        content: dict[str, Json] = json.loads(body)
        return content

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")
