"""Where the demo's events go: an inbox of its own, or the Umami that the environment names."""

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from otel_umami_exporter import SettingsError
from otel_umami_exporter.dashboards.journal import Address
from otel_umami_exporter.dashboards.provision import provision
from otel_umami_exporter.inbox import Inbox
from otel_umami_exporter.ways import split_credentials
from termin_bot.dashboards import DASHBOARDS

from .demo_books import Arrived

DEMO_WEBSITE: Final = "d3a00000-0000-4000-8000-00000000d3a0"
INBOX_PASSWORD: Final = "umami"  # noqa: S105  what every new Umami has, for an inbox on loopback


class Umami(Protocol):
    """What the demo wants of an Umami."""

    @property
    def endpoint(self) -> str:
        """The address that events are sent to."""
        ...

    @property
    def website_id(self) -> str:
        """The website that receives them."""
        ...

    @property
    def page(self) -> str:
        """The address to look at."""
        ...

    def go_away(self) -> None:
        """Begin an outage, if it is ours to begin."""
        ...

    def come_back(self) -> None:
        """End the outage."""
        ...

    def arrived(self) -> Arrived | None:
        """Return what has arrived, None when only the spool's books can tell."""
        ...


class OwnInbox:
    """
    The inbox, on loopback, for as long as the block runs.

    Args:
        database: the file that keeps the events, or ":memory:".
        port: 0 takes a free one.
    """

    website_id: Final = DEMO_WEBSITE

    def __init__(self, database: str | Path, port: int) -> None:
        self.inbox = Inbox(str(database), any_website=True)
        self._server = self.inbox.serve(port=port)
        self._is_away = False

    def __enter__(self) -> Self:
        try:
            self._server.start()
        except OSError:
            self.inbox.close()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.stop()
        self.inbox.close()

    @property
    def endpoint(self) -> str:
        """The inbox's address; its port stays the same through an outage."""
        return self._server.url

    @property
    def page(self) -> str:
        """The page that shows what arrives: the events, without their copies for the public board."""
        return f"{self._server.url}/?website={self.website_id}"

    def boards(self) -> tuple[Address, ...]:
        """Make the bot's boards, and return where they are."""
        return provision(self.endpoint, DASHBOARDS, self.website_id, password=INBOX_PASSWORD).addresses

    def go_away(self) -> None:
        """Stop listening; what is stored stays."""
        self._server.stop()
        self._is_away = True

    def come_back(self) -> None:
        """Listen again, on the same port."""
        if self._is_away:
            self._server.start()
        self._is_away = False

    def arrived(self) -> Arrived:
        """Return what is stored of the events themselves; copies for public boards are on websites of their own."""
        return Arrived(
            events=self.inbox.counts(self.website_id),
            views=self.inbox.views(self.website_id),
            problems=tuple(str(each) for each in self.inbox.problems()),
        )


class NamedUmami:
    """The Umami that UMAMI_ENDPOINT and UMAMI_WEBSITE_ID name."""

    def __init__(self, endpoint: str, website_id: str) -> None:
        self.endpoint: Final = endpoint
        self.website_id: Final = website_id
        self.page: Final = f"{split_credentials(endpoint)[0]}/websites/{website_id}"  # it is shown

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be closed."""

    def boards(self) -> tuple[Address, ...]:
        """Return nothing: `otel-umami dashboards apply` makes boards there, for whoever may."""
        return ()

    def go_away(self) -> None:
        """Do nothing: it is not ours to stop."""

    def come_back(self) -> None:
        """Do nothing."""

    def arrived(self) -> None:
        """Return None: the spool's books know what was delivered."""
        return


def choose(database: str | Path, port: int) -> OwnInbox | NamedUmami:
    """
    Return the Umami that the environment names; an inbox of our own when it names none.

    Raises:
        SettingsError: it names one by half.
    """
    endpoint, website_id = os.environ.get("UMAMI_ENDPOINT"), os.environ.get("UMAMI_WEBSITE_ID")
    if endpoint and website_id:
        return NamedUmami(endpoint.rstrip("/"), website_id)
    if endpoint or website_id:
        raise SettingsError(f"{'UMAMI_WEBSITE_ID' if endpoint else 'UMAMI_ENDPOINT'}: it is missing beside the other")
    return OwnInbox(database, port)
