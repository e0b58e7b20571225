"""Counting what the boards show, from the spans alone: what their numbers are compared with."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from termin_bot.tracing import VISITOR

# Said here once more, and not read from the boards: what is counted must not depend on what is checked.
_SHOWN: Final = {
    "api_error": "error_type",
    "booking_completed": "status",
    "captcha_solved": "success",
    "command_executed": "command_name",
    "notification_failed": "error_type",
    "subscription_added": "service_name",
}


class Tally:
    """How often each event happened, to how many people, and with which values of the properties that boards show."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self._people: dict[str, set[str]] = {}
        self._values: dict[str, Counter[str]] = {}

    def count(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Count one event."""
        self.events[name] += 1
        self._count_person(name, attributes)
        shown = _SHOWN.get(name)
        if shown is not None:
            value = attributes[shown]
            said = str(value).lower() if isinstance(value, bool) else str(value)
            self._values.setdefault(f"{name}.{shown}", Counter())[said] += 1
            self._count_person(f"{name}.{shown}={said}", attributes)

    def as_json(self) -> dict[str, Any]:
        """Return people by event, and events and people by value; an event with nobody behind it has no people."""
        return {
            "people": {name: len(self._people.get(name, ())) for name in sorted(self.events)},
            "values": {
                key: {
                    value: {"events": number, "people": len(self._people.get(f"{key}={value}", ()))}
                    for value, number in sorted(counted.items())
                }
                for key, counted in sorted(self._values.items())
            },
        }

    def _count_person(self, key: str, attributes: Mapping[str, Any]) -> None:
        visitor = attributes.get(VISITOR)
        if isinstance(visitor, str):
            self._people.setdefault(key, set()).add(visitor)
