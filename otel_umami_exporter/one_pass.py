"""
One pass from the ended span to the JSON, for events whose shape is known.

What becomes of an event depends on the names and types of its attributes first, and only then on their values. So what
the names and types decide is decided once, by the reference (record ─► gate ─► payload), and kept as a plan:

    names, types ──► plan       made when a shape is first seen, and proved on that event
    values ──► raw ──► check    all values as one text, one pattern: do they fit the declaration, Umami and JSON?
           └─► pick ──► body    the constant part of the JSON stands there; the values are filled in

Whatever has no plan, or fails its check, goes the way of the reference, which alone decides about it.
"""

import json
import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanKind, format_trace_id

from otel_umami_exporter.gate import Rejected, RejectedReason, admit, why_unknown
from otel_umami_exporter.payload import ID_LIMIT, NUMBER_LIMIT, TIME_MAX, TIME_MIN, VALUE_LIMIT, Site, to_item, to_json
from otel_umami_exporter.record import NOBODY, VISITOR, Record, is_operation, visitor_of, whose
from otel_umami_exporter.taxonomy import Declaration, Property, Taxonomy

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
_WHO: Final = rf"{_PLAIN}{{1,{ID_LIMIT}}}+"
_INTEGER: Final = rf"-?[0-9]{{1,{len(str(NUMBER_LIMIT)) - 1}}}+"
_FLOAT: Final = rf"{_INTEGER}(?:\.[0-9]++)?(?:e-[0-9]++)?"
_PATTERNS: Final = {
    ("integer", int): _INTEGER,
    ("number", int): _INTEGER,
    ("number", float): _FLOAT,
    ("text", str): _TEXT,
    ("time_of_day", str): "(?:[01][0-9]|2[0-3]):[0-5][0-9]",
}
_NEVER: Final = "(?!)"
_RAW: Final = {bool: "%s", int: "%d", float: "%r", str: "%s"}
_SAID: Final = {bool: "%s", int: "%d", float: "%r", str: '"%s"'}
_UNREAD: Final = ("%.0s", "")  # nothing of the value; any will do
_BOOLEAN: Final = {False: "false", True: "true"}

# What a body is filled with: first what is no attribute, then each attribute.
_SECONDS, _TRACE, _AFTER, _OWN = range(4)
_DATA: Final = ("payload", "data")
_Slots = dict[tuple[str, ...], tuple[str, int]]  # where in the item: how to say it, and which of them it is
Owner = tuple[str | None, str | None]  # service and environment


class Plan(NamedTuple):
    """What becomes of the values of one shape."""

    raw: str  # their template as one text, NUL between them
    check: Callable[[str], object]  # None: only the reference can say what becomes of these
    booleans: tuple[int, ...]  # which of them JSON says in another way than Python
    measures: bool  # the milliseconds since the start of the span are filled in
    pick: Callable[[tuple[Any, ...]], Any]
    body: str


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

    def bodies(self, span: ReadableSpan) -> list[bytes] | None:
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
            name, time_ns, values = event.name, event.timestamp, (*own.values(),)
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
            after = 0
            if plan.measures:
                start = span.start_time
                if start.__class__ is not int:
                    return None
                after = max(0, time_ns - start) // _NS_PER_MS
            body = _say(plan, time_ns, trace_id, after, values)
            if body is None:
                return None
            made.append(body)
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


def _say(plan: Plan, time_ns: int, trace_id: int, after: int, values: tuple[Any, ...]) -> bytes | None:
    """Fill in the values; None when the plan is not for them."""
    raw, check, booleans, _, pick, body = plan
    if check(raw % values) is None:
        return None
    if booleans:
        values = tuple([_BOOLEAN[each] if at in booleans else each for at, each in enumerate(values)])
    return (body % pick((time_ns // _NS, trace_id, after, *values))).encode()


def _say_record(plan: Plan, record: Record) -> bytes | None:
    trace_id = int(record.trace_id, 16) if record.trace_id is not None else 0
    start = record.span_start_ns
    after = max(0, record.time_ns - start) // _NS_PER_MS if start is not None else 0
    return _say(plan, record.time_ns, trace_id, after, tuple(record.attributes.values()))


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
    slots: _Slots = {("payload", "timestamp"): ("%d", _SECONDS), (*_DATA, "trace_id"): ('"%032x"', _TRACE)}
    slots |= {(*_DATA, name): ("%d", _AFTER) for name in measured}
    raws, patterns, booleans = [], [], []
    for place, (name, value) in enumerate(own.items()):
        kind = type(value)
        if kind not in _SAID:
            return None
        raw, pattern = _UNREAD
        if name in declared:
            raw, pattern = _read(declared[name], kind)
            slots[*_DATA, name] = (_SAID[kind], _OWN + place)
        elif record.is_view or (declaration and declaration.person):  # the only one that is not declared: the visitor
            raw, pattern = "%s", _WHO
            slots["payload", "id"] = ('"%s"', _OWN + place)
        if kind is bool:
            booleans.append(place)
        raws.append(raw)
        patterns.append(pattern)
    places: list[int] = []
    body = _template(item, (), slots, places)
    check = re.compile("\0".join(patterns)).fullmatch
    return Plan("\0".join(raws), check, tuple(booleans), bool(measured), itemgetter(*places), body)


def _read(declared: Property, kind: type) -> tuple[str, str]:
    """Return how to say a value of this type in the raw text, and the pattern of those that the plan is for."""
    if kind is bool and declared.kind == "boolean":
        return _UNREAD
    pattern = _PATTERNS.get((declared.kind, kind), _NEVER)
    if declared.kind == "choice":
        plain = re.compile(_TEXT if kind is str else _INTEGER)
        choices = [str(each) for each in declared.choices if type(each) is kind]
        pattern = "|".join(re.escape(each) for each in choices if plain.fullmatch(each)) or _NEVER
    return _RAW[kind], f"(?:{pattern})"


def _template(value: object, path: tuple[str, ...], slots: _Slots, places: list[int]) -> str:
    """Return the JSON of *value* with slots in it, and note in *places* what they are filled with, one after the other."""
    if path in slots:
        said, place = slots[path]
        places.append(place)
        return said
    if isinstance(value, dict):
        inside = [
            f"{_constant(name)}:{_template(each, (*path, name), slots, places)}" for name, each in value.items()
        ]
        return "{" + ",".join(inside) + "}"
    return _constant(value)


def _constant(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("%", "%%")
