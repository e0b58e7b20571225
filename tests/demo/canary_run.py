"""
One demo whose people are canaries. Run as a program: `canary_run.py FOLDER`.

It leaves in FOLDER every value that went in (values.json) and everything that came out: spans.json, requests.json, the
spool as it was when it was fullest, and the log at DEBUG.
"""

import asyncio
import json
import shutil
import sys
from pathlib import Path

from canaries import canary
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console

from termin_bot.simulation.demo import SPOOL, Options, Performance, perform
from termin_bot.simulation.demo_screen import PlainScreen
from termin_bot.simulation.demo_umami import OwnInbox
from termin_bot.simulation.demo_watch import Watch
from termin_bot.simulation.telegram import DEMO_TOKEN


class CopyingInbox(OwnInbox):
    """An inbox that takes a copy of the spool at the end of the outage: every event of the run is in it then."""

    def __init__(self, folder: Path) -> None:
        super().__init__(":memory:", 0)
        self._folder = folder

    def come_back(self) -> None:
        """Copy the spool, its write-ahead log too, and listen again."""
        for file in sorted(self._folder.glob(f"{SPOOL}*")):
            shutil.copy(file, self._folder / f"full-{file.name}")
        super().come_back()


async def run(folder: Path) -> int:
    """Play, and leave the evidence; 0 when the run itself went well."""
    exporter = InMemorySpanExporter()
    options = Options(
        folder=folder,
        seed=3,
        outage=True,
        inventor=canary,
        processors=(SimpleSpanProcessor(exporter),),
        log_level="DEBUG",
    )
    with CopyingInbox(folder) as umami:
        performance = await perform(options, umami, PlainScreen(Console()), Watch())
        requests = [
            {"path": each.path, "headers": dict(each.headers), "body": each.body.decode()}
            for each in umami.inbox.requests()
        ]
        forgotten = umami.inbox.forgotten_requests
    spans = [json.loads(each.to_json()) for each in exporter.get_finished_spans()]
    (folder / "spans.json").write_text(json.dumps(spans, ensure_ascii=False), encoding="utf-8")
    (folder / "requests.json").write_text(json.dumps(requests, ensure_ascii=False), encoding="utf-8")
    (folder / "values.json").write_text(json.dumps(values(performance)), encoding="utf-8")
    if forgotten or performance.reason is not None:
        sys.stderr.write(f"{forgotten} requests forgotten; {performance.reason}\n")
        return 1
    return 0


def values(performance: Performance) -> dict[str, list[str]]:
    """Return what went in, by kind: everything a citizen is, typed or got, and everything that opens a door."""
    people, bookings = performance.telegram.people, performance.city.bookings()
    typed = [message.text for person in people for message in person.outbox if not message.text.startswith("/")]
    return {
        "telegram_id": [str(person.id) for person in people],
        "first_name": [person.first_name for person in people],
        "username": [person.username for person in people if person.username],
        "typed": typed,
        "name": [each.family_name for each in bookings if each.family_name],
        "email": [each.email for each in bookings if each.email.startswith("kanarien")],
        "telephone": [each.telephone for each in bookings if each.telephone],
        "custom_text": [each.custom_text for each in bookings if each.custom_text],
        "process_id": [str(each.process_id) for each in bookings],
        "auth_key": [each.auth_key for each in bookings],
        "captcha_token": [each.captcha_token for each in bookings if each.captcha_token],
        "city_secret": sorted(performance.city.secrets()),
        "exact_time": [str(each.start) for each in bookings],
        "bot_token": [DEMO_TOKEN, DEMO_TOKEN.partition(":")[2]],
    }


if __name__ == "__main__":
    sys.exit(asyncio.run(run(Path(sys.argv[1]))))
