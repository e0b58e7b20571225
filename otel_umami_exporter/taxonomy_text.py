"""The taxonomy for people: as a page, and as differences between two of them."""

from collections.abc import Callable, Mapping, Sequence

from otel_umami_exporter.taxonomy import Declaration, Property, Taxonomy

_KINDS = {"choice": "one of", "time_of_day": "HH:MM", "timestamp": "ISO 8601"}


def to_markdown(
    taxonomy: Taxonomy,
    deviations: Mapping[str, str] | None = None,
    widgets_of: Callable[[str], Sequence[str]] | None = None,
) -> str:
    """
    Return a page with a table for each event.

    *deviations* says, by event, where and why it differs from a guide; *widgets_of* which widgets show an event.
    """
    lines = [
        "| event | when | who | properties |",
        "|---|---|---|---|",
        *(
            f"| [`{event.name}`](#{event.name}) | {event.doc} | {_who(event)} | "
            f"{', '.join(f'`{name}`' for name in event.properties) or '-'} |"
            for event in taxonomy.events
        ),
        "",
    ]
    for event in taxonomy.events:
        lines += [f"## {event.name}", "", event.doc, ""]
        if event.properties:
            lines += ["| property | type | seen | what | example |", "|---|---|---|---|---|"]
            lines += [_row(each) for each in event.properties.values()]
            lines.append("")
        if widgets_of is not None:
            lines += [f"Shown by: {', '.join(widgets_of(event.name)) or 'no widget'}.", ""]
        if deviations and event.name in deviations:
            lines += [f"Differs from the guide: {deviations[event.name]}", ""]
    if taxonomy.operations:
        lines += ["## Operations", "", "Root spans of these names are page views:", ""]
        lines += [f"* `{name}`" for name in taxonomy.operations]
    return "\n".join(lines).rstrip() + "\n"


def differences(old: Taxonomy, new: Taxonomy) -> list[str]:
    """Return one line for each event, property or operation that *new* adds (+), lacks (-) or changes (~)."""
    lines = []
    before = {event.name: event for event in old.events}
    after = {event.name: event for event in new.events}
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            lines.append(f"- {name}")
        elif name not in before:
            lines.append(f"+ {name}")
        else:
            lines += _event_differences(before[name], after[name])
    lines += [f"- operation {each}" for each in old.operations if each not in new.operations]
    lines += [f"+ operation {each}" for each in new.operations if each not in old.operations]
    return lines


def _event_differences(old: Declaration, new: Declaration) -> list[str]:
    lines = []
    if (old.doc, old.person) != (new.doc, new.person):
        lines.append(f"~ {old.name}")
    for name in [*old.properties, *(name for name in new.properties if name not in old.properties)]:
        if name not in new.properties:
            lines.append(f"- {old.name}.{name}")
        elif name not in old.properties:
            lines.append(f"+ {old.name}.{name}")
        elif old.properties[name] != new.properties[name]:
            lines.append(f"~ {old.name}.{name}")
    return lines


def _who(event: Declaration) -> str:
    return "a person" if event.person else "nobody"


def _row(each: Property) -> str:
    kind = _KINDS.get(each.kind, each.kind)
    if each.choices:
        kind = "one of " + ", ".join(f"`{choice}`" for choice in each.choices)
    if not each.required:
        kind += ", optional" if each.measured is None else ", measured from the span's start"
    what = each.doc + (f" (from {each.source})" if each.source else "")
    choice = each.choices[0] if each.choices else None
    example = each.example if each.example is not None else choice
    return f"| `{each.name}` | {kind} | {each.privacy.value} | {what} | {'-' if example is None else f'`{example}`'} |"
