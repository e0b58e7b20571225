"""
The taxonomy as an OpenTelemetry semantic-convention registry, in the YAML that Weaver reads.

Attributes are defined once, in a group of their own, and referenced by the events: where several events share a name,
the definition holds every value that any of them allows, and each event says its own in a note.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from otel_umami_exporter.taxonomy import Declaration, Property, Scalar, Taxonomy

SEMCONV_VERSION: Final = "0.1.0"
_TYPES: Final = {"boolean": "boolean", "integer": "int", "number": "double"}
_HEAD: Final = "# Written by `make generate`; edit the code it is derived from.\n"


def to_registry(taxonomy: Taxonomy, *, namespace: str) -> str:
    """Return the registry's groups: the attributes, then the events; *namespace* stands in the ids of the groups."""
    lines = [_HEAD + "groups:"]
    lines += [
        f"  - id: registry.{namespace}",
        "    type: attribute_group",
        "    display_name: Properties of business events",
        "    brief: Every property that a business event may carry.",
        "    attributes:",
    ]
    for name, properties in _by_name(taxonomy.events).items():
        lines += [f"      {line}" for line in _definition(name, properties)]
    for event in taxonomy.events:
        lines += [f"  {line}" for line in _event(event)]
    return "\n".join(lines) + "\n"


def to_manifest(*, name: str, description: str, address: str) -> str:
    """Return the registry's manifest; *address* is where its schema would be published."""
    fields = {"name": name, "description": description, "semconv_version": SEMCONV_VERSION, "schema_base_url": address}
    return _HEAD + "\n".join(f"{key}: {_text(value)}" for key, value in fields.items()) + "\n"


def _by_name(events: Iterable[Declaration]) -> dict[str, list[Property]]:
    found: dict[str, list[Property]] = {}
    for event in events:
        for name, declared in event.properties.items():
            found.setdefault(name, []).append(declared)
    return found


def _definition(name: str, properties: list[Property]) -> Iterator[str]:
    yield f"- id: {name}"
    choices = dict.fromkeys(choice for each in properties for choice in each.choices)
    if choices:
        yield "  type:"
        yield "    members:"
        for choice in choices:
            yield f"      - id: {_member(choice)}"
            yield f"        value: {json.dumps(choice)}"
            yield "        stability: development"
    else:
        yield f"  type: {_TYPES.get(properties[0].kind, 'string')}"
    yield "  stability: development"
    yield f"  brief: {_text('; '.join(dict.fromkeys(each.doc for each in properties)))}"
    examples = dict.fromkeys(each.example for each in properties if each.example is not None)
    if examples and not choices:
        yield f"  examples: [{', '.join(_value(each) for each in examples)}]"


def _event(event: Declaration) -> Iterator[str]:
    yield f"- id: event.{event.name}"
    yield "  type: event"
    yield f"  name: {event.name}"
    yield "  stability: development"
    yield f"  brief: {_text(event.doc)}"
    yield f"  note: {_text('Caused by a person.' if event.person else 'Nobody is behind it.')}"
    if event.properties:
        yield "  attributes:"
    for each in event.properties.values():
        yield f"    - ref: {each.name}"
        yield f"      requirement_level: {'required' if each.required else 'recommended'}"
        yield f"      brief: {_text(each.doc)}"
        yield f"      note: {_text(_note(each))}"


def _note(each: Property) -> str:
    words = [f"Privacy: {each.privacy.value}."]
    if each.choices:
        words.append(f"One of {', '.join(map(str, each.choices))}.")
    if each.source:
        words.append(f"Text from {each.source}.")
    if each.kind in ("time_of_day", "timestamp"):
        words.append("HH:MM." if each.kind == "time_of_day" else "ISO 8601 with an offset.")
    if each.measured:
        words.append("Measured from the span's start, in milliseconds.")
    return " ".join(words)


_SPELLED: Final[Mapping[str, str]] = {"/": "", "+": "_or_more", "-": "_", ".": "_"}


def _member(choice: Scalar) -> str:
    """Return a member's id: small letters, digits and underscores."""
    text = str(choice)
    for sign, spelled in _SPELLED.items():
        text = text.replace(sign, spelled)
    return text if text[:1].isalpha() else f"value_{text}"


def _value(value: Scalar) -> str:
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """Return *text* as a YAML string: JSON's double quotes are YAML's."""
    return json.dumps(text, ensure_ascii=False)
