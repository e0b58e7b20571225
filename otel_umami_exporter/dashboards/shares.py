"""Share pages with slugs of our own; Umami lets a slug live once, and keeps shares of boards that are gone."""

from typing import Final

from otel_umami_exporter.dashboards.client import (
    SHARE_OF_BOARD,
    Document,
    ManagementClient,
    ManagementError,
    NotAllowed,
    ServerFailed,
)
from otel_umami_exporter.dashboards.journal import Journal


class Shares:
    """Makes, mends and removes share pages."""

    def __init__(self, client: ManagementClient, journal: Journal) -> None:
        self._client: Final = client
        self._journal: Final = journal

    def ensure(self, slug: str, name: str, entity_id: str | None, kind: int) -> None:
        """
        Let *slug* lead to the board or website *entity_id*; None in a dry run that would make it first.

        Raises:
            ManagementError: the slug leads to something that is not ours.
        """
        what = f"share page /share/{slug}"
        try:
            found = self._client.share(slug)
        except NotAllowed:
            raise ManagementError(_taken(slug)) from None  # another user's
        if found is None:
            self._journal.do("create", what, lambda: self._create(slug, name, entity_id, kind))
        elif found["entityId"] == entity_id:
            self._journal.keep(what)
        elif self._leads_nowhere(found):
            self._journal.do("update", what, lambda: self._replace(found, slug, name, entity_id, kind))
        else:
            raise ManagementError(_taken(slug))

    def remove(self, slug: str, entity_ids: frozenset[str]) -> None:
        """Remove the share page *slug* if it leads to one of *entity_ids*, or to a board that is gone."""
        try:
            found = self._client.share(slug)
        except NotAllowed:
            return  # another user's
        if found is not None and (found["entityId"] in entity_ids or self._leads_nowhere(found)):
            share_id = str(found["id"])
            self._journal.do("delete", f"share page /share/{slug}", lambda: self._client.delete_share(share_id))

    def _leads_nowhere(self, share: Document) -> bool:
        if share["shareType"] != SHARE_OF_BOARD:
            return False
        try:
            return self._client.board(share["entityId"]) is None
        except NotAllowed:
            return False  # another user's

    def _replace(self, found: Document, slug: str, name: str, entity_id: str | None, kind: int) -> None:
        self._client.delete_share(found["id"])
        self._create(slug, name, entity_id, kind)

    def _create(self, slug: str, name: str, entity_id: str | None, kind: int) -> None:
        if entity_id is None:
            return
        try:
            self._client.create_share(entity_id=entity_id, share_type=kind, name=name, slug=slug)
        except ServerFailed:  # another run was faster
            found = self._client.share(slug)
            if found is None or found["entityId"] != entity_id:
                raise


def _taken(slug: str) -> str:
    return f"the slug {slug} is taken by another share page of this Umami: declare another one"
