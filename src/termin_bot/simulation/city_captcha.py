"""The simulated city's captcha: real challenges, real signatures, its own clock."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

import altcha

from .city_errors import CityRefusedError

CHALLENGE_SECONDS: Final = 300
TOKEN_SECONDS: Final = 300


class CityCaptcha:
    """
    Issues challenges and tokens, and checks them.

    `cost` is the number of hashes per try: 1 takes about a millisecond to solve, the real city's 1000 a third of a
    second.
    """

    def __init__(self, clock: Callable[[], float], cost: int) -> None:
        self.cost = cost
        self.tokens: list[str] = []
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._used: set[str] = set()

    def challenge(self) -> dict[str, Any]:
        """Return a signed challenge; its nulls are part of what is signed."""
        parameters = {
            "algorithm": "SHA-256",
            "nonce": secrets.token_hex(32),
            "salt": secrets.token_hex(12),
            "cost": self.cost,
            "keyLength": 32,
            "keyPrefix": "00",
            "keySignature": None,
            "memoryCost": None,
            "parallelism": None,
            "expiresAt": int(self._clock()) + CHALLENGE_SECONDS,
            "data": None,
        }
        return {"parameters": parameters, "signature": self._signature(parameters)}

    def verify(self, payload: object, ip: str) -> dict[str, Any]:
        """Return the answer to a solution: a token for this address, or the failure that comes as HTTP 200."""
        if not self._solved(payload):
            return {"meta": {"success": False, "error": "Captcha verification failed"}, "data": {"valid": False}}
        token = self._issue(ip)
        return {"meta": {"success": True}, "data": {"valid": True}, "token": token}

    def check(self, token: object, ip: str) -> None:
        """Raise CityRefusedError unless the token is ours, for this address and still good."""
        if not token:
            raise CityRefusedError("captchaMissing")
        if not isinstance(token, str) or token.count(".") != 2:  # noqa: PLR2004  a JWT has three parts
            raise CityRefusedError("captchaInvalid")
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature, _encoded(self._mac(signed.encode()))):
            raise CityRefusedError("captchaInvalid")
        claims = json.loads(_decoded(signed.partition(".")[2]))
        if claims["ip"] != ip:
            raise CityRefusedError("captchaInvalid")
        if claims["exp"] <= self._clock():
            raise CityRefusedError("captchaExpired")

    def _solved(self, payload: object) -> bool:
        try:
            content = json.loads(_decoded(str(payload)))
            parameters, signature = content["challenge"]["parameters"], content["challenge"]["signature"]
            solution = altcha.Solution.from_dict(content["solution"])
            expires_at = parameters["expiresAt"]
            genuine = hmac.compare_digest(signature, self._signature(parameters))
        except (ValueError, KeyError, TypeError):
            return False
        if not genuine or signature in self._used or expires_at <= self._clock():
            return False
        self._used.add(signature)  # One solution buys one token.
        # altcha compares expiresAt with the machine's clock. Ours may be another one, so the end, already
        # checked above, is left out of what altcha sees.
        timeless = parameters | {"expiresAt": None}
        challenge = altcha.Challenge.from_dict({"parameters": timeless, "signature": self._signature(timeless)})
        return altcha.verify_solution(altcha.Payload(challenge, solution), self._secret).verified

    def _issue(self, ip: str) -> str:
        now = int(self._clock())
        head, claims = {"typ": "JWT", "alg": "HS256"}, {"ip": ip, "iat": now, "exp": now + TOKEN_SECONDS}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        token = f"{signed}.{_encoded(self._mac(signed.encode()))}"
        self.tokens.append(token)
        return token

    def _signature(self, parameters: Mapping[str, Any]) -> str:
        return self._mac(json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode()).hex()

    def _mac(self, content: bytes) -> bytes:
        return hmac.new(self._secret, content, hashlib.sha256).digest()


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Read base64, standard or URL-safe, with or without its padding."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
