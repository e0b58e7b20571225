"""docs/inbox.md keeps up with the code."""

import argparse
from pathlib import Path

import pytest

from otel_umami_exporter import inbox
from otel_umami_exporter.inbox import Faults, Inbox, command

DOCS = (Path(__file__).parents[2] / "docs" / "inbox.md").read_text(encoding="utf-8")
NEVER_TYPED = {
    "Fault",
    "InboxNotInstalled",
    "InboxServer",
    "RecordedRequest",
    "Faults",
}  # met, but not written by users
FOR_THE_INBOX_ITSELF = {"check_database", "database_is_down", "next", "hang", "speaks_plainly", "keeps_token_back"}


def public(owner: type) -> list[str]:
    return [name for name in vars(owner) if not name.startswith("_")]


def options() -> list[str]:
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    return [word for word in parser.format_usage().replace("[", " ").split() if word.startswith("--")]


@pytest.mark.parametrize("option", options())
def test_every_option_is_documented(option: str) -> None:
    """An option that nobody can find has no user."""
    assert f"`{option}" in DOCS


@pytest.mark.parametrize("name", sorted(set(inbox.__all__) - NEVER_TYPED))
def test_every_name_is_documented(name: str) -> None:
    """What users import is explained."""
    assert name in DOCS


@pytest.mark.parametrize("name", sorted({*public(Inbox), *public(Faults)} - FOR_THE_INBOX_ITSELF))
def test_every_method_is_documented(name: str) -> None:
    """What users call is explained."""
    assert name in DOCS
