"""`otel-umami inbox`: it starts, says what it is, stops on Ctrl-C, and explains failures in one line."""

import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

COMMAND = """
import argparse, logging, sys
{before}
from otel_umami_exporter.inbox import command
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
parser = argparse.ArgumentParser()
command.add_arguments(parser)
sys.exit(command.run(parser.parse_args()))
"""
WITHOUT_EXTRA = "sys.modules['starlette'] = None"


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command; yield it with the first line that it prints."""
    program = [sys.executable, "-c", COMMAND.format(before=""), *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def finished(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", COMMAND.format(before=before), *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - our own program


def test_it_serves_until_ctrl_c(tmp_path: Path) -> None:
    """The first line says what it is and where; events are in the file afterwards; exit status 0."""
    website = str(uuid.uuid4())
    with running("--port", "0", "--database", str(tmp_path / "inbox.sqlite")) as (process, line):
        assert "local stand-in for Umami, for development: not for production" in line
        url = line.split()[-1]
        body = {"type": "event", "payload": {"website": website, "name": "e"}}
        answer = httpx.post(
            f"{url}/api/send", json=body, headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}, timeout=60
        )
        assert answer.status_code == 200
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)

    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "not for production" in errors
    assert (tmp_path / "inbox.sqlite").exists()


def test_named_websites_are_the_only_ones() -> None:
    """Another id is refused, so that a typing error is noticed; and any address but loopback is warned of."""
    known, unknown = str(uuid.uuid4()), str(uuid.uuid4())
    with running("--host", "0.0.0.0", "--port", "0", "--website", known) as (process, line):  # noqa: S104 - the warning is tested
        port = line.rpartition(":")[2].strip()
        statuses = [
            httpx.post(
                f"http://127.0.0.1:{port}/api/send", json={"type": "event", "payload": {"website": website}}, timeout=60
            )
            for website in (known, unknown)
        ]
        process.terminate()
        _, errors = process.communicate(timeout=300)

    assert [answer.status_code for answer in statuses] == [200, 400]
    assert "WARNING The inbox listens on 0.0.0.0" in errors


def test_a_port_in_use_is_one_line() -> None:
    """Exit status 1, and a way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = finished("--port", str(taken.getsockname()[1]))

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "Address already in use" in result.stderr


def test_a_database_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    """Exit status 1, and the path."""
    result = finished("--port", "0", "--database", str(tmp_path / "nowhere" / "inbox.sqlite"))

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "nowhere" in result.stderr


def test_wrong_options_are_explained() -> None:
    """A website that is no UUID, a port that is none: exit status 2."""
    assert finished("--website", "abc").returncode == 2
    assert finished("--port", "70000").returncode == 2


def test_without_the_extra_one_line_says_what_to_install() -> None:
    """On the command line exit status 2; in Python an ImportError at the name that is needed."""
    result = finished(before=WITHOUT_EXTRA)
    imported = f"import sys; {WITHOUT_EXTRA}\nfrom otel_umami_exporter.inbox import Inbox"
    program = [sys.executable, "-c", imported]
    in_python = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - our own

    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "install otel-umami-exporter[inbox]" in result.stderr
    assert "InboxNotInstalled: " in in_python.stderr
    assert "install otel-umami-exporter[inbox]" in in_python.stderr
