"""The text columns of an event: address taken apart, escapes decoded, everything long cut, as Umami does it."""

from dataclasses import dataclass
from typing import Final

from . import columns, javascript, urls
from .errors import ServerError
from .validation import Payload

CUT_AT: Final = 500  # UTF-16 units
_CAMPAIGN: Final = (
    *("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),
    *("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid"),
)


@dataclass(frozen=True)
class Texts:
    """The columns as they are stored, and the names of those that lost their end."""

    stored: dict[str, str | None]
    cut: list[str]


def of(payload: Payload) -> Texts:
    """Return the text columns of an event; raises ServerError for a hostname that no address can have."""
    try:
        base = urls.parse(f"https://{payload.hostname or 'localhost'}")
        url = urls.parse("undefined" if payload.url is None else payload.url, base)
        referrer = urls.parse(payload.referrer, base) if payload.referrer else None
    except urls.InvalidUrl as exc:
        raise ServerError("TypeError", "ERR_INVALID_URL") from exc
    path = "" if url.path == "/undefined" else url.path + (f"#{url.fragment}" if url.fragment else "")
    whole: dict[str, str | None] = {
        "url_path": urls.decode_path(path),
        "url_query": url.query,
        "page_title": None if payload.title is None else urls.decode_all(payload.title),
    }
    if referrer is not None:
        whole |= {
            "referrer_domain": _without_www(referrer.host),
            "referrer_path": urls.decode_path(referrer.path),
            "referrer_query": referrer.query,
        }
    stored = {
        "event_name": payload.name or None,
        "tag": payload.tag,
        "hostname": payload.hostname or _without_www(url.host),
        **{name: None if text is None else javascript.cut(text, CUT_AT) for name, text in whole.items()},
        **{name: url.parameter(name) for name in _CAMPAIGN},
    }
    cut = [name for name, text in whole.items() if text is not None and javascript.length(text) > CUT_AT]
    return Texts(columns.as_stored(stored), cut)


def _without_www(host: str) -> str:
    return host.removeprefix("www.")
