"""Write every file that is derived from code; with --check, say which are stale and change nothing."""

import argparse
import inspect
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from bench.report import pages as performance_pages
from otel_umami_exporter.cli import build_parser
from otel_umami_exporter.dashboards import Dashboards
from otel_umami_exporter.projection_json import projections_to_json
from otel_umami_exporter.registry_text import to_manifest, to_registry
from otel_umami_exporter.settings import UmamiSettings
from otel_umami_exporter.taxonomy import Taxonomy
from otel_umami_exporter.taxonomy_text import to_markdown

ROOT: Final = Path(__file__).resolve().parent.parent
NOTICE: Final = "<!-- Written by `make generate`; edit the code it is derived from. -->\n\n"

# Where the events are not what the analytics guide says: it contradicts its own promise of privacy there, or could not
# work against a real Umami.
DEVIATIONS: Final = {
    "user_registered": "the guide sends the username; here it is only whether there is one. A name is personal data.",
    "user_reengaged": "counted from when the person was last seen, not from the registration: else every old user "
    "comes back every day.",
    "user_stopped": "the values are read before the delete; the guide reads them after it, when there are none.",
    "button_clicked": "`button_id` is the route of the button. The guide sends the callback data: it holds dates and "
    "slots.",
    "appointment_found": "on the edge, when appointments become available, and not in every cycle while they are.",
    "booking_started": "`lead_time` in six classes. The guide's `selected_date` is an exact date, which with a service "
    "points at a person.",
    "booking_completed": "no booking id, which points at a person in the city's books; the duration comes from the "
    "span of the booking, so that it survives a restart.",
    "api_error": "`error_message` is the city's own error code, or `http_502`. Free text may hold what people typed.",
}
REGISTRY: Final = {
    "name": "munich-appointment-bot",
    "description": "Business events of the Munich Appointment Bot",
    "address": "https://example.org/schemas/munich-appointment-bot",
}
EVENTS_HEAD: Final = """# The events

Every business event the bot records. What is not on this page does not leave for Umami: it is the closed list that the
gate reads. *public* may be seen on shared boards, *internal* on the owner's website, *local* stays in traces and logs.
There is no class for personal data, so it cannot be declared.

Every event that a person causes carries that person's visitor pseudonym as Umami's `id`, and its time as Umami's
`timestamp`; neither is repeated in the properties. Events with nobody behind them carry none. Each event also carries
`trace_id`: from a number on a board to its trace.

"""
CONFIGURATION_HEAD: Final = """# Settings

Read from the environment, once, at the start. An empty variable counts as one that is not set.
What wins, if a setting is said more than once:

1. an argument in code (`UmamiSpanProcessor(endpoint=...)`), also one from an OpenTelemetry configuration file
2. the first name in the table
3. its other name (`OTEL_EXPORTER_UMAMI_...`)
4. the default

A mistake in code raises `SettingsError`. A mistake in the environment alone switches analytics off with one ERROR line
that names the variable and never its value: the program and its other exporters run on.

"""
DECLARATIVE: Final = """## OpenTelemetry's own variables

| variable | value | what it does |
|---|---|---|
| `OTEL_TRACES_EXPORTER` | `umami`, `umami,otlp`, ... | adds the span exporter |
| `OTEL_LOGS_EXPORTER` | `umami` | adds the log record exporter: events emitted as log records |
| `OTEL_TRACES_SAMPLER` | `always_record` | records all spans, samples the share `OTEL_TRACES_SAMPLER_ARG` (default 1) |
| `OTEL_SPAN_EVENT_COUNT_LIMIT` | a number, default 128 | more events on a span are dropped by the SDK, oldest first |

## An OpenTelemetry configuration file

With the package `opentelemetry-configuration` installed, `OTEL_CONFIG_FILE` names a YAML file in which the exporter
stands by its name; what it takes are the arguments in code, and the environment fills in the rest:

```yaml
{example}
```

That package builds only batch and simple processors, so the file opens the door of the *exporter*: spans that are
sampled, some seconds after their end. `always_record` there needs the processor in code. The bot has it: where the file
names `umami`, it puts its own processor there ([exporters.md](exporters.md)).
"""
CLI: Final = "docs/cli.md"
CLI_HEAD: Final = """# Commands

Exit status of each: 0 it is well; 1 a fault was found, or not everything could be done; 2 an argument or a setting is
wrong. Bad input is one line on standard error, never a traceback.

"""


