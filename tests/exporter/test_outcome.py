"""What a server says, and what it means: held against everything that a real Umami 3.1.0 was recorded to answer."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import context

from otel_umami_exporter.answers import read_batch, read_error, retry_after
from otel_umami_exporter.outcome import BatchRefused, Delivered, Misconfigured, Outcome, Refused, Throttled, Unavailable
from otel_umami_exporter.umami import UmamiClient
from otel_umami_exporter.ways import ANSWER_LIMIT, USER_AGENT

RECORDED = Path(__file__).parent.parent / "contracts" / "umami-3.1.0.jsonl"
STORED = {"cache": "token", "sessionId": "s", "visitId": "v"}


def steps() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield case, request and answer of every recorded step of ingest."""
    with RECORDED.open(encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            for step in case["steps"]:
                if step["request"]["path"] in ("/api/send", "/api/batch"):
                    yield case["case"], step["request"], step["response"]


BATCHES = [
    pytest.param(answer["body"], id=case)
    for case, request, answer in steps()
    if request["path"] == "/api/batch" and answer["status"] == 200
]
ERRORS = [
    pytest.param(answer["body"], id=case)
    for case, request, answer in steps()
    if answer["status"] >= 400 and isinstance(answer["body"], dict)
]


@pytest.mark.parametrize("document", BATCHES)
def test_every_recorded_batch_answer_is_understood(document: dict[str, Any]) -> None:
    """One outcome for each item: those in details failed, the rest is stored if there is a token."""
    outcomes = read_batch(document, document["size"])

    failed = {detail["index"] for detail in document["details"]}
    stored = bool(document.get("cache"))
    for index, outcome in enumerate(outcomes):
        if index in failed:
            assert isinstance(outcome, Refused | Misconfigured) or getattr(outcome, "doubtful", False)
        elif stored:
            assert Delivered() == outcome
        else:
            assert isinstance(outcome, Misconfigured)
            assert outcome.reason == "bot_filter"


@pytest.mark.parametrize("document", ERRORS)
def test_every_recorded_error_is_permanent_or_a_matter_of_settings(document: dict[str, Any]) -> None:
    """Nothing of it may be tried for ever: the recorded server was well."""
    outcome = read_error(document)

    if document["error"]["message"] == "Website not found.":
        assert isinstance(outcome, Misconfigured)
    elif "code" in document["error"].get("errorObject", {}) or document["error"]["status"] == 400:
        assert isinstance(outcome, Refused)
    else:  # no word why: tried some times, then refused
        assert isinstance(outcome, Refused) or (isinstance(outcome, Unavailable) and outcome.doubtful)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "P1001", "meta": {"driverAdapterError": {"cause": {"kind": "DatabaseNotReachable"}}}},
        {"code": "P2024"},
        {"message": "Connection terminated unexpectedly"},
        {"message": "connect ECONNREFUSED"},
        {"message": "Connection timed out"},
    ],
)
def test_a_database_that_is_away_is_waited_for(error: dict[str, Any]) -> None:
    """For as long as the age limit allows: these are never doubtful."""
    outcome = read_error({"error": {"message": "Server error", "status": 500, "errorObject": error}})

    assert isinstance(outcome, Unavailable)
    assert not outcome.doubtful


def test_a_permanent_code_is_permanent_whatever_the_stack_says() -> None:
    """Stack traces mention timeouts."""
    error = {"code": "P2000", "stack": "at listOnTimeout: timed out"}

    assert Refused("P2000") == read_error({"error": {"status": 500, "errorObject": error}})


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "ok",
        {},
        {"size": 3, "processed": 2, "errors": 0, "details": [], "cache": "t"},
        {"size": 2, "processed": 1, "errors": 0, "details": [], "cache": "t"},
        {"size": 2, "processed": 1, "errors": 1, "details": [], "cache": "t"},
        {"size": 2, "processed": 1, "errors": 1, "details": [{"index": 2, "response": {}}], "cache": "t"},
        {"size": 2, "processed": 1, "errors": 1, "details": [{"index": "0"}], "cache": "t"},
        {"size": 2, "processed": 1, "errors": 1, "details": [7], "cache": "t"},
    ],
)
def test_an_answer_that_does_not_add_up_delivers_nothing(document: Any) -> None:
    """Better twice than never."""
    assert [Unavailable("malformed_answer")] * 2 == read_batch(document, 2)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("-7", None),
        ("soon", None),
        ("٣", None),
        ("9" * 400, 3_600.0),
        ("Mon, 23 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2076 09:00:00 GMT", 3_600.0),
        ("Mon, 99 Nov 2026 09:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """At most an hour: a server may be mad."""
    assert seconds == retry_after(header, 1_795_428_000.0)


# --- the client, over httpx' own seam ---------------------------------------------------------------------------------


def client(
    answer: Callable[[httpx.Request], httpx.Response], endpoint: str = "http://umami.example:3000"
) -> UmamiClient:
    return UmamiClient(endpoint, transport=httpx.MockTransport(answer))


def batch_answer(size: int) -> httpx.Response:
    return httpx.Response(200, json={"size": size, "processed": size, "errors": 0, "details": [], "cache": "t"})


def test_a_batch_is_one_request_that_looks_like_a_browser() -> None:
    """Umami's bot filter takes everything else."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return batch_answer(2)

    assert [Delivered(), Delivered()] == client(answer).send([b'{"a":1}', b'{"b":2}'])
    [request] = seen
    assert str(request.url) == "http://umami.example:3000/api/batch"
    assert request.headers["User-Agent"] == USER_AGENT
    assert USER_AGENT.startswith("Mozilla/5.0 (X11; Linux x86_64) ")
    assert json.loads(request.content) == [{"a": 1}, {"b": 2}]
    assert "x-umami-cache" not in request.headers


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (httpx.Response(429, headers={"Retry-After": "7"}), Throttled(7.0)),
        (httpx.Response(503), Throttled(None)),
        (httpx.Response(502, text="<html>bad gateway</html>"), Unavailable("http_502")),
        (httpx.Response(400, text="<html>no</html>"), Unavailable("http_400")),
        (httpx.Response(413), BatchRefused("too_large")),
        (httpx.Response(400, json={"error": {"status": 400, "message": "Bad request"}}), BatchRefused("bad_request")),
        (
            httpx.Response(500, json={"error": {"status": 500, "errorObject": {"code": "P2000"}}}),
            BatchRefused("P2000"),
        ),
        (httpx.Response(500, json={"error": {"status": 500, "errorObject": {"code": "P1001"}}}), Unavailable("P1001")),
        (httpx.Response(200, text="<!doctype html><title>Please log in</title>"), Unavailable("malformed_answer")),
        (httpx.Response(200, content=b'{"size":1,"proc'), Unavailable("malformed_answer")),
        (httpx.Response(200, content=b"[" * 100_000), Unavailable("malformed_answer")),
        (httpx.Response(200, content=b"x" * (ANSWER_LIMIT + 1)), Unavailable("malformed_answer")),
        (httpx.Response(200, content=b"x", headers={"Content-Encoding": "gzip"}), Unavailable("malformed_answer")),
    ],
)
def test_what_a_server_answers_for_the_whole_batch(response: httpx.Response, outcome: Outcome) -> None:
    """It never raises."""
    assert [outcome] == client(lambda _: response).send([b"{}"])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_to_another_host(status: int) -> None:
    """It is said with its remedy: events would go to somebody else."""
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(status, headers={"Location": "http://evil.example/api/batch"})

    [outcome] = client(answer).send([b"{}"])

    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == "redirect"
    assert seen == ["umami.example"]


