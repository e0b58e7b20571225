"""The command line: what it says, and its exit status; bad input is one line, never a traceback."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from road import TAXONOMY, WEBSITE, KitchenClosed, OrderPlaced

from otel_umami_exporter import Taxonomy
from otel_umami_exporter.cli import FAULT, MISUSE, OK, build_parser, main
from otel_umami_exporter.doctor import PROBE, Check, examine
from otel_umami_exporter.settings import read_settings
from otel_umami_exporter.spool import Settlement, Spool
from otel_umami_exporter.testing import ManualClock


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a spool with an event that waits, one delivered, and two dead letters."""
    for name in ("ANALYTICS_ENABLED", "UMAMI_ENDPOINT", "UMAMI_WEBSITE_ID", "UMAMI_TAXONOMY", "UMAMI_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UMAMI_SPOOL", str(tmp_path / "spool"))
    made = Spool(tmp_path / "spool")
    made.put([b'{"n":1}', b'{"n":2}', b'{"n":3}', b'{"n":4}'], time.time())
    made.settle(made.claim(3, time.time(), 90.0), Settlement([1], [(2, "P2000"), (3, "P2020")]), 102.0)
    made.close()
    return tmp_path / "spool"


def test_status_shows_the_books(capsys: pytest.CaptureFixture[str], spool: Path) -> None:
    """For people, and for scripts."""
    assert main(["status"]) == OK
    assert "accepted            4" in capsys.readouterr().out

    assert main(["status", "--json"]) == OK
    shown = json.loads(capsys.readouterr().out)
    assert {
        "spool": str(spool),
        "accepted": 4,
        "delivered": 1,
        "waiting": 1,
        "refused": {"P2000": 1, "P2020": 1},
        "dropped": {},
        "dead_letters": 2,
        "balanced": True,
    }.items() <= shown.items()
    assert shown["oldest_age_seconds"] >= 0


def test_dead_letters_can_be_looked_at_tried_again_and_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    """By number, or all."""
    assert main(["dead-letters", "list", "--json"]) == OK
    assert [(each["id"], each["reason"]) for each in json.loads(capsys.readouterr().out)] == [
        (2, "P2000"),
        (3, "P2020"),
    ]
    assert main(["dead-letters", "list"]) == OK
    assert '2\t1970-01-01T00:01:42Z\tP2000\t{"n":2}' in capsys.readouterr().out

    assert main(["dead-letters", "retry", "2"]) == OK
    assert main(["dead-letters", "drop", "2"]) == FAULT
    assert main(["dead-letters", "drop", "--all"]) == OK
    capsys.readouterr()
    main(["status", "--json"])
    assert {"waiting": 2, "dead_letters": 0, "refused": {"P2020": 1}}.items() <= json.loads(
        capsys.readouterr().out
    ).items()


