"""The page of one website: what is sent elsewhere, such as copies for a public board, is left out."""

import uuid
from typing import Any

import httpx

MINE, OTHER = str(uuid.uuid4()), str(uuid.uuid4())


def _send(client: httpx.Client, website: str, visitor: str, **payload: Any) -> None:
    sent = {"website": website, "url": "/event/x", "hostname": "bot", "id": visitor, **payload}
    client.post("/api/send", json={"type": "event", "payload": sent}).raise_for_status()


def test_the_feed_of_one_website_leaves_the_others_out(client: httpx.Client) -> None:
    """Totals, counts and the latest events are those of the website that was asked for."""
    _send(client, MINE, "anna", name="booking_started")
    _send(client, MINE, "anna")
    _send(client, OTHER, "copy", name="event")

    feed = client.get("/inbox/feed", params={"website": MINE.upper()}).json()

    assert feed["totals"] == {"events": 1, "views": 1, "visitors": 1, "problems": 0}
    assert feed["counts"] == [{"name": "booking_started", "count": 1}]
    assert [each["name"] for each in feed["events"]] == [None, "booking_started"]


def test_without_a_website_the_feed_is_that_of_all(client: httpx.Client) -> None:
    """Nothing that arrived is hidden unless somebody asks for it."""
    _send(client, MINE, "anna", name="booking_started")
    _send(client, OTHER, "copy", name="event")

    for query in ({}, {"website": ""}):
        assert client.get("/inbox/feed", params=query).json()["totals"]["events"] == 2


def test_a_website_that_nobody_knows_is_empty(client: httpx.Client) -> None:
    """No error: the first event may still come."""
    _send(client, MINE, "anna", name="booking_started")

    feed = client.get("/inbox/feed", params={"website": "' OR 1=1 --"}).json()

    assert feed["totals"]["events"] == 0
    assert feed["events"] == []
