"""What an answer means: Umami's status codes are not its answers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_umami_exporter.answers import RETRY_AFTER_LIMIT, read_batch, read_error, retry_after
from otel_umami_exporter.outcome import Delivered, Misconfigured, Outcome, Refused, Unavailable

NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def server_error(text: str = "", **cause: Any) -> dict[str, Any]:
    """Return Umami's 500 body."""
    error = {"message": "Server error", "code": "server-error", "status": 500, "errorObject": cause | {"text": text}}
    return {"error": error}


def bad_request(message: str = "Bad request") -> dict[str, Any]:
    return {"error": {"message": message, "code": "bad-request", "status": 400}}


def batch(size: int, /, *errors: tuple[int, Any], cache: Any = "token", **other: Any) -> dict[str, Any]:
    """Return Umami's answer to a batch."""
    details = [{"index": index, "response": response} for index, response in errors]
    answer = {"size": size, "processed": size - len(errors), "errors": len(errors), "details": details, "cache": cache}
    return answer | other


# --- one error --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["P1001", "P1002", "P1008", "P1017", "P2024", "P2028", "P2034", "P2037"])
def test_a_database_that_is_away_is_temporary(code: str) -> None:
    """Unreachable, timed out, or in conflict: the event is good."""
    assert read_error(server_error(code=code)) == Unavailable(code)


@pytest.mark.parametrize("code", ["P2000", "P2002", "P2010", "P2020", "ERR_INVALID_URL", "ENOENT"])
def test_what_the_database_cannot_store_is_refused_by_its_code(code: str) -> None:
    """Trying again would add one more half event each time."""
    assert read_error(server_error(code=code)) == Refused(code)


@pytest.mark.parametrize(
    "text",
    [
        'invalid byte sequence for encoding "UTF8": 0x00',
        "RangeError: Invalid time value",
        "RangeError: Maximum call stack size exceeded",
    ],
)
def test_what_has_no_code_is_refused_by_its_text(text: str) -> None:
    """NUL and impossible dates come without a code."""
    assert read_error(server_error(text)) == Refused("not_storable")


@pytest.mark.parametrize(
    "text", ["Connection terminated unexpectedly", "DatabaseNotReachable", "connect ECONNREFUSED ::1:5432", "timed out"]
)
def test_a_connection_that_broke_is_temporary(text: str) -> None:
    """It comes without a code too."""
    assert read_error(server_error(text)) == Unavailable("connection_terminated")


def test_a_code_wins_over_a_text() -> None:
    """The trace of a P1001 may hold anything."""
    assert read_error(server_error("invalid byte sequence", code="P1001")) == Unavailable("P1001")


@pytest.mark.parametrize("document", [server_error(), server_error("something new"), server_error(code="X1")])
def test_what_nobody_knows_is_doubtful(document: Any) -> None:
    """It is tried again, but not for ever while others go."""
    outcome = read_error(document)

    assert isinstance(outcome, Unavailable)
    assert outcome.doubtful


def test_a_bad_request_is_refused_and_a_missing_website_is_a_setting() -> None:
    """Both are a 400."""
    assert read_error(bad_request()) == Refused("bad_request")
    outcome = read_error(bad_request("Website not found."))
    assert isinstance(outcome, Misconfigured)
    assert (outcome.reason, "UMAMI_WEBSITE_ID" in outcome.remedy) == ("website_not_found", True)


def test_a_forbidden_address_is_a_setting() -> None:
    """IGNORE_IP on the server."""
    outcome = read_error({"error": {"message": "Forbidden", "code": "forbidden", "status": 403}})

    assert isinstance(outcome, Misconfigured)
    assert "IGNORE_IP" in outcome.remedy


@pytest.mark.parametrize("document", [None, [], "error", 5, {}, {"error": "x"}, {"error": None}, {"error": []}])
def test_what_is_no_error_body_is_doubtful(document: Any) -> None:
    """Nothing was understood: nothing is given up."""
    assert read_error(document) == Unavailable("malformed_answer", doubtful=True)


# --- a batch ----------------------------------------------------------------------------------------------------------


def test_each_item_has_its_own_outcome_in_order() -> None:
    """What is not in the details was stored."""
    answer = batch(4, (2, server_error(code="P1001")), (0, bad_request()))

    assert read_batch(answer, 4) == [Refused("bad_request"), Delivered(), Unavailable("P1001"), Delivered()]


def bots(size: int) -> dict[str, Any]:
    answer = batch(size)
    del answer["cache"]
    return answer


