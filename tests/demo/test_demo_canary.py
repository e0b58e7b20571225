"""
Nothing that belongs to a person, and nothing that opens a door, leaves the bot for analytics, traces or logs.

Canaries go in by every door of the demo: as Telegram accounts, as typed words, as the city's keys and tokens.
"""

import json
import random

import pytest
from canaries import canary, leaks
from demo_runs import Run

KINDS = (
    *("telegram_id", "first_name", "username", "typed", "name", "email", "telephone", "custom_text"),
    *("process_id", "auth_key", "captcha_token", "city_secret", "exact_time", "bot_token"),
)
EVIDENCE = ("spans.json", "requests.json", "bot.log", "spool.db")
FULL_SPOOL = "full spool"  # the file, its write-ahead log, and the journals beside it


@pytest.fixture(scope="module")
def values(runs: dict[str, Run]) -> dict[str, list[str]]:
    """Return what went in, by kind."""
    status, output, errors = runs["canary"].finished()
    assert (status, errors) == (0, ""), output
    content: dict[str, list[str]] = json.loads((runs["canary"].folder / "values.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def evidence(runs: dict[str, Run], values: dict[str, list[str]]) -> dict[str, bytes]:
    """Return what came out, by place, byte by byte."""
    del values  # the run has ended
    folder = runs["canary"].folder
    full_spool = b"".join(each.read_bytes() for each in sorted(folder.glob("full-*")))
    return {FULL_SPOOL: full_spool} | {name: (folder / name).read_bytes() for name in EVIDENCE}


@pytest.mark.parametrize("kind", KINDS)
def test_no_canary_gets_out(kind: str, values: dict[str, list[str]], evidence: dict[str, bytes]) -> None:
    """None of this kind is in a span, a request to Umami, the spool, or a log line at DEBUG."""
    assert values[kind], "this door was not tried"
    assert leaks(evidence, values[kind]) == []


def test_the_canaries_went_in_by_every_door(values: dict[str, list[str]]) -> None:
    """What is searched for is recognisable, and a booking carried each of its details to the city."""
    assert set(KINDS) == set(values)
    assert all(
        "kanarien" in each.lower() for kind in ("first_name", "username", "name", "email") for each in values[kind]
    )
    assert any("kanarienwort" in each for each in values["typed"])
    assert any("+plus@" in each for each in values["typed"])
    assert any("KANARIENAKTE" in each for each in values["custom_text"])


def test_the_evidence_is_that_of_a_whole_run(evidence: dict[str, bytes]) -> None:
    """Spans, requests, a full spool and a log at DEBUG: an empty place would prove nothing."""
    assert len(json.loads(evidence["spans.json"])) > 200
    assert b"booking_completed" in evidence[FULL_SPOOL]
    assert b"booking_completed" in evidence["requests.json"]
    assert b"booking_completed" in evidence["spans.json"]
    assert b" INFO " in evidence["bot.log"]


@pytest.mark.parametrize("place", ["spans.json", "requests.json", FULL_SPOOL, "bot.log"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_canary_is_found(
    kind: str, place: str, values: dict[str, list[str]], evidence: dict[str, bytes]
) -> None:
    """The search can fail: one value of this kind in the middle of this place, and it is reported."""
    value, content = values[kind][-1], evidence[place]
    middle = len(content) // 2

    planted = content[:middle] + b' "' + value.encode() + b'" ' + content[middle:]

    assert [f"{value} in {place}"] == leaks({**evidence, place: planted}, [value])


@pytest.mark.parametrize(
    "spelt",
    [
        b"https://api/?to=kanarienpost7x%40example.org&x=1",
        b'{"text": "KANARIENPOST7X@example.org"}',
        b"kanarienpost7x@example.org",
        "kanarienpost7x@example.org".encode("utf-16-le"),
        b"a2FuYXJpZW5wb3N0N3hAZXhhbXBsZS5vcmc=",
    ],
)
def test_other_spellings_are_found_too(spelt: bytes) -> None:
    """In a URL, in capitals, in UTF-16, in base64."""
    email = canary(7, random.Random(0)).email  # noqa: S311  a bird, no secret

    assert [f"{email} in there"] == leaks({"there": b"before " + spelt + b" after"}, [email])


def test_a_short_number_counts_only_where_it_stands_alone() -> None:
    """A process id of six digits is part of many a trace id by chance, and the end of many a moment."""
    assert leaks({"there": b'"trace_id": "0x10100211aa", 5101002'}, ["101002"]) == []
    assert leaks({"there": b'"end_time": "2026-11-27T13:30:12.101002Z"'}, ["101002"]) == []
    assert leaks({"there": b'"process": 101002, '}, ["101002"]) == ["101002 in there"]
