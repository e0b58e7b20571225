"""Whatever a record holds, Umami stores all of it: nasty inputs, cleaned, sent to the stand-in and read back."""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from road import WEBSITE

from otel_umami_exporter.gate import Admitted
from otel_umami_exporter.inbox import Inbox, InboxServer, StoredEvent
from otel_umami_exporter.outcome import Delivered
from otel_umami_exporter.payload import Site, to_item, to_json
from otel_umami_exporter.record import Record
from otel_umami_exporter.taxonomy import Scalar
from otel_umami_exporter.umami import UmamiClient

TIME = 1_772_445_600  # 2026-03-02T10:00:00Z
NS = 1_000_000_000


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Inbox, InboxServer]]:
    inbox = Inbox(websites=[WEBSITE], any_website=False)
    with inbox.serve() as server:
        yield inbox, server
    inbox.close()


@pytest.fixture(scope="module")
def client(served: tuple[Inbox, InboxServer]) -> Iterator[UmamiClient]:
    with UmamiClient(served[1].url) as client:
        yield client


@pytest.fixture
def inbox(served: tuple[Inbox, InboxServer]) -> Inbox:
    served[0].clear()
    return served[0]


class Road:
    """Cleans, sends and reads back."""

    def __init__(self, inbox: Inbox, client: UmamiClient) -> None:
        self._inbox = inbox
        self._client = client

    def stored(
        self,
        properties: Mapping[str, Scalar] | None = None,
        *,
        site: Site | None = None,
        visitor: str | None = "anna",
        allowed: frozenset[str] = frozenset(),
        **arguments: Any,
    ) -> StoredEvent:
        """Return the event as it is stored; nothing about it was refused, cut or changed by the server."""
        fields: dict[str, Any] = {"name": "order_paid", "time_ns": TIME * NS, "attributes": {}, **arguments}
        item = to_item(Admitted(Record(**fields), visitor, properties or {}), site or Site(WEBSITE))

        assert self._client.send([to_json(item)]) == [Delivered()]
        assert [each for each in self._inbox.problems() if each.reason not in allowed] == []
        [event] = self._inbox.events()
        assert set(event.data) == set(item["payload"].get("data", {}))
        return event


@pytest.fixture
def road(inbox: Inbox, client: UmamiClient) -> Road:
    return Road(inbox, client)


# --- values -----------------------------------------------------------------------------------------------------------

EMOJI = "\U0001f37a"  # two UTF-16 units, one code point
EASTERN_DIGITS = {ord("0") + digit: chr(0x660 + digit) for digit in range(10)}

EXACT: dict[str, tuple[Scalar, Any]] = {
    "empty": ("", ""),
    "true": (True, True),
    "false": (False, False),
    "zero": (0, 0),
    "minus one": (-1, -1),
    "four decimals": (0.1, 0.1),
    "the largest number": (999_999_999_999_999, 999_999_999_999_999),
    "the smallest number": (-999_999_999_999_999, -999_999_999_999_999),
    "just below the limit": (1e15 - 0.5, 999_999_999_999_999.5),
    "500 characters": ("x" * 500, "x" * 500),
    "500 emoji": (EMOJI * 500, EMOJI * 500),
    "500 CJK": ("漢" * 500, "漢" * 500),
    "control characters": ("\x01\x1f\n\r\t\x7f\x85\u2028\ufeff", "\x01\x1f\n\r\t\x7f\x85\u2028\ufeff"),
    "what looks like code": ("'; DROP TABLE session; --", "'; DROP TABLE session; --"),
    "what looks like JSON": ('{"a": [1, null]}', '{"a": [1, null]}'),
    "null": ("null", "null"),
    "a date only": ("2026-03-02", "2026-03-02"),
    "a date with seconds and Z": ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z"),
    "a date with microseconds": ("2026-03-02T10:00:00.123456", "2026-03-02T10:00:00.123456"),
    "digits of another script": (
        "2026-03-02T10:00:00".translate(EASTERN_DIGITS),
        "2026-03-02T10:00:00".translate(EASTERN_DIGITS),
    ),
}

