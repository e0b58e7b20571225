"""What can happen on a connection to Umami, with real sockets: directly, and through a proxy."""

import gzip
import json
import socket
import ssl
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest
from certificates import make_certificate
from loopback import ENDPOINT, WAYS, Loopback, Said, Way, reaching
from ports import free_port

from otel_umami_exporter import ways
from otel_umami_exporter.outcome import BatchRefused, Delivered, Outcome, Unavailable
from otel_umami_exporter.umami import BODY_LIMIT, UmamiClient

BODIES = [b'{"n":1}', b'{"n":2}']
YES = json.dumps({"size": 2, "processed": 2, "errors": 0, "details": [], "cache": "token"}).encode()
SIZE = b"Content-Length: %d\r\n" % len(YES)
PATIENCE = 60.0
IMPATIENCE = 0.2

pytestmark = pytest.mark.parametrize("way", WAYS)


def chunked(body: bytes, size: int = 7) -> bytes:
    """Return *body* in chunks of *size*."""
    edges = [*range(0, len(body), size), len(body)]
    return b"".join(b"%X\r\n%b\r\n" % (end - start, body[start:end]) for start, end in pairwise(edges))


def said(way: Way, *pieces: bytes, timeout: float = PATIENCE) -> list[Outcome]:
    """Return what comes of an answer of these *pieces*, after which the connection ends."""
    with Loopback(lambda _: iter(pieces)) as server, reaching(server, way, timeout_seconds=timeout) as client:
        return client.send(BODIES)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = gzip.compress(YES)
ANSWERS = {
    "its length": [OK + SIZE + b"\r\n" + YES],
    "its length twice": [OK + SIZE + SIZE + b"\r\n" + YES],
    "chunks": [CHUNKED + chunked(YES) + b"0\r\n\r\n"],
    "the name of chunks in capitals": [CHUNKED.replace(b"chunked", b"Chunked") + chunked(YES) + b"0\r\n\r\n"],
    "chunks, extended, with a trailer": [
        CHUNKED + b"%x;a=b\r\n" % len(YES) + YES + b"\r\n0\r\nServer-Timing: 3\r\n\r\n"
    ],
    "until it ends": [OK + b"\r\n" + YES],
    "HTTP/1.0": [b"HTTP/1.0 200 OK\r\n\r\n" + YES],
    "no words beside its status": [b"HTTP/1.1 200 \r\n" + SIZE + b"\r\n" + YES],
    "continue first": [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n",
        OK + SIZE + b"\r\n" + YES,
    ],
    "lines without returns": [(OK + SIZE + b"\r\n").replace(b"\r", b"") + YES],
    "a folded field": [OK + b"X-Long: a\r\n  b\r\n" + SIZE + b"\r\n" + YES],
    "gzip": [OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED],
    "gzip in chunks": [
        OK + b"Content-Encoding: GZip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(PACKED) + b"0\r\n\r\n"
    ],
    "byte by byte": [bytes([each]) for each in CHUNKED + chunked(YES) + b"0\r\n\r\n"],
}


@pytest.mark.parametrize("pieces", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_may_be_framed_as_http_allows(way: Way, pieces: list[bytes]) -> None:
    """Node answers in chunks, proxies by length, old ones until the end."""
    assert said(way, *pieces) == [Delivered()] * 2


MALFORMED, LOST = Unavailable("malformed_answer"), Unavailable("connection_lost")
LONG = b" " * (17 << 20)
BROKEN = {
    "nothing": ([], LOST),
    "half a body": ([OK + SIZE + b"\r\n" + YES[:-1]], LOST),
    "half a chunk": ([CHUNKED + b"ff\r\n" + YES], LOST),
    "no last chunk": ([CHUNKED + chunked(YES)], LOST),
    "no HTTP": ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], LOST),
    "two lengths": ([OK + SIZE + b"Content-Length: 3\r\n\r\n" + YES], LOST),
    "a chunk's size that is none": ([CHUNKED + b"zz\r\n" + YES], LOST),
    "a head without end": ([OK + b"A: b\r\n" * 40_000], LOST),
    "too long": ([OK + b"Content-Length: %d\r\n\r\n" % len(LONG), LONG], MALFORMED),
    "too long in chunks": ([CHUNKED + chunked(LONG, 1 << 20) + b"0\r\n\r\n"], MALFORMED),
    "too long until its end": ([OK + b"\r\n", LONG], MALFORMED),
    "too long when unpacked": ([OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(LONG)], MALFORMED),
    "not packed as it says": ([OK + b"Content-Encoding: gzip\r\n\r\nno gzip"], MALFORMED),
    "packed, cut off": ([OK + b"Content-Encoding: gzip\r\n\r\n" + PACKED[:-12]], MALFORMED),
}


