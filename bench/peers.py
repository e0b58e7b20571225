"""
The peers: each records one and the same event in its own way, as its documentation shows.

A peer imports what it needs when it starts, so that nobody carries the memory of another. The queues are made large
enough for the whole load where a figure would else rest on what was dropped; *as_shipped* leaves them as they are.
"""

import os
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from bench.load import NAME, VISITOR, WEBSITE, properties

_ROOMY: Final = 2_000_000
_FLUSH_SECONDS: Final = 120
_SPAN: Final = "POST /orders"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a peer sends to, where it may keep something, and as whom it counts."""

    url: str
    folder: Path
    run: int = 0
    as_shipped: bool = False


class Peer(Protocol):
    """Something that takes business events."""

    def event(self, number: int) -> Awaitable[None] | None:
        """Take one event; what must be awaited is returned."""
        ...

    def flush(self) -> None:
        """Return when everything has left, as far as this peer knows."""
        ...


class Bare:
    """A span and an event on it, and nobody who listens: what all peers on OpenTelemetry pay before they begin."""

    def __init__(self, setting: Setting) -> None:
        from opentelemetry.sdk.trace import TracerProvider

        import_module("httpx")  # this is the base of the memory of peers that send
        self._run = setting.run
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.tracer = self.provider.get_tracer("bench")

    def event(self, number: int) -> None:
        """Put the event on a span of its own."""
        with self.tracer.start_as_current_span(_SPAN) as span:
            span.add_event(NAME, {**properties(self._run, number), "enduser.pseudo.id": VISITOR})

    def flush(self) -> None:
        """Wait for the processors."""
        self.provider.force_flush(_FLUSH_SECONDS * 1_000)


class Otlp(Bare):
    """OpenTelemetry's own exporter of spans over HTTP."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        _add_batch(self, OTLPSpanExporter(endpoint=f"{setting.url}/v1/traces"), setting)


class Azure(Bare):
    """The exporter of Azure Monitor, with its storage on disk."""

    def __init__(self, setting: Setting) -> None:
        os.environ["APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"] = "true"  # it would call home
        super().__init__(setting)
        from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

        exporter = AzureMonitorTraceExporter(
            connection_string=f"InstrumentationKey={WEBSITE};IngestionEndpoint={setting.url}/",
            storage_directory=str(setting.folder / "azure"),
        )
        _add_batch(self, exporter, setting)


def _add_batch(peer: Bare, exporter: Any, setting: Setting) -> None:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    processor = BatchSpanProcessor(exporter) if setting.as_shipped else BatchSpanProcessor(exporter, _ROOMY)
    peer.provider.add_span_processor(processor)


class Ours(Bare):
    """This library, by its best door: on disk when the span has ended."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        from bench.ours import OrderPlaced, pipeline
        from otel_umami_exporter import UmamiSpanProcessor, record

        self._event, self._record = OrderPlaced, record
        self.pipeline = pipeline(setting.url, setting.folder / "spool.db")
        self.provider.add_span_processor(UmamiSpanProcessor(pipeline=self.pipeline))

    def event(self, number: int) -> None:
        """Record the event inside a span of its own."""
        with self.tracer.start_as_current_span(_SPAN):
            self._record(self._event(**properties(self._run, number)), visitor=VISITOR)  # type: ignore[arg-type]


class Guide:
    """The way of the guide: one request for each event, which the handler awaits."""

    def __init__(self, setting: Setting) -> None:
        import httpx

        self._run = setting.run
        self._errors = httpx.HTTPError
        self._client = httpx.AsyncClient(timeout=5.0)
        self._url = f"{setting.url}/api/send"

    async def event(self, number: int) -> None:
        """Post the event; one that cannot be posted is gone."""
        data = {**properties(self._run, number), "user_id": VISITOR}
        payload = {"payload": {"website": WEBSITE, "url": f"/event/{NAME}", "name": NAME, "data": data}}
        with suppress(self._errors):
            await self._client.post(self._url, json=payload, headers={"Content-Type": "application/json"})

    def flush(self) -> None:
        """Nothing waits anywhere."""


class Umami:
    """The package umami-analytics."""

    def __init__(self, setting: Setting) -> None:
        self._run = setting.run
        self._umami = import_module("umami")
        self._errors = import_module("httpx2").HTTPError  # its own HTTP client
        self._umami.set_url_base(setting.url)
        self._umami.set_website_id(WEBSITE)
        self._umami.set_hostname("bench")

    async def event(self, number: int) -> None:
        """Post the event."""
        data = properties(self._run, number)
        with suppress(self._errors):
            await self._umami.new_event_async(NAME, url=f"/event/{NAME}", custom_data=data, distinct_id=VISITOR)

    def flush(self) -> None:
        """Nothing waits anywhere."""


class Posthog:
    """The package posthog, with its queue in memory and its thread."""

    def __init__(self, setting: Setting) -> None:
        self._run = setting.run
        more = {} if setting.as_shipped else {"max_queue_size": _ROOMY}
        self._client = import_module("posthog").Posthog("phc_bench", host=setting.url, **more)

    def event(self, number: int) -> None:
        """Queue the event."""
        self._client.capture(NAME, distinct_id=VISITOR, properties=properties(self._run, number))

    def flush(self) -> None:
        """Wait for the queue."""
        self._client.flush()


class Segment:
    """The package segment-analytics-python, with its queue in memory and its thread."""

    def __init__(self, setting: Setting) -> None:
        self._run = setting.run
        more = {} if setting.as_shipped else {"max_queue_size": _ROOMY}
        self._client = import_module("segment.analytics.client").Client("bench", host=setting.url, **more)

    def event(self, number: int) -> None:
        """Queue the event."""
        self._client.track(VISITOR, NAME, properties(self._run, number))

    def flush(self) -> None:
        """Wait for the queue."""
        self._client.flush()


@dataclass(frozen=True, kw_only=True)
class Known:
    """A peer as it stands in the tables; *share* of the load that it can do in a reasonable time."""

    title: str
    make: type[Any]
    share: float = 1.0
    package: str | None = None


PEERS: Final[dict[str, Known]] = {
    "ours": Known(title="otel-umami-exporter", make=Ours, package="otel-umami-exporter"),
    "otlp": Known(title="OTLP/HTTP exporter", make=Otlp, package="opentelemetry-exporter-otlp-proto-http"),
    "segment": Known(title="segment", make=Segment, package="segment-analytics-python"),
    "posthog": Known(title="posthog", make=Posthog, package="posthog"),
    "azure": Known(
        title="azure-monitor exporter", make=Azure, share=0.25, package="azure-monitor-opentelemetry-exporter"
    ),
    "guide": Known(title="the guide's way", make=Guide, share=0.1, package="httpx"),
    "umami": Known(title="umami-analytics", make=Umami, share=0.002, package="umami-analytics"),
    "bare": Known(title="bare OpenTelemetry", make=Bare, package="opentelemetry-sdk"),
}
