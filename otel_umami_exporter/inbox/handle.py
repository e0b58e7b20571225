"""The inbox as one object: what tests and the demo hold in their hands."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from starlette.types import ASGIApp

from .access import Access
from .app import Page, Parts, build
from .boardpage import BoardPage
from .boards import Boards
from .client import CountryOf
from .collector import Collector
from .documents import Documents
from .faults import Faults
from .ingest import Ingest
from .management import Management
from .problems import Problem, Problems
from .propertydata import PropertyData
from .readback import Readback, StoredEvent
from .reading import Reading
from .recorder import RecordedRequest, Recorder
from .reports import Reports
from .server import InboxServer
from .store import Store
from .tokens import Signer


def nowhere(_ip: str) -> str | None:
    """Know no country: the inbox has no geographic database."""
    return None


class Inbox:
    """
    A local stand-in for Umami 3.1.0, for development and tests: not for production.

    *database* is a file, or ":memory:". With *any_website* an unknown website id makes the website; without it only
    *websites*, and those made over the management API, exist, and others are refused as Umami does.
    *username* and *password* log in to the management API. *country_of* tells the country (two letters) of a public
    address. *clock* returns seconds since 1970. At most *keep_requests* raw requests, and *keep_bytes* of their
    bodies, are kept.
    """

    def __init__(
        self,
        database: str = ":memory:",
        *,
        any_website: bool = True,
        websites: Iterable[str] = (),
        username: str = "admin",
        password: str = "umami",  # noqa: S107 - Umami's own default, for a server that is no Umami
        country_of: CountryOf = nowhere,
        clock: Callable[[], float] = time.time,
        keep_requests: int = 20_000,
        keep_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self.faults = Faults()
        signer = Signer()
        self._store = Store(database)
        self._clock = clock
        self._recorder = Recorder(most=keep_requests, most_bytes=keep_bytes)
        self._problems = Problems(self._store, clock)
        self._readback = Readback(self._store)
        self._page = Page(self._readback)
        ingest = Ingest(
            self._store,
            signer,
            self._problems,
            any_website=any_website,
            country_of=country_of,
            clock=clock,
            check_database=self.faults.check_database,
        )
        collector = Collector(ingest, self._problems, self.faults, self._recorder)
        access = Access(signer)
        documents = Documents(self._store, clock)
        boards = Boards(documents, access)
        reading = Reading(self._store, access)
        parts = Parts(
            collector=collector,
            management=Management(
                self._store, access, boards, self.faults, username=username, password=password, clock=clock
            ),
            boards=boards,
            reading=reading,
            data=PropertyData(self._store, access, reading),
            reports=Reports(self._store, access, documents),
            page=self._page,
            board_page=BoardPage(boards, documents, access),
        )
        self._app = build(parts)
        for website in websites:
            self.add_website(website)

    @property
    def app(self) -> ASGIApp:
        """The ASGI application."""
        return self._app

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> InboxServer:
        """Return a server for this inbox, not yet started: a context manager. Port 0 takes a free one."""
        return InboxServer(self._app, self.faults, host=host, port=port)

    def add_website(self, website_id: str, *, name: str = "inbox", domain: str = "localhost") -> None:
        """Make a website, unless there is one of this id."""
        self._store.add_website(website_id.lower(), name=name, domain=domain, now=int(self._clock() * 1000))

    def events(self, website: str | None = None) -> list[StoredEvent]:
        """Return all events and page views (name None), in the order they were stored."""
        return self._readback.events(website)

    def counts(self, website: str | None = None) -> dict[str, int]:
        """Return how often each custom event is stored, most frequent first; page views are not among them."""
        return self._readback.counts(website)

    def views(self, website: str | None = None) -> int:
        """Return the number of page views."""
        return self._readback.views(website)

    def visitors(self, website: str | None = None) -> int:
        """Return the number of visitors as Umami's overview counts them: only those with a page view."""
        return self._readback.visitors(website)

    def problems(self) -> list[Problem]:
        """Return what Umami would have dropped, refused, half stored or changed, oldest first."""
        return self._problems.all()

    def requests(self) -> list[RecordedRequest]:
        """Return the latest raw requests to /api/send and /api/batch, oldest first; see `forgotten_requests`."""
        return self._recorder.all()

    @property
    def forgotten_requests(self) -> int:
        """How many requests `requests()` has lost to its bounds; a test that searches them wants 0."""
        return self._recorder.forgotten

    def rows(self, websites: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the raw rows of some websites, table by table, in the form of the recorded cases."""
        return self._readback.rows(websites)

    def clear(self) -> None:
        """Forget events, sessions, problems and requests; websites and faults stay."""
        self._store.clear()
        self._recorder.clear()
        self._page.begin_anew()

    def close(self) -> None:
        """Close the database; stop the servers before."""
        self._store.close()