@pytest.mark.parametrize(("pieces", "outcome"), BROKEN.values(), ids=BROKEN)
def test_an_answer_that_breaks_is_an_outcome(way: Way, pieces: list[bytes], outcome: Outcome) -> None:
    """Nothing is raised, and nothing counts as delivered."""
    assert said(way, *pieces) == [outcome] * 2


ODD = {
    "half a head": [OK + b"Content-Le"],
    "a field without a colon": [OK + b"nonsense\r\n" + SIZE + b"\r\n" + YES],
    "a length that is none": [OK + b"Content-Length: -1\r\n\r\n" + YES],
    "an unknown way of transfer": [OK + b"Transfer-Encoding: zip\r\n\r\n" + YES],
}


@pytest.mark.parametrize("pieces", ODD.values(), ids=ODD)
def test_an_odd_answer_is_believed_only_if_all_of_it_is_there(way: Way, pieces: list[bytes]) -> None:
    """One client is more lenient than the other; what Umami says has to add up for both."""
    is_whole = pieces[0].endswith(YES)
    expected: dict[Way, Outcome] = {"direct": Delivered() if is_whole else MALFORMED, "proxied": LOST}
    assert said(way, *pieces) == [expected[way]] * 2


def test_nobody_listens(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server, or the proxy, is down."""
    closed = f"http://127.0.0.1:{free_port()}"
    if way == "proxied":
        monkeypatch.setenv("HTTP_PROXY", closed)
    with UmamiClient(ENDPOINT if way == "proxied" else closed) as client:
        assert client.send(BODIES) == [Unavailable("connection_refused")] * 2


def test_nobody_accepts(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting has a time of its own."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for each in (first, second):
            each.settimeout(0)
            each.connect_ex(full.getsockname())
        address = "http://{}:{}".format(*full.getsockname())
        if way == "proxied":
            monkeypatch.setenv("HTTP_PROXY", address)
        with UmamiClient(ENDPOINT if way == "proxied" else address, timeout_seconds=IMPATIENCE) as client:
            assert client.send(BODIES) == [Unavailable("connect_timeout")] * 2


@pytest.mark.parametrize("start", [b"", OK, OK + SIZE + b"\r\n" + YES[:5]], ids=["nothing", "head", "body"])
def test_a_server_that_falls_silent(way: Way, start: bytes) -> None:
    """There is a time for each batch."""
    over = Event()

    def answer(_: httpx.Request) -> Iterator[bytes]:
        yield start
        over.wait(PATIENCE)

    with Loopback(answer) as server, reaching(server, way, timeout_seconds=IMPATIENCE) as client:
        assert client.send(BODIES) == [Unavailable("timeout")] * 2
        over.set()


def test_a_server_that_never_comes_to_an_end(way: Way) -> None:
    """Each piece comes in time, and all of them together do not."""
    over = Event()

    def answer(_: httpx.Request) -> Iterator[bytes]:
        yield CHUNKED
        while not over.wait(IMPATIENCE / 10):
            yield b"1\r\n \r\n"

    with Loopback(answer) as server, reaching(server, way, timeout_seconds=IMPATIENCE) as client:
        assert client.send(BODIES) == [Unavailable("timeout")] * 2
        over.set()


def test_a_server_that_answers_before_it_has_read(way: Way) -> None:
    """A proxy that finds a batch too large says so, and hangs up on the rest of it."""
    half = b'"' + b"x" * (BODY_LIMIT // 2) + b'"'
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Loopback(lambda _: iter(()))
        server.address = f"127.0.0.1:{listener.getsockname()[1]}"

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        with reaching(server, way) as client:
            assert client.send([half]) == [BatchRefused("too_large")]
        thread.join()


# --- the connection afterwards ----------------------------------------------------------------------------------------


def yes(*fields: bytes) -> bytes:
    return OK + SIZE + b"".join(fields) + b"\r\n" + YES


def test_a_connection_serves_one_batch_after_the_other(way: Way) -> None:
    """Also after an answer in chunks and after one that says no."""
    answers = iter([httpx.Response(200, content=YES), httpx.Response(400), httpx.Response(200, content=YES)])
    with Loopback(lambda _: next(answers)) as server, reaching(server, way) as client:
        assert [client.send(BODIES)[0] for _ in range(3)] == [Delivered(), Unavailable("http_400"), Delivered()]
        assert server.connections == 1


@pytest.mark.parametrize("headers", [{"Connection": "close"}, {"Connection": "Keep-Alive, Close"}])
def test_a_connection_ends_when_the_server_says_so(way: Way, headers: dict[str, str]) -> None:
    """The next batch has a new one."""
    with (
        Loopback(lambda _: httpx.Response(200, content=YES, headers=headers)) as server,
        reaching(server, way) as client,
    ):
        assert client.send(BODIES) == client.send(BODIES) == [Delivered()] * 2
        assert server.connections == 2


def test_a_connection_that_the_server_ended_is_not_used(way: Way) -> None:
    """It said that it would keep it: each batch arrives, and once."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> Said:
        requests.append(request)
        return iter([yes()])

    with Loopback(answer) as server, reaching(server, way) as client:
        for _ in range(3):
            assert client.send(BODIES) == [Delivered()] * 2
            assert server.ended.acquire(timeout=PATIENCE)
        assert (server.connections, len(requests)) == (3, 3)


def test_what_was_sent_is_not_sent_again_by_itself(way: Way) -> None:
    """A server that ends a kept connection on a request may have stored it: whoever has the batch decides."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> Said:
        requests.append(request)
        return httpx.Response(200, content=YES) if len(requests) == 1 else iter(())

    with Loopback(answer) as server, reaching(server, way) as client:
        assert [client.send(BODIES)[0] for _ in range(2)] == [Delivered(), LOST]
    assert len(requests) == 2


def test_a_connection_that_was_idle_for_long_is_not_used(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is about to end it."""
    monkeypatch.setattr(ways, "KEEPALIVE_SECONDS", -1.0)
    monkeypatch.setattr(ways, "_LIMITS", httpx.Limits(keepalive_expiry=-1.0))
    with Loopback(lambda _: httpx.Response(200, content=YES)) as server, reaching(server, way) as client:
        assert client.send(BODIES) == client.send(BODIES) == [Delivered()] * 2
        assert server.connections == 2


def test_what_nobody_asked_for_is_not_taken_for_the_next_answer(way: Way) -> None:
    """Bytes after an answer end the connection."""
    over = Event()

    def answer(_: httpx.Request) -> Iterator[bytes]:
        yield yes() + b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
        if way == "direct":  # httpx keeps such a connection until it sees its end
            over.wait(PATIENCE)

    with Loopback(answer) as server, reaching(server, way, timeout_seconds=PATIENCE / 10) as client:
        assert client.send(BODIES) == [Delivered()] * 2
        if way == "proxied":
            assert server.ended.acquire(timeout=PATIENCE)
        assert client.send(BODIES) == [Delivered()] * 2
        assert server.connections == 2
        over.set()


def test_events_that_go_by_themselves_share_few_connections(way: Way) -> None:
    """Where there are no batches: four in flight, each once."""
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/batch"):
            return httpx.Response(404)
        bodies.append(request.content)
        return httpx.Response(200, json={"cache": "token"})

    events = [b"%d" % number for number in range(60)]
    with Loopback(answer) as server, reaching(server, way) as client:
        assert client.send(events) == [Delivered()] * 60
        assert server.connections <= 4
    assert sorted(bodies) == sorted(events)


def test_https_trusts_what_the_environment_names(way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE is for a certificate of one's own; what nobody trusts is refused. No proxy is here."""
    certificate, key = make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    if way == "proxied":
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Loopback(lambda _: httpx.Response(200, content=YES), tls) as server:
        with UmamiClient(f"https://{server.address}") as client:
            assert client.send(BODIES) == [Unavailable("connection_refused")] * 2
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with UmamiClient(f"https://{server.address}") as client:
            assert client.send(BODIES) == client.send(BODIES) == [Delivered()] * 2
        assert server.connections == 2
