"""The taxonomy as JSON, for programs that cannot import the event classes; read strictly: it decides what leaves."""

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from otel_umami_exporter.errors import TaxonomyError
from otel_umami_exporter.taxonomy import (
    RESERVED,
    Declaration,
    Kind,
    Privacy,
    Property,
    Scalar,
    Taxonomy,
    check_measured,
    check_name,
    check_text,
)

SCHEMA_VERSION: Final = 1


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class _Property(_Strict):
    name: str
    kind: Kind
    doc: str
    privacy: Literal["public", "internal", "local"]
    required: bool
    choices: tuple[str | int, ...] = ()
    source: str | None = None
    measured: Literal["since_span_start_ms"] | None = None
    example: Scalar | None = None


class _Event(_Strict):
    name: str
    doc: str
    person: bool
    properties: list[_Property]


class _Document(_Strict):
    version: int
    events: list[_Event]
    operations: list[str]


def dump(taxonomy: Taxonomy) -> str:
    """Return *taxonomy* as JSON text; the same taxonomy gives the same text."""
    document = {
        "version": SCHEMA_VERSION,
        "events": [_event_to_dict(each) for each in taxonomy.events],
        "operations": list(taxonomy.operations),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def load(text: str) -> tuple[list[Declaration], list[str]]:
    """
    Return the declarations and operations that `dump` wrote.

    Raises:
        TaxonomyError: it is no taxonomy, one of another version, or one that breaks a rule.
    """
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        raise TaxonomyError(f"this is no taxonomy: {where + ': ' if where else ''}{first['msg']}") from None
    if document.version != SCHEMA_VERSION:
        raise TaxonomyError(f"taxonomy version {document.version}: this library reads {SCHEMA_VERSION}")
    return [_declaration(each) for each in document.events], document.operations


def _event_to_dict(event: Declaration) -> dict[str, Any]:
    properties = []
    for each in event.properties.values():
        entry: dict[str, Any] = {
            "name": each.name,
            "kind": each.kind,
            "doc": each.doc,
            "privacy": each.privacy.value,
            "required": each.required,
        }
        extras = {
            "choices": list(each.choices) or None,
            "source": each.source,
            "measured": each.measured,
            "example": each.example,
        }
        properties.append(entry | {key: value for key, value in extras.items() if value is not None})
    return {"name": event.name, "doc": event.doc, "person": event.person, "properties": properties}


def _declaration(event: _Event) -> Declaration:
    check_name(event.name, "event")
    properties: dict[str, Property] = {}
    for each in event.properties:
        where = f"{event.name}.{each.name}"
        if each.name in properties:
            raise TaxonomyError(f"{where}: it is declared twice")
        properties[each.name] = _property(where, each)
    return Declaration(name=event.name, doc=event.doc, person=event.person, properties=properties)


def _property(where: str, entry: _Property) -> Property:
    privacy = Privacy(entry.privacy)
    check_name(entry.name, where)
    if entry.name in RESERVED:
        raise TaxonomyError(f"{where}: this name is reserved")
    if (entry.kind == "choice") != bool(entry.choices):
        raise TaxonomyError(f"{where}: choices belong to the kind 'choice', and to no other")
    if entry.kind == "text":
        check_text(where, entry.source, privacy)
    check_measured(where, entry.kind, entry.measured)
    return Property(
        name=entry.name,
        kind=entry.kind,
        doc=entry.doc,
        privacy=privacy,
        required=entry.required,
        choices=entry.choices,
        source=entry.source,
        measured=entry.measured,
        example=entry.example,
    )
