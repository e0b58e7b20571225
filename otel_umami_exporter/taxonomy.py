"""
The closed list: which business events exist, and what each may carry.

What is not declared here does not leave. Personal data has no class, so it cannot be declared: text is a closed list
(`Literal`), a time of day, a timestamp, or words from a named source that is not a person.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from enum import Enum
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin, get_type_hints

from otel_umami_exporter.errors import TaxonomyError

Scalar = bool | int | float | str
Kind = Literal["boolean", "integer", "number", "choice", "text", "time_of_day", "timestamp"]

NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_LIMIT: Final = 50  # Umami refuses a longer event name
OPERATION_LIMIT: Final = 200
TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
RESERVED: Final = frozenset({"trace_id", "name"})  # the road adds the first; a class says the second


class Privacy(Enum):
    """Where a property may be seen. There is no class for personal data: it cannot be declared."""

    PUBLIC = "public"  # also on shared boards
    INTERNAL = "internal"  # on the owner's own website
    LOCAL = "local"  # in traces and logs only, never in Umami


class Form(Enum):
    """What text that is not a closed list looks like."""

    TIME_OF_DAY = "time_of_day"  # HH:MM
    TIMESTAMP = "timestamp"  # ISO 8601 with an offset


@dataclass(frozen=True)
class Prop:
    """
    What one property means and where it may be seen; stands in `Annotated`.

    *form* is for text of a fixed form. *source* names where other text comes from ("the city's catalogue"): a source is
    never a person. *measured* lets the road fill the property in: the milliseconds from the start of the span to the
    event, when the caller leaves it out.
    """

    doc: str
    privacy: Privacy
    form: Form | None = None
    source: str | None = None
    measured: Literal["since_span_start_ms"] | None = None
    example: Scalar | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """
    A business event: subclass it as a frozen, keyword-only dataclass.

    The docstring's first sentence says when it happens. `person` is False for events with nobody behind them: they
    leave without a visitor, whatever the context says.
    """

    name: ClassVar[str]
    person: ClassVar[bool] = True

    def attributes(self) -> dict[str, Scalar]:
        """Return the properties that have a value, as OpenTelemetry attributes."""
        said = self.__dict__.copy()
        return {name: value for name, value in said.items() if value is not None} if None in said.values() else said


@dataclass(frozen=True, kw_only=True)
class Property:
    """One declared property of one event."""

    name: str
    kind: Kind
    doc: str
    privacy: Privacy
    required: bool
    choices: tuple[str | int, ...] = ()
    source: str | None = None
    measured: Literal["since_span_start_ms"] | None = None
    example: Scalar | None = None

    def accepts(self, value: object) -> bool:
        """Whether *value* has the declared type and form; a bool is no integer."""
        return _ACCEPTS[self.kind](value, self.choices)


def _is_number(value: object, _choices: object = ()) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_choice(value: object, choices: tuple[str | int, ...]) -> bool:
    # type() too: True == 1 must not pass as the choice 1
    return any(value == choice and type(value) is type(choice) for choice in choices)


_ACCEPTS: Final[Mapping[Kind, Callable[[object, tuple[str | int, ...]], bool]]] = {
    "boolean": lambda value, _: isinstance(value, bool),
    "integer": lambda value, _: isinstance(value, int) and not isinstance(value, bool),
    "number": _is_number,
    "choice": _is_choice,
    "text": lambda value, _: isinstance(value, str),
    "time_of_day": lambda value, _: isinstance(value, str) and TIME_OF_DAY.fullmatch(value) is not None,
    "timestamp": lambda value, _: isinstance(value, str) and parse_timestamp(value) is not None,
}


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One declared event, without its class: what the road needs to know."""

    name: str
    doc: str
    person: bool
    properties: Mapping[str, Property]
    event: type[Event] | None = field(default=None, compare=False)

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """The properties that the road fills in."""
        return tuple(name for name, each in self.properties.items() if each.measured)


class Taxonomy:
    """
    The events and operations that may leave.

    Args:
        events: the event classes; their order is the order of the documentation.
        operations: names of root spans of kind SERVER or CONSUMER that count as page views. Exact names: a pattern
            would let through what people typed.
    Raises:
        TaxonomyError: a name or a property that could not be stored or could hold personal data.
    """

    def __init__(self, events: Iterable[type[Event]], *, operations: Iterable[str] = ()) -> None:
        self._take([declare(event) for event in events], operations)

    def _take(self, declarations: Iterable[Declaration], operations: Iterable[str]) -> None:
        self._declarations: dict[str, Declaration] = {}
        for declaration in declarations:
            if declaration.name in self._declarations:
                raise TaxonomyError(f"event {declaration.name} is declared twice")
            self._declarations[declaration.name] = declaration
        self.operations = tuple(dict.fromkeys(operations))
        self._operations = frozenset(self.operations)
        for operation in self.operations:
            if not 0 < len(operation) <= OPERATION_LIMIT or not operation.isprintable():
                raise TaxonomyError(f"operation {operation!r}: 1 to {OPERATION_LIMIT} printable characters are needed")

    @property
    def events(self) -> tuple[Declaration, ...]:
        """Every declared event, in order of declaration."""
        return tuple(self._declarations.values())

    def get(self, name: str) -> Declaration | None:
        """Return the declaration of the event *name*, or None."""
        return self._declarations.get(name)

    def has_operation(self, name: str) -> bool:
        """Whether a root span of this name is a page view."""
        return name in self._operations

    def to_json(self) -> str:
        """Return the taxonomy as JSON text that `from_json` reads back; the same taxonomy gives the same text."""
        from otel_umami_exporter.taxonomy_json import dump  # noqa: PLC0415  # slow to import, seldom needed

        return dump(self)

    @classmethod
    def from_json(cls, text: str) -> "Taxonomy":
        """
        Read what `to_json` wrote.

        Raises:
            TaxonomyError: it is no taxonomy, or one of another version.
        """
        from otel_umami_exporter.taxonomy_json import load  # noqa: PLC0415  # slow to import, seldom needed

        declarations, operations = load(text)
        taxonomy = cls(())
        taxonomy._take(declarations, operations)  # a second constructor
        return taxonomy


