"""
Making Umami as declared, and taking it away again.

Nothing is made twice: websites have derived ids, boards and reports carry a mark in their description, share pages
have their slug. Two runs at the same time may both make a board, whose id Umami chooses; each then looks again, and
the older one stays.
"""

from functools import partial
from typing import Any, Final, Literal

from otel_umami_exporter.dashboards.client import (
    SHARE_OF_BOARD,
    SHARE_OF_WEBSITE,
    Document,
    ManagementClient,
    NotAllowed,
    NotSupported,
    ServerFailed,
)
from otel_umami_exporter.dashboards.compile import (
    BoardSpec,
    WebsiteSpec,
    board_spec,
    mark,
    projection_domain,
    report_specs,
    website_specs,
)
from otel_umami_exporter.dashboards.declare import Audience, Board, Dashboards
from otel_umami_exporter.dashboards.difference import difference
from otel_umami_exporter.dashboards.journal import Journal, Mode, Result
from otel_umami_exporter.dashboards.reports import Reports
from otel_umami_exporter.dashboards.shares import Shares


class Provisioner:
    """
    Compares an Umami with the declarations. For one run.

    Args:
        client: logged in.
        dashboards: what is wanted.
        website_id: the website that receives the events.
        mode: "dry-run" only says what would be done.
    """

    def __init__(
        self, client: ManagementClient, dashboards: Dashboards, website_id: str, *, mode: Mode = "apply"
    ) -> None:
        self._client: Final = client
        self._dashboards: Final = dashboards
        self._main: Final = website_id.lower()
        self._websites: Final = website_specs(dashboards, self._main)
        self._journal: Final = Journal(mode)
        self._shares: Final = Shares(client, self._journal)
        self._reports: Final = Reports(client, self._journal)

    def apply(self) -> Result:
        """
        Make everything that is missing, change what differs; a second run changes nothing.

        Raises:
            ManagementError: Umami refused, or failed; what was done before stays, and the next run goes on.
        """
        self._website(WebsiteSpec(self._main, self._dashboards.name, "localhost"), if_different="keep")
        for spec in self._websites:
            self._website(spec, if_different="update")
        self._note_undeclared()
        try:
            boards = self._client.boards()
        except NotSupported:
            self._without_boards()
        else:
            for board in self._dashboards.boards:
                self._board(board, boards)
        reports = self._main_reports()
        for board in self._dashboards.boards:
            self._reports.ensure(
                report_specs(board, self._main),
                self._ours(board, reports),
                partial(self._our_reports, board),
            )
        self._say_reports()
        return self._journal.result()

    def show(self) -> Result:
        """Return where everything is, without changing anything."""
        try:
            boards = self._client.boards()
        except NotSupported:
            self._journal.note("this Umami has no boards (they came with 3.1)")
            self._say_share_pages()
        else:
            for board in self._dashboards.boards:
                found = self._ours(board, boards)
                if found:
                    self._say(board, found[0]["id"])
                else:
                    self._journal.note(f"board {board.name} is not there: run `otel-umami dashboards apply`")
        self._say_reports()
        return self._journal.result()

    def remove(self) -> Result:
        """Take away boards, share pages, reports and projection websites; the website of the events stays."""
        reports = self._main_reports()
        for board in self._dashboards.boards:
            self._reports.remove(self._ours(board, reports))
        try:
            boards = self._client.boards()
        except NotSupported:
            self._journal.note("this Umami has no boards (they came with 3.1)")
        else:
            for board in self._dashboards.boards:
                self._remove_board(board, boards)
        for website in self._projection_websites():
            website_id = str(website["id"])
            self._journal.do("delete", f"website {website['name']}", partial(self._client.delete_website, website_id))
        return self._journal.result()

    # --- websites -------------------------------------------------------------------------------------------------

    def _website(self, spec: WebsiteSpec, *, if_different: Literal["keep", "update"]) -> None:
        what = f"website {spec.name}"
        found = self._find_website(spec.id)
        if found is None:
            self._journal.do("create", what, lambda: self._create_website(spec))
        elif if_different == "update" and (found["name"], found["domain"]) != (spec.name, spec.domain):
            self._journal.do(
                "update", what, lambda: self._client.update_website(spec.id, name=spec.name, domain=spec.domain)
            )
        else:
            self._journal.keep(f"website {found['name']}")

    def _find_website(self, website_id: str) -> Document | None:
        try:
            return self._client.website(website_id)
        except NotAllowed:
            return None  # what Umami says to everybody but an admin when there is none

    def _create_website(self, spec: WebsiteSpec) -> None:
        try:
            self._client.create_website(spec.id, name=spec.name, domain=spec.domain)
        except ServerFailed:  # the id is taken: by another run in this moment, or by another user
            if self._find_website(spec.id) is None:
                raise NotAllowed(f"website {spec.id}: Umami failed, or it belongs to another user") from None

    def _projection_websites(self) -> list[Document]:
        domain = projection_domain(self._main)
        return [each for each in self._client.websites(domain) if str(each["domain"]).endswith(domain)]

    def _note_undeclared(self) -> None:
        declared = {spec.id for spec in self._websites}
        for website in self._projection_websites():
            if website["id"] not in declared:
                self._journal.note(f"website {website['name']} is no longer declared; `remove` would delete it")

    # --- boards ---------------------------------------------------------------------------------------------------

    def _board(self, board: Board, boards: list[Document]) -> None:
        spec = board_spec(board, self._main)
        found = self._ours(board, boards)
        what = f"board {spec.name}"
        if not found:
            self._journal.do("create", what, lambda: self._create_board(spec))
            found = self._ours(board, self._client.boards())
        elif _fields(found[0]) != _wanted(spec):
            board_id = str(found[0]["id"])
            self._journal.do(
                "update",
                f"{what}: {difference(found[0], spec)}",
                lambda: self._client.update_board(board_id, **_wanted(spec)),
            )
        else:
            self._journal.keep(what)
        for extra in found[1:]:
            extra_id = str(extra["id"])
            self._journal.do("delete", f"{what} (made twice)", partial(self._delete_board, extra_id))
        board_id = str(found[0]["id"]) if found else ""
        if spec.share is not None:
            self._shares.ensure(spec.share, spec.name, board_id or None, SHARE_OF_BOARD)
        if board_id:
            self._say(board, board_id)

    def _ours(self, board: Board, documents: list[Document]) -> list[Document]:
        """Return what carries the mark of *board*, the oldest first: whoever looks keeps the same one."""
        found = [each for each in documents if mark(self._main, board.slug) in str(each.get("description"))]
        return sorted(found, key=lambda each: (str(each["createdAt"]), str(each["id"])))

    def _create_board(self, spec: BoardSpec) -> None:
        self._client.create_board(**_wanted(spec))

    def _delete_board(self, board_id: str) -> None:
        try:
            self._client.delete_board(board_id)
        except ServerFailed:
            if self._client.board(board_id) is not None:
                raise  # else the other run has deleted it

    def _remove_board(self, board: Board, boards: list[Document]) -> None:
        found = self._ours(board, boards)
        if board.audience is Audience.PUBLIC:
            self._shares.remove(board.slug, frozenset(str(each["id"]) for each in found))
        for each in found:
            board_id = str(each["id"])
            self._journal.do("delete", f"board {each['name']}", partial(self._delete_board, board_id))

    # --- an Umami before 3.1 --------------------------------------------------------------------------------------

    def _without_boards(self) -> None:
        """Give each public website a share page of its own, and say what is missing."""
        self._journal.note("this Umami has no boards (they came with 3.1): each public website gets a share page")
        for board in self._dashboards.boards:
            if board.audience is Audience.INTERNAL:
                self._journal.note(f"board {board.name} cannot be made")
        for slug, spec in self._share_pages():
            self._share_website(slug, spec)
        self._say_share_pages()

    def _share_pages(self) -> list[tuple[str, WebsiteSpec]]:
        specs = {spec.id: spec for spec in self._websites}
        return [
            (f"{board.slug}-{each.key}", specs[each.site_id(self._main)])
            for board in self._dashboards.boards
            if board.audience is Audience.PUBLIC
            for each in dict.fromkeys(board.projections)
        ]

    def _share_website(self, slug: str, spec: WebsiteSpec) -> None:
        website = self._find_website(spec.id) or {}
        if website.get("shareId") == slug:
            self._journal.keep(f"share page /share/{slug}")
            return
        try:
            self._shares.ensure(slug, spec.name, spec.id, SHARE_OF_WEBSITE)
        except NotSupported:
            self._journal.do(
                "create",
                f"share page /share/{slug}",
                lambda: self._client.update_website(spec.id, name=spec.name, domain=spec.domain, share_id=slug),
            )

    # --- words ----------------------------------------------------------------------------------------------------

    def _our_reports(self, board: Board) -> list[Document]:
        return self._ours(board, self._main_reports())

    def _main_reports(self) -> list[Document]:
        return self._client.reports(self._main) if self._find_website(self._main) is not None else []

    def _say(self, board: Board, board_id: str) -> None:
        public = board.audience is Audience.PUBLIC
        path = f"share/{board.slug}" if public else f"boards/{board_id}"
        self._journal.say(board.name, f"{self._client.endpoint}/{path}", board.audience)

    def _say_share_pages(self) -> None:
        for slug, spec in self._share_pages():
            self._journal.say(spec.name, f"{self._client.endpoint}/share/{slug}", Audience.PUBLIC)

    def _say_reports(self) -> None:
        kinds = {spec.type for board in self._dashboards.boards for spec in report_specs(board, self._main)}
        for kind in sorted(kinds):
            url = f"{self._client.endpoint}/websites/{self._main}/{kind}s"
            self._journal.say(f"{kind.capitalize()}s", url, Audience.INTERNAL)


def provision(
    endpoint: str, dashboards: Dashboards, website_id: str, *, username: str = "admin", password: str
) -> Result:
    """
    Log in to the Umami (or inbox) at *endpoint* and make *dashboards*; return what changed and where it is.

    Raises:
        ManagementError: Umami is not there, does not know the user, refused or failed.
    """
    with ManagementClient(endpoint) as client:
        client.login(username, password)
        return Provisioner(client, dashboards, website_id).apply()


def _wanted(spec: BoardSpec) -> dict[str, Any]:
    return {"name": spec.name, "description": spec.description, "parameters": spec.parameters}


def _fields(found: Document) -> dict[str, Any]:
    return {name: found[name] for name in ("name", "description", "parameters")}
