"""`otel-umami bridge` as an operator meets it: addresses, tokens, certificates, wrong settings."""

import argparse
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from bridge_kit import PROTOBUF, TAXONOMY, WEBSITE, Sink, road, serving, span_with, traces
from certificates import make_certificate

from otel_umami_exporter import SettingsError
from otel_umami_exporter.bridge import Security
from otel_umami_exporter.bridge.command import add_arguments, run
from otel_umami_exporter.bridge.settings import check_binding, read_security


def bridge(*arguments: str, **env: str) -> int:
    """Run the command in this process; only for what ends by itself."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith(("UMAMI_", "OTEL_"))]:
            patch.delenv(name)
        for name, value in env.items():
            patch.setenv(name, value)
        return run(parser.parse_args(arguments))


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        ((), {}, "UMAMI_ENDPOINT: it is missing"),
        ((), {"UMAMI_ENDPOINT": "http://127.0.0.1:9"}, "UMAMI_WEBSITE_ID: it is missing"),
        ((), {"UMAMI_ENDPOINT": "http://127.0.0.1:9", "UMAMI_WEBSITE_ID": WEBSITE}, "UMAMI_TAXONOMY: "),
        (("--taxonomy", "/no/such/taxonomy.json"), {}, "UMAMI_ENDPOINT"),
        (("--host", "0.0.0.0"), {}, "can be reached from outside"),  # noqa: S104  # that it is refused is the test
        (("--host", "::"), {}, "can be reached from outside"),
        (("--host", "example.org"), {}, "can be reached from outside"),
        ((), {"UMAMI_BRIDGE_TLS_CERT_FILE": "/no/such/file"}, "both are needed"),
        ((), {"UMAMI_BRIDGE_TOKEN_FILE": "/no/such/file"}, "UMAMI_BRIDGE_TOKEN_FILE: cannot be read"),
        ((), {"UMAMI_BRIDGE_TOKEN": " "}, "UMAMI_BRIDGE_TOKEN: a token is printable ASCII"),
        ((), {"UMAMI_BRIDGE_TOKEN": "a", "UMAMI_BRIDGE_TOKEN_FILE": "b"}, "one of them is enough"),
    ],
)
def test_a_wrong_setting_is_one_line_and_status_2(
    arguments: tuple[str, ...], env: Mapping[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the variable."""
    assert bridge(*arguments, **env) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1


def test_an_outside_address_needs_a_token_or_the_word_insecure() -> None:
    """Whoever can send could write into the figures."""
    check_binding("127.0.0.1", Security(), insecure=False)
    check_binding("::1", Security(), insecure=False)
    check_binding("0.0.0.0", Security(token="t"), insecure=False)  # noqa: S104  # with a token
    check_binding("0.0.0.0", Security(), insecure=True)  # noqa: S104  # as asked for
    with pytest.raises(SettingsError):
        check_binding("192.0.2.1", Security(), insecure=False)


def test_a_token_from_a_file_is_stripped_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors end a file with a line end; a repr shows no secret."""
    path = tmp_path / "token"
    path.write_text("secret-canary\n")
    monkeypatch.setenv("UMAMI_BRIDGE_TOKEN_FILE", str(path))

    security = read_security()

    assert security.token == "secret-canary"
    assert "canary" not in repr(security)


def test_it_serves_until_sigterm_and_keeps_what_waits(tmp_path: Path) -> None:
    """With Umami away: an event is taken, SIGTERM ends it with status 0, and the event is in the file."""
    taxonomy = tmp_path / "taxonomy.json"
    taxonomy.write_text(TAXONOMY.to_json())
    command = [sys.executable, "-m", "otel_umami_exporter.cli", "bridge", "--port", "0", "--taxonomy", str(taxonomy)]
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("UMAMI_", "OTEL_"))},
        "UMAMI_ENDPOINT": "http://127.0.0.1:9",
        "UMAMI_WEBSITE_ID": WEBSITE,
        "UMAMI_SPOOL": str(tmp_path / "spool.db"),
    }
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # ours
        assert process.stdout is not None
        url = re.findall(r"http\S+", process.stdout.readline())[0]
        body = traces(span_with(1, 2)).SerializeToString()
        assert (
            httpx.post(f"{url}/v1/traces", content=body, headers={"content-type": PROTOBUF}, timeout=60).status_code
            == 200
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0

    sink = Sink()
    way = road(tmp_path / "spool.db", sink)
    assert way.flush(60)
    way.close()
    assert len(sink.bodies) == 2


def test_a_taken_port_is_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And one line."""
    taxonomy = tmp_path / "taxonomy.json"
    taxonomy.write_text(TAXONOMY.to_json())
    with serving(road(tmp_path / "other.db", Sink())) as server:
        port = server.url.rpartition(":")[2]
        status = bridge(
            "--port",
            port,
            "--taxonomy",
            str(taxonomy),
            UMAMI_ENDPOINT="http://127.0.0.1:9",
            UMAMI_WEBSITE_ID=WEBSITE,
            UMAMI_SPOOL=str(tmp_path / "spool.db"),
        )

    assert status == 1
    assert "Cannot listen" in capsys.readouterr().err


def test_https_by_two_files(tmp_path: Path) -> None:
    """A certificate and its key: senders connect by TLS, and only by TLS."""
    certificate, key = make_certificate(tmp_path)
    security = Security(certificate=certificate, key=key)
    body = traces(span_with(1)).SerializeToString()
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serving(road(tmp_path / "spool.db", Sink()), security=security) as server:
        assert server.url.startswith("https://")
        answer = httpx.post(
            f"{server.url}/v1/traces", content=body, headers={"content-type": PROTOBUF}, verify=trusting, timeout=60
        )
        with pytest.raises(httpx.HTTPError):
            httpx.get(server.url.replace("https", "http"), timeout=60)

    assert answer.status_code == 200


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "opentelemetry.proto", "google.protobuf"])
def test_without_the_extra_the_command_says_what_to_install(missing: str, tmp_path: Path) -> None:
    """One line and status 2; the library itself imports all the same."""
    code = f"""
import sys
sys.modules[{missing!r}] = None
import otel_umami_exporter, otel_umami_exporter.bridge
from otel_umami_exporter.cli import main
sys.exit(main(["bridge", "--taxonomy", "taxonomy.json"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603  # ours

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "The bridge needs Starlette, uvicorn and opentelemetry-proto: install otel-umami-exporter[bridge]\n"
    )