DATES: dict[str, tuple[str, datetime]] = {
    "without an offset": ("2026-03-02T10:00:00", datetime(2026, 3, 2, 10, tzinfo=UTC)),
    "with Z": ("2026-03-02T10:00:00.123Z", datetime(2026, 3, 2, 10, 0, 0, 123_000, tzinfo=UTC)),
    "with an offset": ("2026-03-02T10:00:00.000+02:00", datetime(2026, 3, 2, 8, tzinfo=UTC)),
    "a leap day": ("2024-02-29T00:00:00", datetime(2024, 2, 29, tzinfo=UTC)),
    "the longest offset": ("2026-03-02T10:00:00.000+23:59", datetime(2026, 3, 1, 10, 1, tzinfo=UTC)),
}

CLEANED: dict[str, tuple[Scalar, str]] = {
    "501 characters": ("x" * 501, "x" * 500),
    "501 emoji": (EMOJI * 501, EMOJI * 500),
    "ten megabytes": ("x" * 10_000_000, "x" * 500),
    "NUL": ("a\x00b", "ab"),
    "only NUL": ("\x00" * 3, ""),
    "NUL beyond the limit": ("\x00" * 10 + "x" * 501, "x" * 500),
    "1e15": (1e15, "1000000000000000.0"),
    "1e15 as an integer": (10**15, "1000000000000000"),
    "minus 1e15": (-(10**15), "-1000000000000000"),
    "2**53 + 1": (2**53 + 1, "9007199254740993"),
    "2**70": (2**70, "1180591620717411303424"),
    "an integer of 500 digits or more": (10**5_000, f"an integer of {(10**5_000).bit_length()} bits"),
    "the largest float": (1.7976931348623157e308, "1.7976931348623157e+308"),
    "infinity": (float("inf"), "inf"),
    "minus infinity": (float("-inf"), "-inf"),
    "not a number": (float("nan"), "nan"),
    "no such day": ("2026-02-30T10:00:00", "2026-02-30 10:00:00"),
    "no such month": ("2026-13-45T99:99:99", "2026-13-45 99:99:99"),
    "no such offset": ("2026-03-02T10:00:00.123+99:99", "2026-03-02 10:00:00.123+99:99"),
    "the year 0": ("0000-01-01T00:00:00", "0000-01-01 00:00:00"),
    "the year 0 in UTC": ("0001-01-01T00:00:00.000+01:00", "0001-01-01 00:00:00.000+01:00"),
    "the 61st second": ("2026-03-02T10:00:60", "2026-03-02 10:00:60"),
    "a date behind NUL": ("\x002026-13-45T99:99:99", "2026-13-45 99:99:99"),
}


@pytest.mark.parametrize(("value", "stored"), EXACT.values(), ids=EXACT)
def test_what_umami_can_store_is_stored_exactly(road: Road, value: Scalar, stored: Any) -> None:
    """Value and type: nothing is cleaned that need not be."""
    found = road.stored({"value": value}).data["value"]

    assert (found, type(found)) == (stored, type(stored))


@pytest.mark.parametrize(("value", "moment"), DATES.values(), ids=DATES)
def test_a_date_that_umami_knows_is_stored_as_a_date(road: Road, value: str, moment: datetime) -> None:
    """In UTC, as Umami does."""
    assert road.stored({"value": value}).data["value"] == moment


