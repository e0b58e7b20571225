"""One pass from the span to the JSON says what the reference says, byte for byte, or leaves it to the reference."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_values import TEXT, TIME, VALUE
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind
from road import WEBSITE, payload, provider, road

from otel_umami_exporter import Event, Form, Privacy, Prop, Taxonomy, UmamiSpanProcessor, record
from otel_umami_exporter.delivery import Timing
from otel_umami_exporter.gate import Rejected, admit
from otel_umami_exporter.one_pass import SHAPES, OnePass
from otel_umami_exporter.payload import Site, to_item, to_json
from otel_umami_exporter.record import VISITOR, records_from_span
from otel_umami_exporter.spool import Spool

STILL: Final = Timing(linger_seconds=3_600.0)
NOW: Final = 1_772_445_600_000_000_000


@dataclass(frozen=True, kw_only=True)
class AnythingSold(Event):
    """Something was sold."""

    name: ClassVar[str] = "anything_sold"

    whole: Annotated[int | None, Prop("A number", Privacy.PUBLIC)] = None
    part: Annotated[float | None, Prop("A number", Privacy.PUBLIC)] = None
    flag: Annotated[bool | None, Prop("A flag", Privacy.PUBLIC)] = None
    yes: Annotated[Literal[True] | None, Prop("Always", Privacy.PUBLIC)] = None
    choice: Annotated[Literal["a", 'b"', "5 %", 1, -7] | None, Prop("A choice", Privacy.PUBLIC)] = None
    words: Annotated[str | None, Prop("Words", Privacy.INTERNAL, source="a catalogue")] = None
    clock: Annotated[str | None, Prop("A time", Privacy.PUBLIC, form=Form.TIME_OF_DAY)] = None
    moment: Annotated[str | None, Prop("A moment", Privacy.PUBLIC, form=Form.TIMESTAMP)] = None
    remark: Annotated[str | None, Prop("Stays", Privacy.LOCAL)] = None
    revenue: Annotated[float | None, Prop("Money", Privacy.INTERNAL)] = None
    currency: Annotated[str | None, Prop("Which", Privacy.INTERNAL, source="a bank")] = None
    tag: Annotated[int | None, Prop("Called like what Umami is told", Privacy.INTERNAL)] = None
    took_ms: Annotated[int | None, Prop("Measured", Privacy.PUBLIC, measured="since_span_start_ms")] = None


@dataclass(frozen=True, kw_only=True)
class NightFell(Event):
    """It is night; nobody did it."""

    name: ClassVar[str] = "night_fell"
    person: ClassVar[bool] = False

    stars: Annotated[int, Prop("How many", Privacy.PUBLIC)]


TAXONOMY: Final = Taxonomy([AnythingSold, NightFell], operations=["command /sell", '100 % "odd"'])
SITES: Final = (Site(WEBSITE), Site(WEBSITE, hostname="shop", tag="50 % {off}"))


def reference(
    spans: Sequence[ReadableSpan], site: Site, taxonomy: Taxonomy = TAXONOMY
) -> tuple[list[bytes], Counter[str]]:
    """Return what the road makes of *spans* step by step, and what stays behind."""
    bodies, stayed = [], Counter[str]()
    for each in (each for span in spans for each in records_from_span(span)):
        admitted = admit(each, taxonomy)
        if isinstance(admitted, Rejected):
            stayed[admitted.reason] += 1
            continue
        stayed.update(admitted.left_out)
        stayed.update({"attribute_limit": each.dropped_attributes} if each.dropped_attributes else {})
        bodies.append(to_json(to_item(admitted, site)))
    return bodies, stayed


# --- what may come: mostly what a program means, now and then anything ------------------------------------------------

_WORDS: Final = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60) | st.sampled_from(
    ["Bürgerbüro", "50 % off", '"quoted"', "back\\slash", "2026-13-45T99:99:99", "x" * 500, "x" * 501, "a\x7f\u2028"]
)
_INTEGERS: Final = st.integers(-(10**15), 10**15) | st.integers()
_FLOATS: Final = st.floats() | st.floats(-1e16, 1e16) | st.sampled_from([-0.0, 1e15, 999_999_999_999_999.9, 1e-320])
_MEANT: Final[dict[str, st.SearchStrategy[Any]]] = {
    "whole": _INTEGERS,
    "part": _FLOATS | _INTEGERS,
    "flag": st.booleans(),
    "yes": st.booleans(),
    "choice": st.sampled_from(["a", 'b"', "5 %", "c", 1, -7, 2, True, 1.0]),
    "words": _WORDS,
    "clock": st.sampled_from(["09:30", "23:59", "24:00", "٠٩:٣٠", "9:30", "09:30\n"]),
    "moment": st.sampled_from(["2026-03-02T10:00:00+00:00", "2026-03-02T10:00:00.123Z", "2026-03-02"]),
    "remark": _WORDS,
    "revenue": _FLOATS,
    "currency": _WORDS,
    "tag": _INTEGERS,
    "took_ms": _INTEGERS,
    "stars": _INTEGERS,
    VISITOR: _WORDS | st.sampled_from(["", "anna", "x" * 50, "x" * 51, None, 5, True]),
}
_SHAPES: Final = st.lists(
    st.sampled_from(["whole", "words", "choice", "flag", VISITOR, *_MEANT]), unique=True, max_size=6
)
_TIMES: Final[st.SearchStrategy[Any]] = (
    st.integers(NOW, NOW + 10**12) | st.integers(-(10**9), 3 * 10**9) | TIME | st.just(float(NOW))
)
_OWNERS: Final = [
    Resource({"service.name": "shop"}),
    Resource({"service.name": 'sh"op', "deployment.environment.name": '100 % "new"'}),
    Resource({}),
]


@st.composite
def events(draw: st.DrawFn, shape: list[str]) -> SpanEvent:
    """Return an event of this shape, or nearly."""
    attributes: dict[Any, Any] = {name: draw(_MEANT[name]) for name in shape}
    odd = draw(st.integers(0, 9))
    if odd == 0:
        attributes[draw(st.sampled_from([*_MEANT, "undeclared", "trace_id", "50 %"]))] = draw(VALUE)
    name = draw(st.sampled_from(["anything_sold"] * 7 + ["night_fell"] * 3 + ["exception", "order_lost", "\ud800"]))
    held: Any = attributes if odd == 1 else BoundedAttributes(4 if odd == 2 else 128, attributes)
    return SpanEvent(name, held, draw(_TIMES))


@st.composite
def span_lists(draw: st.DrawFn) -> list[ReadableSpan]:
    """Return spans whose events have few shapes and many values."""
    shapes = draw(st.lists(_SHAPES, min_size=1, max_size=2))
    contexts = [SpanContext(7, 8, is_remote=False)] * 4 + [SpanContext(2**128 - 1, 8, is_remote=True)]
    of_span = st.fixed_dictionaries({}, optional={VISITOR: _MEANT[VISITOR] | TEXT | VALUE})
    return [
        ReadableSpan(
            draw(st.sampled_from(["command /sell", '100 % "odd"', "command /other"])),
            context=draw(st.sampled_from([*contexts, None, SpanContext(0, 0, is_remote=False)])),
            parent=draw(st.sampled_from([None, SpanContext(7, 9, is_remote=True), SpanContext(7, 9, is_remote=False)])),
            resource=draw(st.sampled_from(_OWNERS)),
            attributes=BoundedAttributes(attributes=draw(of_span)) if draw(st.booleans()) else draw(of_span),
            events=[draw(events(draw(st.sampled_from(shapes)))) for _ in range(draw(st.integers(0, 3)))],
            kind=draw(st.sampled_from([SpanKind.INTERNAL, SpanKind.CONSUMER, SpanKind.SERVER])),
            start_time=draw(st.none() | _TIMES),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]


_KINDS: Final[list[Any]] = [
    Annotated[int | None, Prop("A number", Privacy.PUBLIC)],
    Annotated[float | None, Prop("A number", Privacy.INTERNAL)],
    Annotated[bool | None, Prop("A flag", Privacy.PUBLIC)],
    Annotated[Literal["a", "5 %", "EUR", 7, True] | None, Prop("A choice", Privacy.PUBLIC)],
    Annotated[str | None, Prop("Words", Privacy.PUBLIC, source="a catalogue")],
    Annotated[str | None, Prop("A time", Privacy.PUBLIC, form=Form.TIME_OF_DAY)],
    Annotated[str | None, Prop("A moment", Privacy.PUBLIC, form=Form.TIMESTAMP)],
    Annotated[str | None, Prop("Stays", Privacy.LOCAL)],
    Annotated[int | None, Prop("Measured", Privacy.PUBLIC, measured="since_span_start_ms")],
]


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    """Return a closed list with the same names, of any kind."""
    declared = {name: draw(st.sampled_from(_KINDS)) for name in _MEANT if name != VISITOR and draw(st.booleans())}
    return Taxonomy(
        [
            make_dataclass(
                "Generated",
                [(each, kind, None) for each, kind in declared.items()],
                bases=(Event,),
                namespace={"name": name, "person": draw(st.booleans()), "__doc__": "It was generated."},
                frozen=True,
                kw_only=True,
            )
            for name in sorted(draw(st.sets(st.sampled_from(["anything_sold", "night_fell", "exception"]), min_size=1)))
        ],
        operations=draw(st.sampled_from([["command /sell"], ["command /sell", '100 % "odd"'], []])),
    )


# --- the promise ------------------------------------------------------------------------------------------------------


@given(span_lists(), st.just(TAXONOMY) | taxonomies(), st.sampled_from(SITES))
def test_one_pass_says_what_the_reference_says(spans: list[ReadableSpan], taxonomy: Taxonomy, site: Site) -> None:
    """Each span by itself: the same bytes and the same counts, or neither."""
    stayed = Counter[str]()
    one_pass = OnePass(taxonomy, site, lambda reason: stayed.update([reason]))
    for span in spans * 2:  # the second time with the plans of the first
        stayed.clear()
        try:
            found = one_pass.bodies(span)
        except Exception:  # noqa: BLE001  # the road then asks the reference, too
            found = None
        if found is None:
            assert not stayed
        else:
            assert (found, stayed) == reference([span], site, taxonomy)


_TAME: Final = {int: 1, float: 0.5, bool: True, str: "a"}


@given(_SHAPES.flatmap(lambda shape: st.fixed_dictionaries({name: _MEANT[name] for name in shape})))
def test_a_known_shape_with_any_values_is_told_as_the_reference_tells_it(attributes: dict[str, Any]) -> None:
    """The plan is made of a tame event of the very same shape."""
    one_pass = OnePass(TAXONOMY, SITES[0], lambda _: None)
    tame = {name: _TAME.get(type(value), value) for name, value in attributes.items()}
    if type(attributes.get("clock")) is str:
        tame["clock"] = "09:30"
    one_pass.bodies(a_span(told(**tame)))
    span = a_span(told(**attributes))
    try:
        found = one_pass.bodies(span)
    except ValueError:
        found = None

    assert found in (None, reference([span], SITES[0])[0])


@pytest.mark.parametrize(
    ("tame", "odd"),
    [
        ({"words": "a"}, {"words": "2026-13-45T99:99:99"}),
        ({"words": "a"}, {"words": 'a "quoted" word'}),
        ({"words": "a", "currency": "b"}, {"words": 'a","currency":"b', "currency": "c"}),
        ({"words": "a"}, {"words": "back\\slash"}),
        ({"words": "a"}, {"words": "a\nb\x00c"}),
        ({"words": "a"}, {"words": "x" * 501}),
        ({"whole": 1}, {"whole": 10**15}),
        ({"whole": 1}, {"whole": -(10**15)}),
        ({"part": 0.5}, {"part": 1e15}),
        ({"part": 0.5}, {"part": float("nan")}),
        ({"choice": "a"}, {"choice": "c"}),
        ({"choice": 1}, {"choice": 2}),
        ({"clock": "09:30"}, {"clock": "24:00"}),
        ({"revenue": 1.5, "currency": "EUR"}, {"revenue": 1.5, "currency": "x" * 11}),
        ({VISITOR: "a"}, {VISITOR: "x" * 51}),
        ({VISITOR: "a"}, {VISITOR: "a\x00"}),
    ],
)
def test_a_value_that_the_plan_is_not_for_is_left_to_the_reference(tame: dict[str, Any], odd: dict[str, Any]) -> None:
    """Also when the shape is known."""
    one_pass = OnePass(TAXONOMY, SITES[0], lambda _: None)

    assert one_pass.bodies(a_span(told(**tame))) == reference([a_span(told(**tame))], SITES[0])[0]
    assert one_pass.bodies(a_span(told(**odd))) is None


@given(span_lists())
def test_the_door_says_what_the_reference_says(spans: list[ReadableSpan]) -> None:
    """Whichever way each span goes."""
    with road(":memory:", taxonomy=TAXONOMY, timing=STILL) as pipeline:
        door = UmamiSpanProcessor(pipeline=pipeline)
        expected: tuple[list[bytes], Counter[str]] = ([], Counter())
        for span in spans:
            try:
                bodies, stayed = reference([span], Site(WEBSITE))
            except (TypeError, ValueError):  # a time that is no integer of nanoseconds
                continue
            door.on_end(span)
            expected[0].extend(bodies)
            expected[1].update(stayed)
        status = pipeline.status()
        found = list(pipeline._spool.bodies())  # a spool in memory has no other way in

    assert (found, status.stayed_behind) == expected


# --- and it is the way that events go ----------------------------------------------------------------------------


def a_span(*events: SpanEvent, kind: SpanKind = SpanKind.INTERNAL, visitor: str | None = None) -> ReadableSpan:
    """Return a span as the SDK makes it."""
    return ReadableSpan(
        "command /sell",
        context=SpanContext(7, 8, is_remote=False),
        resource=_OWNERS[0],
        attributes=BoundedAttributes(attributes={VISITOR: visitor} if visitor else {}),
        events=events,
        kind=kind,
        start_time=NOW,
    )


def told(name: str = "anything_sold", /, **attributes: Any) -> SpanEvent:
    """Return an event as the SDK makes it."""
    return SpanEvent(name, BoundedAttributes(attributes=attributes), NOW + 5_000_000)


@pytest.mark.parametrize(
    "span",
    [
        a_span(told(whole=1, part=0.5, flag=True, choice="a", words="Bürgerbüro", clock="09:30", took_ms=3)),
        a_span(told(whole=10**15 - 1, part=-3, choice=-7, flag=False, words="x" * 500, revenue=9.5)),
        a_span(told(**{VISITOR: "anna"}), told(**{VISITOR: ""}), told(), visitor="berta"),
        a_span(told("night_fell", stars=7, **{VISITOR: "nobody asks"}), told("night_fell", stars=7)),
        a_span(told(), told("exception", **{"exception.message": "x"}), told("order_lost"), kind=SpanKind.SERVER),
        a_span(told(tag=1), kind=SpanKind.CONSUMER, visitor="anna"),
        a_span(told(remark="x", revenue=12.5, currency="EUR")),
        a_span(kind=SpanKind.CONSUMER, visitor="anna"),
        a_span(),
    ],
)
def test_what_programs_usually_tell_takes_one_pass(span: ReadableSpan) -> None:
    """Without the reference, which would cost each event several times as much."""
    stayed = Counter[str]()
    one_pass = OnePass(TAXONOMY, SITES[1], lambda reason: stayed.update([reason]))
    first = one_pass.bodies(span)

    assert first is not None
    assert (first, stayed) == reference([span], SITES[1])
    assert one_pass.bodies(span) == first


class Names(str, Enum):  # noqa: UP042  # what programs have; its format is another than its text
    """Names of events."""

    anything_sold = "anything_sold"


@pytest.mark.parametrize(
    "odd",
    [
        told(words='a "quoted" word', **{VISITOR: "anna"}),
        told(words="x", **{VISITOR: "x" * 51}),
        told(words="x", **{VISITOR: "\x00"}),
        told(words="x" * 501, **{VISITOR: "anna"}),
        SpanEvent(Names.anything_sold, BoundedAttributes(attributes={"words": "x", VISITOR: "anna"}), NOW),
        SpanEvent("anything_sold", BoundedAttributes(attributes={"words": "x", VISITOR: "anna"}), -NOW),
    ],
)
def test_a_shape_whose_first_event_is_odd_is_told_rightly_ever_after(odd: SpanEvent) -> None:
    """A plan is read off its first event, and must not be of that event alone."""
    one_pass = OnePass(TAXONOMY, SITES[0], lambda _: None)
    first, span = a_span(odd), a_span(told(words="soup", **{VISITOR: "anna"}))

    assert one_pass.bodies(first) is None
    assert one_pass.bodies(span) == reference([span], SITES[0])[0]
    assert one_pass.bodies(first) is None


def test_so_many_shapes_are_kept_and_those_beyond_leave_as_well() -> None:
    """Names of optional properties make many shapes; memory stays bounded, and every event is told."""
    names = [f"p{each}" for each in range(11)]
    optional: Any = Annotated[int | None, Prop("A number", Privacy.PUBLIC)]
    much = make_dataclass(
        "MuchTold",
        [(name, optional, None) for name in names],
        bases=(Event,),
        namespace={"name": "much_told", "__doc__": "Much was told."},
        frozen=True,
        kw_only=True,
    )
    taxonomy = Taxonomy([much])
    one_pass = OnePass(taxonomy, SITES[0], lambda _: None)
    ways = Counter[bool]()
    for number in range(2**11):
        chosen = {name: number for at, name in enumerate(names) if number >> at & 1}
        span = a_span(told("much_told", **chosen))
        found = one_pass.bodies(span)
        ways[found is not None] += 1
        assert found in (None, reference([span], SITES[0], taxonomy)[0])

    assert ways == {True: SHAPES, False: 2**11 - SHAPES}
    assert one_pass.shapes == SHAPES


def test_threads_share_the_plans() -> None:
    """All of them meet each shape for the first time at once."""
    one_pass = OnePass(TAXONOMY, SITES[0], lambda _: None)
    spans = [
        a_span(
            told(**{name: number for at, name in enumerate(("whole", "part", "took_ms", "tag")) if number >> at & 1})
        )
        for number in range(16)
    ]
    expected = [reference([span], SITES[0])[0] for span in spans]
    start = threading.Barrier(8)
    found: list[list[list[bytes] | None]] = []

    def tell() -> None:
        start.wait(60.0)
        found.append([one_pass.bodies(span) for span in spans * 20])

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60.0)

    assert found == [expected * 20] * 8
    assert one_pass.shapes == len(spans)


def test_a_recorded_event_takes_this_way_to_the_disk(tmp_path: Path) -> None:
    """From `record()` to the spool, beside an event that only the reference can tell."""
    with road(tmp_path / "spool", taxonomy=TAXONOMY, timing=STILL) as pipeline:
        tracer = provider(UmamiSpanProcessor(pipeline=pipeline)).get_tracer("x")
        for words in ("soup", 'a "soup"', "x" * 501):
            with tracer.start_as_current_span("command /sell"):
                record(AnythingSold(words=words, flag=True), visitor="anna")
        found = [payload(body) for body in Spool(tmp_path / "spool").bodies()]

    assert [(each["id"], each["data"]["words"]) for each in found] == [
        ("anna", "soup"),
        ("anna", 'a "soup"'),
        ("anna", "x" * 500),
    ]
