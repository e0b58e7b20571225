"""Every recorded ingest case, over real HTTP: the inbox answers and stores what Umami 3.1.0 did."""

import base64
import copy
import functools
import http.client
import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from otel_umami_exporter.inbox import Inbox, InboxServer

CORPUS = Path(__file__).parents[1] / "contracts" / "umami-3.1.0.jsonl"
NOT_INGEST = {"read", "manage"}

# Edge cases that the inbox does not reproduce on purpose, each with its reason. One that passes fails the test.
NOT_REPRODUCED: dict[str, str] = {}

PLACEHOLDER = re.compile(r"<[A-Za-z-]+(?::\d+)?>")
TOLERANCE = timedelta(minutes=10)
_BEGAN = time.monotonic()


def now() -> float:
    """Return seconds since 1970, on a clock that began in the middle of an hour, for a new hour is a new visit."""
    return datetime(2026, 11, 25, 10, 15, tzinfo=UTC).timestamp() + time.monotonic() - _BEGAN


@functools.cache
def ingest_cases() -> list[dict[str, Any]]:
    with CORPUS.open(encoding="ascii") as lines:
        cases = [json.loads(line) for line in lines]
    return [case for case in cases if case["group"] not in NOT_INGEST]


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    countries = {"8.8.8.8": "US"}
    inbox = Inbox(any_website=False, country_of=countries.get, clock=now)
    yield inbox
    inbox.close()


@pytest.fixture(scope="module")
def server(inbox: Inbox) -> Iterator[InboxServer]:
    with inbox.serve() as server:
        yield server


class Replay:
    """Sends the requests of one case, and tells placeholders from values on the way back."""

    def __init__(self, inbox: Inbox, server: InboxServer, admin_token: str) -> None:
        self._inbox = inbox
        self._server = server
        self._known = {"<admin-token>": admin_token}
        self._token = ""

    def prepare(self, case: dict[str, Any]) -> None:
        """Make the websites of the case."""
        for name in ("<unknown>", "<pixel>", "<link>"):
            self._known[name] = str(uuid.uuid4())
        for name in case["setup"]["websites"]:
            self._known[name] = str(uuid.uuid4())
            self._inbox.add_website(self._known[name], name="corpus site", domain="corpus.example")
        if "<website>" in self._known:
            self._known["<WEBSITE>"] = self._known["<website>"].upper()

    def send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request with exactly its headers; return the response in the form of the corpus."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        body = self._body(request)
        chunked = "Transfer-Encoding" in request["headers"]
        connection.putrequest(request["method"], self._fill(request["path"]), skip_accept_encoding=True)
        for name, value in request["headers"].items():
            connection.putheader(name, self._fill(value))
        if body is not None and not chunked:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body, encode_chunked=chunked)
        response = connection.getresponse()
        answer = self._answer(response, response.read())
        connection.close()
        return answer

    def _body(self, request: dict[str, Any]) -> bytes | None:
        if "body" in request:
            return self._fill(json.dumps(request["body"])).encode()
        if "raw" in request:
            return self._fill(request["raw"]).encode()
        if "raw_b64" in request:
            raw = base64.b64decode(request["raw_b64"])
            for name, value in self._known.items():
                raw = raw.replace(name.encode(), value.encode())
            return raw
        if "raw_pieces" in request:
            return "".join(self._fill(text) * times for text, times in request["raw_pieces"]).encode()
        return None

    def _fill(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda m: self._token if m[0] == "<token>" else self._known.get(m[0], m[0]), text)

    def _answer(self, response: http.client.HTTPResponse, content: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = {"status": response.status}
        try:
            answer["body"] = json.loads(content)
        except ValueError:
            answer["body"] = None
            answer |= {"text": content.decode()} if content else {"empty": True}
        location = response.getheader("location")
        if location:
            answer["headers"] = {"location": location}
        if isinstance(answer["body"], dict) and answer["body"].get("cache"):
            self._token = answer["body"]["cache"]
        return answer

    def differences(self, expected: Any, actual: Any, path: str = "") -> Iterator[str]:
        """Yield where *actual* is not what *expected* says; placeholders take their value at first sight."""
        if isinstance(expected, dict) and isinstance(actual, dict):
            yield from (f"{path}.{key}: only on one side" for key in expected.keys() ^ actual.keys())
            for key in expected.keys() & actual.keys():
                yield from self.differences(expected[key], actual[key], f"{path}.{key}")
        elif isinstance(expected, list) and isinstance(actual, list):
            if len(expected) != len(actual):
                yield f"{path}: {len(expected)} recorded, {len(actual)} here"
            for index, (wanted, found) in enumerate(zip(expected, actual, strict=False)):
                yield from self.differences(wanted, found, f"{path}[{index}]")
        elif isinstance(expected, str) and PLACEHOLDER.fullmatch(expected):
            if not self._matches(expected, actual):
                yield f"{path}: {actual!r} is not {expected}"
        elif type(expected) is not type(actual) or expected != actual:
            yield f"{path}: recorded {expected!r}, here {actual!r}"

    def _matches(self, placeholder: str, actual: Any) -> bool:
        if placeholder == "<token>":
            return isinstance(actual, str) and bool(actual)
        if placeholder == "<now>":
            return abs(datetime.fromtimestamp(now(), UTC) - datetime.fromisoformat(actual)) < TOLERANCE
        others = {value for name, value in self._known.items() if name not in (placeholder, "<WEBSITE>")}
        return actual not in others and self._known.setdefault(placeholder, actual) == actual

    def rows(self, case: dict[str, Any]) -> dict[str, Any]:
        """Return what the websites of the case have received."""
        names = [name for name in self._known if name in {"<pixel>", "<link>"} or name in case["setup"]["websites"]]
        return self._inbox.rows([self._known[name] for name in names])


@pytest.fixture(scope="module")
def admin_token(server: InboxServer) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/api/auth/login", json.dumps({"username": "admin", "password": "umami"}))
    token: str = json.loads(connection.getresponse().read())["token"]
    connection.close()
    return token


def replay(case: dict[str, Any], inbox: Inbox, server: InboxServer, admin_token: str) -> list[str]:
    """Return the differences between the recording and what happens now."""
    one = Replay(inbox, server, admin_token)
    one.prepare(case)
    found = []
    for index, step in enumerate(case["steps"]):
        answer = one.send(copy.deepcopy(step["request"]))
        found += list(one.differences(step["response"], answer, f"step {index}"))
    if "rows" in case:
        found += list(one.differences(case["rows"], one.rows(case), "rows"))
    return found


@pytest.mark.parametrize("case", ingest_cases(), ids=lambda case: case["case"])
def test_the_inbox_does_what_umami_did(
    case: dict[str, Any], inbox: Inbox, server: InboxServer, admin_token: str
) -> None:
    """Status, body and rows of a recorded case; a case on the list of exceptions must still differ."""
    differences = replay(case, inbox, server, admin_token)

    if case["case"] in NOT_REPRODUCED:
        assert differences, "reproduced after all: take it off the list"
    else:
        assert differences == []


def test_only_edge_cases_are_left_out() -> None:
    """Every core case is reproduced, and the list of exceptions names existing cases."""
    edge = {case["case"] for case in ingest_cases() if case["tier"] == "edge"}

    assert NOT_REPRODUCED.keys() - edge == set()


def test_all_ingest_cases_are_replayed() -> None:
    """293 cases: nothing was lost from the file."""
    assert len(ingest_cases()) == 293
