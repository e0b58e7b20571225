"""Projections as JSON: for a bridge, which has no code of the program that declared them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from otel_umami_exporter.errors import TaxonomyError
from otel_umami_exporter.payload import NAME_LIMIT
from otel_umami_exporter.projection import Projection, Source, Visitor
from otel_umami_exporter.taxonomy import Scalar

SCHEMA_VERSION: Final = 1


def projections_to_json(projections: Iterable[Projection]) -> str:
    """Return *projections* as JSON text that `projections_from_json` reads: for a bridge without the program's code."""
    entries = [
        {
            "key": each.key,
            "title": each.title,
            "source": each.source,
            "events": list(each.events),
            "where": dict(each.where),
            "called": each.called,
            "by": each.by,
            "at_least": each.at_least,
            "visitor": each.visitor,
        }
        for each in projections
    ]
    return json.dumps({"version": SCHEMA_VERSION, "projections": entries}, indent=2, ensure_ascii=False) + "\n"


def projections_from_json(text: str) -> tuple[Projection, ...]:
    """
    Read what `projections_to_json` wrote.

    Raises:
        TaxonomyError: it is something else, or of another version.
    """
    try:
        document = json.loads(text)
        if document["version"] != SCHEMA_VERSION:
            raise TaxonomyError(f"projections of version {document['version']}: this library reads {SCHEMA_VERSION}")
        return tuple(_from_entry(entry) for entry in document["projections"])
    except TaxonomyError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TaxonomyError(f"these are no projections: {type(error).__name__}: {error}") from error


def _from_entry(entry: Mapping[str, Any]) -> Projection:
    """Return one projection; whatever is not of its type is refused, not converted."""
    made = Projection(**{**entry, "events": tuple(entry["events"]), "where": tuple(entry["where"].items())})
    texts = (made.key, made.title, *made.events, made.called or "", made.by or "")
    if not (
        isinstance(entry["events"], list)
        and all(isinstance(each, str) for each in texts)
        and all(isinstance(value, Scalar) for _, value in made.where)
        and type(made.at_least) is int
        and made.source in get_args(Source)
        and made.visitor in get_args(Visitor)
    ):
        raise TaxonomyError(f"these are no projections: {str(made.key)[:NAME_LIMIT]} holds a value of a wrong type")
    return made