def test_flush_says_what_it_could_not_deliver(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 while something waits."""
    assert main(["flush", "--endpoint", "http://127.0.0.1:9", "--timeout", "0.3", "--json"]) == FAULT

    assert json.loads(capsys.readouterr().out) == {"delivered": 0, "waiting": 1}


def test_flush_keeps_the_limits_that_the_program_has(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, spool: Path
) -> None:
    """An event that may wait for a month is not dropped after a week by looking after it."""
    monkeypatch.setenv("UMAMI_SPOOL_MAX_AGE_SECONDS", str(30 * 86_400))
    old = Spool(spool)
    old.put([b'{"n":5}'], time.time() - 8 * 86_400)
    old.settle(old.claim(1, time.time(), 90.0), Settlement([4]), time.time())
    old.close()

    assert main(["flush", "--endpoint", "http://127.0.0.1:9", "--timeout", "1"]) == FAULT
    capsys.readouterr()
    assert main(["status", "--json"]) == OK

    shown = json.loads(capsys.readouterr().out)
    assert (shown["waiting"], shown["dropped"]) == (1, {})


def test_taxonomy_check_write_and_diff(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`diff` exits 1 when there is a difference."""
    written, page = tmp_path / "taxonomy.json", tmp_path / "events.md"

    assert main(["taxonomy", "check", "road:TAXONOMY"]) == OK
    assert capsys.readouterr().out == "2 events with 9 properties, 1 operations\n"
    assert main(["taxonomy", "write", "road:TAXONOMY", "--json", str(written), "--markdown", str(page)]) == OK
    assert TAXONOMY.to_json() == written.read_text()
    assert "## kitchen_closed" in page.read_text()
    assert main(["taxonomy", "write", str(written)]) == OK
    assert TAXONOMY.to_json() == capsys.readouterr().out
    assert main(["taxonomy", "diff", "road:TAXONOMY", str(written)]) == OK
    written.write_text(Taxonomy([KitchenClosed, OrderPlaced]).to_json())
    assert main(["taxonomy", "diff", "road:TAXONOMY", str(written)]) == FAULT
    assert capsys.readouterr().out == "+ operation command /order\n"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["status", "--spool", "/no/such/spool"], FAULT, "there is no spool"),
        (["flush"], MISUSE, "UMAMI_ENDPOINT"),
        (["flush", "--endpoint", "canary"], MISUSE, "UMAMI_ENDPOINT"),
        (["flush", "--endpoint", "http://127.0.0.1:9", "--spool", "/no/such"], FAULT, "there is no spool"),
        (["dead-letters", "retry"], MISUSE, "--all"),
        (["dead-letters", "drop", "1", "--all"], MISUSE, "--all"),
        (["taxonomy", "check", "no_such_module:TAXONOMY"], MISUSE, "no_such_module"),
        (["taxonomy", "check", "/no/such.json"], MISUSE, "cannot be read"),
        (["taxonomy", "check", "json:dumps"], MISUSE, "no Taxonomy"),
        (["taxonomy", "write", "road:TAXONOMY", "--json", "/no/such/folder/x.json"], MISUSE, "cannot be written"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    """On standard error, with its exit status."""
    assert status == main(arguments)

    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["flush", "--timeout", "-1"], ["dead-letters"], ["dead-letters", "retry", "x"]]
)
def test_a_wrong_argument_is_said_with_the_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """By argparse, with exit 2."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)

    assert raised.value.code == MISUSE
    assert "usage: otel-umami" in capsys.readouterr().err


def test_the_spool_can_be_found_by_its_website(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the state folder; without either, that is said."""
    monkeypatch.delenv("UMAMI_SPOOL")
    assert main(["status"]) == MISUSE
    assert "UMAMI_WEBSITE_ID" in capsys.readouterr().err
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["status", "--website-id", WEBSITE]) == FAULT
    assert str(tmp_path / "otel-umami" / f"{WEBSITE}.db") in capsys.readouterr().err
    assert main(["status", "--website-id", "no uuid"]) == MISUSE


def test_commands_that_live_elsewhere_are_loaded_only_when_asked_for() -> None:
    """Some need an extra."""
    assert build_parser("inbox").parse_args(["inbox", "--port", "0"]).run is not None


# --- doctor -----------------------------------------------------------------------------------------------------------


def umami(
    *,
    heartbeat: httpx.Response | None = None,
    probe: httpx.Response | None = None,
    login: int = 200,
    count: int = 1,
) -> Callable[[httpx.Request], httpx.Response]:
    """Return a server as the doctor meets it."""

    def answer(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/api/heartbeat":
                well = httpx.Response(200, json={"ok": True}, headers={"Date": "Sun, 09 Sep 2001 01:46:40 GMT"})
                return heartbeat or well
            case "/api/auth/login":
                return httpx.Response(login, json={"token": "t"})
            case "/api/send" if len(json.loads(request.content)["payload"]["id"]) > 50:
                error = {"status": 500, "errorObject": {"code": "P2010"}}
                return probe or httpx.Response(500, json={"error": error})
            case "/api/send":
                return httpx.Response(200, json={"cache": "t"})
            case _:
                assert request.headers["Authorization"] == "Bearer t"
                assert request.url.params["event"] == PROBE
                return httpx.Response(200, json={"data": [], "count": count})

    return answer


def checks(
    tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response], *, login: bool = False, **values: str
) -> list[Check]:
    """Return what the doctor finds."""
    given = {"endpoint": "http://umami.example", "website_id": WEBSITE, "taxonomy": "road:TAXONOMY", **values}
    clock, transport = ManualClock(1_000_000_000.0), httpx.MockTransport(answer)
    settings = read_settings(**{name: value for name, value in given.items() if value})
    return list(examine(settings, tmp_path / "spool", clock, login=login, transport=transport))


