"""What is written twice, or derived, says the same; the stack tests run the rest of it for real."""

import re
import subprocess
import sys
from pathlib import Path

from otel_umami_exporter.bridge.body import JSON, PROTOBUF
from otel_umami_exporter.bridge.settings import DEFAULT_PORT, BridgeSettings, Limits
from termin_bot.settings import Settings

ROOT = Path(__file__).parents[2]


def test_kubernetes_runs_the_same_collector_configuration() -> None:
    """Kustomize reads nothing outside its folder: the copy must be one."""
    copy = ROOT / "deploy" / "kubernetes" / "otel-collector.yaml"
    assert copy.read_text() == (ROOT / "otel-collector.yaml").read_text()


def test_every_line_of_the_collector_that_says_something_says_why() -> None:
    """Each line with a value or an entry of a list has its reason behind it."""
    lines = (ROOT / "otel-collector.yaml").read_text().splitlines()
    silent = [line for line in lines if re.search(r":\s+[^#\s]|^\s*- ", line.partition(" #")[0]) and " #" not in line]

    assert [line for line in silent if not line.startswith("#")] == []


def test_the_scale_page_shows_what_the_simulation_says() -> None:
    """Change an assumption, and the page has to be written again."""
    command = [sys.executable, str(ROOT / "tools" / "simulate_scale.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # ours
    assert done.stdout in (ROOT / "docs" / "scale.md").read_text()


def test_every_variable_of_the_collector_is_in_the_docs() -> None:
    """What an operator may turn is told."""
    names = set(re.findall(r"\$\{env:([A-Z_]+)", (ROOT / "otel-collector.yaml").read_text()))
    text = (ROOT / "docs" / "deployment.md").read_text()
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_setting_of_the_bridge_is_in_its_page() -> None:
    """Settings, default port and the limits that senders meet."""
    text = (ROOT / "docs" / "bridge.md").read_text()
    for field in BridgeSettings.model_fields.values():
        assert f"`{field.validation_alias}`" in text
    limits = Limits()
    for said in (
        str(DEFAULT_PORT),
        f"{limits.items:,} items",
        f"{limits.body >> 20} MiB",
        f"{limits.body_seconds:.0f} s",
    ):
        assert said in text
    assert limits.json_body >> 20 == int(re.findall(r"JSON (\d+) MiB", text)[0])
    assert "protobuf" in PROTOBUF
    assert "json" in JSON


def test_one_collector_version_everywhere() -> None:
    """The one that is tested is the one that is deployed."""
    manifest = (ROOT / "tools" / "collector" / "builder.yaml").read_text()
    (version,) = re.findall(r"^  version: (\S+)$", manifest, re.MULTILINE)
    for path in ("compose.yaml", "deploy/kubernetes/collector.yaml"):
        assert f"opentelemetry-collector-contrib:{version}" in (ROOT / path).read_text()


def test_every_variable_of_compose_is_explained_in_the_example() -> None:
    """And the example has none that nothing reads."""
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    written = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert used == written


def test_what_the_images_copy_is_there() -> None:
    """Each COPY from the build context names files of the repository."""
    for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        *sources, _ = [each for each in line.split() if not each.startswith("--")]
        assert all((ROOT / each).exists() for each in sources), line


def test_the_command_of_the_images_runs_the_library(tmp_path: Path) -> None:
    """The images hold its code without an installed package."""
    done = subprocess.run(  # noqa: S603  # ours
        [ROOT / "deploy" / "docker" / "otel-umami.sh", "--version"],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("otel-umami ")


def test_secrets_do_not_stand_in_files_that_are_committed() -> None:
    """Only their places do."""
    for path in ("compose.yaml", ".env.example", "Dockerfile", "deploy/kubernetes/bridge.yaml"):
        for line in (ROOT / path).read_text().splitlines():
            if not line.lstrip().startswith("#"):
                assert not re.search(r"(TOKEN|PASSWORD|SECRET)\s*[:=]\s*['\"]?[A-Za-z0-9]{8}", line), line


def test_no_lock_file_names_a_registry() -> None:
    """What is installed is said by name, version and hash; where from is the installing machine's business."""
    for path in (ROOT / "tools" / "node" / "package-lock.json", ROOT / "requirements" / "bridge.txt"):
        assert "://" not in re.sub(r'"url": "[^"]*"', "", path.read_text())


def test_the_entrypoint_reads_secrets_from_their_files(tmp_path: Path) -> None:
    """For the program only, without the line end; a file that is not there stops the start, by name."""
    entrypoint = str(ROOT / "deploy" / "docker" / "entrypoint.sh")
    (tmp_path / "token").write_text("1:fake\n")

    def start(**env: str) -> tuple[int, str, str]:
        command = [entrypoint, "/bin/sh", "-c", 'printf %s "$TELEGRAM_BOT_TOKEN"']
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603  # ours
        return done.returncode, done.stdout, done.stderr

    path = "/usr/bin:/bin"
    assert start(PATH=path, TELEGRAM_BOT_TOKEN_FILE=str(tmp_path / "token")) == (0, "1:fake", "")
    assert start(PATH=path, TELEGRAM_BOT_TOKEN="2:plain") == (0, "2:plain", "")
    missing = start(PATH=path, TELEGRAM_BOT_TOKEN_FILE=str(tmp_path / "nothing"))
    assert missing == (2, "", "TELEGRAM_BOT_TOKEN_FILE: the file cannot be read\n")


def test_orchestrators_ask_what_the_bot_answers() -> None:
    """The paths and ports of the probes are those of the health endpoint, in every deployment."""
    bot = (ROOT / "deploy" / "kubernetes" / "bot" / "bot.yaml").read_text()
    assert re.findall(r"httpGet: \{ path: (\S+), port: health \}", bot) == ["/readyz", "/readyz", "/healthz"]
    assert '{ name: HEALTH_PORT, value: "8081" }' in bot
    assert "{ name: health, containerPort: 8081 }" in bot
    probe = '["CMD", "python", "-m", "termin_bot.probe", "healthz"]'
    assert probe in (ROOT / "compose.yaml").read_text()
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert probe.replace('"CMD", ', "") in dockerfile
    assert "HEALTH_PORT=8081" in dockerfile
    for name in ("termin-bot.service", "termin-bot-health.service"):
        unit = (ROOT / "deploy" / "systemd" / name).read_text()
        assert "HEALTH_PORT=8081" in unit
        assert "-m termin_bot.probe " in unit


def test_deployments_set_settings_that_there_are() -> None:
    """A variable that nobody reads is a decision that nobody takes."""
    known = {name.upper() for name in Settings.model_fields} | {
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_RESOURCE_ATTRIBUTES",
        "UMAMI_SPOOL",
    }
    bot = (ROOT / "deploy" / "kubernetes" / "bot" / "bot.yaml").read_text()
    env = (ROOT / "deploy" / "kubernetes" / "bot" / "bot.env").read_text()
    unit = (ROOT / "deploy" / "systemd" / "termin-bot.service").read_text()
    compose = (ROOT / "compose.yaml").read_text().partition("  collector:")[0].partition("environment:")[2]
    named = {
        *re.findall(r"- \{ name: ([A-Z_]+), value:", bot),
        *re.findall(r"^([A-Z_]+)=", env, re.MULTILINE),
        *re.findall(r"^Environment=([A-Z_]+)=", unit, re.MULTILINE),
        *re.findall(r"^      ([A-Z_]+):", compose, re.MULTILINE),
    }
    assert {name for name in named if name.removesuffix("_FILE") not in known} == set()
