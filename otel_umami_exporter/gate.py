"""The gate: a record against the closed list. What is not declared does not leave."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from otel_umami_exporter.record import Record
from otel_umami_exporter.taxonomy import Declaration, Privacy, Scalar, Taxonomy

RejectedReason = Literal["undeclared_event", "undeclared_operation", "automatic_event"]
LeftOutReason = Literal["undeclared_property", "wrong_value", "local_property"]

# Written by SDKs and instrumentations, not by the program: they belong in traces, and nobody misses them here.
AUTOMATIC_EVENTS: Final = frozenset({"exception", "message", "log", "feature_flag"})
_PLUMBING: Final = frozenset({"enduser.pseudo.id"})
_NS_PER_MS: Final = 1_000_000


@dataclass(slots=True)
class Admitted:
    """A record with the declared properties only; *left_out* names the others by reason. Not frozen: see `Record`."""

    record: Record
    visitor: str | None
    properties: Mapping[str, Scalar]
    left_out: tuple[LeftOutReason, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that does not leave."""

    reason: RejectedReason


def admit(record: Record, taxonomy: Taxonomy) -> Admitted | Rejected:
    """
    Decide whether *record* may leave, and with which properties.

    A property that is not declared, or whose value has not the declared type, is left out; the event still leaves,
    because a chart that counts it must not miss it.
    """
    if record.is_view:
        if not taxonomy.has_operation(record.name):
            return Rejected("undeclared_operation")
        return Admitted(record, record.visitor, {})
    declaration = taxonomy.get(record.name)
    if declaration is None:
        return Rejected(why_unknown(record.name))
    properties, left_out = _declared(record, declaration)
    visitor = record.visitor if declaration.person else None
    return Admitted(record, visitor, properties, left_out)


def why_unknown(name: str) -> RejectedReason:
    """Return why an event that is not in the taxonomy does not leave."""
    return "automatic_event" if name in AUTOMATIC_EVENTS else "undeclared_event"


def _declared(record: Record, declaration: Declaration) -> tuple[dict[str, Scalar], tuple[LeftOutReason, ...]]:
    properties: dict[str, Scalar] = {}
    left_out: list[LeftOutReason] = []
    known = declaration.properties
    for name, value in record.attributes.items():
        declared = known.get(name)
        if declared is None:
            if name not in _PLUMBING:
                left_out.append("undeclared_property")
        elif declared.privacy is Privacy.LOCAL:
            left_out.append("local_property")
        elif not declared.accepts(value):
            left_out.append("wrong_value")
        else:
            properties[name] = value
    if declaration.measured and record.span_start_ns is not None:
        for name in declaration.measured:
            if name not in properties:
                properties[name] = max(0, record.time_ns - record.span_start_ns) // _NS_PER_MS
    return properties, tuple(left_out)