@pytest.mark.parametrize("answer", [bots(2), batch(2, cache=None), batch(2, cache="")])
def test_an_answer_without_a_token_stored_nothing(answer: dict[str, Any]) -> None:
    """The bot filter says 200, processed, no errors; the remedy is said."""
    outcomes = read_batch(answer, 2)

    assert [each.reason for each in outcomes if isinstance(each, Misconfigured)] == ["bot_filter", "bot_filter"]
    assert all(isinstance(each, Misconfigured) and "DISABLE_BOT_CHECK" in each.remedy for each in outcomes)


def test_bots_among_refused_items_are_not_delivered() -> None:
    """Only what Umami names is refused."""
    answer = bots(3) | {"processed": 2, "errors": 1, "details": [{"index": 1, "response": bad_request()}]}
    first, second, third = read_batch(answer, 3)

    assert isinstance(first, Misconfigured)
    assert second == Refused("bad_request")
    assert isinstance(third, Misconfigured)


def test_a_database_that_is_away_is_a_200_of_failures() -> None:
    """Nothing is processed, and each item is a P1001."""
    answer = batch(3, *((index, server_error(code="P1001")) for index in range(3)), cache=None)

    assert read_batch(answer, 3) == [Unavailable("P1001")] * 3


def test_a_database_that_dies_in_the_middle_loses_nothing() -> None:
    """What was stored before is not sent again."""
    broken = (2, server_error("Connection terminated unexpectedly"))
    answer = batch(4, broken, (3, server_error(code="P1001")))

    assert read_batch(answer, 4) == [
        Delivered(),
        Delivered(),
        Unavailable("connection_terminated"),
        Unavailable("P1001"),
    ]


GARBLED: dict[str, Any] = {
    "null": None,
    "a list": [],
    "a text": "ok",
    "an empty object": {},
    "the bot answer of /api/send": {"beep": "boop"},
    "a size too small": batch(1),
    "a size too large": batch(3),
    "a size that is a text": batch(2, size="2"),
    "fewer details than errors": batch(2, errors=1, processed=1),
    "more details than errors": batch(2, (0, bad_request()), errors=0, processed=2),
    "processed that does not add up": batch(2, processed=1),
    "an index out of range": batch(2, (2, bad_request())),
    "a negative index": batch(2, (-1, bad_request())),
    "an index that is a text": batch(2, ("0", bad_request())),  # type: ignore[arg-type]  # what a server may say
    "an index twice": batch(2, (0, bad_request()), (0, bad_request())),
    "a detail that is a text": batch(2, details=["x"], errors=1, processed=1),
    "details that are an object": batch(2, details={}, errors=1, processed=1),
}


@pytest.mark.parametrize("document", GARBLED.values(), ids=GARBLED)
def test_an_answer_that_does_not_add_up_is_no_answer(document: Any) -> None:
    """Nothing of it counts as delivered, and nothing as refused."""
    assert read_batch(document, 2) == [Unavailable("malformed_answer")] * 2


@given(document=JSON, size=st.integers(1, 4))
def test_any_answer_is_read_without_an_exception(document: Any, size: int) -> None:
    """One outcome for each item; none is delivered without a token."""
    outcomes = read_batch(document, size)

    assert len(outcomes) == size
    assert Delivered() not in outcomes


@given(error=JSON, index=JSON, status=JSON, code=JSON)
def test_any_error_of_an_item_is_read_without_an_exception(error: Any, index: Any, status: Any, code: Any) -> None:
    """Whatever stands where Umami has a status or a code."""
    responses = [error, {"error": error}, {"error": {"status": status, "errorObject": {"code": code}}}]
    outcomes: list[Outcome] = [read_error(each) for each in responses]

    assert Delivered() not in outcomes
    for each in responses:
        answer = batch(2, (1, each), details=[{"index": index, "response": each}])
        assert len(read_batch(json.loads(json.dumps(answer)), 2)) == 2


# --- Retry-After ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 09:28:30 +0200", 30.0),
        ("86400", RETRY_AFTER_LIMIT),
        ("9" * 400, RETRY_AFTER_LIMIT),
        ("Thu, 22 Oct 2099 07:28:00 GMT", RETRY_AFTER_LIMIT),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float) -> None:
    """Never negative, and at most an hour."""
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    "header", [None, "", " ", "soon", "-5", "1.5", "\u0667", "21 Oct", "Wed, 99 Oct 2015 07:28:00 GMT"]
)
def test_a_retry_after_that_says_nothing_is_none(header: str | None) -> None:
    """The sender's own back-off decides."""
    assert retry_after(header, NOW) is None


@given(
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
    | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [A-Z+-]\w*")
)
def test_any_retry_after_is_read_without_an_exception(header: str) -> None:
    """A server may say anything in a header."""
    seconds = retry_after(header, NOW)

    assert seconds is None or 0 <= seconds <= RETRY_AFTER_LIMIT
