"""What the management calls keep: boards, shares and reports, each a JSON object with an id."""

import json
from collections.abc import Callable
from typing import Any, Literal

from . import dates
from .store import Store

Kind = Literal["board", "share", "report"]
Document = dict[str, Any]


class Documents:
    """Boards, shares and reports in the store, oldest first, with `createdAt` and `updatedAt`."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def all(self, kind: Kind) -> list[Document]:
        """Return all of one kind."""
        rows = self._store.query("SELECT body FROM document WHERE kind = ? ORDER BY seq", [kind])
        return [json.loads(row["body"]) for row in rows]

    def get(self, kind: Kind, document_id: str) -> Document | None:
        """Return one, or None."""
        rows = self._store.query("SELECT body FROM document WHERE kind = ? AND id = ?", [kind, document_id.lower()])
        return json.loads(rows[0]["body"]) if rows else None

    def add(self, kind: Kind, document: Document) -> Document:
        """Keep a new one; return it with its times."""
        now = self._now()
        document = document | {"createdAt": now, "updatedAt": now}
        self._store.put_document(kind, document["id"], json.dumps(document))
        return document

    def change(self, kind: Kind, document: Document) -> Document:
        """Replace one; return it with its times."""
        document = document | {"updatedAt": self._now()}
        self._store.put_document(kind, document["id"], json.dumps(document))
        return document

    def delete(self, kind: Kind, document_id: str) -> None:
        """Forget one."""
        self._store.delete_document(kind, document_id)

    def _now(self) -> str:
        return dates.iso(int(self._clock() * 1000))
