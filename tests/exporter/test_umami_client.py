"""One HTTP call to Umami: every recorded batch, and everything that a server or the way to it can do."""

import gzip
import itertools
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from loopback import ENDPOINT, WAYS, Loopback, Way, reaching
from loopback import Handler as AnyHandler
from opentelemetry import context

from otel_umami_exporter.inbox import Inbox
from otel_umami_exporter.outcome import (
    BatchRefused,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Throttled,
    Unavailable,
)
from otel_umami_exporter.umami import BODY_LIMIT, UmamiClient
from otel_umami_exporter.ways import USER_AGENT

CORPUS = Path(__file__).parents[1] / "contracts" / "umami-3.1.0.jsonl"
WEBSITE = "6f2b1c1e-8f5b-4c7a-9d0e-1a2b3c4d5e6f"
ONE, TWO, THREE = ITEMS = [json.dumps({"type": "event", "payload": {"n": number}}).encode() for number in (1, 2, 3)]
Handler = Callable[[httpx.Request], httpx.Response]
WAY: ContextVar[Way] = ContextVar("WAY")
STORED = {"cache": "token", "sessionId": "s", "visitId": "v"}


@pytest.fixture(autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """Each test is passed on both ways."""
    token = WAY.set(request.param)
    yield request.param
    WAY.reset(token)


@contextmanager
def client_of(handler: AnyHandler, endpoint: str = ENDPOINT) -> Iterator[UmamiClient]:
    """Yield a client of a server that is *handler*, on the way of this test."""
    with Loopback(handler) as server, reaching(server, WAY.get(), endpoint) as client:
        yield client


def sent(handler: Handler, bodies: Sequence[bytes] = ITEMS, endpoint: str = ENDPOINT) -> list[Outcome]:
    """Send *bodies* to a server that is *handler*."""
    with client_of(handler, endpoint) as client:
        return client.send(bodies)


def through_httpx(handler: Handler, bodies: Sequence[bytes] = ITEMS) -> list[Outcome]:
    """Send *bodies* through httpx to what is no server, but may raise what httpx does, or look around."""
    with UmamiClient(ENDPOINT, transport=httpx.MockTransport(handler)) as client:
        return client.send(bodies)


def answering(status: int = 200, **arguments: Any) -> Handler:
    """Return a server that always says the same."""
    return lambda _request: httpx.Response(status, **arguments)


def raising(error: type[httpx.TransportError]) -> Handler:
    """Return a way to the server that breaks."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise error("broken", request=request)

    return handler


def items(request: httpx.Request) -> list[Any]:
    found: list[Any] = json.loads(request.content)
    return found


def storing(request: httpx.Request) -> httpx.Response:
    """Be an Umami that stores everything."""
    if not request.url.path.endswith("/batch"):
        return httpx.Response(200, json=STORED)
    size = len(items(request))
    return httpx.Response(200, json={"size": size, "processed": size, "errors": 0, "details": [], "cache": "token"})


# --- every recorded batch ---------------------------------------------------------------------------------------------


@cache
def batches() -> list[tuple[str, dict[str, Any], int | None]]:
    """Return name, step and (in cases of one step) number of stored events of every recorded array of items."""
    with CORPUS.open(encoding="ascii") as lines:
        cases = [case for line in lines if (case := json.loads(line))["group"] == "batch"]
    return [
        (case["case"], step, len(case["rows"]["website_event"]) if len(case["steps"]) == 1 else None)
        for case in cases
        for step in case["steps"]
        if step["request"]["path"] == "/api/batch" and isinstance(step["request"].get("body"), list)
    ]


# A bot's `payload.userAgent` between others counts as processed. Our items have none: one header stands for all.
NOT_OURS = {"batch-bot-first": "an item with a User-Agent of its own"}


@pytest.mark.parametrize(("name", "step", "rows"), batches(), ids=[name for name, _, _ in batches()])
def test_a_recorded_batch_has_the_outcomes_that_its_rows_prove(
    name: str, step: dict[str, Any], rows: int | None
) -> None:
    """Delivered is only what has a row; what Umami names in its answer is not delivered."""
    answer = step["response"]["body"]
    bodies = [json.dumps(each).encode() for each in step["request"]["body"]]
    outcomes = sent(answering(step["response"]["status"], json=answer), bodies)

    assert len(outcomes) == len(bodies)
    delivered = [index for index, each in enumerate(outcomes) if isinstance(each, Delivered)]
    failed = {each["index"]: each["response"]["error"] for each in answer.get("details", [])}
    stored = bool(answer.get("cache"))
    assert delivered == [index for index in range(len(bodies)) if stored and index not in failed]
    for index, error in failed.items():
        _has_the_right_reason(outcomes[index], error)
    if rows is not None and name not in NOT_OURS:
        assert len(delivered) <= rows <= len(delivered) + len(failed)


def _has_the_right_reason(outcome: Outcome, error: dict[str, Any]) -> None:
    code = error.get("errorObject", {}).get("code")
    if error["message"] == "Website not found.":
        assert isinstance(outcome, Misconfigured)
    elif error["status"] == 400:
        assert outcome == Refused("bad_request")
    elif code is not None:
        assert outcome == Refused(code)
    else:  # the recording keeps no texts, which name the reason on the wire
        assert isinstance(outcome, Unavailable)
        assert outcome.doubtful


def test_all_recorded_batches_are_here() -> None:
    """Nothing was lost from the file."""
    assert len(batches()) == 25


@pytest.mark.parametrize("name", ["batch-all-bots", "batch-all-bots-payload"])
def test_a_batch_of_bots_is_an_error_with_its_remedy(name: str) -> None:
    """Umami says 200, processed 2, errors 0."""
    [step] = [step for case, step, _ in batches() if case == name]
    outcomes = sent(answering(json=step["response"]["body"]), [ONE, TWO])

    assert [each.reason for each in outcomes if isinstance(each, Misconfigured)] == ["bot_filter"] * 2


# --- the request ------------------------------------------------------------------------------------------------------


def test_a_batch_is_one_request_to_the_api() -> None:
    """An array of the bodies as they are, with headers that Umami reads."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return storing(request)

    assert sent(handler, endpoint=f"{ENDPOINT}/stats/") == [Delivered()] * 3
    [request] = requests
    assert (request.method, str(request.url)) == ("POST", f"{ENDPOINT}/stats/api/batch")
    assert request.content == b"[" + b",".join(ITEMS) + b"]"
    assert request.headers["User-Agent"] == USER_AGENT
    assert request.headers["Content-Type"] == "application/json"
    assert "x-umami-cache" not in request.headers


def test_our_user_agent_passes_the_bot_filter() -> None:
    """Umami drops what looks like a program, with a 200."""
    inbox = Inbox(websites=[WEBSITE])
    body = json.dumps({"type": "event", "payload": {"website": WEBSITE, "name": "order_paid"}}).encode()
    with inbox.serve() as server, UmamiClient(server.url) as client:
        assert client.send([body, body]) == [Delivered()] * 2
        inbox.faults.without_batch()
        with UmamiClient(server.url) as older:
            assert older.send([body]) == [Delivered()]
    assert (inbox.counts(), inbox.problems()) == ({"order_paid": 3}, [])
    inbox.close()


@pytest.mark.parametrize("has_batch", [True, False])
def test_our_requests_create_no_spans(has_batch: bool) -> None:  # noqa: FBT001  # a parameter of a test
    """Instrumentations of HTTP clients look at this key, in each of our threads."""
    suppressed: list[object] = []

    def handler(request: httpx.Request) -> httpx.Response:
        suppressed.append(context.get_value("suppress_instrumentation"))
        return storing(request) if has_batch or request.url.path.endswith("/send") else httpx.Response(404)

    through_httpx(handler, ITEMS * 4)

    assert set(suppressed) == {True}
    assert context.get_value("suppress_instrumentation") is None


def test_a_connection_is_used_again() -> None:
    """One client is one connection pool; it is closed with the client."""
    closed: list[bool] = []

    class Transport(httpx.MockTransport):
        def close(self) -> None:
            closed.append(True)

    with UmamiClient(ENDPOINT, transport=Transport(storing)) as client:
        assert client.send([ONE]) == client.send([TWO]) == [Delivered()]
        assert closed == []
    assert closed == [True]


@pytest.mark.parametrize(("items", "seconds"), [(1, 4.2), (50, 14.0)])
def test_a_larger_batch_has_more_time(items: int, seconds: float) -> None:
    """Umami goes on after we hung up: hanging up early means sending twice. Connecting has its own, short time."""
    timeouts: list[dict[str, float]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"])
        return storing(request)

    with UmamiClient(ENDPOINT, timeout_seconds=4.0, transport=httpx.MockTransport(handler)) as client:
        client.send([ONE] * items)

    assert timeouts == [{"connect": 4.0, "read": seconds, "write": seconds, "pool": seconds}]


# --- whole answers that are no batch answer ---------------------------------------------------------------------------

SERVER_ERROR = {"message": "Server error", "code": "server-error", "status": 500}
TOO_LARGE = BatchRefused("too_large")

ANSWERS: dict[str, tuple[Handler, Outcome]] = {
    "429": (answering(429), Throttled(None)),
    "429 with seconds": (answering(429, headers={"Retry-After": "30"}), Throttled(30.0)),
    "503 with seconds": (answering(503, headers={"Retry-After": "30"}), Throttled(30.0)),
    "503 of a proxy": (answering(503, html="<h1>Service Unavailable</h1>"), Throttled(None)),
    "a date that has passed": (
        answering(429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        Throttled(0.0),
    ),
    "a Retry-After of nonsense": (answering(429, headers={"Retry-After": "soon"}), Throttled(None)),
    "413": (answering(413, text="too large"), TOO_LARGE),
    "400 of Umami": (
        answering(400, json={"error": {"message": "Bad request", "status": 400}}),
        BatchRefused("bad_request"),
    ),
    "400 of a proxy": (answering(400, html="<h1>Bad Request</h1>"), Unavailable("http_400")),
    "500 P1001": (
        answering(500, json={"error": SERVER_ERROR | {"errorObject": {"code": "P1001"}}}),
        Unavailable("P1001"),
    ),
    "500 P2000": (
        answering(500, json={"error": SERVER_ERROR | {"errorObject": {"code": "P2000"}}}),
        BatchRefused("P2000"),
    ),
    "500 without a body": (answering(500), Unavailable("http_500")),
    "500 of a proxy": (answering(502, html="<h1>Bad Gateway</h1>"), Unavailable("http_502")),
    "504 of a proxy": (answering(504, text=""), Unavailable("http_504")),
    "an HTML page": (answering(html="<title>Please log in</title>"), Unavailable("malformed_answer")),
    "nothing": (answering(content=b""), Unavailable("malformed_answer")),
    "half an answer": (answering(content=b'{"size":3,"proc'), Unavailable("malformed_answer")),
    "bytes": (answering(content=b"\x00\xff\xfe"), Unavailable("malformed_answer")),
    "an answer nested without end": (answering(content=b"[" * 200_000), Unavailable("malformed_answer")),
    "an answer of another size": (
        answering(json={"size": 2, "processed": 2, "errors": 0, "details": [], "cache": "token"}),
        Unavailable("malformed_answer"),
    ),
    "an answer that is too long": (answering(content=b" " * (17 << 20)), Unavailable("malformed_answer")),
}


@pytest.mark.parametrize(("handler", "outcome"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_server_says_to_a_batch_is_said_of_each_item(handler: Handler, outcome: Outcome) -> None:
    """One outcome for each, and never an exception."""
    assert sent(handler) == [outcome] * 3


RAISED: dict[str, tuple[Handler, Outcome]] = {
    "connection refused": (raising(httpx.ConnectError), Unavailable("connection_refused")),
    "no time to connect": (raising(httpx.ConnectTimeout), Unavailable("connect_timeout")),
    "no time to read": (raising(httpx.ReadTimeout), Unavailable("timeout")),
    "no time to write": (raising(httpx.WriteTimeout), Unavailable("timeout")),
    "no free connection": (raising(httpx.PoolTimeout), Unavailable("timeout")),
    "reset while reading": (raising(httpx.ReadError), Unavailable("connection_lost")),
    "reset while writing": (raising(httpx.WriteError), Unavailable("connection_lost")),
    "closed in the middle": (raising(httpx.RemoteProtocolError), Unavailable("connection_lost")),
    "a proxy that refuses": (raising(httpx.ProxyError), Unavailable("connection_lost")),
}


@pytest.mark.parametrize(("handler", "outcome"), RAISED.values(), ids=RAISED)
def test_what_httpx_raises_is_said_of_each_item(handler: Handler, outcome: Outcome) -> None:
    """On the way through a proxy."""
    assert through_httpx(handler) == [outcome] * 3


def test_every_way_that_a_connection_can_break_is_an_outcome() -> None:
    """Also those that httpx will have tomorrow: the whole tree is walked."""

    def leaves(error: type[httpx.TransportError]) -> Iterator[type[httpx.TransportError]]:
        yield error
        for each in error.__subclasses__():
            yield from leaves(each)

    for error in leaves(httpx.TransportError):
        [outcome] = through_httpx(raising(error), [ONE])
        assert isinstance(outcome, Unavailable | Misconfigured), error


def test_a_packed_answer_is_unpacked() -> None:
    """A proxy may pack it."""
    answer = {"size": 3, "processed": 3, "errors": 0, "details": [], "cache": "token"}
    packed = gzip.compress(json.dumps(answer).encode())

    assert sent(answering(content=packed, headers={"Content-Encoding": "gzip"})) == [Delivered()] * 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["https://elsewhere.example/api/batch", "/login", "http://umami.example/api/batch"]
)
def test_a_redirect_is_not_followed(status: int, location: str) -> None:
    """Events must not go where nobody said; the remedy says to correct the address."""
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(status, headers={"Location": location})

    outcomes = sent(handler)

    assert hosts == ["umami.example"]
    assert all(isinstance(each, Misconfigured) and "UMAMI_ENDPOINT" in each.remedy for each in outcomes)


@pytest.mark.parametrize("location", ["http://[", "", "https://\x7f/", "//"])
def test_a_redirect_to_nowhere_is_an_outcome(location: str) -> None:
    """A location that is no address raises nothing."""
    assert Delivered() not in sent(answering(301, headers={"Location": location}))


@pytest.mark.parametrize("status", [401, 403])
def test_a_forbidden_endpoint_is_a_setting(status: int) -> None:
    """A proxy before Umami asks for a password, or Umami ignores the address."""
    outcomes = sent(answering(status))

    assert [each.reason for each in outcomes if isinstance(each, Misconfigured)] == [f"http_{status}"] * 3


@pytest.mark.parametrize("status", [201, 204, 410, 418, 451])
def test_what_is_not_umami_is_a_setting(status: int) -> None:
    """Something else answers at the address."""
    assert all(isinstance(each, Misconfigured) for each in sent(answering(status)))


def test_a_missing_website_is_a_setting() -> None:
    """In a batch it is an error of each item."""
    error = {"error": {"message": "Website not found.", "code": "bad-request", "status": 400}}
    details = [{"index": index, "response": error} for index in range(3)]
    answer = {"size": 3, "processed": 0, "errors": 3, "details": details, "cache": None}

    assert [each.reason for each in sent(answering(json=answer)) if isinstance(each, Misconfigured)] == [
        "website_not_found"
    ] * 3


def test_a_body_beyond_the_limit_is_not_sent_at_all() -> None:
    """Umami cuts it at 10 MiB and finds no JSON."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return storing(request)

    half = b'"' + b"x" * (BODY_LIMIT // 2) + b'"'
    assert sent(handler, [half, half]) == [TOO_LARGE] * 2
    assert requests == []
    assert sent(handler, [half]) == [Delivered()]


# --- where there are no batches ---------------------------------------------------------------------------------------


def older(send: Handler, status: int = 404) -> Handler:
    """Return an Umami before 2.17: no /api/batch."""
    return lambda request: httpx.Response(status) if request.url.path.endswith("/batch") else send(request)


@pytest.mark.parametrize("status", [404, 405])
def test_without_batches_each_item_is_sent_by_itself(status: int) -> None:
    """All of them, each once, and the batch is not tried again for the next ones."""
    paths: list[str] = []
    bodies: list[bytes] = []
    lock = threading.Lock()

    def handler(request: httpx.Request) -> httpx.Response:
        with lock:
            paths.append(request.url.path)
            bodies.extend([request.content] if request.url.path == "/api/send" else [])
        return older(storing, status)(request)

    with client_of(handler) as client:
        assert client.send(ITEMS) == [Delivered()] * 3
        assert client.send(ITEMS) == [Delivered()] * 3

    assert sorted(bodies) == sorted([*ITEMS, *ITEMS])
    assert paths.count("/api/batch") == 1


@pytest.mark.parametrize(
    ("send", "outcome"),
    [
        (answering(json={"error": {"status": 400}}, status=400), Refused("bad_request")),
        (answering(500, json={"error": SERVER_ERROR | {"errorObject": {"code": "P2000"}}}), Refused("P2000")),
        (answering(413), TOO_LARGE),
        (answering(429, headers={"Retry-After": "9"}), Throttled(9.0)),
        (answering(html="<h1>hello</h1>"), Unavailable("malformed_answer")),
        (answering(json=["cache"]), Unavailable("malformed_answer")),
    ],
    ids=["400", "500", "413", "429", "HTML", "a list"],
)
def test_what_a_server_says_to_one_item_is_its_outcome(send: Handler, outcome: Outcome) -> None:
    """The reading is the same as in a batch, but it is known which item is to blame."""
    assert sent(older(send), [ONE]) == [outcome]


BARE_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IjEifQ.6f1-_0"


@pytest.mark.parametrize(
    ("send", "outcome"),
    [
        (answering(text=BARE_TOKEN), Delivered()),
        (answering(text=BARE_TOKEN + "\n"), Delivered()),
        (answering(text="one.two"), Unavailable("malformed_answer")),
        (answering(text=f"<p>{BARE_TOKEN}</p>"), Unavailable("malformed_answer")),
        (answering(400, text="name must be at most 50 characters"), Unavailable("http_400", doubtful=True)),
        (answering(500, text="500 Internal Server Error"), Unavailable("http_500", doubtful=True)),
        (answering(502, text="Bad Gateway"), Unavailable("http_502")),
    ],
)
def test_an_umami_before_2_17_speaks_plainly(send: Handler, outcome: Outcome) -> None:
    """The token alone, as text, is its word for stored; what it says against one event does not stop the others."""
    assert sent(older(send), [ONE]) == [outcome]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answering(json={}), "bot_filter"),
        (answering(400, text="Website not found: 6f2b1c1e."), "website_not_found"),
    ],
)
def test_an_umami_before_2_17_names_a_wrong_setting_plainly(answer: Handler, reason: str) -> None:
    """Its bot filter answers with an empty object, and an unknown website with a sentence."""
    [outcome] = sent(older(answer), [ONE])

    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == reason


@pytest.mark.parametrize(
    ("answer", "reason"), [(answering(json={"beep": "boop"}), "bot_filter"), (answering(404), "not_umami")]
)
def test_a_setting_that_is_wrong_is_one_without_batches_too(answer: Handler, reason: str) -> None:
    """The bot filter, or something that is no Umami at all."""
    [outcome] = sent(older(answer), [ONE])

    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == reason


def test_each_item_has_its_own_outcome_without_batches() -> None:
    """One bad item keeps nobody back."""

    def send(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"error": {"status": 400}}) if request.content == TWO else storing(request)

    assert sent(older(send)) == [Delivered(), Refused("bad_request"), Delivered()]


def test_what_would_be_the_same_for_all_is_not_tried_for_all() -> None:
    """A server that asks to wait is not asked 50 times more; what was not tried is neither lost nor delivered."""
    count = itertools.count()

    def send(_request: httpx.Request) -> httpx.Response:
        next(count)
        return httpx.Response(429, headers={"Retry-After": "9"})

    outcomes = sent(older(send), [ONE] * 50)

    assert len(outcomes) == 50
    assert set(outcomes) == {Throttled(9.0), Unavailable("not_tried")}
    assert next(count) < 10


# --- where a batch is answered without a token ------------------------------------------------------------------------


class Tokenless:
    """An Umami that stores batches and answers them without a token; *filtering* says when its bot filter strikes."""

    def __init__(self, *filtering: bool) -> None:
        self.stored: list[bytes] = []
        self.paths: list[str] = []
        self._filtering = iter(filtering)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        self.paths.append(request.url.path)
        is_batch = request.url.path == "/api/batch"
        is_taken = next(self._filtering, False)
        if not is_taken:
            self.stored += [json.dumps(each).encode() for each in items(request)] if is_batch else [request.content]
        if is_batch:
            size = len(items(request))
            return httpx.Response(200, json={"size": size, "processed": size, "errors": 0, "details": []})
        return httpx.Response(200, json={"beep": "boop"} if is_taken else STORED)


def test_a_server_that_answers_no_batch_with_a_token_has_stored_it() -> None:
    """An older Umami: two events find that out, and come twice; all others come once, each by itself later."""
    server = Tokenless()
    with client_of(server) as client:
        assert client.send(ITEMS) == [Delivered()] * 3
        assert client.send([ONE]) == [Delivered()]

    assert server.stored == [ONE, TWO, THREE, ONE, TWO, ONE]
    assert server.paths == ["/api/batch", "/api/send", "/api/batch", "/api/send"]


def test_a_bot_filter_there_is_still_a_bot_filter() -> None:
    """Nothing was stored, and the events wait."""
    server = Tokenless(True, True)  # noqa: FBT003  # strikes twice
    outcomes = sent(server)

    assert [each.reason for each in outcomes if isinstance(each, Misconfigured)] == ["bot_filter"] * 3
    assert server.stored == []


def test_a_bot_filter_that_ends_in_this_moment_loses_nothing() -> None:
    """The batch was taken, two events are stored, and a batch has its token again: the others are sent again, once."""
    answers = iter([{"size": 3, "processed": 3, "errors": 0, "details": []}])
    stored: list[Any] = []

    def server(request: httpx.Request) -> httpx.Response:
        taken = next(answers, None) if request.url.path == "/api/batch" else None
        if taken is not None:
            return httpx.Response(200, json=taken)
        stored.append(items(request))
        return storing(request)

    one, two, three = sent(server)

    assert (one, two) == (Delivered(), Delivered())
    assert isinstance(three, Misconfigured)
    assert stored == [json.loads(ONE), [json.loads(TWO)]]


def test_a_single_event_needs_no_second_look() -> None:
    """It is stored now, whatever became of it before."""
    server = Tokenless()

    assert sent(server, [ONE]) == [Delivered()]
    assert server.paths == ["/api/batch", "/api/send"]


def test_rare_events_find_out_too_that_batches_have_no_token() -> None:
    """Each in a batch of its own: two of them come twice, and none of the others."""
    server = Tokenless()
    with client_of(server) as client:
        assert [client.send([each]) for each in (ONE, TWO, THREE, ONE)] == [[Delivered()]] * 4

    assert server.stored == [ONE, ONE, TWO, TWO, THREE, ONE]
    assert server.paths == ["/api/batch", "/api/send"] * 2 + ["/api/send"] * 2


def test_a_bot_filter_that_comes_and_goes_is_not_taken_for_that() -> None:
    """A batch with its token in between says that there are tokens."""
    answers = iter([{"size": 1, "processed": 1, "errors": 0, "details": []}, None] * 3)
    paths: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        taken = next(answers) if request.url.path == "/api/batch" else None
        return storing(request) if taken is None else httpx.Response(200, json=taken)

    with client_of(server) as client:
        assert [client.send([ONE]) for _ in range(6)] == [[Delivered()]] * 6

    assert paths == ["/api/batch", "/api/send", "/api/batch"] * 3


def test_umami_cloud_is_an_endpoint_as_any_other() -> None:
    """Its address in the documentation of Umami is where events go; with batches or without."""
    urls: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return older(answering(text=BARE_TOKEN))(request)

    assert sent(server, [ONE], endpoint=ENDPOINT) == [Delivered()]
    assert urls == [f"{ENDPOINT}/api/batch", f"{ENDPOINT}/api/send"]


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["http://guest:s3cret@umami.example", "http://guest:s%33cret@umami.example/"])
def test_a_password_in_the_endpoint_goes_into_its_header_only(
    endpoint: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in no address, log line, representation or outcome."""
    caplog.set_level(logging.DEBUG)
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(301, headers={"Location": "/login"})

    with client_of(handler, endpoint) as client:
        said = [repr(client), str(client), repr(client.send(ITEMS))]
    with client_of(lambda _: iter(()), endpoint) as client:
        said.append(repr(client.send(ITEMS)))

    [request] = requests
    assert request.headers["Authorization"] == "Basic Z3Vlc3Q6czNjcmV0"
    assert str(request.url) == "http://umami.example/api/batch"
    said += [caplog.text, *capsys.readouterr()]
    assert [text for text in said if "s3cret" in text or "s%33cret" in text or "guest" in text] == []
