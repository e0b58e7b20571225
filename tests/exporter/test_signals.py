"""A signal handler that flushes or shuts down interrupts a thread anywhere: it may not wait for what it interrupted."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from road import KitchenClosed, provider, road

from otel_umami_exporter import Pipeline, UmamiSpanProcessor
from otel_umami_exporter.books import Books
from otel_umami_exporter.spool import Spool
from otel_umami_exporter.testing import FakeConnection

Interrupted = Callable[[Pipeline, Callable[[], None]], None]


def in_a_transaction(pipeline: Pipeline, handler: Callable[[], None]) -> None:
    """Interrupt a write to the spool."""
    disk = pipeline._spool._disk
    assert disk is not None
    disk.write(lambda _: handler())


def in_the_sender(pipeline: Pipeline, handler: Callable[[], None]) -> None:
    """Interrupt the moment when a new event is told to the sender."""
    with pipeline._sender._lock:
        handler()


def in_a_count(pipeline: Pipeline, handler: Callable[[], None]) -> None:
    """Interrupt a count."""
    with pipeline._counters._lock:
        handler()


@contextmanager
def in_time() -> Iterator[None]:
    """Fail, instead of hanging for ever, when this thread waits for itself."""
    done = threading.Event()

    def give_up() -> None:
        if not done.wait(300.0):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    watch = threading.Thread(target=give_up, daemon=True)
    watch.start()
    try:
        yield
    except KeyboardInterrupt:
        pytest.fail("it waits for itself")
    finally:
        done.set()
        watch.join()


@pytest.mark.parametrize("interrupted", [in_a_transaction, in_the_sender, in_a_count])
def test_a_shutdown_does_not_wait_for_what_it_interrupted(tmp_path: Path, interrupted: Interrupted) -> None:
    """What is on disk stays there, and the interrupted thread goes on."""
    with road(tmp_path / "spool", FakeConnection()) as pipeline, in_time():
        door = UmamiSpanProcessor(pipeline=pipeline)
        span = provider(door).get_tracer("x").start_span("work")
        span.add_event("kitchen_closed")
        span.end()
        interrupted(pipeline, lambda: pipeline.shutdown(0.3))

    spool = Spool(tmp_path / "spool")
    books = spool.books()
    spool.close()
    assert books.balanced
    assert (books.accepted, books.delivered + books.waiting) == (1, 1)


@pytest.mark.parametrize("interrupted", [in_a_transaction, in_the_sender, in_a_count])
def test_an_event_that_a_handler_records_is_kept(tmp_path: Path, interrupted: Interrupted) -> None:
    """Also if it comes in the middle of a transaction."""
    with road(tmp_path / "spool", FakeConnection()) as pipeline, in_time():
        tracer = provider(UmamiSpanProcessor(pipeline=pipeline)).get_tracer("x")

        def handler() -> None:
            span = tracer.start_span("work")
            span.add_event(KitchenClosed.name)
            span.end()

        interrupted(pipeline, handler)
        while pipeline.status().books.delivered < 1:
            pipeline.flush(0.1)

        assert Books(1, 1, 0, {}, {}) == pipeline.status().books


def test_real_signals_at_any_moment(tmp_path: Path) -> None:
    """A timer strikes again and again while events are recorded at full speed, and its handler flushes."""
    with road(tmp_path / "spool", FakeConnection()) as pipeline, in_time():
        door = UmamiSpanProcessor(pipeline=pipeline)
        tracer = provider(door).get_tracer("x")
        struck: list[bool] = []
        recorded = 0

        def flush(_number: int, _frame: FrameType | None) -> None:
            struck.append(door.force_flush(1))
            signal.setitimer(signal.ITIMER_REAL, 0.001)  # from here: on a slow machine they would pile up

        before = signal.signal(signal.SIGALRM, flush)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        try:
            while recorded < 1_000 or len(struck) <= 10:
                recorded += 1
                span = tracer.start_span("work")
                span.add_event("kitchen_closed")
                span.end()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
        assert pipeline.flush(60.0)

        assert Books(recorded, recorded, 0, {}, {}) == pipeline.status().books
