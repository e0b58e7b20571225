"""The switches that make the inbox misbehave, seen by a client."""

import http.client
import json
import threading
from contextlib import closing
from typing import Any

import httpx
import pytest

from otel_umami_exporter.inbox import EMPTY, GARBAGE, HTML_PAGE, TRUNCATED, Answer, Drop, Hang, Inbox, InboxServer


def event(website: str, name: str) -> dict[str, Any]:
    return {"type": "event", "payload": {"website": website, "name": name}}


def test_queued_faults_come_one_a_request_and_in_order(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """None lets a request through, and after the queue everything is well."""
    inbox.faults.once(Answer(status=503, retry_after=7), None, Answer(status=429, retry_after="soon"))

    answers = [client.post("/api/send", json=event(website, name)) for name in "abcd"]

    assert [answer.status_code for answer in answers] == [503, 200, 429, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["7", None, "soon", None]
    assert list(inbox.counts()) == ["b", "d"]


def test_a_lasting_fault_ends_with_clear(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """A queued fault comes before the lasting one."""
    inbox.faults.always(Answer(status=500))
    inbox.faults.once(Answer(status=502))
    assert [client.post("/api/batch", json=[]).status_code for _ in range(3)] == [502, 500, 500]

    inbox.faults.clear()

    assert client.post("/api/send", json=event(website, "a")).status_code == 200


def test_other_paths_have_no_faults(inbox: Inbox, client: httpx.Client) -> None:
    """The heartbeat of a Umami in trouble still beats, and the page still shows."""
    inbox.faults.always(Answer(status=500))

    assert client.get("/api/heartbeat").json() == {"ok": True}
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("fault", "content_type"),
    [(HTML_PAGE, "text/html"), (GARBAGE, "application/json"), (TRUNCATED, "application/json"), (EMPTY, "text/plain")],
)
def test_an_answer_can_be_no_json(
    inbox: Inbox, client: httpx.Client, website: str, fault: Answer, content_type: str
) -> None:
    """A captive portal, noise, half an answer, nothing: all with status 200, and nothing is stored."""
    inbox.faults.once(fault)

    answer = client.post("/api/batch", json=[event(website, "a")])

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(content_type)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the JSON or the UTF-8 decoder says
        answer.json()
    assert inbox.counts() == {}


@pytest.mark.parametrize("fault", [Answer(status=504, stored="everything"), Drop(stored="everything")])
def test_an_answer_can_be_lost_after_everything_is_stored(
    inbox: Inbox, client: httpx.Client, website: str, fault: Answer | Drop
) -> None:
    """What a second attempt then stores twice, as in Umami."""
    inbox.faults.once(fault)
    try:
        client.post("/api/batch", json=[event(website, "a")])
    except httpx.RemoteProtocolError:
        assert isinstance(fault, Drop)
    client.post("/api/batch", json=[event(website, "a")])

    assert inbox.counts() == {"a": 2}


def test_a_connection_can_break_off_in_the_answer(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """The client sees an incomplete body; the next request is served."""
    inbox.faults.once(Drop())

    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/api/send", json=event(website, "a"))

    assert client.post("/api/send", json=event(website, "b")).status_code == 200
    assert inbox.counts() == {"b": 1}


def test_a_client_that_gives_up_ends_the_hanging(inbox: Inbox, server: InboxServer, website: str) -> None:
    """Nothing is stored, and nothing hangs any more."""
    inbox.faults.once(Hang())
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as impatient:
        impatient.request("POST", "/api/send", json.dumps(event(website, "a")))
        inbox.faults.wait_for_hanging()

    inbox.faults.wait_for_hanging(0)

    assert inbox.counts() == {}


def test_a_request_hangs_until_it_is_released(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """Then it is answered as if nothing had been."""
    inbox.faults.once(Hang())
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(client.post("/api/send", json=event(website, "a"))))
    waiting.start()
    inbox.faults.wait_for_hanging()
    assert (answers, inbox.counts()) == ([], {})

    inbox.faults.release()
    waiting.join()

    assert answers[0].status_code == 200
    assert inbox.counts() == {"a": 1}


def test_a_hanging_answer_can_have_stored_everything(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """A read timeout of the client says nothing about what the server did."""
    inbox.faults.once(Hang(stored="everything"))

    with pytest.raises(httpx.ReadTimeout):
        client.post("/api/send", json=event(website, "a"), timeout=httpx.Timeout(60, read=0.2))
    never = threading.Event()
    for _ in range(6_000):  # a busy server gets to it after the client has gone
        if inbox.counts():
            break
        never.wait(0.01)

    assert inbox.counts() == {"a": 1}


def test_stopping_releases_what_hangs(website: str) -> None:
    """A server with a hanging request still stops in good order."""
    inbox = Inbox()
    inbox.faults.always(Hang())
    server = inbox.serve()
    server.start()
    answers: list[httpx.Response] = []
    body = event(website, "a")
    waiting = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{server.url}/api/send", json=body, timeout=60))
    )
    waiting.start()
    inbox.faults.wait_for_hanging()

    server.stop()
    waiting.join()

    assert [answer.status_code for answer in answers] == [200]
    inbox.close()


def test_without_its_database_umami_answers_p1001(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """Send is 500 and batch is 200 with every item failed; the body check comes first, the bot check after."""
    inbox.faults.database_down()
    gone = {"message": "Server error", "code": "server-error", "status": 500}
    gone_error = {"error": {**gone, "errorObject": {"code": "P1001", "kind": "DatabaseNotReachable"}}}

    one = client.post("/api/send", json=event(website, "a"))
    bot = client.post("/api/send", json=event(website, "a"), headers={"user-agent": "curl/8"})
    wrong = client.post("/api/send", json=event(website, "n" * 51))
    batch = client.post("/api/batch", json=[event(website, "a"), event(website, "n" * 51)])
    login = client.post("/api/auth/login", json={"username": "admin", "password": "umami"})

    assert (one.status_code, one.json()) == (500, gone_error)
    assert bot.status_code == 500
    assert wrong.status_code == 400
    assert batch.status_code == 200
    assert (batch.json()["processed"], batch.json()["errors"], batch.json()["cache"]) == (0, 2, None)
    assert batch.json()["details"][0] == {"index": 0, "response": gone_error}
    assert (login.status_code, login.content) == (500, b"")
    assert {problem.reason for problem in inbox.problems()} == {"database-down", "invalid"}

    inbox.faults.database_up()

    assert client.post("/api/send", json=event(website, "a")).status_code == 200


def test_the_database_can_go_down_in_the_middle_of_a_batch(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """The first items are stored, the rest fail one and all."""
    inbox.faults.database_down(after_items=2)

    answer = client.post("/api/batch", json=[event(website, name) for name in "abcd"]).json()

    assert (answer["size"], answer["processed"], answer["errors"]) == (4, 2, 2)
    assert [detail["index"] for detail in answer["details"]] == [2, 3]
    assert list(inbox.counts()) == ["a", "b"]


@pytest.mark.parametrize("status", [404, 405])
def test_an_old_umami_has_no_batch(inbox: Inbox, client: httpx.Client, website: str, status: Any) -> None:
    """Before 2.17 only /api/send is there."""
    inbox.faults.without_batch(status)

    assert client.post("/api/batch", json=[event(website, "a")]).status_code == status
    answer = client.post("/api/send", json=event(website, "a"))
    assert (answer.status_code, answer.text.count("."), inbox.counts()) == (200, 2, {"a": 1})
    assert answer.headers["content-type"].startswith("text/plain")


def test_an_older_umami_answers_a_batch_without_a_token(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """Though all is stored."""
    inbox.faults.without_token()

    answer = client.post("/api/batch", json=[event(website, "a"), event(website, "n" * 51)]).json()

    assert set(answer) == {"size", "processed", "errors", "details"}
    assert (answer["processed"], inbox.counts()) == (1, {"a": 1})


def test_requests_with_a_fault_are_recorded_too(inbox: Inbox, client: httpx.Client, website: str) -> None:
    """A canary test sees what was sent, whatever was answered."""
    inbox.faults.always(Answer(status=503))
    client.post("/api/send", json=event(website, "a"))

    assert [request.path for request in inbox.requests()] == ["/api/send"]
