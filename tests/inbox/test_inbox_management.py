"""Every recorded reading and management case, over real HTTP: the inbox answers what Umami 3.1.0 did."""

import copy
import functools
import http.client
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from test_inbox_replay import CORPUS, Replay, now

from otel_umami_exporter.inbox import Inbox, InboxServer

# Edge cases that the inbox does not reproduce on purpose, each with its reason. One that passes fails the test.
NOT_REPRODUCED: dict[str, str] = {}

FIXED_SLUG = "corpus-fixed-slug"


@functools.cache
def cases() -> list[dict[str, Any]]:
    with CORPUS.open(encoding="ascii") as lines:
        found = [json.loads(line) for line in lines]
    return [case for case in found if case["group"] in {"read", "manage"}]


@dataclass(frozen=True)
class Served:
    """An inbox that listens, and somebody logged in."""

    inbox: Inbox
    server: InboxServer
    login: str


@contextmanager
def served() -> Iterator[Served]:
    inbox = Inbox(any_website=False, clock=now)
    with inbox.serve() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/api/auth/login", json.dumps({"username": "admin", "password": "umami"}))
        token: str = json.loads(connection.getresponse().read())["token"]
        connection.close()
        yield Served(inbox, server, token)
    inbox.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with served() as found:
        yield found


class ManagementReplay(Replay):
    """A replay that knows the login, the tokens of shares, and times of no particular moment."""

    def __init__(self, inbox: Inbox, server: InboxServer, admin_token: str) -> None:
        super().__init__(inbox, server, admin_token)
        self._known |= {"<username>": "admin", "<password>": "umami", "<website>": str(uuid.uuid4())}

    def _answer(self, response: http.client.HTTPResponse, content: bytes) -> dict[str, Any]:
        answer = super()._answer(response, content)
        if isinstance(answer["body"], dict) and answer["body"].get("token"):
            self._token = answer["body"]["token"]
        return answer

    def _matches(self, placeholder: str, actual: Any) -> bool:
        if placeholder == "<time>":
            return datetime.fromisoformat(actual).tzinfo is not None
        return super()._matches(placeholder, actual)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["case"])
def test_the_inbox_answers_what_umami_did(case: dict[str, Any], shared: Served) -> None:
    """Status and body of a recorded case; a case on the list of exceptions must still differ."""
    # A slug lives once in one Umami, and several cases were recorded with the same.
    with served() if FIXED_SLUG in json.dumps(case) else nullcontext(shared) as umami:
        one = ManagementReplay(umami.inbox, umami.server, umami.login)
        one.prepare(case)
        differences = []
        for index, step in enumerate(case["steps"]):
            answer = one.send(copy.deepcopy(step["request"]))
            differences += list(one.differences(step["response"], answer, f"step {index}"))
        if "rows" in case:
            differences += list(one.differences(case["rows"], one.rows(case), "rows"))

    if case["case"] in NOT_REPRODUCED:
        assert differences, "reproduced after all: take it off the list"
    else:
        assert differences == []


def test_only_edge_cases_are_left_out() -> None:
    """Every core case is reproduced, and the list of exceptions names existing cases."""
    edge = {case["case"] for case in cases() if case["tier"] == "edge"}

    assert NOT_REPRODUCED.keys() - edge == set()


def test_all_cases_are_replayed() -> None:
    """59 of reading and 33 of management: nothing was lost from the file."""
    assert len(cases()) == 92