@pytest.mark.parametrize(("value", "stored"), CLEANED.values(), ids=CLEANED)
def test_what_umami_cannot_store_is_stored_in_another_way(road: Road, value: Scalar, stored: str) -> None:
    """Each of these, as it is, would be a 500 that keeps the event without its properties."""
    assert road.stored({"value": value, "other": 1}).data == {"value": stored, "other": 1}


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", "\udc00\ud800", "\ud800" * 501])
def test_half_a_character_is_replaced_as_umami_would(road: Road, value: str) -> None:
    """By the sign for it, so the stand-in says so; the rest of the text stays."""
    data = road.stored({"value": value}, allowed=frozenset({"replaced-characters"})).data

    assert data == {"value": "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in value)[:500]}


@pytest.mark.parametrize(
    ("currency", "stored"), [("EUR", "EUR"), ("x" * 10, "x" * 10), ("x" * 11, "x" * 10), (EMOJI * 11, EMOJI * 10)]
)
def test_a_currency_fits_its_column(road: Road, currency: str, stored: str) -> None:
    """Beside a revenue it has a table of its own."""
    assert road.stored({"revenue": 19.99, "currency": currency}).data == {"revenue": 19.99, "currency": stored}


@pytest.mark.parametrize("currency", ["EUR", 7, True, 0.5, 10**20, "", EMOJI * 20])
@pytest.mark.parametrize(
    "revenue",
    [
        19.99,
        0,
        -5,
        10**15,
        10**20,
        1e300,
        float("inf"),
        float("nan"),
        True,
        "1e400",
        "9" * 20,
        "0x" + "f" * 20,
        "9" * 488,
        "9" * 489,
        "9" * 500,
    ],
)
def test_any_revenue_and_any_currency_are_stored(road: Road, revenue: Scalar, currency: Scalar) -> None:
    """Umami makes a row of its own of the two, and what does not fit there would cost all properties."""
    assert set(road.stored({"revenue": revenue, "currency": currency, "other": 1}).data) == {
        "revenue",
        "currency",
        "other",
    }


def test_thousands_of_properties_are_stored(road: Road) -> None:
    """Umami has no limit, and we add none."""
    properties: dict[str, Scalar] = {f"p{number}": number for number in range(5_000)}

    assert road.stored(properties).data == properties


def test_the_names_of_javascript_are_stored(road: Road) -> None:
    """Umami is JavaScript; these are names as others."""
    properties: dict[str, Scalar] = {"constructor": 1, "to_string": "x", "prototype": 2, "length": 3, "null": 4}

    assert road.stored(properties).data == properties


def test_the_trace_is_stored_with_the_event(road: Road) -> None:
    """From a number on a board to its trace."""
    assert road.stored({"a": 1}, trace_id="0a" * 16).data == {"a": 1, "trace_id": "0a" * 16}


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "a" * 50, "order_paid_2"])
def test_an_event_is_stored_under_its_name(road: Road, name: str) -> None:
    """Also under the longest that can be declared."""
    event = road.stored(name=name)

    assert (event.name, event.url_path) == (name, f"/event/{name}")


HOSTS = [
    *("my host", "1.2.3.4.5", "999.999.1.1", "256.1.1.1", "1.2.3", "0x7f.1", "0x", "09", "a..b", "...", "-", "_"),
    *(
        "xn--a",
        "xn---a",
        "xn\x00--a",
        "XN--ß",
        "bücher.example",
        "[::1]",
        "host:8080",
        "a%zzb",
        "a b/c?d#e@f",
        "\x00",
        "\ud800",
        "a_b",
        "",
    ),
    *("x" * 100, "x" * 101, "1" * 101, "1." * 60, "." * 99 + "1", "a." * 49 + "1", EMOJI * 60, "İstanbul", "localhost"),
]


@pytest.mark.parametrize("host", HOSTS)
def test_any_service_name_becomes_a_hostname(road: Road, host: str) -> None:
    """A blank in it, or five numbers, would be a 500 without a row."""
    hostname = road.stored(service=host).hostname

    assert hostname is not None
    assert 0 < len(hostname) <= 100


def test_a_good_hostname_stays(road: Road) -> None:
    """Nothing is cleaned that need not be."""
    assert road.stored(site=Site(WEBSITE, hostname="shop-2.example.org")).hostname == "shop-2.example.org"


@pytest.mark.parametrize(
    ("tag", "stored"),
    [
        ("test", "test"),
        ("t" * 50, "t" * 50),
        ("t" * 51, "t" * 50),
        (EMOJI * 25, EMOJI * 25),
        (EMOJI * 26, EMOJI * 25),
        ("t" + EMOJI * 25, "t" + EMOJI * 24),
        ("Ж" * 51, "Ж" * 50),
        ("a\x00b", "ab"),
        ("\x00", None),
        ("", None),
        (None, None),
    ],
)
def test_a_tag_fits_its_column(road: Road, tag: str | None, stored: str | None) -> None:
    """50 UTF-16 units; an emoji has two and is never cut in half."""
    assert road.stored(environment=tag).tag == stored


# --- visitors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visitor", ["a", "a" * 50, EMOJI * 50, "a b\n'\"", "ж" * 50])
def test_a_visitor_that_fits_is_stored_as_it_is(road: Road, visitor: str) -> None:
    """50 characters, whatever they are."""
    assert road.stored(visitor=visitor).visitor == visitor


@pytest.mark.parametrize("visitor", ["a" * 51, EMOJI * 51, "a" * 100_000])
def test_a_visitor_that_is_too_long_is_hashed(inbox: Inbox, road: Road, visitor: str) -> None:
    """Cutting would make two visitors one."""
    first = road.stored(visitor=visitor).visitor
    inbox.clear()
    again = road.stored(visitor=visitor).visitor
    inbox.clear()
    other = road.stored(visitor=visitor + "b").visitor

    assert first == again != other
    assert first is not None
    assert len(first) <= 50


