"""Umami in every kind of trouble, under load: nothing is lost, and only what the server had stored comes twice."""

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import monotonic, time

import httpx
import pytest
from numbered import BATCH, IN_FLIGHT, QUICK, SECONDS, WEBSITE, WORKERS, Load, Road
from ports import free_port
from world import Sink, check_arrivals, check_books, doubled, until

from otel_umami_exporter.delivery import Connection, Timing
from otel_umami_exporter.inbox import EMPTY, GARBAGE, HTML_PAGE, TRUNCATED, Answer, Drop, Hang, Inbox, InboxServer
from otel_umami_exporter.outcome import Outcome, Unavailable
from otel_umami_exporter.spool import Spool
from otel_umami_exporter.umami import UmamiClient

pytestmark = pytest.mark.endurance

FLUSH_SECONDS = 300.0  # a limit for a busy machine, not a promise
SOME = 60  # events before the trouble, and after it
FEW = 5
SMALL = Timing(batch_size=FEW, linger_seconds=0.02, backoff=QUICK.backoff)  # a batch that hangs is given up soon


class World:
    """A sink that a test makes misbehave, and what must be true of it in the end."""

    def __init__(self, spool: Path, server: InboxServer, sink: Sink, figures: Callable[[str], None]) -> None:
        self.spool = spool
        self.server = server
        self.sink = sink
        self.faults = sink.inbox.faults
        self._figures = figures
        self._seconds = 0.0

    @contextmanager
    def load(self, connect: str | Callable[[], Connection] = "", timing: Timing = QUICK) -> Iterator[Load]:
        """Record events at a steady pace in this block; deliver all of them after it."""
        with Road(self.spool, connect or self.server.url, timing=timing) as road:
            with Load(road) as load:
                load.more(SOME)
                start = monotonic()
                yield load
                self._seconds = monotonic() - start
                self.faults.clear()
                load.more(SOME)
            self._acknowledged = load.acknowledged
            assert road.pipeline.flush(FLUSH_SECONDS), road.pipeline.status()

    def mix_in(self, load: Load, bodies: Sequence[bytes]) -> None:
        """Let batches pile up, each with one of *bodies* in it, as another program on the same spool leaves them."""
        self.faults.always(Answer(status=503))
        other = Spool(self.spool)
        for body in bodies:
            load.more(BATCH // 2)
            other.put([body], time())
            load.more(BATCH // 2 - 1)
        other.close()

    def lost_nothing(self, *, at_most_doubled: int = 0, refused: int = 0, waiting: int = 0) -> None:
        """Assert that what was acknowledged has arrived, and that the books say the same."""
        arrived = self.sink.arrived()
        self._figures(
            f"{self._seconds:.1f} s of trouble, {len(self._acknowledged)} acknowledged, {len(arrived)} arrived,"
            f" {doubled(arrived)} of them twice (at most {at_most_doubled}),"
            f" lost {len(set(self._acknowledged) - set(arrived))}, {self.sink.requests()} requests"
        )
        check_arrivals(self._acknowledged, arrived, at_most_doubled=at_most_doubled)
        books = check_books(self.spool, refused=refused, waiting=waiting)
        assert books.delivered == len(self._acknowledged)


@pytest.fixture
def world(spool: Path, server: InboxServer, sink: Sink, figures: Callable[[str], None]) -> World:
    return World(spool, server, sink, figures)


def test_a_server_that_is_down(world: World) -> None:
    """Nobody listens for a while: events wait on disk."""
    with world.load() as load:
        world.server.stop()
        recorded = load.last(SECONDS)
        check = Spool(world.spool)
        assert check.books().waiting >= recorded
        check.close()
        world.server.start()
    world.lost_nothing()


def test_a_server_that_comes_and_goes(world: World) -> None:
    """It restarts in good order, again and again, while batches are on their way."""
    with world.load() as load:
        for _ in range(5):
            world.sink.more_requests(1)
            world.server.stop()
            load.more(20)
            world.server.start()
    world.lost_nothing()


def test_a_proxy_that_says_503(world: World) -> None:
    """The reverse proxy is there, and Umami is not."""
    with world.load() as load:
        world.faults.always(Answer(status=503))
        load.last(SECONDS / 2)
        world.sink.more_requests(1)
    world.lost_nothing()


def test_a_server_that_asks_to_wait(world: World) -> None:
    """With 429 and Retry-After nobody knocks before the time is over: once each second and connection."""
    with world.load() as load:
        world.faults.always(Answer(status=429, retry_after=1))
        world.sink.more_requests(1)
        start, before = monotonic(), world.sink.requests()
        load.last(SECONDS / 12)
        knocks, seconds = world.sink.requests() - before, monotonic() - start
        world.sink.more_requests(1)
    world.lost_nothing()
    assert knocks <= (seconds + 1) * 2


@pytest.mark.parametrize(
    "answer", [HTML_PAGE, GARBAGE, TRUNCATED, EMPTY], ids=["html", "garbage", "truncated", "empty"]
)
def test_answers_that_are_no_answers(world: World, answer: Answer) -> None:
    """A status of 200 alone is no success: a captive portal takes nothing."""
    with world.load() as load:
        world.faults.always(answer)
        load.last(SECONDS / 96)
        world.sink.more_requests(3)
    world.lost_nothing()


def test_a_server_that_accepts_and_hangs(world: World) -> None:
    """Requests are taken and never answered, nor worked off; the client gives up, and tries again."""
    patience = Patience(world.server.url)
    with world.load(patience.connect, SMALL) as load:
        patience.ends_after(math.inf)
        world.faults.always(Hang())
        world.faults.wait_for_hanging(2)
        load.last(SECONDS / 24)
        world.sink.more_requests(3)
        patience.ends_after(0)
        until(lambda: patience.waiting == WORKERS, "both wait for an answer")
        # What hangs at the end is worked off when it is released, and may have been given up by then.
    world.lost_nothing(at_most_doubled=2 * FEW)


def test_a_server_that_hangs_after_its_work(world: World) -> None:
    """A read timeout says nothing about what was stored: this is the one doubtful case, and it is bounded."""
    hangs = 6
    patience = Patience(world.server.url)
    with world.load(patience.connect, SMALL):
        patience.ends_after(hangs)
        world.faults.once(*[Hang(stored="everything")] * hangs)
        until(lambda: patience.given_up >= hangs - WORKERS, "some are given up")  # two may have met the patient ones
    assert patience.given_up <= hangs + WORKERS - 1  # both may have given up the last one at the same time
    world.lost_nothing(at_most_doubled=patience.given_up * FEW)


class Patience:
    """
    Connections that give up early for as long as a test says, and else wait for as long as a busy machine takes.

    What is given up may be stored all the same, so nothing else than what hangs may be.
    """

    def __init__(self, endpoint: str) -> None:
        self.given_up = 0
        self.waiting = 0  # how many requests of those that do not give up are under way
        self._endpoint = endpoint
        self._until = 0.0
        self._lock = threading.Lock()

    def ends_after(self, given_up: float) -> None:
        """Give up early until so many requests were given up, counted from now on."""
        with self._lock:
            self.given_up, self._until = 0, given_up

    def connect(self) -> Connection:
        """Return a connection for one thread."""
        return _Impatient(self, self._endpoint)

    def send(self, clients: tuple[UmamiClient, UmamiClient], bodies: Sequence[bytes]) -> list[Outcome]:
        """Send with the first of *clients*, the impatient one, or with the second."""
        with self._lock:
            is_patient = self.given_up >= self._until
            self.waiting += is_patient
        outcomes = clients[is_patient].send(bodies)
        with self._lock:
            self.waiting -= is_patient
            self.given_up += not is_patient and outcomes[0] == Unavailable("timeout")
        return outcomes


class _Impatient:
    def __init__(self, patience: Patience, endpoint: str) -> None:
        self._patience = patience
        self._clients = UmamiClient(endpoint, timeout_seconds=0.2), UmamiClient(endpoint, timeout_seconds=60.0)

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        return self._patience.send(self._clients, bodies)

    def close(self) -> None:
        for each in self._clients:
            each.close()


def test_connections_that_break_off_in_the_answer(world: World) -> None:
    """The server has stored everything, and the answer is cut off; each cut doubles one batch at most."""
    cuts = 8
    with world.load():
        world.faults.once(*[Drop(stored="everything"), None] * cuts)
        world.sink.more_requests(2 * cuts)
    world.lost_nothing(at_most_doubled=cuts * BATCH)


def test_connections_that_break_off_before_the_work(world: World) -> None:
    """Nothing was stored, so nothing comes twice."""
    with world.load() as load:
        world.faults.always(Drop())
        load.last(SECONDS / 96)
        world.sink.more_requests(3)
    world.lost_nothing()


def test_a_database_that_goes_down_in_the_middle_of_a_batch(world: World) -> None:
    """The batch is answered with 200, and P1001 for its rest: only the rest is sent again."""
    with world.load() as load:
        for _ in range(3):
            load.more(20)
            world.faults.database_down(after_items=7)
            until(world.faults.database_is_down, "the database is down")
            load.last(SECONDS / 96)
            world.sink.more_requests(2)
            world.faults.database_up()
    world.lost_nothing()


def test_a_bot_filter_that_takes_everything(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A proxy rewrites the User-Agent: Umami says 200 and stores nothing. That is an error, said with its remedy."""
    proxy = RewritingProxy()
    with world.load(lambda: UmamiClient(world.server.url, transport=proxy.transport())) as load:
        proxy.user_agent = "curl/8.5.0"
        load.last(SECONDS / 24)
        world.sink.more_requests(2)
        proxy.user_agent = None
    world.lost_nothing()
    said = [each.getMessage() for each in caplog.records if "bot filter" in each.getMessage()]
    assert len(said) == 1
    assert "User-Agent" in said[0]


class RewritingProxy:
    """Stands between the client and Umami, and may put another User-Agent into each request."""

    def __init__(self) -> None:
        self.user_agent: str | None = None

    def transport(self) -> httpx.BaseTransport:
        """Return one connection through the proxy."""
        return _Rewriting(self)


class _Rewriting(httpx.BaseTransport):
    def __init__(self, proxy: RewritingProxy) -> None:
        self._proxy = proxy
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._proxy.user_agent is not None:
            request.headers["user-agent"] = self._proxy.user_agent
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def test_a_server_without_batches(world: World) -> None:
    """Umami before 2.17: each event goes by itself, and that is no reason to lose one, or to send it twice."""
    world.faults.without_batch(404)
    with world.load() as load:
        load.more(SOME)
    world.lost_nothing()


def test_a_server_that_answers_batches_without_a_token(world: World) -> None:
    """An older Umami: what looks like the bot filter is none; finding that out doubles a few events for each sender."""
    world.faults.without_token()
    with world.load() as load:
        load.more(SOME)
        world.sink.more_requests(3)
    world.lost_nothing(at_most_doubled=2 * 3)  # one more than two where the first batch was one of one


def item(**payload: object) -> bytes:
    """Return one event as another program with the same spool may have left it."""
    return httpx.Request("POST", "http://x", json={"type": "event", "payload": {"website": WEBSITE} | payload}).content


REFUSED = {
    item(name="n" * 51): "bad_request",
    item(name="bad", id="i" * 51): "P2010",
    item(name="bad", data={"text": "t" * 501}): "P2000",  # of which the event is stored, without its properties
}
NO_JSON = b'{"type":"event","payload":{"name":"a quote that is left open}}'


def test_one_bad_event_in_every_batch(world: World) -> None:
    """It goes to the dead letters with its reason, once; those around it arrive, once."""
    with world.load() as load:
        world.mix_in(load, [*REFUSED, *REFUSED])
    world.lost_nothing(refused=6)
    assert check_books(world.spool, refused=6).refused == dict.fromkeys(REFUSED.values(), 2)


def test_one_event_in_every_batch_that_spoils_it(world: World) -> None:
    """What is no JSON makes Umami refuse the whole batch: it is found by halving, and the others arrive, once."""
    with world.load() as load:
        world.mix_in(load, [NO_JSON] * 6)
    world.lost_nothing(refused=6)
    assert check_books(world.spool, refused=6).refused == {"bad_request": 6}


def test_a_server_that_is_killed_in_the_middle_of_a_batch(
    spool: Path, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    """Another process that dies and comes back: each death doubles what was in flight, at most."""
    chance, deaths = Random(7), 4  # noqa: S311 - repeatable, not secret
    port = free_port()
    database = tmp_path / "umami.db"
    with Road(spool, f"http://127.0.0.1:{port}") as road:
        with Load(road) as load:
            for _ in range(deaths):
                with served(port, database):
                    load.more(chance.randint(20, 90))
        with served(port, database):
            assert road.pipeline.flush(FLUSH_SECONDS)
    inbox = Inbox(str(database))
    arrived = Sink(inbox).arrived()
    inbox.close()
    figures(
        f"{deaths} deaths, {len(load.acknowledged)} acknowledged, {len(arrived)} arrived, {doubled(arrived)} of them"
        f" twice (at most {deaths * IN_FLIGHT}), lost {len(set(load.acknowledged) - set(arrived))}"
    )
    check_arrivals(load.acknowledged, arrived, at_most_doubled=deaths * IN_FLIGHT)
    assert check_books(spool).delivered == len(load.acknowledged)


@contextmanager
def served(port: int, database: Path) -> Iterator[None]:
    """Run the stand-in in a process of its own, and kill it."""
    command = [sys.executable, "-m", "otel_umami_exporter.cli", "inbox", "--port", str(port), "--database"]
    process = subprocess.Popen([*command, str(database)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - ours
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        try:
            assert b"http://" in process.stdout.readline(), process.stderr.read()
            yield
        finally:
            process.kill()
            process.wait(60)
