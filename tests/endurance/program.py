"""
A program that records numbered events, and is killed, forked, or ends as it likes: what the tests start.

Its standard output is the receipt: one line `RUN NUMBER` for each event, written unbuffered as soon as `record()` has
returned, which outside any span means that it is on disk.

    loop      record at full speed up to --events, then wait to be killed
    once      record --events and deliver them
    exit      record --events and end without a word to the library
    sigterm   record at full speed until SIGTERM, whose handler shuts down
    asyncio   --workers tasks record --events each
    fork      --workers children by multiprocessing record --events each, and so does the parent
    prefork   --workers children by os.fork, as gunicorn makes them, while a thread of the parent records
    daemon    record --events, fork and end; the child records as many more for each line of standard input
"""

import argparse
import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from types import FrameType

from numbered import TAXONOMY, WEBSITE, Numbered
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_umami_exporter import Pipeline, UmamiSpanProcessor, record
from otel_umami_exporter.payload import Site

_FLUSH_MILLIS = 300_000  # a limit for a busy machine, not a promise


class Program:
    """One run: the arguments, and the provider that the whole process uses."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.run: int = arguments.run
        self.events: int = arguments.events
        self.workers: int = arguments.workers
        pipeline = Pipeline(taxonomy=TAXONOMY, site=Site(WEBSITE), spool=arguments.spool, connect=arguments.endpoint)
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(UmamiSpanProcessor(pipeline=pipeline))
        trace.set_tracer_provider(self.provider)

    def count(self, run: int, events: int) -> None:
        """Record *events* at full speed."""
        for number in range(events):
            acknowledge(run, number)

    def loop(self) -> None:
        """Record, and wait to be killed."""
        self.count(self.run, self.events)
        threading.Event().wait()

    def once(self) -> None:
        """Record, deliver, end well."""
        self.count(self.run, self.events)
        self.finish()

    def exit(self) -> None:
        """Record, and end."""
        self.count(self.run, self.events)

    def sigterm(self) -> None:
        """Record until somebody says that it is enough."""

        def shut_down(_number: int, _frame: FrameType | None) -> None:
            self.provider.shutdown()
            sys.exit(0)

        signal.signal(signal.SIGTERM, shut_down)
        self.count(self.run, self.events)
        threading.Event().wait()

    def asyncio(self) -> None:
        """Record in many tasks that take turns."""

        async def work(run: int) -> None:
            for number in range(self.events):
                acknowledge(run, number)
                await asyncio.sleep(0)

        async def all_together() -> None:
            await asyncio.gather(*(work(self.run + each) for each in range(self.workers)))

        asyncio.run(all_together())
        self.finish()

    def fork(self) -> None:
        """Record in children of multiprocessing; each delivers at its end."""
        self.count(self.run, self.events)  # the parent's threads and connection are at work when the children come
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=self._child, args=(self.run + each + 1,)) for each in range(self.workers)]
        for child in children:
            child.start()
        self.count(self.run + len(children) + 1, self.events)
        for child in children:
            child.join()
        self.finish()
        sys.exit(sum(abs(child.exitcode or 0) for child in children))

    def prefork(self) -> None:
        """Record in workers as gunicorn makes them: the parent opens, then forks; a thread of it records meanwhile."""
        thread = threading.Thread(target=self.count, args=(self.run, self.events))
        thread.start()
        numbers = [self._forked(self.run + each + 1) for each in range(self.workers)]
        statuses = [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in numbers]
        thread.join()
        self.finish()
        sys.exit(sum(abs(status) for status in statuses))

    def daemon(self) -> None:
        """Record, and let a child go on alone, as a program does that puts itself into the background."""
        self.count(self.run, self.events)
        if os.fork():
            os._exit(0)
        for number, _ in enumerate(sys.stdin, start=1):
            self.count(self.run + number, self.events)
        threading.Event().wait()

    def finish(self) -> None:
        """Deliver everything and shut down; exit 3 if it does not leave in time."""
        delivered = self.provider.force_flush(_FLUSH_MILLIS)
        self.provider.shutdown()
        if not delivered:
            sys.exit(3)

    def _child(self, run: int) -> None:
        self.count(run, self.events)
        self.finish()

    def _forked(self, run: int) -> int:
        number = os.fork()
        if number:
            return number
        status = 1
        try:
            self._child(run)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(status)


def acknowledge(run: int, number: int) -> None:
    """Record one event, and say so when it is on disk."""
    record(Numbered(run=run, number=number))
    os.write(1, b"%d %d\n" % (run, number))


def main() -> None:
    """Read the arguments and do what the first says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["loop", "once", "exit", "sigterm", "asyncio", "fork", "prefork", "daemon"])
    parser.add_argument("--spool", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--run", type=int, default=1)
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--workers", type=int, default=3)
    arguments = parser.parse_args()
    getattr(Program(arguments), arguments.what)()


if __name__ == "__main__":
    main()