@pytest.mark.parametrize("status", [401, 403, 418])
def test_a_refusal_of_the_address_is_a_matter_of_settings(status: int) -> None:
    """The events are good, and wait."""
    [outcome] = client(lambda _: httpx.Response(status)).send([b"{}"])

    assert isinstance(outcome, Misconfigured)


@pytest.mark.parametrize("kind", sorted(httpx.TransportError.__subclasses__(), key=str))
def test_every_transport_error_is_waited_out(kind: type[httpx.TransportError]) -> None:
    """None is unmapped; no text of it is repeated."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise kind("canary", request=request)

    [outcome] = client(answer).send([b"{}"])

    assert isinstance(outcome, Unavailable | Misconfigured)
    assert "canary" not in repr(outcome)


def test_a_batch_that_would_not_fit_is_not_sent() -> None:
    """Umami reads 10 MiB; what is cut off is no JSON."""
    outcome = client(lambda _: pytest.fail("sent")).send([b"x" * 6_000_000, b"x" * 6_000_000])

    assert [BatchRefused("too_large")] * 2 == outcome


@pytest.mark.parametrize("status", [404, 405])
def test_without_batches_each_event_is_sent_by_itself(status: int) -> None:
    """Umami before 2.17, and some hosts; the batch is not asked for each time."""
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        if request.url.path == "/api/batch":
            return httpx.Response(status)
        return httpx.Response(200, json={"beep": "boop"} if request.content == b"2" else STORED)

    one = client(answer)
    outcomes = one.send([b"1", b"3", b"4"])
    again = one.send([b"5"])

    assert [Delivered()] * 3 == outcomes
    assert [Delivered()] == again
    assert seen == ["/api/batch"] + ["/api/send"] * 4
    [bot] = one.send([b"2"])
    assert isinstance(bot, Misconfigured)
    assert bot.reason == "bot_filter"


def test_single_sends_stop_at_the_first_answer_that_is_for_all() -> None:
    """A server that asks to wait is not asked 50 times."""
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(404 if request.url.path == "/api/batch" else 503)

    outcomes = client(answer).send([b"{}"] * 50)

    assert Throttled(None) in outcomes
    assert set(outcomes) <= {Throttled(None), Unavailable("not_tried")}
    assert len(seen) <= 5


def test_an_address_that_is_not_umami_is_said() -> None:
    """Neither /api/batch nor /api/send is there."""
    [outcome] = client(lambda _: httpx.Response(404)).send([b"{}"])

    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == "not_umami"


def test_credentials_in_the_address_are_sent_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """HTTP clients log the addresses they ask."""
    caplog.set_level(logging.DEBUG, logger="httpx")  # a program in the same process may have hushed it
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["Authorization"], str(request.url)))
        return batch_answer(1)

    client(answer, "http://user:p%40ss@umami.example/base/").send([b"{}"])

    assert seen == [("Basic dXNlcjpwQHNz", "http://umami.example/base/api/batch")]
    assert "p%40ss" not in caplog.text
    assert "p@ss" not in caplog.text


def test_our_own_requests_create_no_spans() -> None:
    """Instrumentations of HTTP clients look for this; also in the helpers of single sends."""
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(context.get_value("suppress_instrumentation"))
        return httpx.Response(404) if request.url.path == "/api/batch" else httpx.Response(200, json=STORED)

    client(answer).send([b"{}"] * 8)

    assert seen == [True] * 9
    assert context.get_value("suppress_instrumentation") is None