def parse_timestamp(text: str) -> datetime | None:
    """Return the moment that ISO 8601 *text* with an offset names, or None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def declare(event: type[Event]) -> Declaration:
    """
    Read the declaration of one event class.

    Raises:
        TaxonomyError: the class breaks a rule; the message says which.
    """
    name = getattr(event, "name", None)
    if not isinstance(name, str):
        raise TaxonomyError(f"{event.__name__}: it needs a name: ClassVar[str]")
    check_name(name, event.__name__)
    doc = (event.__doc__ or "").strip()
    if not doc or doc.startswith(f"{event.__name__}("):
        raise TaxonomyError(f"{event.__name__}: a docstring says when the event happens")
    hints = get_type_hints(event, include_extras=True)
    properties = {}
    for each in fields(event):
        optional = each.default is not MISSING or each.default_factory is not MISSING
        properties[each.name] = _property(event.__name__, each.name, hints[each.name], optional=optional)
    return Declaration(name=name, doc=doc.split("\n\n")[0], person=event.person, properties=properties, event=event)


def check_name(name: str, where: str) -> None:
    """Raise TaxonomyError unless *name* can be the name of an event or a property."""
    if not NAME.fullmatch(name) or len(name) > NAME_LIMIT:
        raise TaxonomyError(f"{where}: {name!r} is no snake_case name of at most {NAME_LIMIT} characters")


def _property(event: str, name: str, hint: Any, *, optional: bool) -> Property:
    where = f"{event}.{name}"
    check_name(name, where)
    if name in RESERVED:
        raise TaxonomyError(f"{where}: this name is reserved")
    bare, prop = _split(hint)
    if prop is None:
        raise TaxonomyError(f"{where}: Annotated[..., Prop(...)] is missing")
    if get_origin(bare) in (Union, UnionType):
        members = [each for each in get_args(bare) if each is not NoneType]
        if len(members) != 1 or NoneType not in get_args(bare):
            raise TaxonomyError(f"{where}: the only union allowed is `... | None`")
        optional = True
        bare, inner = _split(members[0])
        prop = inner or prop
    kind, choices = _kind(where, bare, prop)
    check_measured(where, kind, prop.measured)
    return Property(
        name=name,
        kind=kind,
        doc=prop.doc,
        privacy=prop.privacy,
        required=not optional and prop.measured is None,
        choices=choices,
        source=prop.source,
        measured=prop.measured,
        example=prop.example,
    )


def _split(hint: Any) -> tuple[Any, Prop | None]:
    """Take `Annotated[type, Prop(...)]` apart; `Annotated[...] | None` carries its Prop inside."""
    if get_origin(hint) is Annotated:
        bare, *extras = get_args(hint)
        return bare, next((each for each in extras if isinstance(each, Prop)), None)
    if get_origin(hint) in (Union, UnionType):
        inner = [_split(each)[1] for each in get_args(hint)]
        return hint, next((each for each in inner if each is not None), None)
    return hint, None


def _kind(where: str, bare: Any, prop: Prop) -> tuple[Kind, tuple[str | int, ...]]:
    if get_origin(bare) is Literal:
        return "choice", get_args(bare)
    if bare is bool:
        return "boolean", ()
    if bare is int:
        return "integer", ()
    if bare is float:
        return "number", ()
    if bare is not str:
        raise TaxonomyError(f"{where}: a property is a bool, an int, a float, a Literal, or text of a declared form")
    if prop.form is not None:
        return prop.form.value, ()
    check_text(where, prop.source, prop.privacy)
    return "text", ()


def check_text(where: str, source: str | None, privacy: Privacy) -> None:
    """Raise TaxonomyError for text that may hold a person."""
    if not source and privacy is not Privacy.LOCAL:
        raise TaxonomyError(
            f"{where}: free text may hold a person; use a Literal, a form or a source, or keep it LOCAL"
        )


def check_measured(where: str, kind: Kind, measured: str | None) -> None:
    """Raise TaxonomyError unless what is measured can hold a number of milliseconds."""
    if measured and kind != "integer":
        raise TaxonomyError(f"{where}: what is measured is an integer of milliseconds")
