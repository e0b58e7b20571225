"""
One pass from the ended span to the JSON, for events whose shape is known.

What becomes of an event depends on the names and types of its attributes first, and only then on their values. So what
the names and types decide is decided once, by the reference (record ─► gate ─► payload), and kept as a plan:

    names, types ──► plan               made when a shape is first seen, and proved on that event; see plan.py
    values ──► pick ──► text ──► check  the constant part of the JSON stands there, the values are filled in, and one
                                        pattern says whether each of them fits the declaration, Umami and JSON

Whatever has no plan, or fails its check, goes the way of the reference, which alone decides about it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanKind, format_trace_id

from otel_umami_exporter.gate import LeftOutReason, RejectedReason, why_unknown
from otel_umami_exporter.payload import TIME_MAX, TIME_MIN, Site
from otel_umami_exporter.plan import Plan, make_plan, said, say
from otel_umami_exporter.record import NOBODY, VISITOR, Record, is_operation, visitor_of, whose
from otel_umami_exporter.taxonomy import Taxonomy

SHAPES: Final = 1_024  # plans that are kept; a shape beyond goes the way of the reference
_NS: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_FIRST_NS: Final = TIME_MIN * _NS
_END_NS: Final = (TIME_MAX + 1) * _NS
_SERVER: Final = SpanKind.SERVER
_CONSUMER: Final = SpanKind.CONSUMER
Owner = tuple[str | None, str | None]  # service and environment


class OnePass:
    """
    Makes the bodies of spans in one pass. Threads may share one.

    Args:
        taxonomy: the closed list.
        site: the website that is written to.
        count: told why, of each record and each property that stays behind.
    """

    def __init__(self, taxonomy: Taxonomy, site: Site, count: Callable[[RejectedReason | LeftOutReason], None]) -> None:
        self._taxonomy: Final = taxonomy
        self._site: Final = site
        self._count: Final = count
        self._plans: Final[dict[tuple[Any, ...], Plan]] = {}

    @property
    def shapes(self) -> int:
        """How many plans are kept."""
        return len(self._plans)

    # One function: a call for each part would cost as much as the part.
    def bodies(self, span: ReadableSpan) -> list[bytes] | None:  # noqa: C901, PLR0912
        """
        Return what is to be sent of *span*; None, with nothing counted, when only the reference can say it.

        Each property of a span is a call in Python, so few are read.

        Raises:
            ValueError: only the reference can say it, too; see `say`.
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
        owner = whose(span.resource)
        made: list[bytes] = []
        stayed: list[RejectedReason | LeftOutReason] = []
        asked, visitor = entered, visitor_of(span) if entered else None
        if entered and not self._view(span, owner, visitor, made, stayed):
            return None
        for event in events:
            name, time_ns, attributes = event.name, event.timestamp, event.attributes
            if name.__class__ is not str or time_ns.__class__ is not int or not _FIRST_NS <= time_ns < _END_NS:
                return None
            if attributes.__class__ is not BoundedAttributes or attributes.dropped:
                return None
            own = attributes.copy()
            who = own.get(VISITOR)
            if who is None:
                if not asked:
                    asked, visitor = True, visitor_of(span)
                if visitor is not None:
                    own[VISITOR] = visitor
            elif who == NOBODY:
                del own[VISITOR]
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
            measures, booleans, local, pick, template, check, begin = plan
            after = 0
            if measures:
                start = span.start_time
                if start.__class__ is not int:
                    return None
                after = max(0, time_ns - start) // _NS_PER_MS
            if booleans:
                values = said(values, booleans)
            text = template % pick((time_ns // _NS, trace_id, after, *values))
            if check(text, begin) is None:
                return None
            made.append(text.encode())
            if local:
                stayed += local
        for reason in stayed:
            self._count(reason)
        return made

    def _view(
        self,
        span: ReadableSpan,
        owner: Owner,
        visitor: str | None,
        made: list[bytes],
        stayed: list[RejectedReason | LeftOutReason],
    ) -> bool:
        """Tell the page view of an operation; return whether that could be done without the reference."""
        name, time_ns = span.name, span.start_time
        if visitor is None or time_ns is None:
            return True  # nobody asked for it
        if name.__class__ is not str or time_ns.__class__ is not int or not _FIRST_NS <= time_ns < _END_NS:
            return False
        if not self._taxonomy.has_operation(name):
            stayed.append("undeclared_operation")
            return True
        key = (owner, None, name, visitor.__class__)
        plan = self._plans.get(key)
        if plan is None:
            record = Record(name=name, time_ns=time_ns, is_view=True, visitor=visitor, attributes={VISITOR: visitor})
            plan = self._make(key, record, owner)
        body = say(plan, time_ns, 0, 0, (visitor,)) if plan is not None else None
        if body is not None:
            made.append(body)
        return body is not None

    def _make(self, key: tuple[Any, ...], record: Record, owner: Owner) -> Plan | None:
        """Make the plan for events like *record*, keep and return it; None when there can be none, or no more."""
        if len(self._plans) >= SHAPES:
            return None
        record.service, record.environment = owner
        plan = make_plan(record, self._taxonomy, self._site)
        if plan is None:
            return None
        self._plans[key] = plan
        if len(self._plans) > SHAPES:  # threads that came at once
            self._plans.pop(key, None)
        return plan


def _record(span: ReadableSpan, event: Event, own: Mapping[str, Any], trace_id: int) -> Record:
    """Return the record of an event as the reference makes it, but for whose it is."""
    who = own.get(VISITOR)
    return Record(
        name=event.name,
        time_ns=event.timestamp,
        visitor=who if isinstance(who, str) else None,
        attributes=own,
        span_start_ns=span.start_time,
        trace_id=format_trace_id(trace_id),
    )
