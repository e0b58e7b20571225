"""Why is my event not there? One check after the other, each with its remedy; the first real fault ends it."""

import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import httpx

from otel_umami_exporter.answers import read_answer, read_send
from otel_umami_exporter.clock import Clock
from otel_umami_exporter.dead_letters import dead_letters
from otel_umami_exporter.errors import SettingsError, SpoolError, UmamiExporterError
from otel_umami_exporter.outcome import Delivered, Misconfigured, Refused
from otel_umami_exporter.payload import ID_LIMIT, NO_GEOGRAPHY
from otel_umami_exporter.settings import UmamiSettings, load_taxonomy
from otel_umami_exporter.spool import Spool
from otel_umami_exporter.ways import no_spans, open_http

SKEW_SECONDS: Final = 120.0
PROBE: Final = "otel_umami_doctor"
_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """What one look found."""

    name: str
    is_well: bool
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return the one line for the terminal."""
        return f"{'ok' if self.is_well else 'FAULT':<7}{self.name:<13}{self.found}" + (
            f". {self.remedy}" if self.remedy else ""
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what a script wants to know."""
        return asdict(self)


def examine(
    settings: UmamiSettings,
    spool: Path,
    clock: Clock,
    *,
    login: bool = False,
    transport: httpx.BaseTransport | None = None,
) -> Iterator[Check]:
    """Yield check after check, ending with the first fault. *transport* is the HTTP client's seam for tests."""
    for check in _checks(settings, spool, clock, login=login, transport=transport):
        yield check
        if not check.is_well:
            return


def _checks(
    settings: UmamiSettings, spool: Path, clock: Clock, *, login: bool, transport: httpx.BaseTransport | None
) -> Iterator[Check]:
    yield _check_settings(settings)
    yield _check_taxonomy(settings)
    yield _check_spool(spool)
    endpoint = settings.endpoint.get_secret_value() if settings.endpoint else ""
    with no_spans(), open_http(endpoint, transport) as http:
        try:
            answer = http.get("heartbeat", timeout=_TIMEOUT)
        except httpx.HTTPError as error:
            remedy = "Check UMAMI_ENDPOINT, the network between, and whether Umami runs"
            yield Check("endpoint", is_well=False, found=f"no answer: {type(error).__name__}", remedy=remedy)
            return
        yield _check_heartbeat(answer)
        yield _check_clock(answer, clock)
        yield _ask(_probe, http, settings)
        if login:
            yield _ask(_round_trip, http, settings)


def _ask(check: Any, http: httpx.Client, settings: UmamiSettings) -> Check:
    try:
        found: Check = check(http, settings)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        remedy = "Umami answered before: look at its log, and at proxies between"
        return Check("api", is_well=False, found=f"no usable answer: {type(error).__name__}", remedy=remedy)
    return found


def _check_settings(settings: UmamiSettings) -> Check:
    if not settings.enabled:
        return Check("settings", is_well=False, found="analytics is off", remedy="Set ANALYTICS_ENABLED=true")
    for name, value in (("UMAMI_ENDPOINT", settings.endpoint), ("UMAMI_WEBSITE_ID", settings.website_id)):
        if value is None:
            return Check("settings", is_well=False, found=f"{name} is missing", remedy=f"Set {name}")
    try:
        settings.site()
    except SettingsError as error:
        return Check("settings", is_well=False, found=str(error), remedy="Copy the id from Umami's website settings")
    return Check("settings", is_well=True, found="complete")


def _check_taxonomy(settings: UmamiSettings) -> Check:
    if settings.taxonomy is None:
        return Check(
            "taxonomy", is_well=True, found="UMAMI_TAXONOMY is not set; without a taxonomy in code nothing leaves"
        )
    try:
        taxonomy = load_taxonomy(settings.taxonomy)
    except UmamiExporterError as error:
        return Check("taxonomy", is_well=False, found=str(error), remedy="`otel-umami taxonomy check` says the same")
    if not taxonomy.events:
        return Check(
            "taxonomy", is_well=False, found="it declares no event", remedy="What is not declared never leaves"
        )
    return Check("taxonomy", is_well=True, found=f"{len(taxonomy.events)} events are declared")


def _check_spool(path: Path) -> Check:
    try:
        spool = Spool(path)
        try:
            books = spool.books()
            letters = dead_letters(spool)
        finally:
            spool.close()
    except SpoolError as error:
        return Check("spool", is_well=False, found=str(error), remedy="Set UMAMI_SPOOL to a path that can be written")
    found = f"writable, {books.waiting} events wait, {books.delivered} were delivered"
    if letters:
        found += f", {len(letters)} dead letters ({letters[-1].reason}): see `otel-umami dead-letters list`"
    return Check("spool", is_well=True, found=found)


