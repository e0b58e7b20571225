"""The answers other than 200 that Umami has, as exceptions and as bodies."""

from dataclasses import dataclass, field
from typing import Literal

from .javascript import Json

Kept = Literal[
    "nothing",
    "the session",
    "the event without its properties",
    "the event with its properties",
    "the properties before the failing one",
]


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """Umami answers 400: the request or this item of it is wrong."""

    def __init__(self, error: dict[str, Json]) -> None:
        super().__init__("refused")
        self.body: dict[str, Json] = {"error": error}


@dataclass(eq=False)
class ServerError(Exception):
    """Umami answers 500; *kind* and *code* are those of its database driver, *kept* is what it stored before."""

    kind: str
    code: str | None = None
    kept: Kept = "nothing"

    @property
    def body(self) -> dict[str, Json]:
        """The body of the answer, with what a client can tell errors apart by."""
        error_object: dict[str, Json] = (
            {"kind": self.kind} if self.code is None else {"code": self.code, "kind": self.kind}
        )
        return {
            "error": {"message": "Server error", "code": "server-error", "status": 500, "errorObject": error_object}
        }


def database_down() -> ServerError:
    """Return what Umami says while its database is away; a temporary error."""
    return ServerError("DatabaseNotReachable", "P1001")


def website_not_found() -> Refused:
    """Return what Umami says to an unknown, nil or deleted website."""
    return Refused({"message": "Website not found.", "code": "bad-request", "status": 400})


@dataclass
class ErrorTree:
    """What is wrong with a body, and where: Umami's `z.treeifyError`."""

    errors: list[str] = field(default_factory=list)
    properties: dict[str, "ErrorTree"] = field(default_factory=dict)
    items: dict[int, "ErrorTree"] = field(default_factory=dict)

    def at(self, *path: str) -> "ErrorTree":
        """Return the node of a property, made when it is not there."""
        node = self
        for name in path:
            node = node.properties.setdefault(name, ErrorTree())
        return node

    def __bool__(self) -> bool:
        return bool(self.errors or self.properties or self.items)

    def to_json(self) -> dict[str, Json]:
        """Return the tree as it stands in the body of a 400."""
        tree: dict[str, Json] = {"errors": [*self.errors]}
        if self.properties:
            tree["properties"] = {name: node.to_json() for name, node in self.properties.items()}
        if self.items:
            indexes = range(max(self.items) + 1)
            tree["items"] = [self.items[i].to_json() if i in self.items else None for i in indexes]
        return tree

    def refusal(self) -> Refused:
        """Return the 400 that names all of it."""
        return Refused({"message": "Bad request", "code": "bad-request", "status": 400, **self.to_json()})
