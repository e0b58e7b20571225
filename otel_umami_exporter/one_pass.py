"""
One pass from the ended span to the JSON, for events whose shape is known.

What becomes of an event depends on the names and types of its attributes first, and only then on their values. So what
the names and types decide is decided once, by the reference (record ─► gate ─► payload), and kept as a plan:

    names, types ──► plan               made when a shape is first seen, and proved on that event
    values ──► pick ──► text ──► check  the constant part of the JSON stands there, the values are filled in, and one
                                        pattern says whether each of them fits the declaration, Umami and JSON

Whatever has no plan, or fails its check, goes the way of the reference, which alone decides about it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanKind, format_trace_id

from otel_umami_exporter.gate import Rejected, RejectedReason, admit, why_unknown
from otel_umami_exporter.payload import ID_LIMIT, NUMBER_LIMIT, TIME_MAX, TIME_MIN, VALUE_LIMIT, Site, to_item, to_json
from otel_umami_exporter.record import NOBODY, VISITOR, Record, is_operation, visitor_of, whose
from otel_umami_exporter.taxonomy import Declaration, Property, Taxonomy

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

SHAPES: Final = 1_024  # plans that are kept; a shape beyond goes the way of the reference
_NS: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_FIRST_NS: Final = TIME_MIN * _NS
_END_NS: Final = (TIME_MAX + 1) * _NS
_SERVER: Final = SpanKind.SERVER
_CONSUMER: Final = SpanKind.CONSUMER

# Text that JSON says as it stands and that Umami stores whole and takes for no date; numbers that Umami can store.
_PLAIN: Final = r'[^\x00-\x1f"\\\ud800-\udfff]'
_TEXT: Final = rf"(?![0-9]{{4}}-){_PLAIN}{{0,{VALUE_LIMIT}}}+"
_INTEGER: Final = rf"-?[0-9]{{1,{len(str(NUMBER_LIMIT)) - 1}}}+"
_PATTERNS: Final = {
    ("boolean", bool): "true|false",
    ("integer", int): _INTEGER,
    ("number", int): _INTEGER,
    ("number", float): rf"{_INTEGER}(?:\.[0-9]++)?(?:e-[0-9]++)?",
    ("text", str): _TEXT,
    ("time_of_day", str): "(?:[01][0-9]|2[0-3]):[0-5][0-9]",
}
_NEVER: Final = "(?!)"
_JSON: Final = {bool: "%s", int: "%d", float: "%r", str: '"%s"'}
_BOOLEAN: Final = {False: "false", True: "true"}


class Slot(NamedTuple):
    """A place in the JSON that is filled in: how that is said, what is to stand there then, and what with."""

    said: str
    pattern: str
    place: int


# What slots are filled with: first what is no attribute, then each attribute.
_SECONDS, _TRACE, _AFTER, _OWN = range(4)
_DATA: Final = ("payload", "data")
_TIME: Final = Slot("%d", "[0-9]++", _SECONDS)
_TRACE_ID: Final = Slot('"%032x"', '"[0-9a-f]{32}"', _TRACE)
_SINCE_START: Final = Slot("%d", _INTEGER, _AFTER)
_Slots = dict[tuple[str, ...], Slot]  # by the way to them through the item
Owner = tuple[str | None, str | None]  # service and environment


class Plan(NamedTuple):
    """What becomes of the values of one shape."""

    measures: bool  # the milliseconds since the start of the span are filled in
    booleans: tuple[int, ...]  # which of the values JSON says in another way than Python
    pick: Callable[[tuple[Any, ...]], Any]
    text: str
    check: Callable[[str, int], object]  # None: only the reference can say what becomes of these values
    begin: int  # all before is constant


class OnePass:
    """
    Makes the bodies of spans in one pass. Threads may share one.

    Args:
        taxonomy: the closed list.
        site: the website that is written to.
        count: told of each record that does not leave, why.
    """

    def __init__(self, taxonomy: Taxonomy, site: Site, count: Callable[[RejectedReason], None]) -> None:
        self._taxonomy: Final = taxonomy
        self._site: Final = site
        self._count: Final = count
        self._plans: Final[dict[tuple[Any, ...], Plan]] = {}
        self._latest: tuple[Resource | None, Owner] = (None, (None, None))  # one tuple, so threads see it whole

    @property
    def shapes(self) -> int:
        """How many plans are kept."""
        return len(self._plans)

    def bodies(self, span: ReadableSpan) -> list[bytes] | None:  # noqa: C901, PLR0912, PLR0915  # a call for each part costs as much as the part
        """
        Return what is to be sent of *span*; None, with nothing counted, when only the reference can say it.

        Each property of a span is a call in Python, so few are read.
        """
        kind, events = span.kind, span.events
        entered = (kind is _SERVER or kind is _CONSUMER) and is_operation(span)
        if not events and not entered:
            return []
        context = span.get_span_context()
        if context is None:
            return None
        trace_id, _, _, _, _, is_valid = context
        if not is_valid:
            return None
        resource = span.resource
        known, owner = self._latest
        if known is not resource:
            owner = whose(resource)
            self._latest = (resource, owner)
        made: list[bytes] = []
        stayed: list[RejectedReason] = []
        asked, visitor = entered, visitor_of(span) if entered else None
        if entered and not self._view(span, owner, visitor, made, stayed):
            return None
        for event in events:
            attributes = event.attributes
            if attributes.__class__ is not BoundedAttributes or attributes.dropped:
                return None
            own = attributes.copy()
            said = own.get(VISITOR)
            if said is None:
                if not asked:
                    asked, visitor = True, visitor_of(span)
                if visitor is not None:
                    own[VISITOR] = visitor
            elif said == NOBODY:
                del own[VISITOR]
            name, time_ns = event.name, event.timestamp
            values: Iterable[Any] = own.values()
            key = (owner, name, *own, *map(type, values))
            plan = self._plans.get(key)
            if plan is None:
                if self._taxonomy.get(name) is None:
                    stayed.append(why_unknown(name))
                    continue
                plan = self._make(key, _record(span, event, own, trace_id), owner)
                if plan is None:
                    return None
            if name.__class__ is not str or time_ns.__class__ is not int or not _FIRST_NS <= time_ns < _END_NS:
                return None
            measures, booleans, pick, template, check, begin = plan
            after = 0
            if measures:
                start = span.start_time
                if start.__class__ is not int:
                    return None
                after = max(0, time_ns - start) // _NS_PER_MS
            if booleans:
                values = _said(values, booleans)
            text = template % pick((time_ns // _NS, trace_id, after, *values))
            if check(text, begin) is None:
                return None
            made.append(text.encode())
        for reason in stayed:
            self._count(reason)
        return made

    def _view(
        self, span: ReadableSpan, owner: Owner, visitor: str | None, made: list[bytes], stayed: list[RejectedReason]
    ) -> bool:
        """Tell the page view of an operation; return whether that could be done without the reference."""
        name, time_ns = span.name, span.start_time
        if visitor is None or time_ns is None:
            return True  # nobody asked for it
        if not self._taxonomy.has_operation(name):
            stayed.append("undeclared_operation")
            return True
        key = (owner, None, name, visitor.__class__)
        plan = self._plans.get(key)
        if plan is None:
            record = Record(name=name, time_ns=time_ns, is_view=True, visitor=visitor, attributes={VISITOR: visitor})
            plan = self._make(key, record, owner)
        if plan is None or name.__class__ is not str or time_ns.__class__ is not int:
            return False
        body = _say(plan, time_ns, 0, 0, (visitor,)) if _FIRST_NS <= time_ns < _END_NS else None
        if body is not None:
            made.append(body)
        return body is not None

    def _make(self, key: tuple[Any, ...], record: Record, owner: Owner) -> Plan | None:
        """Make the plan for events like *record*, keep and return it; None when there can be none, or no more."""
        if len(self._plans) >= SHAPES:
            return None
        record.service, record.environment = owner
        admitted = admit(record, self._taxonomy)
        if isinstance(admitted, Rejected) or admitted.left_out:
            return None
        item = to_item(admitted, self._site)
        plan = _plan(record, item, None if record.is_view else self._taxonomy.get(record.name))
        if plan is None or _say_record(plan, record) != to_json(item):
            return None
        self._plans[key] = plan
        if len(self._plans) > SHAPES:  # threads that came at once
            self._plans.pop(key, None)
        return plan


def _say(plan: Plan, time_ns: int, trace_id: int, after: int, values: Iterable[Any]) -> bytes | None:
    """Fill in the values; None when the plan is not for them."""
    _, booleans, pick, template, check, begin = plan
    text: str = template % pick((time_ns // _NS, trace_id, after, *_said(values, booleans)))
    return None if check(text, begin) is None else text.encode()


def _said(values: Iterable[Any], booleans: tuple[int, ...]) -> list[Any]:
    return [_BOOLEAN[each] if at in booleans else each for at, each in enumerate(values)]


def _say_record(plan: Plan, record: Record) -> bytes | None:
    trace_id = int(record.trace_id, 16) if record.trace_id is not None else 0
    start = record.span_start_ns
    after = max(0, record.time_ns - start) // _NS_PER_MS if start is not None else 0
    return _say(plan, record.time_ns, trace_id, after, record.attributes.values())


def _record(span: ReadableSpan, event: Event, own: Mapping[str, Any], trace_id: int) -> Record:
    """Return the record of an event as the reference makes it, but for whose it is."""
    said = own.get(VISITOR)
    return Record(
        name=event.name,
        time_ns=event.timestamp,
        visitor=said if isinstance(said, str) else None,
        attributes=own,
        span_start_ns=span.start_time,
        trace_id=format_trace_id(trace_id),
    )


def _plan(record: Record, item: Mapping[str, Any], declaration: Declaration | None) -> Plan | None:
    """Return how *item* is said with other values; None when that depends on more than each value by itself."""
    own = record.attributes
    declared: Mapping[str, Property] = declaration.properties if declaration else {}
    measured = [name for name in declaration.measured if name not in own] if declaration else []
    if {"revenue", "currency"} <= own.keys() or (measured and record.span_start_ns is None):
        return None
    slots: _Slots = {("payload", "timestamp"): _TIME, (*_DATA, "trace_id"): _TRACE_ID}
    slots |= {(*_DATA, name): _SINCE_START for name in measured}
    booleans = []
    for place, (name, value) in enumerate(own.items()):
        kind = type(value)
        if name in declared:
            if kind not in _JSON:
                return None
            slots[*_DATA, name] = Slot(_JSON[kind], _pattern(declared[name], kind), _OWN + place)
        elif record.is_view or (declaration and declaration.person):  # the only one that is not declared: the visitor
            if kind is not str:
                return None
            slots["payload", "id"] = Slot('"%s"', f'"{_PLAIN}{{1,{ID_LIMIT}}}+"', _OWN + place)
        if kind is bool:
            booleans.append(place)
    pieces = list(_pieces(item, (), slots))
    first = next(at for at, each in enumerate(pieces) if isinstance(each, Slot))
    text = "".join(each.said if isinstance(each, Slot) else each.replace("%", "%%") for each in pieces)
    pattern = "".join(each.pattern if isinstance(each, Slot) else re.escape(each) for each in pieces[first:])
    begin = sum(map(len, pieces[:first]))
    places = [each.place for each in pieces if isinstance(each, Slot)]
    return Plan(bool(measured), tuple(booleans), itemgetter(*places), text, re.compile(pattern).fullmatch, begin)


def _pattern(declared: Property, kind: type) -> str:
    """Return the pattern of those values, as JSON says them, that a plan is for."""
    pattern = _PATTERNS.get((declared.kind, kind), _NEVER)
    if declared.kind == "choice" and kind is not bool:
        plain = re.compile(_TEXT if kind is str else _INTEGER)
        choices = [str(each) for each in declared.choices if type(each) is kind]
        pattern = "|".join(re.escape(each) for each in choices if plain.fullmatch(each)) or _NEVER
    return f'"(?:{pattern})"' if kind is str else f"(?:{pattern})"


def _pieces(value: object, path: tuple[str, ...], slots: _Slots) -> Iterator[str | Slot]:
    """Yield the JSON of *value*, in order, with slots in it."""
    if path in slots:
        yield slots[path]
    elif isinstance(value, dict):
        for number, (name, each) in enumerate(value.items()):
            yield ("," if number else "{") + _constant(name) + ":"
            yield from _pieces(each, (*path, name), slots)
        yield "}"
    else:
        yield _constant(value)


def _constant(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
