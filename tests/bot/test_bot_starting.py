"""What is said of settings at the start: a database that cannot be opened is one line that names it, no traceback."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "telegram_bot.py"


CONTACT = "MUNICH_CONTACT: it is empty, so the city cannot tell whom to ask before it shuts this bot out"


def refused(folder: Path, path: str, **more: str) -> list[str]:
    """Start the bot with this database, which must fail, and return the lines that it said."""
    environment = {
        "PATH": os.environ["PATH"],
        "TELEGRAM_BOT_TOKEN": "123456:canary",
        "TELEGRAM_BASE_URL": "http://127.0.0.1:9",
        "ANALYTICS_ENABLED": "false",
        "MUNICH_CONTACT": "tests@example.org",
        "DATABASE_URL": f"sqlite+aiosqlite:///{path}",
    } | more
    done = subprocess.run(  # noqa: S603  our own script
        [sys.executable, str(PROGRAM)], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "canary" not in done.stderr
    return [each for each in done.stderr.splitlines() if " INFO " not in each]


@pytest.mark.parametrize("path", ["/proc/canary/bot.db", "file/bot.db", "folder"])
def test_a_path_that_cannot_be(path: str, tmp_path: Path) -> None:
    """A folder that nobody can make, a folder that is a file, a file that is a folder."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    [line] = refused(tmp_path, path)
    assert line.startswith("DATABASE_URL: the database cannot be opened (")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A typing error in the path must not overwrite something else."""
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear canary, " * 1_000, encoding="utf-8")

    assert refused(tmp_path, "letter.txt") == ["DATABASE_URL: the database cannot be opened (DatabaseError)"]
    assert letter.read_text(encoding="utf-8").startswith("Dear canary")


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    """Going back to an older bot is said as such."""
    with closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")

    assert refused(tmp_path, "bot.db") == ["DATABASE_URL: a newer version of the bot wrote this database"]


@pytest.mark.parametrize(
    ("environment", "warnings"),
    [
        ({"MUNICH_CONTACT": ""}, 1),
        ({"MUNICH_CONTACT": "ops@example.org"}, 0),
        ({"MUNICH_CONTACT": "", "MUNICH_BASE_URL": "http://127.0.0.1:9/api"}, 0),
    ],
)
def test_who_asks_the_city_without_a_name_is_warned(environment: dict[str, str], warnings: int, tmp_path: Path) -> None:
    """Once, at the start, before anything is asked; a city on loopback is nobody's."""
    (tmp_path / "folder").mkdir()
    said = refused(tmp_path, "folder", **environment)
    assert [each for each in said if CONTACT in each] == said[:-1]
    assert len(said) == warnings + 1