def test_a_healthy_patient(tmp_path: Path) -> None:
    """One line for each check."""
    found = checks(tmp_path, umami(), login=True, password="secret")

    assert [each.name for each in found] == [
        "settings",
        "taxonomy",
        "spool",
        "endpoint",
        "clock",
        "website",
        "round trip",
    ]
    assert all(each.is_well for each in found)
    assert "2 dead letters (P2020)" in str(found[2])


@pytest.mark.parametrize(
    "probe", [httpx.Response(200, text="eyJh.eyJp.c2ln"), httpx.Response(200, json={"cache": "t", "sessionId": "s"})]
)
def test_an_umami_that_stores_the_probe_is_healthy_too(tmp_path: Path, probe: httpx.Response) -> None:
    """An older one, which answers with the token alone, and one that cuts long ids."""
    assert all(each.is_well for each in checks(tmp_path, umami(probe=probe)))


ELSEWHERE = httpx.Response(200, text="<html>")
AHEAD = httpx.Response(200, json={}, headers={"Date": "Sun, 09 Sep 2001 01:00:00 GMT"})
UNKNOWN = httpx.Response(400, json={"error": {"message": "Website not found.", "status": 400}})
AWAY = httpx.Response(500, json={"error": {"status": 500, "errorObject": {"code": "P1001"}}})


@pytest.mark.parametrize(
    ("name", "words", "answer", "values"),
    [
        ("settings", "UMAMI_WEBSITE_ID is missing", umami(), {"website_id": ""}),
        ("settings", "UUID", umami(), {"website_id": "x"}),
        ("taxonomy", "cannot be imported", umami(), {"taxonomy": "no_such_module"}),
        ("endpoint", "not Umami", umami(heartbeat=ELSEWHERE), {}),
        ("clock", "2800 s ahead", umami(heartbeat=AHEAD), {}),
        ("website", "Website not found", umami(probe=UNKNOWN), {}),
        ("website", "Website not found", umami(probe=httpx.Response(400, text="Website not found: x.")), {}),
        ("bot filter", "for a bot", umami(probe=httpx.Response(200, json={})), {}),
        ("bot filter", "for a bot", umami(probe=httpx.Response(200, json={"beep": "boop"})), {}),
        ("website", "ignores", umami(probe=httpx.Response(403, json={})), {}),
        ("database", "P1001", umami(probe=AWAY), {}),
        ("api", "no usable answer", umami(probe=ELSEWHERE), {}),
        ("login", "refuses the login", umami(login=401), {"password": "x"}),
        ("login", "UMAMI_PASSWORD", umami(), {}),
        ("round trip", "not there", umami(count=0), {"password": "x"}),
    ],
)
def test_the_first_fault_ends_it_with_its_remedy(
    tmp_path: Path,
    name: str,
    words: str,
    answer: Callable[[httpx.Request], httpx.Response],
    values: dict[str, str],
) -> None:
    """What an Umami user asks: why is my event not there."""
    *before, fault = checks(tmp_path, answer, login=True, **values)

    assert all(each.is_well for each in before)
    assert (False, name) == (fault.is_well, fault.name)
    assert words in fault.found
    assert fault.remedy


def test_an_endpoint_that_does_not_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On the command line: exit 1, and JSON for scripts."""
    monkeypatch.setenv("UMAMI_WEBSITE_ID", WEBSITE)

    assert main(["doctor", "--endpoint", "http://127.0.0.1:9", "--json"]) == FAULT
    *_, fault = json.loads(capsys.readouterr().out)
    assert (fault["name"], fault["is_well"]) == ("endpoint", False)
    assert main(["doctor"]) == FAULT
    assert "FAULT  settings     UMAMI_ENDPOINT is missing. Set UMAMI_ENDPOINT" in capsys.readouterr().out
