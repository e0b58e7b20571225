"""The city's rules for what people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termin_bot.munich import (
    Reason,
    TextField,
    normalised_telephone,
    validate_email,
    validate_name,
    validate_telephone,
    validate_text,
)
from termin_bot.simulation.city_appointments import objections
from termin_bot.simulation.city_catalogue import build_catalogue

SCOPE = next(office["scope"] for office in build_catalogue()["offices"] if office["id"] == 10308174)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ada@example.org", None),
        (" ada.love-lace_1@mail.example.org ", None),
        ("", "empty"),
        ("   ", "empty"),
        ("ada+termin@example.org", "plus_address"),
        ("ada+@example.org", "plus_address"),
        ("ada..l@example.org", "malformed"),
        (".ada@example.org", "malformed"),
        ("ada.@example.org", "malformed"),
        ("ada+..@example.org", "malformed"),
        ("ada", "malformed"),
        ("a+da", "malformed"),
        ("ada@example", "malformed"),
        ("ada@exa mple.org", "malformed"),
        ("ada@-example.org", "malformed"),
        ("ada@example.org\nBcc: x@example.org", "malformed"),
    ],
)
def test_email(address: str, reason: Reason | None) -> None:
    """Plus-addresses are refused with a reason of their own, because they are right elsewhere."""
    assert reason == validate_email(address)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("+4989123456", None),
        ("0891234567", None),
        ("089 / 123-45 67", None),
        ("+49 (89) 123.456", None),
        ("", "empty"),
        ("123456", "malformed"),
        ("1" * 16, "malformed"),
        ("+", "malformed"),
        ("call me", "malformed"),
        ("٠١٢٣٤٥٦٧", "malformed"),
    ],
)
def test_telephone(number: str, reason: Reason | None) -> None:
    """7 to 15 digits, with a plus in front if need be."""
    assert reason == validate_telephone(number)


def test_separators_are_taken_out_of_telephone_numbers() -> None:
    """What people write becomes what the city takes."""
    assert normalised_telephone("+49 (89) 123-456") == "+4989123456"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Ada Lovelace", None),
        ("Ày-Şe O'Neill", None),
        ("", "empty"),
        (" \n ", "empty"),
        ("<b> </b>", "empty"),
        ("Ada\nLovelace", "malformed"),
        ("A" * 101, "too_long"),
    ],
)
def test_name(name: str, reason: Reason | None) -> None:
    """Anything that is somebody's name on one line."""
    assert reason == validate_name(name)


@pytest.mark.parametrize(
    ("text", "required", "reason"),
    [
        ("AZR 123", True, None),
        ("", False, None),
        ("", True, "empty"),
        ("<b> </b>", True, "empty"),
        ("x" * 250, True, None),
        ("<i>" + "x" * 250 + "</i>", False, None),
        ("x" * 251, False, "too_long"),
    ],
)
def test_text(text: str, required: bool, reason: Reason | None) -> None:  # noqa: FBT001  a parameter of the table
    """At most 250 characters once HTML is taken out; something at all where the office demands it."""
    assert reason == validate_text(text, TextField(activated=True, required=required))


@given(email=st.from_regex(r"[a-c.+_-]{1,6}@[a-c.-]{1,6}\.[a-c]{1,3}", fullmatch=True))
def test_what_we_let_through_the_city_takes(email: str) -> None:
    """No citizen is sent on with an address that the city will refuse."""
    texts = {"familyName": "Ada", "email": email, "telephone": "+4989123456", "customTextfield": ""}

    if validate_email(email) is None:
        assert objections({**texts, "customTextfield2": ""}, SCOPE) == []
