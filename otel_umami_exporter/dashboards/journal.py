"""What was done, or with a dry run would be done, and where it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from otel_umami_exporter.dashboards.declare import Audience

Verb = Literal["create", "update", "delete", "keep", "note"]
Mode = Literal["apply", "dry-run"]


@dataclass(frozen=True)
class Change:
    """One thing that was, or with a dry run would be, done."""

    verb: Verb
    what: str

    def __str__(self) -> str:
        return f"{self.verb:<6} {self.what}"


@dataclass(frozen=True)
class Address:
    """Where a person finds something."""

    title: str
    url: str
    audience: Audience


@dataclass(frozen=True)
class Result:
    """What happened, and where it is."""

    changes: tuple[Change, ...]
    addresses: tuple[Address, ...]

    @property
    def is_changed(self) -> bool:
        """Whether anything was, or would be, created, updated or deleted."""
        return any(change.verb in ("create", "update", "delete") for change in self.changes)


class Journal:
    """Does what is to be done, unless this is a dry run, and writes it down."""

    def __init__(self, mode: Mode) -> None:
        self._mode: Final = mode
        self._changes: list[Change] = []
        self._addresses: dict[Address, None] = {}

    def do(self, verb: Verb, what: str, action: Callable[[], object]) -> None:
        """Do *action* and write it down as *verb* *what*."""
        if self._mode == "apply":
            action()
        self._changes.append(Change(verb, what))

    def keep(self, what: str) -> None:
        """Write down that *what* is as it should be."""
        self._changes.append(Change("keep", what))

    def note(self, what: str) -> None:
        """Write down what a person should know."""
        self._changes.append(Change("note", what))

    def say(self, title: str, url: str, audience: Audience) -> None:
        """Write down an address, once."""
        self._addresses[Address(title, url, audience)] = None

    def result(self) -> Result:
        """Return all of it."""
        return Result(tuple(self._changes), tuple(self._addresses))
