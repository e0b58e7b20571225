"""The closed list: what can be declared, what cannot, and what a declaration lets through."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Union

import pytest

from otel_umami_exporter import Event, Form, Privacy, Prop, Taxonomy, TaxonomyError
from otel_umami_exporter.taxonomy import Property
from otel_umami_exporter.taxonomy_text import differences, to_markdown

Count = Annotated[int, Prop("How many", Privacy.PUBLIC, example=3)]


@dataclass(frozen=True, kw_only=True)
class OrderPaid(Event):
    """An order was paid.

    More about it, which is not for the page.
    """

    name: ClassVar[str] = "order_paid"

    items: Count
    price: Annotated[float, Prop("In euro", Privacy.INTERNAL)]
    gift: Annotated[bool, Prop("Whether it is for somebody else", Privacy.INTERNAL)] = False
    method: Annotated[Literal["card", "cash"], Prop("How", Privacy.PUBLIC)]
    shelf: Annotated[Literal[1, 2], Prop("Where it lay", Privacy.INTERNAL)] | None = None
    product: Annotated[str, Prop("Its name", Privacy.PUBLIC, source="the shop's catalogue")]
    remark: Annotated[str | None, Prop("What the till said", Privacy.LOCAL)] = None
    opens: Annotated[str, Prop("When the shop opens", Privacy.PUBLIC, form=Form.TIME_OF_DAY)]
    due: Annotated[str, Prop("When it is due", Privacy.PUBLIC, form=Form.TIMESTAMP)]
    duration_ms: Annotated[int | None, Prop("How long", Privacy.PUBLIC, measured="since_span_start_ms")] = None


@dataclass(frozen=True, kw_only=True)
class CacheCleared(Event):
    """The cache was cleared."""

    name: ClassVar[str] = "cache_cleared"
    person: ClassVar[bool] = False


def declared(taxonomy: Taxonomy, event: str) -> dict[str, Property]:
    declaration = taxonomy.get(event)
    assert declaration is not None
    return dict(declaration.properties)


def an_event(annotation: Any, *, name: str = "thing_done", property_name: str = "value") -> type[Event]:
    """Return an event class with one property."""
    return made("ThingDone", __doc__="A thing was done.", name=name, __annotations__={property_name: annotation})


def made(class_name: str, /, **body: Any) -> type[Event]:
    """Return an event class with this body."""
    event: type[Event] = dataclass(frozen=True, kw_only=True)(type(class_name, (Event,), body))
    return event


# --- what a class declares --------------------------------------------------------------------------------------------


def test_a_class_declares_its_event() -> None:
    """Kinds, choices, sources and what may be missing are read from the annotations."""
    properties = declared(Taxonomy([OrderPaid]), "order_paid")

    assert {name: each.kind for name, each in properties.items()} == {
        "items": "integer",
        "price": "number",
        "gift": "boolean",
        "method": "choice",
        "shelf": "choice",
        "product": "text",
        "remark": "text",
        "opens": "time_of_day",
        "due": "timestamp",
        "duration_ms": "integer",
    }
    assert {name for name, each in properties.items() if not each.required} == {
        "gift",
        "shelf",
        "remark",
        "duration_ms",
    }
    assert properties["method"].choices == ("card", "cash")
    assert properties["shelf"].choices == (1, 2)
    assert properties["product"].source == "the shop's catalogue"
    assert (properties["items"].doc, properties["items"].privacy, properties["items"].example) == (
        "How many",
        Privacy.PUBLIC,
        3,
    )
    assert properties["duration_ms"].measured == "since_span_start_ms"


def test_the_first_paragraph_of_the_docstring_says_when() -> None:
    """The rest is for readers of the code."""
    [declaration] = Taxonomy([OrderPaid]).events

    assert (declaration.doc, declaration.person, declaration.event) == ("An order was paid.", True, OrderPaid)


def test_events_keep_their_order_and_are_found_by_name() -> None:
    """The order of declaration is the order of the documentation."""
    taxonomy = Taxonomy([OrderPaid, CacheCleared])

    assert [each.name for each in taxonomy.events] == ["order_paid", "cache_cleared"]
    assert taxonomy.get("order_paid") is taxonomy.events[0]
    assert taxonomy.get("order_lost") is None


def test_operations_are_exact_names() -> None:
    """A pattern would let through what people typed; the same name twice is one."""
    taxonomy = Taxonomy((), operations=["command /start", "command /start", "GET /users/{id}"])

    assert taxonomy.operations == ("command /start", "GET /users/{id}")
    assert taxonomy.has_operation("command /start")
    assert not taxonomy.has_operation("command /star")
    assert not taxonomy.has_operation("GET /users/7")


def test_attributes_are_the_properties_that_have_a_value() -> None:
    """A property that is None is not recorded at all."""
    event = OrderPaid(
        items=0, price=1.5, method="cash", product="pen", opens="08:00", due="2026-03-02T10:00:00+01:00", shelf=None
    )

    assert event.attributes() == {
        "items": 0,
        "price": 1.5,
        "gift": False,
        "method": "cash",
        "product": "pen",
        "opens": "08:00",
        "due": "2026-03-02T10:00:00+01:00",
    }


# --- what cannot be declared ------------------------------------------------------------------------------------------

PUBLIC = Prop("What", Privacy.PUBLIC)
REFUSED_ANNOTATIONS: dict[str, tuple[Any, str]] = {
    "free text that is public": (Annotated[str, PUBLIC], "free text"),
    "free text that is internal": (Annotated[str, Prop("What", Privacy.INTERNAL)], "free text"),
    "free text that may be missing": (Annotated[str | None, PUBLIC], "free text"),
    "text whose source is empty": (Annotated[str, Prop("What", Privacy.PUBLIC, source="")], "free text"),
    "no Prop": (int, "Prop"),
    "Annotated without a Prop": (Annotated[int, "how many"], "Prop"),
    "a union": (Annotated[int | str, PUBLIC], "union"),
    "an old union": (Annotated[Union[int, float], PUBLIC], "union"),  # noqa: UP007  # the spelling under test
    "a union of three": (Annotated[int | bool | None, PUBLIC], "union"),
    "a list": (Annotated[list[int], PUBLIC], "a property is"),
    "bytes": (Annotated[bytes, PUBLIC], "a property is"),
    "anything": (Annotated[Any, PUBLIC], "a property is"),
    "an event in an event": (Annotated[OrderPaid, PUBLIC], "a property is"),
    "something measured that is no integer": (
        Annotated[float, Prop("What", Privacy.PUBLIC, measured="since_span_start_ms")],
        "measured",
    ),
}


@pytest.mark.parametrize(("annotation", "said"), REFUSED_ANNOTATIONS.values(), ids=REFUSED_ANNOTATIONS)
def test_what_could_hold_a_person_or_not_be_stored_cannot_be_declared(annotation: Any, said: str) -> None:
    """The error names the class, the property and the rule."""
    with pytest.raises(TaxonomyError, match=said) as caught:
        Taxonomy([an_event(annotation)])

    assert "ThingDone.value" in str(caught.value)


@pytest.mark.parametrize("annotation", [Annotated[str, Prop("What", Privacy.LOCAL)], Count, Count | None])
def test_what_stays_or_says_little_can_be_declared(annotation: Any) -> None:
    """Free text that never leaves, and the shared annotation, alone or as `... | None`."""
    assert "value" in declared(Taxonomy([an_event(annotation)]), "thing_done")


@pytest.mark.parametrize("reserved", ["trace_id", "name"])
def test_names_that_the_road_uses_are_reserved(reserved: str) -> None:
    """`trace_id` is added on the way, `name` is said by the class."""
    with pytest.raises(TaxonomyError, match="reserved"):
        Taxonomy([an_event(Count, property_name=reserved)])


NO_NAMES = ["Order", "orderPaid", "_order", "order_", "order__paid", "bestellt_ü", "a" * 51]
NO_IDENTIFIERS = ["", "1order", "order-paid", "order paid", "order\n", "order\x00"]


@pytest.mark.parametrize("name", [*NO_NAMES, *NO_IDENTIFIERS])
def test_names_of_events_are_snake_case_and_short(name: str) -> None:
    """Umami refuses an event name of more than 50."""
    with pytest.raises(TaxonomyError, match="snake_case"):
        Taxonomy([an_event(Count, name=name)])


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_of_properties_are_snake_case_and_short(name: str) -> None:
    """The rule of the events."""
    with pytest.raises(TaxonomyError, match="snake_case"):
        Taxonomy([an_event(Count, property_name=name)])


@pytest.mark.parametrize("name", ["a", "a" * 50, "order_paid_2", "a1_b2"])
def test_names_within_the_limits_pass(name: str) -> None:
    """50 characters are allowed, digits after the first letter too."""
    taxonomy = Taxonomy([an_event(Count, name=name, property_name=name)])

    assert list(declared(taxonomy, name)) == [name]


def test_two_events_of_one_name_are_refused() -> None:
    """The error names the event."""
    with pytest.raises(TaxonomyError, match="thing_done is declared twice"):
        Taxonomy([an_event(Count), an_event(Count | None)])


def test_an_event_needs_a_name() -> None:
    """A name that is no text is no name."""
    nameless = made("Nameless", __doc__="It happened.")
    wrong = made("Wrong", __doc__="It happened.", name=5)

    for event in (nameless, wrong):
        with pytest.raises(TaxonomyError, match="needs a name"):
            Taxonomy([event])


def test_an_event_needs_a_docstring() -> None:
    """What `@dataclass` writes in its place is none."""
    silent = made("Silent", name="thing_done")
    blank = made("Blank", __doc__="  ", name="thing_done")

    for event in (silent, blank):
        with pytest.raises(TaxonomyError, match="docstring"):
            Taxonomy([event])


@pytest.mark.parametrize("operation", ["", "a" * 201, "command\n/start", "command\x00", "a\ud800"])
def test_operations_are_short_and_printable(operation: str) -> None:
    """What no span of ours is called is refused at import."""
    with pytest.raises(TaxonomyError, match="operation"):
        Taxonomy((), operations=[operation])


def test_errors_are_value_errors_too() -> None:
    """A program that knows nothing of this library can catch them."""
    with pytest.raises(ValueError, match="free text"):
        Taxonomy([an_event(Annotated[str, PUBLIC])])


# --- what a declaration accepts ---------------------------------------------------------------------------------------

ACCEPTED: dict[str, tuple[list[Any], list[Any]]] = {
    "items": ([0, -5, 2**70], [True, False, 1.0, "1", None, [1], float("nan")]),
    "price": ([0.5, 3, float("inf"), float("nan")], [True, "0.5", None, [0.5]]),
    "gift": ([True, False], [1, 0, "true", None]),
    "method": (["card", "cash"], ["Card", "", "cheque", None, 1, ("card",)]),
    "shelf": ([1, 2], [True, 1.0, 2.0, "1", 3, None]),
    "product": (["", "x", "\x00", "x" * 10_000], [1, None, b"x", ["x"]]),
    "opens": (
        ["00:00", "09:30", "23:59"],
        ["24:00", "9:30", "09:60", "09:30:00", "09:30\n", " 09:30", "٠٩:٣٠", 930, None, ""],
    ),
    "due": (
        ["2026-03-02T10:00:00+01:00", "2026-03-02T10:00:00Z", "2024-02-29T00:00:00.123Z"],
        ["2026-03-02T10:00:00", "2026-03-02", "2026-02-30T10:00:00Z", "tomorrow", "", "\x00", 1772445600, None],
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_property_accepts_its_type_and_form_only(name: str) -> None:
    """A bool is no integer, True is not the choice 1, a time of day and a timestamp are checked whole."""
    each = declared(Taxonomy([OrderPaid]), "order_paid")[name]
    good, bad = ACCEPTED[name]

    assert [value for value in good if not each.accepts(value)] == []
    assert [value for value in bad if each.accepts(value)] == []


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_a_taxonomy_survives_json() -> None:
    """Everything but the classes comes back; the same taxonomy gives the same text."""
    taxonomy = Taxonomy([OrderPaid, CacheCleared], operations=["command /start", "命令"])
    text = taxonomy.to_json()
    back = Taxonomy.from_json(text)

    assert back.events == taxonomy.events
    assert back.operations == taxonomy.operations
    assert back.to_json() == text
    assert text == Taxonomy([OrderPaid, CacheCleared], operations=["command /start", "命令"]).to_json()
    assert [each.event for each in back.events] == [None, None]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_property_from_json_accepts_the_same(name: str) -> None:
    """A bridge that knows the file only is as strict as the program that knows the classes."""
    each = declared(Taxonomy.from_json(Taxonomy([OrderPaid]).to_json()), "order_paid")[name]
    good, bad = ACCEPTED[name]

    assert [value for value in good if not each.accepts(value)] == []
    assert [value for value in bad if each.accepts(value)] == []


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """Return the JSON of a good taxonomy after *change*."""
    document = json.loads(Taxonomy([OrderPaid], operations=["command /start"]).to_json())
    change(document)
    return json.dumps(document)


def event_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["events"][0]
    return found


def property_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in event_of(document)["properties"] if each["name"] == name)
    return found


HOSTILE_TEXTS = {
    "nothing": "",
    "no JSON": "{",
    "YAML": "version: 1\nevents: []",
    "null": "null",
    "a number": "5",
    "NaN": "NaN",
    "a text": '"taxonomy"',
    "a list": "[]",
    "an empty object": "{}",
    "another version": '{"version": 2, "events": [], "operations": []}',
    "no events": '{"version": 1, "operations": []}',
    "no operations": '{"version": 1, "events": []}',
    "events that are a number": '{"version": 1, "events": 5, "operations": []}',
    "an event that is a text": '{"version": 1, "events": ["x"], "operations": []}',
    "an event that is null": '{"version": 1, "events": [null], "operations": []}',
    "events that are an object": '{"version": 1, "events": {}, "operations": []}',
    "a version that is true": '{"version": true, "events": [], "operations": []}',
    "operations that are a text": '{"version": 1, "events": [], "operations": "abc"}',
    "an operation that is a number": '{"version": 1, "events": [], "operations": [5]}',
    "nested without end": "[" * 100_000,
    "objects without end": '{"events":' * 100_000,
    "a surrogate for an operation": '{"version": 1, "events": [], "operations": ["\\ud800"]}',
}

HOSTILE_CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "free text is public": lambda it: property_of(it, "product").pop("source"),
    "free text of a person": lambda it: property_of(it, "remark").update(privacy="public"),
    "a privacy class of its own": lambda it: property_of(it, "items").update(privacy="personal"),
    "a privacy class of no text": lambda it: property_of(it, "items").update(privacy=[]),
    "a kind of its own": lambda it: property_of(it, "items").update(kind="email"),
    "a kind of no text": lambda it: property_of(it, "items").update(kind=["text"]),
    "a reserved name": lambda it: property_of(it, "items").update(name="trace_id"),
    "a name that is too long": lambda it: event_of(it).update(name="a" * 51),
    "a name that is no text": lambda it: event_of(it).update(name=5),
    "a name that is not snake_case": lambda it: property_of(it, "items").update(name="Full Name"),
    "the same event twice": lambda it: it["events"].append(it["events"][0]),
    "no doc": lambda it: event_of(it).pop("doc"),
    "no person": lambda it: event_of(it).pop("person"),
    "no properties": lambda it: event_of(it).pop("properties"),
    "properties that are null": lambda it: event_of(it).update(properties=None),
    "a property that is a text": lambda it: event_of(it).update(properties=["items"]),
    "the same property twice": lambda it: event_of(it)["properties"].append(property_of(it, "items")),
    "a source that is a number": lambda it: property_of(it, "product").update(source=5),
    "a source that is true": lambda it: property_of(it, "product").update(source=True),
    "a doc that is a number": lambda it: event_of(it).update(doc=5),
    "a person that is a text": lambda it: event_of(it).update(person="false"),
    "required that is a text": lambda it: property_of(it, "items").update(required="no"),
    "an example that is a list": lambda it: property_of(it, "items").update(example=[1]),
    "something else measured": lambda it: property_of(it, "items").update(measured="anything"),
    "a choice that is measured": lambda it: property_of(it, "method").update(measured="since_span_start_ms"),
    "a choice without choices": lambda it: property_of(it, "method").pop("choices"),
    "choices that are a text": lambda it: property_of(it, "method").update(choices="abc"),
    "choices that are lists": lambda it: property_of(it, "method").update(choices=[["card"]]),
    "choices that are fractions": lambda it: property_of(it, "method").update(choices=[1.5]),
    "a choice of null": lambda it: property_of(it, "method").update(choices=[None]),
    "choices that are null": lambda it: property_of(it, "method").update(choices=None),
    "an operation that is too long": lambda it: it.update(operations=["a" * 201]),
}


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
def test_what_is_no_taxonomy_is_refused(text: str) -> None:
    """One error of ours, whatever the file holds."""
    with pytest.raises(TaxonomyError):
        Taxonomy.from_json(text)


@pytest.mark.parametrize("change", HOSTILE_CHANGES.values(), ids=HOSTILE_CHANGES)
def test_a_file_cannot_declare_what_a_class_cannot(change: Callable[[dict[str, Any]], object]) -> None:
    """The rules of the classes hold for the file too: it is edited by people, and by other programs."""
    with pytest.raises(TaxonomyError):
        Taxonomy.from_json(changed(change))


# --- for people -------------------------------------------------------------------------------------------------------


def test_the_page_names_everything() -> None:
    """Every event, property, choice, source and operation; and where the taxonomy differs from a guide."""
    page = to_markdown(
        Taxonomy([OrderPaid, CacheCleared], operations=["command /start"]), {"cache_cleared": "The guide has none."}
    )

    for word in (
        *("## order_paid", "## cache_cleared", "An order was paid.", "| nobody |", "| a person |"),
        *("`card`", "`cash`", "(from the shop's catalogue)", "HH:MM", "ISO 8601", "measured from the span's start"),
        *(f"`{name}`" for name in declared(Taxonomy([OrderPaid]), "order_paid")),
        *("* `command /start`", "Differs from the guide: The guide has none."),
    ):
        assert word in page


def test_differences_name_what_was_added_removed_and_changed() -> None:
    """One line each, nothing for what stayed."""
    old = Taxonomy([OrderPaid, an_event(Count)], operations=["one", "two"])
    new = Taxonomy([OrderPaid, CacheCleared, an_event(Count | None, name="thing_done")], operations=["two", "three"])

    assert differences(old, old) == []
    assert differences(old, new) == ["~ thing_done.value", "+ cache_cleared", "- operation one", "+ operation three"]
    assert differences(Taxonomy([OrderPaid]), Taxonomy([an_event(Count, property_name="other")])) == [
        "- order_paid",
        "+ thing_done",
    ]
