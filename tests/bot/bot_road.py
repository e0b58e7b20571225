"""The road from the bot's spans to an inbox, laid by the library as in production."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from otel_umami_exporter import Pipeline, UmamiSpanProcessor
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.inbox import Inbox, InboxServer, StoredEvent
from otel_umami_exporter.payload import Site
from otel_umami_exporter.umami import UmamiClient
from termin_bot.events import TAXONOMY


class Relay(SpanProcessor):
    """Hands every span to the road to Umami that the running test laid."""

    def __init__(self) -> None:
        self.road: UmamiSpanProcessor | None = None

    def on_end(self, span: ReadableSpan) -> None:
        """Hand it on."""
        if self.road is not None:
            self.road.on_end(span)


@dataclass(frozen=True)
class Road:
    """A website of a test's own, and what arrives there."""

    inbox: Inbox
    website: str
    pipeline: Pipeline

    def all(self) -> list[StoredEvent]:
        """Deliver everything, and return events and page views in order."""
        assert self.pipeline.flush(60)
        return self.inbox.events(self.website)

    def arrived(self, name: str) -> list[StoredEvent]:
        """Deliver everything, and return the events of that name."""
        return [each for each in self.all() if each.name == name]


def lay(inbox: Inbox, server: InboxServer, folder: Path) -> Road:
    """Lay a road to a new website; its pipeline is to be shut down."""
    website = str(uuid4())
    pipeline = Pipeline(
        taxonomy=TAXONOMY,
        site=Site(website),
        spool=folder / "spool.db",
        connect=lambda: UmamiClient(server.url, timeout_seconds=60),  # a batch given up too early is stored twice
        timing=Timing(linger_seconds=0.0),
    )
    return Road(inbox, website, pipeline)