def _check_heartbeat(answer: httpx.Response) -> Check:
    if answer.status_code == httpx.codes.OK and "json" in answer.headers.get("Content-Type", ""):
        return Check("endpoint", is_well=True, found="Umami answers")
    found = f"something answers, but not Umami (status {answer.status_code})"
    remedy = "Set UMAMI_ENDPOINT to Umami's address, without /api and without a redirect or login page before it"
    return Check("endpoint", is_well=False, found=found, remedy=remedy)


def _check_clock(answer: httpx.Response, clock: Clock) -> Check:
    try:
        skew = clock.time() - parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (ValueError, TypeError):
        return Check("clock", is_well=True, found="the server does not tell its time")
    if abs(skew) > SKEW_SECONDS:
        found = f"this machine is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Umami's"
        return Check("clock", is_well=False, found=found, remedy="Set it: events of the future are hidden until then")
    return Check("clock", is_well=True, found="agrees with Umami's")


def _probe(http: httpx.Client, settings: UmamiSettings) -> Check:
    """
    Ask with an event that passes the checks for website and User-Agent and then cannot be stored: its id is too long.

    Umami checks in this order: body, website, bot filter, database.
    """
    response = http.post("send", json=_event(settings, "x" * (ID_LIMIT + 1)), timeout=_TIMEOUT)
    answer = read_answer(response.status_code, response.content, None)
    error = answer.document["error"] if answer.is_umamis else {}
    match read_send(answer):
        case Misconfigured("bot_filter"):
            remedy = "Let the User-Agent header pass the proxy, or set DISABLE_BOT_CHECK=1 on Umami"
            return Check("bot filter", is_well=False, found="Umami takes this exporter for a bot", remedy=remedy)
        case Misconfigured("http_403"):
            remedy = "Take this machine out of IGNORE_IP on Umami"
            return Check("website", is_well=False, found="Umami ignores events from this address", remedy=remedy)
        case Misconfigured("website_not_found") | Refused("bad_request"):
            said = str(error.get("message", "")) or "Website not found."
            remedy = "Check UMAMI_WEBSITE_ID, or create the website in Umami"
            return Check("website", is_well=False, found=f"Umami says: {said}", remedy=remedy)
        case Delivered() | Refused("P2010"):  # the first, where an id has no limit
            return Check("website", is_well=True, found="exists, and the User-Agent passes the bot filter")
        case _ if answer.status == httpx.codes.OK:
            raise ValueError("no answer of Umami")
        case _:
            code = (error.get("errorObject") or {}).get("code", "")
            found = f"Umami has trouble (status {answer.status} {code})".replace(" )", ")")
            remedy = "Look at Umami's log; its database may be away"
            return Check("database", is_well=False, found=found, remedy=remedy)


def _round_trip(http: httpx.Client, settings: UmamiSettings) -> Check:
    if settings.password is None:
        return Check("login", is_well=False, found="UMAMI_PASSWORD is missing", remedy="Set it, and UMAMI_USERNAME")
    login = {"username": settings.username or "admin", "password": settings.password.get_secret_value()}
    answer = http.post("auth/login", json=login, timeout=_TIMEOUT)
    if answer.status_code != httpx.codes.OK:
        remedy = "Check UMAMI_USERNAME and UMAMI_PASSWORD"
        return Check("login", is_well=False, found=f"Umami refuses the login ({answer.status_code})", remedy=remedy)
    tag = f"doctor-{secrets.token_hex(6)}"
    item = _event(settings, tag)
    item["payload"]["tag"] = tag
    http.post("send", json=item, timeout=_TIMEOUT).raise_for_status()
    query: dict[str, str | int] = {"startAt": 0, "endAt": 4_102_444_800_000, "event": PROBE, "tag": tag, "pageSize": 1}
    rows = http.get(
        f"websites/{settings.site().website_id}/events",
        params=query,
        headers={"Authorization": f"Bearer {answer.json()['token']}"},
        timeout=_TIMEOUT,
    ).raise_for_status()
    if rows.json().get("count"):
        return Check("round trip", is_well=True, found=f"the test event {PROBE} arrived and was read back")
    remedy = "Umami stored it but does not show it: look at its database, and at ClickHouse if it has one"
    return Check("round trip", is_well=False, found="the test event is not there", remedy=remedy)


def _event(settings: UmamiSettings, who: str) -> dict[str, Any]:
    payload = {"website": settings.site().website_id, "name": PROBE, "url": "/event/doctor", "id": who}
    return {"type": "event", "payload": payload | {"ip": NO_GEOGRAPHY}}