def pages() -> Iterator[tuple[str, str]]:
    """Yield path and content of every derived file."""
    taxonomy = _taxonomy()
    if taxonomy is not None:
        yield "taxonomy.json", taxonomy.to_json()
        boards = getattr(_bot("dashboards"), "DASHBOARDS", None)
        widgets = boards.widgets_of if isinstance(boards, Dashboards) else None
        yield "docs/events.md", NOTICE + EVENTS_HEAD + to_markdown(taxonomy, DEVIATIONS, widgets)
        yield "registry/events.yaml", to_registry(taxonomy, namespace="munich_appointment_bot")
        yield "registry/registry_manifest.yaml", to_manifest(**REGISTRY)
        if isinstance(boards, Dashboards):
            yield "projections.json", projections_to_json(boards.projections)
    figures = ROOT / "docs" / "performance.json"
    if figures.exists():
        yield from performance_pages(json.loads(figures.read_text(encoding="utf-8")), ROOT)
    yield "docs/configuration.md", NOTICE + CONFIGURATION_HEAD + _configuration()
    yield CLI, NOTICE + CLI_HEAD + _commands()


def main() -> int:
    """Write or check; 1 when something was stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is stale")
    check = parser.parse_args().check
    stale = 0
    for name, content in pages():
        path = ROOT / name
        if path.exists() and _says(path.read_text(encoding="utf-8"), content, name):
            continue
        stale += 1
        if check:
            print(f"{name} is stale: run `make generate`")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
            print(f"{name} written")
    return 1 if check and stale else 0


def _says(written: str, content: str, name: str) -> bool:
    """Whether both are the same; argparse breaks the lines of a help text in another way in each version of Python."""
    return written == content or (name == CLI and written.split() == content.split())


def _bot(name: str) -> ModuleType | None:
    """Return a module of the bot, which a checkout of the library alone does not have."""
    if find_spec("termin_bot") is None or find_spec(f"termin_bot.{name}") is None:
        return None
    return import_module(f"termin_bot.{name}")


def _taxonomy() -> Taxonomy | None:
    module = _bot("events")
    found = getattr(module, "TAXONOMY", None)
    return found if isinstance(found, Taxonomy) else None


def _configuration() -> str:
    text = "## The library\n\n" + _table(UmamiSettings)
    module = _bot("settings")
    if module is not None:
        for _, model in inspect.getmembers(module, inspect.isclass):
            if issubclass(model, BaseSettings) and model.__module__ == module.__name__:
                text += f"\n## The bot\n\n{(model.__doc__ or '').strip()}\n\n" + _table(model)
    example = (ROOT / "examples" / "otel-config.yaml").read_text(encoding="utf-8").strip()
    return text + "\n" + DECLARATIVE.format(example=example)


def _table(model: type[BaseSettings]) -> str:
    lines = ["| variable | also | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        first, *others = _names(name, field)
        also = ", ".join(f"`{each}`" for each in others) or "-"
        lines.append(f"| `{first}` | {also} | {_default(field)} | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def _names(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(each) for each in alias.choices]
    return [str(alias) if alias else name.upper()]


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "*needed*"
    if value is None or value == "":
        return "-"
    if isinstance(value, SecretStr):
        return "a secret"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _commands() -> str:
    os.environ["COLUMNS"] = "100"  # argparse folds by the terminal
    return "\n".join(_help("otel-umami", build_parser()))


def _help(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    text = io.StringIO()
    with redirect_stdout(text):
        parser.print_help()
    yield f"## {name}\n\n```\n{text.getvalue().rstrip()}\n```\n"
    for action in parser._actions:  # noqa: SLF001  # argparse has no public list of its commands
        if isinstance(action.choices, dict):
            for word, one in action.choices.items():
                yield from _help(f"{name} {word}", one)


if __name__ == "__main__":
    sys.exit(main())
