"""Funnels and goals: Umami's boards have no place for them, so they are reports beside the board."""

from collections.abc import Callable
from functools import partial
from typing import Final

from otel_umami_exporter.dashboards.client import Document, ManagementClient, ManagementError
from otel_umami_exporter.dashboards.compile import ReportSpec
from otel_umami_exporter.dashboards.journal import Journal

_TWICE: Final = " (made twice)"


class Reports:
    """Makes, replaces and removes saved reports."""

    def __init__(self, client: ManagementClient, journal: Journal) -> None:
        self._client: Final = client
        self._journal: Final = journal

    def ensure(self, wanted: list[ReportSpec], ours: list[Document], again: Callable[[], list[Document]]) -> None:
        """
        Let there be the reports *wanted*, and of *ours*, which carry the board's mark, no others.

        *again* looks anew: when another run made the same report in this moment, the older one stays.
        """
        for spec in wanted:
            self._one(spec, _named(ours, spec), again)
        names = {(spec.type, spec.name) for spec in wanted}
        self.remove([each for each in ours if (each["type"], each["name"]) not in names])

    def remove(self, reports: list[Document], why: str = "") -> None:
        """Remove *reports*."""
        for each in reports:
            self._journal.do("delete", f"{each['type']} {each['name']}{why}", partial(self._delete, each))

    def _one(self, spec: ReportSpec, found: list[Document], again: Callable[[], list[Document]]) -> None:
        what = f"{spec.type} {spec.name}"
        self.remove(found[1:], _TWICE)
        if not found:
            self._journal.do("create", what, lambda: self._create(spec))
            self.remove(_named(again(), spec)[1:], _TWICE)
        elif found[0]["parameters"] != spec.parameters:
            self._journal.do("update", what, lambda: self._replace(found[0], spec))
        else:
            self._journal.keep(what)

    def _create(self, spec: ReportSpec) -> None:
        self._client.create_report(
            website_id=spec.website_id,
            kind=spec.type,
            name=spec.name,
            description=spec.description,
            parameters=spec.parameters,
        )

    def _replace(self, old: Document, spec: ReportSpec) -> None:
        self._create(spec)
        self._delete(old)

    def _delete(self, report: Document) -> None:
        try:
            self._client.delete_report(str(report["id"]))
        except ManagementError:
            if any(each["id"] == report["id"] for each in self._client.reports(report["websiteId"])):
                raise  # else another run has deleted it


def _named(reports: list[Document], spec: ReportSpec) -> list[Document]:
    """Return the reports that *spec* describes, the oldest first: whoever looks keeps the same one."""
    found = [each for each in reports if (each["type"], each["name"]) == (spec.type, spec.name)]
    return sorted(found, key=lambda each: (str(each["createdAt"]), str(each["id"])))
