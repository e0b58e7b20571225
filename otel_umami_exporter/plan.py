"""
The plan of a shape: what the names and types of an event's attributes decide about its JSON; see one_pass.py.

It is read off what the reference makes of one event of that shape: each value in there that another event may say in
another way becomes a slot, and the rest of the text is constant. One pattern says what may stand in the slots. It has
no quotation mark inside any of them, so text that holds one cannot pass as something else.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final, NamedTuple

from otel_umami_exporter.gate import LeftOutReason, Rejected, admit
from otel_umami_exporter.payload import CURRENCY_LIMIT, ID_LIMIT, NUMBER_LIMIT, VALUE_LIMIT, Site, to_item, to_json
from otel_umami_exporter.record import Record
from otel_umami_exporter.taxonomy import Declaration, Privacy, Property, Taxonomy

_NS: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
# Text that JSON says as it stands and that Umami stores whole and takes for no date; numbers that Umami can store.
_PLAIN: Final = r'[^\x00-\x1f"\\]'  # lone surrogates are not looked for, which is slow to prepare: see `say`
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
_SHORT: Final = rf'(?="[^"]{{0,{CURRENCY_LIMIT}}}")'
_LOCAL: Final = frozenset({"local_property"})
_JSON: Final = {bool: "%s", int: "%d", float: "%r", str: '"%s"'}
_BOOLEAN: Final = {False: "false", True: "true"}


class Slot(NamedTuple):
    """A place in the JSON that is filled in: how that is said, what is to stand there then, and what with."""

    said: str
    pattern: str
    place: int


# What slots are filled with: first what is no attribute, then each attribute; see `say`.
_SECONDS, _TRACE, _AFTER, _OWN = range(4)
_DATA: Final = ("payload", "data")
_TIME: Final = Slot("%d", "[0-9]++", _SECONDS)
_TRACE_ID: Final = Slot('"%032x"', '"[0-9a-f]{32}"', _TRACE)
_SINCE_START: Final = Slot("%d", _INTEGER, _AFTER)
_Slots = dict[tuple[str, ...], Slot]  # by the way to them through the item


class Plan(NamedTuple):
    """What becomes of the values of one shape."""

    measures: bool  # the milliseconds since the start of the span are filled in
    booleans: tuple[int, ...]  # which of the values JSON says in another way than Python
    local: tuple[LeftOutReason, ...]  # what is told of those that stay
    pick: Callable[[tuple[Any, ...]], Any]
    text: str
    check: Callable[[str, int], object]  # None: only the reference can say what becomes of these values
    begin: int  # all before is constant


def make_plan(record: Record, taxonomy: Taxonomy, site: Site) -> Plan | None:
    """Return the plan for records like this one; None when only the reference can say what becomes of them."""
    admitted = admit(record, taxonomy)
    if isinstance(admitted, Rejected) or not _LOCAL.issuperset(admitted.left_out):
        return None
    item = to_item(admitted, site)
    slots = _slots(record, None if record.is_view else taxonomy.get(record.name))
    pieces = list(_pieces(item, (), slots))
    filled = [each for each in pieces if isinstance(each, Slot)]
    if len(filled) != len(slots):
        return None  # something had no value that could be sent
    first = pieces.index(filled[0])
    plan = Plan(
        measures=_SINCE_START in filled,
        booleans=tuple(at for at, each in enumerate(record.attributes.values()) if type(each) is bool),
        local=admitted.left_out,
        pick=itemgetter(*(each.place for each in filled)),
        text="".join(each.said if isinstance(each, Slot) else each.replace("%", "%%") for each in pieces),
        check=re.compile(
            "".join(each.pattern if isinstance(each, Slot) else re.escape(each) for each in pieces[first:])
        ).fullmatch,
        begin=sum(map(len, pieces[:first])),
    )
    start = record.span_start_ns
    trace_id = 0 if record.trace_id is None else int(record.trace_id, 16)
    after = 0 if start is None else max(0, record.time_ns - start) // _NS_PER_MS
    with suppress(ValueError):
        if say(plan, record.time_ns, trace_id, after, record.attributes.values()) not in (None, to_json(item)):
            return None
    return plan


def say(plan: Plan, time_ns: int, trace_id: int, after: int, values: Iterable[Any]) -> bytes | None:
    """
    Fill in the values; None when the plan is not for them.

    Raises:
        ValueError: it is not, either: a lone surrogate, or an integer of thousands of digits.
    """
    text: str = plan.text % plan.pick((time_ns // _NS, trace_id, after, *said(values, plan.booleans)))
    return None if plan.check(text, plan.begin) is None else text.encode()


def said(values: Iterable[Any], booleans: tuple[int, ...]) -> list[Any]:
    """Return *values* with those at *booleans* as JSON says them."""
    return [_BOOLEAN[each] if at in booleans else each for at, each in enumerate(values)]


def _slots(record: Record, declaration: Declaration | None) -> _Slots:
    slots: _Slots = {("payload", "timestamp"): _TIME}
    if declaration is not None:
        slots[*_DATA, "trace_id"] = _TRACE_ID
        slots |= {(*_DATA, name): _SINCE_START for name in declaration.measured if name not in record.attributes}
    for place, (name, value) in enumerate(record.attributes.items(), _OWN):
        declared = declaration.properties.get(name) if declaration is not None else None
        if declared is None:  # the only one that need not be: the visitor
            if declaration is None or declaration.person:
                slots["payload", "id"] = Slot('"%s"', f'"{_PLAIN}{{1,{ID_LIMIT}}}+"', place)
        elif declared.privacy is not Privacy.LOCAL:
            pattern = _pattern(declared, type(value))
            if name == "currency" and "revenue" in record.attributes:  # of these two Umami makes a row of its own
                is_number = type(record.attributes["revenue"]) in (int, float)
                pattern = _SHORT + pattern if is_number and type(value) is str else _NEVER
            slots[*_DATA, name] = Slot(_JSON.get(type(value), "%s"), pattern, place)
    return slots


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
