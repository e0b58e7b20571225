"""The whole road over HTTP to the stand-in for Umami: what is cleaned is accepted, and what goes wrong is survived."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import time_ns

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from road import QUICK, TAXONOMY, WEBSITE, OrderPlaced, ended

from otel_umami_exporter import Pipeline, UmamiSpanExporter
from otel_umami_exporter.delivery import Connection
from otel_umami_exporter.gate import Admitted
from otel_umami_exporter.inbox import EMPTY, GARBAGE, HTML_PAGE, TRUNCATED, Answer, Drop, Fault, Hang, Inbox
from otel_umami_exporter.outcome import Delivered, Outcome, Unavailable
from otel_umami_exporter.payload import Site, to_item, to_json
from otel_umami_exporter.record import Record
from otel_umami_exporter.umami import UmamiClient

TEXT = st.text(
    st.characters(exclude_categories=["Cs"]), max_size=600
)  # a lone surrogate is replaced, and noted as changed
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.sampled_from(["\x00", "2026-02-30T10:00:00", "0000-01-01T00:00:00.000Z", "x" * 5_000, 2**70, -1e300]),
)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.close()


PATIENT = 60.0  # seconds for an answer; a batch that is given up too early is stored twice


def sent_to(endpoint: str, spool: Path, connect: Callable[[], Connection] | None = None) -> Pipeline:
    return Pipeline(
        taxonomy=TAXONOMY,
        site=Site(WEBSITE),
        spool=spool,
        connect=connect or (lambda: UmamiClient(endpoint, timeout_seconds=PATIENT)),
        timing=QUICK,
    )


def test_events_arrive_as_umami_would_show_them(tmp_path: Path, inbox: Inbox) -> None:
    """Without anything that it would have dropped, cut or half stored."""
    with inbox.serve() as server:
        pipeline = sent_to(server.url, tmp_path / "spool")
        door = UmamiSpanExporter(pipeline=pipeline)
        door.export([ended(OrderPlaced(number=each, dish="soup"), visitor=f"v{each % 3}") for each in range(120)])
        assert pipeline.flush(60.0)
        pipeline.shutdown()

    assert (inbox.counts(), inbox.views(), inbox.visitors()) == ({"order_placed": 120}, 120, 3)
    assert inbox.problems() == []
    orders = [each for each in inbox.events() if each.name is not None]  # batches arrive side by side: in any order
    assert {frozenset(each.data) for each in orders} == {frozenset({"number", "dish", "trace_id", "duration_ms"})}


@pytest.mark.parametrize(
    "fault",
    [
        Answer(status=503),
        Answer(status=429, retry_after=0),
        Answer(status=500, body=b"<html>"),
        Answer(status=200, body=b"[]", content_type="application/json"),
        HTML_PAGE,
        GARBAGE,
        TRUNCATED,
        EMPTY,
        Drop(),
    ],
    ids=repr,
)
def test_a_fault_loses_nothing_and_doubles_nothing(tmp_path: Path, inbox: Inbox, fault: Fault) -> None:
    """Nothing was stored, so it is sent again."""
    inbox.faults.once(fault, fault, fault)
    with inbox.serve() as server:
        pipeline = sent_to(server.url, tmp_path / "spool")
        UmamiSpanExporter(pipeline=pipeline).export(
            [ended(OrderPlaced(number=each), visitor=None) for each in range(70)]
        )
        assert pipeline.flush(60.0)
        books = pipeline.status().books
        pipeline.shutdown()

    assert inbox.counts() == {"order_placed": 70}
    assert (books.accepted, books.delivered, books.refused) == (70, 70, {})


def test_a_server_without_batches_gets_each_event_by_itself(tmp_path: Path, inbox: Inbox) -> None:
    """Umami before 2.17."""
    inbox.faults.without_batch(405)
    with inbox.serve() as server:
        pipeline = sent_to(server.url, tmp_path / "spool")
        UmamiSpanExporter(pipeline=pipeline).export(
            [ended(OrderPlaced(number=each), visitor=None) for each in range(60)]
        )
        assert pipeline.flush(60.0)
        pipeline.shutdown()

    assert inbox.counts() == {"order_placed": 60}


def test_a_server_that_answers_batches_without_a_token(tmp_path: Path, inbox: Inbox) -> None:
    """An older Umami: each of two sender threads may find that out with two events, which come twice."""
    inbox.faults.without_token()
    with inbox.serve() as server:
        pipeline = sent_to(server.url, tmp_path / "spool")
        UmamiSpanExporter(pipeline=pipeline).export(
            [ended(OrderPlaced(number=each), visitor=None) for each in range(200)]
        )
        assert pipeline.flush(60.0)
        books = pipeline.status().books
        pipeline.shutdown()

    times = Counter(each.data["number"] for each in inbox.events())
    assert (len(times), books.delivered) == (200, 200)
    assert 2 <= len([each for each in times.values() if each == 2]) <= 4
    assert set(times.values()) == {1, 2}


def test_a_database_that_dies_in_the_middle_of_a_batch(tmp_path: Path, inbox: Inbox) -> None:
    """Only what was not stored is sent again."""
    inbox.faults.database_down(after_items=20)
    with inbox.serve() as server:
        pipeline = sent_to(server.url, tmp_path / "spool")
        UmamiSpanExporter(pipeline=pipeline).export(
            [ended(OrderPlaced(number=each), visitor=None) for each in range(50)]
        )
        assert not pipeline.flush(0.3)
        inbox.faults.database_up()
        assert pipeline.flush(60.0)
        pipeline.shutdown()

    assert sorted(int(str(event.data["number"])) for event in inbox.events()) == list(range(50))


class OnceImpatient:
    """A connection that gives its first batch up after a second, and waits long enough for the others."""

    def __init__(self, endpoint: str) -> None:
        self._clients = [UmamiClient(endpoint, timeout_seconds=each) for each in (PATIENT, 1.0)]

    def send(self, bodies: Sequence[bytes]) -> list[Outcome]:
        """Send them."""
        client = self._clients.pop() if len(self._clients) > 1 else self._clients[0]
        outcomes = client.send(bodies)
        if client not in self._clients:
            client.close()
        return outcomes

    def close(self) -> None:
        """Let go of them."""
        for each in self._clients:
            each.close()


def test_a_server_that_hangs_costs_a_batch_twice_at_most(tmp_path: Path, inbox: Inbox) -> None:
    """It goes on after the client has gone: the one doubtful case."""
    inbox.faults.once(Hang(stored="everything"))
    with inbox.serve() as server:
        impatient = OnceImpatient(server.url)  # one for both threads: the first batch is the one that hangs
        pipeline = sent_to(server.url, tmp_path / "spool", lambda: impatient)
        UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1), visitor=None)])
        for _ in range(12):
            if pipeline.flush(5.0):
                break
            inbox.faults.release()  # a server that was too slow to see the first attempt lets the second one hang
        assert pipeline.status().books.waiting == 0
        pipeline.shutdown()

    assert inbox.counts() == {"order_placed": 2}


def test_an_unknown_website_waits_for_somebody_to_act(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Said with its remedy; then everything arrives."""
    inbox = Inbox(any_website=False)
    with inbox.serve() as server:
        pipeline = sent_to(server.url, tmp_path / "spool")
        UmamiSpanExporter(pipeline=pipeline).export([ended(OrderPlaced(number=1), visitor=None)])
        for _ in range(300):
            assert not pipeline.flush(0.1)
            if caplog.messages:
                break
        assert "check UMAMI_WEBSITE_ID" in caplog.text
        inbox.add_website(WEBSITE)
        assert pipeline.flush(60.0)
        pipeline.shutdown()

    assert inbox.counts() == {"order_placed": 1}
    inbox.close()


