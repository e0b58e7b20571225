"""One delivery after the other, with a clock that stands still: what is retried, refused, split, and said."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from road import road

from otel_umami_exporter.backoff import Backoff
from otel_umami_exporter.books import Books
from otel_umami_exporter.delivery import DOUBTFUL_ATTEMPTS, Delivery, Progress, Timing
from otel_umami_exporter.outcome import BatchRefused, Delivered, Misconfigured, Outcome, Refused, Throttled, Unavailable
from otel_umami_exporter.overflow import OverflowingSpool
from otel_umami_exporter.spool import Spool
from otel_umami_exporter.testing import FakeConnection, ManualClock

AWAY = Unavailable("connection_refused")
DOUBTFUL = Unavailable("http_500", doubtful=True)


class Post:
    """A delivery with its spool, its clock and its fake Umami."""

    def __init__(self, path: Path, events: int = 0, batch_size: int = 50) -> None:
        self.clock = ManualClock()
        self.spool = OverflowingSpool(path, None, self.clock)
        self.delivery = Delivery(self.spool, Timing(batch_size=batch_size), self.clock, chance=lambda: 1.0)
        self.connection = FakeConnection()
        for each in range(events):
            self.spool.put([b"%d" % each], self.clock.time())

    def attempt(self, *outcomes: Outcome) -> Progress:
        """Send the next batch; the last of *outcomes* holds for the rest of it."""
        self.connection.answer = lambda bodies: [*outcomes, *[outcomes[-1]] * len(bodies)][: len(bodies)]
        return self.delivery.attempt(self.connection, self.delivery.claim())

    @property
    def last(self) -> Sequence[bytes]:
        """The latest batch."""
        return self.connection.batches[-1]


def test_what_is_delivered_is_gone(tmp_path: Path) -> None:
    """In one batch, oldest first."""
    post = Post(tmp_path / "spool", 3)

    assert Progress(3, 3) == post.attempt(Delivered())
    assert post.last == [b"0", b"1", b"2"]
    assert Books(3, 3, 0, {}, {}) == post.spool.books()


def test_only_failed_items_are_sent_again(tmp_path: Path) -> None:
    """After their own delay, beside what came meanwhile."""
    post = Post(tmp_path / "spool", 4)

    progress = post.attempt(Delivered(), AWAY, Refused("P2000"), Delivered())

    assert (progress.claimed, progress.gone, progress.wait_seconds, progress.again_seconds) == (4, 3, 0.0, 1.0)
    post.clock.advance(0.5)
    post.spool.put([b"new"], post.clock.time())
    post.attempt(Delivered())
    assert post.last == [b"new"]
    post.clock.advance(0.5)
    post.attempt(Delivered())
    assert post.last == [b"1"]
    assert Books(5, 4, 0, {"P2000": 1}, {}) == post.spool.books()


def test_what_happens_now_does_not_wait_for_a_backlog(tmp_path: Path) -> None:
    """Each third batch is of the newest events while old ones drain; all arrive, and none twice."""
    post = Post(tmp_path / "spool", 12, batch_size=2)
    post.clock.advance(3_600.0)
    for each in (b"live 1", b"live 2", b"live 3"):
        post.spool.put([each], post.clock.time())

    while post.spool.oldest() is not None:
        post.attempt(Delivered())

    sent = [body for batch in post.connection.batches for body in batch]
    assert sent[:8] == [b"0", b"1", b"2", b"3", b"live 2", b"live 3", b"4", b"5"]
    assert sent.index(b"live 1") < len(sent) - 2
    assert sorted(sent) == sorted([*(b"%d" % each for each in range(12)), b"live 1", b"live 2", b"live 3"])
    assert Books(15, 15, 0, {}, {}) == post.spool.books()


def test_what_overtakes_a_backlog_does_not_hold_it_up(tmp_path: Path) -> None:
    """The clock stands still: whoever lingered for others would linger for ever."""
    clock, end, left, done = ManualClock(), FakeConnection(), set[bytes](), threading.Event()
    spool = Spool(tmp_path / "spool")
    spool.put([b"%d" % each for each in range(60)], clock.time() - 3_600.0)
    spool.put([b"live"], clock.time())
    spool.close()

    def answer(bodies: Sequence[bytes]) -> list[Outcome]:
        left.update(bodies)
        if len(left) >= 60:
            done.set()
        return [Delivered()] * len(bodies)

    end.answer = answer
    with road(tmp_path / "spool", end, timing=Timing(batch_size=2, linger_seconds=1.0), clock=clock):
        assert done.wait(60.0), left

    assert b"live" in [body for batch in end.batches[:6] for body in batch]


def test_a_backlog_without_anything_new_drains_in_order(tmp_path: Path) -> None:
    """Oldest first, as ever."""
    post = Post(tmp_path / "spool", 9, batch_size=2)
    post.clock.advance(3_600.0)

    while post.spool.oldest() is not None:
        post.attempt(Delivered())

    assert [body for batch in post.connection.batches for body in batch] == [b"%d" % each for each in range(9)]


def test_an_outage_is_waited_out_with_growing_pauses(tmp_path: Path) -> None:
    """Doubled up to a cap; nothing is refused, however often."""
    post = Post(tmp_path / "spool", 2)

    waits = [post.attempt(AWAY).wait_seconds for _ in range(9)]

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert Progress(2, 2) == post.attempt(Delivered())


def test_a_server_that_asks_to_wait_is_obeyed(tmp_path: Path) -> None:
    """Also by a flush; without a number, back-off."""
    post = Post(tmp_path / "spool", 1)

    assert Progress(1, 0, 30.0, asked=True) == post.attempt(Throttled(30.0))
    assert Progress(1, 0, 2.0) == post.attempt(Throttled(None))


def test_a_batch_that_is_too_large_is_split_down_to_the_one_to_blame(tmp_path: Path) -> None:
    """That one is a dead letter; the others arrive."""
    post = Post(tmp_path / "spool", 8)
    sizes = []

    def answer(bodies: Sequence[bytes]) -> list[Outcome]:
        sizes.append(len(bodies))
        return [BatchRefused("too_large") if b"5" in bodies else Delivered()] * len(bodies)

    post.connection.answer = answer
    for _ in range(20):
        claim = post.delivery.claim()
        if claim.events:
            post.delivery.attempt(post.connection, claim)
        post.clock.advance(60.0)

    assert sizes[:2] == [8, 4]
    assert Books(8, 7, 0, {"too_large": 1}, {}) == post.spool.books()


def test_an_event_that_fails_alone_is_given_up_in_the_end(tmp_path: Path) -> None:
    """After some attempts, while others are delivered; it holds nobody up meanwhile."""
    post = Post(tmp_path / "spool", 1)

    for attempt in range(DOUBTFUL_ATTEMPTS):
        assert post.spool.books().refused == {}
        post.attempt(DOUBTFUL)
        post.spool.put([b"other %d" % attempt], post.clock.time())
        post.attempt(Delivered())
        assert [b"other %d" % attempt] == post.last
        post.clock.advance(600.0)

    assert Books(9, 8, 0, {"http_500": 1}, {}) == post.spool.books()


def test_a_server_that_fails_for_all_without_a_word_loses_nothing(tmp_path: Path) -> None:
    """It is the server then, not the events."""
    post = Post(tmp_path / "spool", 3)
    post.attempt(Delivered())
    for each in range(3):
        post.spool.put([b"later %d" % each], post.clock.time())

    for _ in range(50):
        post.attempt(DOUBTFUL)
        post.clock.advance(600.0)

    assert Books(6, 3, 3, {}, {}) == post.spool.books()


def test_a_wrong_setting_waits_and_is_said_once_with_its_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And that it is over, once."""
    caplog.set_level(logging.INFO)
    post = Post(tmp_path / "spool", 1)

    for _ in range(3):
        post.attempt(Misconfigured("bot_filter", "let the User-Agent through"))
    post.attempt(Delivered())

    assert caplog.messages == ["events wait on disk: let the User-Agent through", "Umami takes events again"]
    assert Books(1, 1, 0, {}, {}) == post.spool.books()


@pytest.mark.parametrize("outcome", [AWAY, Throttled(1.0), DOUBTFUL])
def test_an_outage_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture, outcome: Outcome) -> None:
    """Not at each attempt."""
    post = Post(tmp_path / "spool", 1)

    for _ in range(5):
        post.attempt(outcome)
        post.clock.advance(600.0)

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_refusal_is_logged_without_the_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One ERROR line for a batch."""
    post = Post(tmp_path / "spool", 3)

    post.attempt(Refused("P2000"))

    assert caplog.messages == ["Umami refused 3 events for good (P2000): see the dead letters"]


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"), [(1, 0.0, 0.5), (1, 1.0, 1.0), (3, 1.0, 4.0), (9999, 1, 60)]
)
def test_backoff(failures: int, chance: float, seconds: float) -> None:
    """Doubled from one second, capped at a minute, spread over the upper half."""
    assert seconds == Backoff().delay(failures, chance)