@pytest.mark.parametrize("visitor", [None, "", "\x00"])
def test_nobody_is_stored_without_an_id(road: Road, visitor: str | None) -> None:
    """An empty id would be a visitor of its own."""
    assert road.stored(visitor=visitor).visitor is None


def test_a_website_in_capitals_is_the_same_visitors(inbox: Inbox, client: UmamiClient) -> None:
    """Umami hashes the id as it was sent: capitals would double every visitor."""
    for website in (WEBSITE, WEBSITE.upper()):
        view = Record(name="command", time_ns=TIME * NS, is_view=True, attributes={})
        client.send([to_json(to_item(Admitted(view, "anna", {}), Site(website)))])

    assert (inbox.views(), inbox.visitors()) == (2, 1)


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_ns", "moment"),
    [
        (TIME * NS, datetime(2026, 3, 2, 10, tzinfo=UTC)),
        (TIME * NS + 999_999_999, datetime(2026, 3, 2, 10, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (-(10**30), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    ],
    ids=["whole seconds", "cut to seconds", "zero would be now", "before 1970"],
)
def test_an_event_has_its_own_time(road: Road, time_ns: int, moment: datetime) -> None:
    """A backlog lands at the right hour."""
    assert road.stored(time_ns=time_ns).created_at == moment


@pytest.mark.parametrize("time_ns", [8_640_000_000_000 * NS, 8_640_000_000_001 * NS, 2**63 - 1, 2**70, 10**40])
def test_a_time_far_away_is_stored_too(road: Road, time_ns: int) -> None:
    """It would be a 500; of course the stand-in says that it is in the future."""
    assert road.stored(time_ns=time_ns, allowed=frozenset({"future", "milliseconds"})).name == "order_paid"


# --- page views -------------------------------------------------------------------------------------------------------

OPERATIONS: dict[str, tuple[str, str]] = {
    "a command": ("command /subscribe", "/command/subscribe"),
    "a route": ("GET /users/{id}", "/GET/users/{id}"),
    "blanks and slashes": ("  a //  b/ ", "/a/b"),
    "dots": ("../../etc/./passwd", "/etc/passwd"),
    "a query and a fragment": ("a?b=c#d", "/a%3Fb=c%23d"),
    "an address": ("https://elsewhere.example/x", "/https:/elsewhere.example/x"),
    "backslashes": ("\\\\elsewhere\\x", "/\\\\elsewhere\\x"),
    "nothing": (" ", "/"),
    "another script": ("команда /старт", "/команда/старт"),
    "an emoji": (EMOJI, f"/{EMOJI}"),
    "NUL": ("a\x00b", "/ab"),
}


@pytest.mark.parametrize(("name", "path"), OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_is_a_page_view_of_its_own_path(road: Road, name: str, path: str) -> None:
    """Always on this website, with nothing in the query, and readable."""
    view = road.stored(name=name, is_view=True)

    assert (view.name, view.url_path, view.data) == (None, path, {})


@pytest.mark.parametrize(
    "name", ["x" * 2_000, "ж" * 2_000, EMOJI * 2_000, "%" * 2_000, "x" * 499 + "ж", "\ud800" * 200]
)
def test_a_long_operation_is_not_cut_by_the_server(road: Road, name: str) -> None:
    """500 units, and no half of an escape at the end."""
    path = road.stored(name=name, is_view=True).url_path

    assert path.startswith("/")
    assert 1 < len(path) <= 500


# --- many at once -----------------------------------------------------------------------------------------------------


def test_all_of_them_in_one_batch(inbox: Inbox, client: UmamiClient) -> None:
    """No item spoils the batch of the others."""
    values = [value for value, _ in (*EXACT.values(), *DATES.values(), *CLEANED.values())]
    random.Random(7).shuffle(values)  # noqa: S311  # the same order every time
    records = [Record(name="order_paid", time_ns=TIME * NS, attributes={}, service=host) for host in HOSTS]
    items = [
        to_item(Admitted(record, "anna", {"value": value}), Site(WEBSITE))
        for record, value in zip(records, values, strict=False)
    ]

    assert client.send([to_json(each) for each in items]) == [Delivered()] * len(items)
    assert inbox.problems() == []
    assert [len(each.data) for each in inbox.events()] == [1] * len(items)
