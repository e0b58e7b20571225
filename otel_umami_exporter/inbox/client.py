"""Who sent a request, as Umami works it out: address, country, and what the User-Agent says."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import useragent
from .validation import Payload

CountryOf = Callable[[str], str | None]


@dataclass(frozen=True)
class Sender:
    """Where a request came from: the peer's address and the headers, names in lower case."""

    peer: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Client:
    """What Umami stores of a client, and what it derives the visitor from when there is no id."""

    ip: str
    user_agent: str
    browser: str | None
    os: str | None
    device: str
    country: str | None


def client_of(payload: Payload, sender: Sender, country_of: CountryOf) -> Client:
    """Return the client behind *payload*; the payload's own words come before those of the request."""
    forwarded = sender.headers.get("x-forwarded-for", "").split(",")[0].strip()
    ip = payload.ip or forwarded or sender.peer
    user_agent = payload.user_agent or sender.headers.get("user-agent", "")
    return Client(
        ip=ip,
        user_agent=user_agent,
        browser=useragent.browser(user_agent) if payload.browser is None else payload.browser,
        os=useragent.operating_system(user_agent) if payload.os is None else payload.os,
        device=useragent.device(user_agent, payload.screen) if payload.device is None else payload.device,
        country=_country(ip, payload, sender, country_of),
    )


def _country(ip: str, payload: Payload, sender: Sender, country_of: CountryOf) -> str | None:
    try:
        if not ipaddress.ip_address(ip).is_global:
            return None
    except ValueError:
        return None
    said_by_proxy = None if payload.ip else sender.headers.get("cf-ipcountry")
    return said_by_proxy or country_of(ip)
