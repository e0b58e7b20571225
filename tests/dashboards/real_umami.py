"""
The boards against a real Umami: `make test-umami`, with UMAMI_ENDPOINT, UMAMI_USERNAME and UMAMI_PASSWORD.

It makes websites and boards of its own, under an id that nobody has, and takes them away again.
"""

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from house import HOUSE, PUBLIC, TAXONOMY, DoorClosed, DoorOpened

from otel_umami_exporter import Event, Pipeline
from otel_umami_exporter.dashboards import Dashboards
from otel_umami_exporter.dashboards.client import ManagementClient
from otel_umami_exporter.dashboards.provision import Provisioner
from otel_umami_exporter.payload import Site
from otel_umami_exporter.record import Record

NEEDED = ("UMAMI_ENDPOINT", "UMAMI_USERNAME", "UMAMI_PASSWORD")
PEOPLE = 6
pytestmark = pytest.mark.skipif(
    not all(os.environ.get(name) for name in NEEDED),
    reason=f"no Umami to test against: set {', '.join(NEEDED)}",
)


@pytest.fixture
def main_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def dashboards(main_id: str) -> Dashboards:
    """Return the boards of the house under a slug that is free, also when tests run at the same time."""
    own = {"slug": f"{PUBLIC.slug}-{main_id[:8]}"}
    boards = [type(each)(**{**vars(each), **(own if each is PUBLIC else {})}) for each in HOUSE.boards]
    return Dashboards(HOUSE.name, TAXONOMY, boards)


@pytest.fixture
def client(main_id: str, dashboards: Dashboards) -> Iterator[ManagementClient]:
    endpoint, username, password = (os.environ[name] for name in NEEDED)
    with ManagementClient(endpoint) as client:
        client.login(username, password)
        yield client
        Provisioner(client, dashboards, main_id).remove()
        client.delete_website(main_id)


def test_boards_are_made_filled_shown_and_removed(
    client: ManagementClient, main_id: str, dashboards: Dashboards, tmp_path: Path
) -> None:
    """Apply twice, send events on the real road, read the public numbers with the link alone."""
    assert Provisioner(client, dashboards, main_id).apply().is_changed
    assert not Provisioner(client, dashboards, main_id).apply().is_changed

    send(client.endpoint, main_id, dashboards, tmp_path)

    slug = dashboards.boards[0].slug
    [doors, sides] = [each.site_id(main_id) for each in dashboards.projections]
    with httpx.Client(base_url=client.endpoint, headers={"x-umami-share-context": "1"}, timeout=60) as public:
        public.headers["x-umami-share-token"] = public.get(f"/api/share/{slug}").json()["token"]
        assert counts(public, doors) == {"door_opened": PEOPLE}
        assert counts(public, sides) == {"front": PEOPLE}
        assert public.get(f"/api/websites/{main_id}/stats", params=everywhen()).status_code == httpx.codes.UNAUTHORIZED

    result = Provisioner(client, dashboards, main_id).remove()
    assert len([change for change in result.changes if change.verb == "delete"]) == 7
    assert client.share(slug) is None
    assert client.website(doors) is None


def send(endpoint: str, main_id: str, dashboards: Dashboards, folder: Path) -> None:
    """Let people come and go."""
    pipeline = Pipeline(
        taxonomy=TAXONOMY,
        site=Site(main_id),
        spool=folder / "spool.db",
        connect=endpoint,
        projections=dashboards.projections,
    )
    happened: list[tuple[Event, str]] = [(DoorOpened(), f"person-{number}") for number in range(PEOPLE)]
    happened.append((DoorClosed(), "person-0"))
    pipeline.accept(
        [
            Record(name=event.name, time_ns=time.time_ns(), visitor=who, attributes=event.attributes())
            for event, who in happened
        ]
    )
    assert pipeline.flush(60)
    assert pipeline.status().books.refused == {}
    pipeline.shutdown()


def counts(http: httpx.Client, website: str) -> dict[str, int]:
    """Return how often each name is stored."""
    rows = http.get(f"/api/websites/{website}/metrics", params={**everywhen(), "type": "event"}).json()
    return {row["x"]: row["y"] for row in rows}


def everywhen() -> dict[str, str]:
    """Return a range that holds everything."""
    return {"startAt": "0", "endAt": str(int(time.time() + 3_600) * 1000)}
