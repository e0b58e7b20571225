"""What leaves is inside Umami's limits: every one of contracts §1-3."""

import json
import math
from typing import Any

import pytest
from road import WEBSITE

from otel_umami_exporter import SettingsError
from otel_umami_exporter.gate import Admitted
from otel_umami_exporter.payload import (
    Site,
    clean_data,
    clean_hostname,
    clean_tag,
    clean_text,
    clean_value,
    clean_visitor,
    operation_url,
    to_item,
    to_json,
)
from otel_umami_exporter.record import Record

SITE = Site(WEBSITE)


def made(site: Site = SITE, visitor: str | None = "anna", properties: Any = None, **arguments: Any) -> dict[str, Any]:
    """Return the payload of a record."""
    defaults: dict[str, Any] = {"name": "order_placed", "time_ns": 1_700_000_000_999_999_999, "attributes": {}}
    item = to_item(Admitted(Record(**(defaults | arguments)), visitor, properties or {}), site)
    assert item["type"] == "event"
    found: dict[str, Any] = item["payload"]
    return found


def test_a_business_event() -> None:
    """Name, address, visitor, whole seconds, no geography, the trace."""
    expected = {
        "website": WEBSITE,
        "hostname": "diner",
        "url": "/event/order_placed",
        "ip": "127.0.0.1",
        "timestamp": 1_700_000_000,
        "name": "order_placed",
        "data": {"number": 1, "trace_id": "ab" * 16},
        "tag": "test",
        "id": "anna",
    }

    assert expected == made(properties={"number": 1}, trace_id="ab" * 16, service="diner", environment="test")


def test_a_page_view_has_no_name_and_no_data() -> None:
    """An empty name would be one as well; null would be a 400."""
    expected = {
        "website": WEBSITE,
        "hostname": "localhost",
        "url": "/command/order",
        "ip": "127.0.0.1",
        "timestamp": 1_700_000_000,
        "id": "anna",
    }

    assert expected == made(name="command /order", is_view=True, trace_id="ab" * 16)


def test_keys_without_a_value_are_not_sent() -> None:
    """Umami answers null with a 400."""
    assert {"tag", "id", "data"}.isdisjoint(made(visitor=None))


def test_the_website_id_is_sent_in_lower_case() -> None:
    """In upper case Umami makes another session of the same visitor."""
    assert made(Site(WEBSITE.upper()))["website"] == WEBSITE


@pytest.mark.parametrize("website_id", ["", "x", "1234", WEBSITE + "0"])
def test_a_website_id_is_a_uuid(website_id: str) -> None:
    """Said at the start, not by a 400 for each event; its value is not repeated."""
    with pytest.raises(SettingsError, match="no UUID"):
        Site(website_id)


@pytest.mark.parametrize(("time_ns", "seconds"), [(0, 1), (-5, 1), (2_500_000_000, 2), (10**30, 8_640_000_000_000)])
def test_a_time_is_one_that_umami_stores(time_ns: int, seconds: int) -> None:
    """0 would mean now; beyond the last a 500."""
    assert seconds == made(time_ns=time_ns)["timestamp"]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (True, True),
        (7, 7),
        (-7.25, -7.25),
        (10**15 - 1, 10**15 - 1),
        (10**15, "1000000000000000"),
        (-(10**15), "-1000000000000000"),
        (2**70, "1180591620717411303424"),
        pytest.param(10**5000, "an integer of 16610 bits", id="5000-digits"),
        (1e15, "1000000000000000.0"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        ("x" * 501, "x" * 500),
        ("😀" * 501, "😀" * 500),
        ("a\x00b", "ab"),
        ("\ud800", "�"),
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00"),
        ("2026-11-23T10:00:00.123Z", "2026-11-23T10:00:00.123Z"),
        ("2026-13-45T99:99:99", "2026-13-45 99:99:99"),
        ("0000-01-01T00:00:00", "0000-01-01 00:00:00"),
        ("2026-02-30T10:00:00", "2026-02-30 10:00:00"),
        ("2026-11-23T10:00:00.123+99:99", "2026-11-23 10:00:00.123+99:99"),
    ],
)
def test_a_value_is_one_that_umami_stores(value: Any, sent: Any) -> None:
    """Otherwise it answers 500 and keeps the event without its properties."""
    assert sent == clean_value(value)
    assert type(sent) is type(clean_value(value))


def test_a_currency_beside_a_revenue_fits_its_column() -> None:
    """Umami makes a row of both; a longer one is a 500."""
    assert clean_data({"revenue": 5, "currency": "C" * 11}) == {"revenue": 5, "currency": "C" * 10}
    assert clean_data({"currency": "C" * 11}) == {"currency": "C" * 11}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (None, "localhost"),
        ("", "localhost"),
        ("My Host", "my-host"),
        ("diner.example.org", "diner.example.org"),
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4.5", "1.2.3.4.5.local"),
        ("999.999.1.1", "999.999.1.1.local"),
        ("0x7f", "0x7f.local"),
        ("a..b.", "a.b"),
        ("überfüßig", "berf-ig"),
        ("xn--nothing", "xn-nothing"),
        ("h" * 150, "h" * 100),
        ("h" * 98 + ".9", "h" * 94 + ".local"),
        ("\x00", "localhost"),
    ],
)
def test_a_hostname_is_one_that_umami_can_parse(name: str | None, sent: str) -> None:
    """A blank in it would be a 500 and no event."""
    assert sent == clean_hostname(name)


def test_a_visitor_that_is_too_long_is_hashed() -> None:
    """51 characters are a 500; cutting would make two people one."""
    one, two = clean_visitor("x" * 60 + "1"), clean_visitor("x" * 60 + "2")

    assert one is not None
    assert one != two
    assert len(one) <= 50
    assert clean_visitor("y" * 50) == "y" * 50
    assert clean_visitor("") is None
    assert clean_visitor("a\x00b") == "ab"


def test_a_tag_is_cut_at_50_utf_16_units_between_characters() -> None:
    """51 are a 400."""
    assert clean_tag("😀" * 26) == "😀" * 25
    assert clean_tag("x" + "😀" * 25) == "x" + "😀" * 24
    assert clean_tag("") is None


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("command /subscribe", "/command/subscribe"),
        ("GET /menu/{dish}", "/GET/menu/{dish}"),
        ("a?b#c%d", "/a%3Fb%23c%25d"),
        ("../../etc", "/etc"),
        ("", "/"),
        ("über", "/%C3%BCber"),
        ("a\x00b", "/ab"),
    ],
)
def test_an_operation_has_a_path(name: str, url: str) -> None:
    """No query, no fragment, no other host."""
    assert url == operation_url(name)


def test_a_long_path_is_not_cut_inside_an_escape() -> None:
    """Half of one is no text for the server."""
    url = operation_url("ü" * 200)

    assert len(url) <= 500
    assert not url.endswith(("%", "%C", "%B"))


def test_json_has_no_number_that_json_does_not_have() -> None:
    """One NaN would spoil the whole batch."""
    with pytest.raises(ValueError, match="JSON"):
        to_json({"x": math.nan})
    assert json.loads(to_json({"x": "ü"})) == {"x": "ü"}


def test_clean_text_keeps_everything_that_umami_stores_exactly() -> None:
    """Emoji, CJK, control characters."""
    text = "😀 漢字 \x01\x7f\n"

    assert text == clean_text(text)
