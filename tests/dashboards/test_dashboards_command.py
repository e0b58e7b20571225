"""`otel-umami dashboards` and `otel-umami retention`, as an operator types them; and the switch of the copies."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import HOUSE, MAIN, PASSWORD, TAXONOMY, DoorOpened, inbox_endpoint

from otel_umami_exporter import SettingsError
from otel_umami_exporter.cli import main
from otel_umami_exporter.inbox import Inbox
from otel_umami_exporter.projection import Projection
from otel_umami_exporter.projection_json import projections_to_json
from otel_umami_exporter.record import Record
from otel_umami_exporter.settings import pipeline_from_environment


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Inbox, str]]:
    with inbox_endpoint(any_website=True) as (inbox, url):
        monkeypatch.setenv("UMAMI_ENDPOINT", url)
        monkeypatch.setenv("UMAMI_WEBSITE_ID", MAIN)
        monkeypatch.setenv("UMAMI_PASSWORD", PASSWORD)
        monkeypatch.delenv("UMAMI_PROJECTIONS", raising=False)
        yield inbox, url


@pytest.fixture
def endpoint(served: tuple[Inbox, str]) -> str:
    return served[1]


def test_apply_says_what_it_did_and_where_to_look(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each range of the public board has its own address: Umami's boards have one range for all widgets."""
    assert main(["dashboards", "apply", "house:HOUSE"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "create board The house" in lines
    assert f"public   The house: {endpoint}/share/the-house" in lines
    assert f"         last 24 hours (Doors): {endpoint}/share/the-house?date=24hour" in lines
    assert f"         last 30 days (Sides): {endpoint}/share/the-house?date=30day" in lines
    assert f"internal Funnels: {endpoint}/websites/{MAIN}/funnels" in lines


def test_a_second_run_says_that_nothing_is_to_be_done(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And a dry run as well."""
    del endpoint
    main(["dashboards", "apply", "house:HOUSE"])
    capsys.readouterr()

    assert main(["dashboards", "apply", "house:HOUSE"]) == 0
    assert "nothing to change" in capsys.readouterr().out
    assert main(["dashboards", "apply", "house:HOUSE", "--dry-run"]) == 0
    assert "nothing would change" in capsys.readouterr().out


def test_show_and_remove(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The addresses; then nothing is left to show."""
    main(["dashboards", "apply", "house:HOUSE"])
    capsys.readouterr()

    assert main(["dashboards", "show", "house:HOUSE"]) == 0
    assert f"{endpoint}/share/the-house" in capsys.readouterr().out
    assert main(["dashboards", "remove", "house:HOUSE"]) == 0
    assert "delete board The house" in capsys.readouterr().out
    assert main(["dashboards", "show", "house:HOUSE"]) == 0
    assert "board The house is not there" in capsys.readouterr().out


def test_a_wrong_password_is_one_line(
    endpoint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1, no traceback, no password."""
    del endpoint
    monkeypatch.setenv("UMAMI_PASSWORD", "not-the-password")

    assert main(["dashboards", "apply", "house:HOUSE"]) == 1
    said = capsys.readouterr().err
    assert said == "Umami does not know this user and password (UMAMI_USERNAME, UMAMI_PASSWORD)\n"


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["apply", "house:HOUSE"], "UMAMI_ENDPOINT"),
        (["apply", "house:HOUSE", "--endpoint", "http://127.0.0.1:1"], "UMAMI_WEBSITE_ID"),
        (["apply", "house:HOUSE", "--endpoint", "http://127.0.0.1:1", "--website-id", "x"], "UMAMI_WEBSITE_ID"),
        (["apply", "house:HOUSE", "--endpoint", "http://127.0.0.1:1", "--website-id", MAIN], "UMAMI_PASSWORD"),
        (["apply", "house:NOTHING"], "house:NOTHING"),
        (["apply", "house:MAIN"], "house:MAIN"),
        (["show", "no_such_module"], "no_such_module"),
    ],
)
def test_what_is_missing_is_named(
    arguments: list[str], variable: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 2 and one line."""
    for name in ("UMAMI_ENDPOINT", "UMAMI_WEBSITE_ID", "UMAMI_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    assert main(["dashboards", *arguments]) == 2
    said = capsys.readouterr().err
    assert variable in said
    assert said.count("\n") == 1


# --- retention ----------------------------------------------------------------------------------------------------


def test_retention_prints_sql_for_exactly_these_websites(capsys: pytest.CaptureFixture[str]) -> None:
    """And says why: Umami has no call for it."""
    assert main(["retention", "--days", "30", "--website-id", MAIN, "--dashboards", "house:HOUSE"]) == 0

    said = capsys.readouterr().out
    assert said.startswith("-- Umami 3.1 has no call that deletes by age")
    assert said.count("interval '30 days'") == 5
    assert all(said.count(each.site_id(MAIN)) == 5 for each in HOUSE.projections)
    assert said.count(MAIN) == 5


def test_the_sql_of_retention_deletes_what_is_old_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Its statements run in order on tables of Umami's form, in a database with the same words for time."""
    main(["retention", "--days", "30", "--website-id", MAIN])
    sql = capsys.readouterr().out

    left = after_retention(sql)

    assert left["website_event"] == [("new",), ("foreign",)]
    assert left["event_data"] == [("new",), ("foreign",)]
    assert left["revenue"] == [("new",), ("foreign",)]
    assert left["session"] == [("stays",), ("elsewhere",)]
    assert left["session_data"] == [("stays",), ("elsewhere",)]


def after_retention(sql: str) -> dict[str, list[tuple[str]]]:
    """Run the SQL over an old and a new event of this website, and an old one of another."""
    other = "11111111-1111-4111-8111-111111111111"
    for ours, theirs in (
        ("= ANY (ARRAY[", "IN ("),
        ("\n])", "\n)"),
        ("::uuid", ""),
        ("now() - interval '30 days'", "datetime('now', '-30 days')"),
    ):
        assert ours in sql
        sql = sql.replace(ours, theirs)
    database = sqlite3.connect(":memory:")
    database.executescript(
        """
        CREATE TABLE website_event (event_id, website_id, session_id, created_at);
        CREATE TABLE event_data (website_event_id, created_at);
        CREATE TABLE revenue (event_id);
        CREATE TABLE session (session_id, website_id, created_at);
        CREATE TABLE session_data (session_id, website_id, created_at);
        """
    )
    for event, website, session, days in (
        ("old", MAIN, "goes", 40),
        ("older", MAIN, "stays", 50),
        ("new", MAIN, "stays", 1),
        ("foreign", other, "elsewhere", 40),
    ):
        then = f"datetime('now', '-{days} days')"
        database.execute(f"INSERT INTO website_event VALUES (?, ?, ?, {then})", (event, website, session))  # noqa: S608
        database.execute(f"INSERT INTO event_data VALUES (?, {then})", (event,))  # noqa: S608
        database.execute("INSERT INTO revenue VALUES (?)", (event,))
        for table in ("session", "session_data"):
            if not database.execute(f"SELECT 1 FROM {table} WHERE session_id = ?", (session,)).fetchone():  # noqa: S608
                database.execute(f"INSERT INTO {table} VALUES (?, ?, {then})", (session, website))  # noqa: S608
    database.executescript(sql)
    columns = {
        "website_event": "event_id",
        "event_data": "website_event_id",
        "revenue": "event_id",
        "session": "session_id",
        "session_data": "session_id",
    }
    left = {table: database.execute(f"SELECT {name} FROM {table}").fetchall() for table, name in columns.items()}  # noqa: S608
    database.close()
    return left


@pytest.mark.parametrize("days", ["0", "-1"])
def test_retention_of_no_days_is_refused(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Emptying a website is another thing."""
    assert main(["retention", f"--days={days}", "--website-id", MAIN]) == 2
    assert "--days" in capsys.readouterr().err


# --- the switch ---------------------------------------------------------------------------------------------------


def sent(inbox: Inbox, spool: Path, projections: tuple[Projection, ...] = ()) -> set[str]:
    """Send one event on the road of the environment; return the websites that received something."""
    pipeline = pipeline_from_environment(TAXONOMY, spool=spool, projections=projections)
    assert pipeline is not None
    event = DoorOpened()
    pipeline.accept([Record(name=event.name, time_ns=10**18, visitor="anna", attributes=event.attributes())])
    assert pipeline.flush(60)
    pipeline.shutdown()
    return {each.website_id for each in inbox.events()}


def test_without_a_word_nothing_is_copied(served: tuple[Inbox, str], tmp_path: Path) -> None:
    """Copies for websites that nobody has made would wait for ever."""
    assert sent(served[0], tmp_path / "spool.db") == {MAIN}


def test_the_environment_names_what_is_copied(
    served: tuple[Inbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dashboards by their module, or the JSON of their projections for a program without them."""
    copied = {MAIN, HOUSE.projections[0].site_id(MAIN)}
    monkeypatch.setenv("UMAMI_PROJECTIONS", "house:HOUSE")
    assert sent(served[0], tmp_path / "one.db") == copied

    served[0].clear()
    (tmp_path / "projections.json").write_text(projections_to_json(HOUSE.projections))
    monkeypatch.setenv("UMAMI_PROJECTIONS", str(tmp_path / "projections.json"))
    assert sent(served[0], tmp_path / "two.db") == copied


def test_none_stops_the_copies_whatever_the_program_says(
    served: tuple[Inbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's switch."""
    monkeypatch.setenv("UMAMI_PROJECTIONS", "none")

    assert sent(served[0], tmp_path / "spool.db", HOUSE.projections) == {MAIN}


@pytest.mark.parametrize("wrong", ["no_such_module", "house:MAIN", "house:NOTHING", "/no/such/file.json"])
def test_a_wrong_name_is_said_with_its_variable(
    wrong: str, served: tuple[Inbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, not at the first event."""
    monkeypatch.setenv("UMAMI_PROJECTIONS", wrong)

    with pytest.raises(SettingsError, match="UMAMI_PROJECTIONS"):
        sent(served[0], tmp_path / "spool.db")