@pytest.fixture(scope="module")
def judge() -> Iterator[tuple[Inbox, UmamiClient]]:
    """Serve a stand-in that all examples are sent to."""
    inbox = Inbox()
    with inbox.serve() as server, UmamiClient(server.url, timeout_seconds=PATIENT) as client:
        yield inbox, client
    inbox.close()


LOCK = threading.Lock()


@settings(suppress_health_check=list(HealthCheck))
@given(
    properties=st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,49}", fullmatch=True), SCALARS, max_size=6),
    visitor=st.none() | st.text(max_size=80),
    service=st.none() | st.text(max_size=120),
    environment=st.none() | st.text(max_size=80),
    time_ns=st.integers(max_value=time_ns()),  # of what is to come it says that the clock is wrong
    view=st.none() | st.text(min_size=1, max_size=200),
)
def test_whatever_is_cleaned_is_stored(
    judge: tuple[Inbox, UmamiClient],
    properties: dict[str, bool | int | float | str],
    visitor: str | None,
    service: str | None,
    environment: str | None,
    time_ns: int,
    view: str | None,
) -> None:
    """Whole: nothing refused, half stored or changed by the server."""
    inbox, client = judge
    record = Record(
        name=view or "order_placed",
        is_view=view is not None,
        time_ns=time_ns,
        attributes={},
        service=service,
        environment=environment,
        trace_id="ab" * 16,
    )
    body = to_json(to_item(Admitted(record, visitor, properties), Site(WEBSITE)))

    with LOCK:
        inbox.clear()
        [outcome] = client.send([body])
        if isinstance(outcome, Unavailable):  # the server had just closed the idle connection: what a sender does
            [outcome] = client.send([body])

        assert Delivered() == outcome
        # Of U+FFFD the server says that it stands for a broken character, and of times that they are far away.
        assert {each.reason for each in inbox.problems()} <= {"replaced-characters", "future", "milliseconds"}
        assert len(inbox.events()) >= 1
