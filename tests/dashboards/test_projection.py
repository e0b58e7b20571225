"""Reduced copies: what a public site receives, and what it never does."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import pytest

from otel_umami_exporter import Event, Pipeline, Privacy, Prop, Taxonomy, TaxonomyError
from otel_umami_exporter.gate import Admitted, admit
from otel_umami_exporter.ledger import Ledger
from otel_umami_exporter.payload import Site, to_item
from otel_umami_exporter.projection import (
    Projection,
    Projector,
    check_projections,
    shown_name,
)
from otel_umami_exporter.projection_json import projections_from_json, projections_to_json
from otel_umami_exporter.record import Record

MAIN: Final = "0d6bd0c8-9ef2-4a1e-8f4a-1f9f2b1c7a55"
NINE: Final = 1_772_442_000  # 2026-03-02 09:00 UTC
MIDNIGHT: Final = 1_772_409_600


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    """Somebody ordered."""

    name: ClassVar[str] = "order_placed"

    dish: Annotated[str, Prop("Which", Privacy.PUBLIC, source="the menu")]
    status: Annotated[Literal["success", "failure"], Prop("How it ended", Privacy.PUBLIC)] = "success"
    table: Annotated[int | None, Prop("Where", Privacy.INTERNAL)] = None
    note: Annotated[str | None, Prop("What they said", Privacy.LOCAL)] = None


@dataclass(frozen=True, kw_only=True)
class OvenChecked(Event):
    """The oven was looked at."""

    name: ClassVar[str] = "oven_checked"
    person: ClassVar[bool] = False

    hot: Annotated[bool, Prop("Whether it is hot", Privacy.PUBLIC)]


TAXONOMY: Final = Taxonomy([OrderPlaced, OvenChecked], operations=["command /order"])


def admitted(event: Event, *, visitor: str | None = "anna", second: int = NINE, trace: str = "ab" * 16) -> Admitted:
    record = Record(
        name=event.name,
        time_ns=second * 1_000_000_000 + 123_456_789,
        visitor=visitor,
        attributes=event.attributes(),
        trace_id=trace,
        service="kitchen",
        environment="test",
    )
    found = admit(record, TAXONOMY)
    assert isinstance(found, Admitted)
    return found


def view(visitor: str = "anna", second: int = NINE) -> Admitted:
    record = Record(
        name="command /order",
        time_ns=second * 1_000_000_000,
        is_view=True,
        visitor=visitor,
        attributes={},
        trace_id="cd",
    )
    found = admit(record, TAXONOMY)
    assert isinstance(found, Admitted)
    return found


def projector(*projections: Projection, ledger: Ledger | None = None) -> Projector:
    return Projector(projections, Site(MAIN, tag="stage"), ledger or Ledger(":memory:"))


def payloads(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item["payload"] for item in items]


SUCCESS: Final = Projection.counting(
    OrderPlaced, key="orders", title="Orders", where={"status": "success"}, called="order_placed: success"
)
DISHES: Final = Projection.naming(OrderPlaced, "dish", key="dishes", title="Dishes", at_least=3)
ALL: Final = Projection.everything(key="activity", title="Activity", called="event")
ACTIVE: Final = Projection.active_visitors(key="active", title="Active")


def test_a_copy_has_a_chosen_name_the_full_hour_a_visitor_of_its_own_and_nothing_else() -> None:
    """No property, no trace, no tag: what joins with the internal site is not there."""
    [payload] = payloads(projector(SUCCESS).copies(admitted(OrderPlaced(dish="soup", table=7), second=NINE + 3_599)))

    assert payload.pop("id") != "anna"
    assert payload == {
        "website": SUCCESS.site_id(MAIN),
        "hostname": "kitchen",
        "url": "/event",
        "ip": "127.0.0.1",
        "timestamp": NINE,
        "name": "order_placed: success",
    }


def test_only_events_with_the_declared_values_are_copied() -> None:
    """A failed order is no successful one, and other events are none at all."""
    orders = projector(SUCCESS)

    assert orders.copies(admitted(OrderPlaced(dish="soup", status="failure"))) == []
    assert orders.copies(admitted(OvenChecked(hot=True))) == []
    assert orders.copies(view()) == []


def test_a_visitor_is_somebody_else_on_each_site_under_each_value_and_with_each_key(tmp_path: Path) -> None:
    """Ids join inside one site (and value) only."""
    other = Projection.counting(OrderPlaced, key="other", title="Other")
    dishes = Projection.naming(OrderPlaced, "dish", key="dishes", title="Dishes", at_least=1)
    one = projector(SUCCESS, other, dishes, ledger=Ledger(tmp_path / "one"))
    two = projector(SUCCESS, ledger=Ledger(tmp_path / "two"))

    soup = payloads(one.copies(admitted(OrderPlaced(dish="soup"))))
    pie = payloads(one.copies(admitted(OrderPlaced(dish="pie"))))
    elsewhere = payloads(two.copies(admitted(OrderPlaced(dish="soup"))))

    assert [each["id"] for each in soup[:2]] == [each["id"] for each in pie[:2]]
    assert len({each["id"] for each in soup + pie + elsewhere} | {"anna"}) == 6


def test_a_value_is_not_shown_before_enough_people_have_shown_it() -> None:
    """Nothing for two people, however often; with the third, all of it, each in its hour."""
    dishes = projector(DISHES)

    early = [
        dishes.copies(admitted(OrderPlaced(dish="soup"), visitor=who, second=second))
        for who, second in [("anna", NINE), ("anna", NINE + 60), ("ben", NINE + 3_600)]
    ]
    third = payloads(dishes.copies(admitted(OrderPlaced(dish="soup"), visitor="carl", second=NINE + 7_300)))
    fourth = payloads(dishes.copies(admitted(OrderPlaced(dish="soup"), visitor="anna", second=NINE + 7_300)))

    assert early == [[], [], []]
    assert [(each["name"], each["timestamp"]) for each in third] == [
        ("soup", NINE),
        ("soup", NINE),
        ("soup", NINE + 3_600),
        ("soup", NINE + 7_200),
    ]
    assert len({each["id"] for each in third}) == 3
    assert len(fourth) == 1


def test_without_people_each_occurrence_counts() -> None:
    """Three events with nobody behind them are three."""
    dishes = projector(DISHES)

    found = [dishes.copies(admitted(OrderPlaced(dish="soup"), visitor=None)) for _ in range(4)]

    assert [len(each) for each in found] == [0, 0, 3, 1]
    assert all("id" not in payload for each in found for payload in payloads(each))


def test_an_event_that_comes_by_two_doors_is_counted_once(tmp_path: Path) -> None:
    """A value must not be shown early because a bridge brings each of its events twice."""
    hot = Projection.naming(OvenChecked, "hot", key="hot", title="Hot", at_least=3)
    checks = [admitted(OvenChecked(hot=True), visitor=None, trace=f"{each:032x}").record for each in (1, 2)]
    pipeline = Pipeline(
        taxonomy=TAXONOMY,
        site=Site(MAIN),
        spool=tmp_path / "spool",
        connect="http://127.0.0.1:9",
        projections=[hot],
    )
    pipeline.expect_bridge()
    for check in checks:
        pipeline.accept([check], "span")
        pipeline.accept([check], "log")
    accepted = pipeline.status().books.accepted
    pipeline.shutdown(0.1)

    assert accepted == 2


def test_what_was_counted_survives_a_restart(tmp_path: Path) -> None:
    """Two before it and one after it are three; the key stays the same too."""
    first = Ledger(tmp_path / "ledger")
    before = projector(DISHES, ledger=first)
    before.copies(admitted(OrderPlaced(dish="soup"), visitor="anna"))
    before.copies(admitted(OrderPlaced(dish="soup"), visitor="ben"))
    first.close()

    second = Ledger(tmp_path / "ledger")
    after = projector(DISHES, ledger=second)
    assert len(after.copies(admitted(OrderPlaced(dish="soup"), visitor="carl"))) == 3
    second.close()

    third = Ledger(tmp_path / "ledger")
    [payload] = payloads(projector(DISHES, ledger=third).copies(admitted(OrderPlaced(dish="soup"), visitor="dora")))
    assert payload["name"] == "soup"
    assert first.key == third.key
    third.close()


def test_two_processes_count_together(tmp_path: Path) -> None:
    """Two ledgers on one file are one."""
    ledgers = [Ledger(tmp_path / "ledger") for _ in range(2)]
    one, two = (projector(DISHES, ACTIVE, ledger=each) for each in ledgers)

    counts = [
        len(each.copies(admitted(OrderPlaced(dish="soup"), visitor=who)))
        for each, who in [(one, "anna"), (two, "ben"), (one, "carl"), (two, "dora")]
    ]

    assert counts == [0, 0, 3, 1]
    assert [len(each.copies(view())) for each in (one, two)] == [1, 0]
    for each in ledgers:
        each.close()


def test_a_damaged_ledger_is_put_aside_and_counting_begins_anew(tmp_path: Path) -> None:
    """Never shown too early: what was counted is forgotten, not guessed."""
    (tmp_path / "ledger").write_bytes(b"this is no database" * 500)

    ledger = Ledger(tmp_path / "ledger")

    assert projector(DISHES, ledger=ledger).copies(admitted(OrderPlaced(dish="soup"))) == []
    assert (tmp_path / "ledger.damaged-1").exists()
    ledger.close()


def test_a_ledger_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """It holds the key of the visitors."""
    ledger = Ledger(tmp_path / "ledger")
    ledger.close()

    assert (tmp_path / "ledger").stat().st_mode & 0o777 == 0o600


def test_a_visitor_is_active_once_a_day() -> None:
    """One nameless page view at the beginning of the day, so that Umami counts them."""
    active = projector(ACTIVE)

    [payload] = payloads(active.copies(view()))
    again = active.copies(view(second=NINE + 4_000))
    tomorrow = payloads(active.copies(view(second=NINE + 86_400)))

    assert payload.pop("id") == tomorrow[0]["id"] != "anna"
    assert payload == {
        "website": ACTIVE.site_id(MAIN),
        "hostname": "localhost",
        "url": "/active",
        "ip": "127.0.0.1",
        "timestamp": MIDNIGHT,
    }
    assert again == []
    assert [each["timestamp"] for each in tomorrow] == [MIDNIGHT + 86_400]


def test_activity_is_every_event_with_nobody_behind_it() -> None:
    """One name, no visitor, also for events of people."""
    activity = projector(ALL)

    found = payloads(
        activity.copies(admitted(OrderPlaced(dish="soup"))) + activity.copies(admitted(OvenChecked(hot=True)))
    )

    assert [(each["name"], "id" in each) for each in found] == [("event", False), ("event", False)]


def test_a_copy_joins_with_its_original_by_nothing_but_the_hour() -> None:
    """No value of one is a value of the other, hostname and address of nowhere aside."""
    original = admitted(OrderPlaced(dish="soup", table=7), second=NINE + 11)
    main = to_item(original, Site(MAIN))["payload"]
    shared = {main["hostname"], main["ip"]}

    for copy in payloads(projector(SUCCESS, ALL, ACTIVE).copies(original)):
        ours = {json.dumps(each) for each in copy.values() if str(each) not in shared}
        theirs = {json.dumps(each) for each in [*main.values(), *main["data"].values()] if str(each) not in shared}
        assert ours & theirs == set()


def test_booleans_and_templates_make_names() -> None:
    """`true`, not `True`; the template says what is true."""
    oven = Projection.naming(OvenChecked, "hot", key="oven", title="Oven", at_least=1, called="oven hot: {}")

    [payload] = payloads(projector(oven).copies(admitted(OvenChecked(hot=True))))

    assert payload["name"] == "oven hot: true"


def test_long_names_are_cut_and_stay_apart() -> None:
    """Umami takes 50 characters; two long names that differ at the end stay two."""
    one, two = shown_name("a" * 60 + "x"), shown_name("a" * 60 + "y")

    assert one != two
    assert max(len(one), len(two)) <= 50
    assert shown_name("Personalausweis") == "Personalausweis"


def test_site_ids_are_derived_from_the_main_site() -> None:
    """Bot and provisioning agree without configuration, and two bots do not share a site."""
    assert SUCCESS.site_id(MAIN) == SUCCESS.site_id(MAIN.upper())
    assert len({SUCCESS.site_id(MAIN), DISHES.site_id(MAIN), SUCCESS.site_id("0" * 32), MAIN}) == 4


def test_projections_travel_as_json() -> None:
    """What a bridge reads is what the program declared."""
    projections = (SUCCESS, DISHES, ALL, ACTIVE)

    assert projections_from_json(projections_to_json(projections)) == projections


GOOD: Final = json.loads(projections_to_json([SUCCESS]))["projections"][0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"version": 9, "projections": []}',
        '{"version": 1, "projections": [1]}',
        *(
            json.dumps({"version": 1, "projections": [GOOD | wrong]})
            for wrong in (
                {"key": 5},
                {"key": "Big Key"},
                {"events": "order_placed"},
                {"events": [5]},
                {"where": {"status": [1]}},
                {"at_least": True},
                {"at_least": "5"},
                {"source": "nothing"},
                {"visitor": "everybody"},
                {"called": 5},
                {"more": 1},
            )
        ),
    ],
)
def test_what_is_no_projections_is_refused(text: str) -> None:
    """By name, never with a traceback of its own."""
    with pytest.raises(TaxonomyError):
        projections_from_json(text)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Projection.naming(OrderPlaced, "dihs", key="x", title="X"), "no property dihs"),
        (lambda: Projection.naming(OrderPlaced, "note", key="x", title="X"), "LOCAL"),
        (lambda: Projection.naming(OrderPlaced, "dish", key="x", title="X", called="dish"), "no {}"),
        (lambda: Projection.naming(OrderPlaced, "dish", key="x", title="X", at_least=0), "at_least"),
        (lambda: Projection.counting(OrderPlaced, key="x", title="X", where={"status": "sucess"}), "never 'sucess'"),
        (lambda: Projection.counting(key="x", title="X"), "counts no event"),
        (lambda: Projection.counting(OrderPlaced, key="Big Key", title="X"), "small letters"),
        (lambda: Projection.counting(OrderPlaced, key="x", title=""), "title"),
        (lambda: check_projections([SUCCESS], Taxonomy([OvenChecked])), "not in the taxonomy"),
        (
            lambda: check_projections([SUCCESS, Projection.counting(OrderPlaced, key="orders", title="O")], TAXONOMY),
            "key",
        ),
    ],
)
def test_a_wrong_declaration_fails_at_import(wrong: Any, said: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(TaxonomyError, match=said):
        wrong()
