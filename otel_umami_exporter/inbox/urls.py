"""`new URL(url, base)` for what Umami needs of it: host, path, query and fragment of web addresses."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from .javascript import scrub

_SPECIAL: Final = {"http", "https", "ws", "wss", "ftp"}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_FORBIDDEN_IN_HOST: Final = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]")
_IPV6: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]")
_LARGEST_PORT: Final = 65_535
_IPV4_PARTS: Final = 4

_CONTROL_AND_BEYOND_ASCII: Final = "\x00-\x1f\x7f-\U0010ffff"
_ENCODED_IN_PATH: Final = re.compile(f'[{_CONTROL_AND_BEYOND_ASCII} "#<>?`{{}}]')
_ENCODED_IN_QUERY: Final = re.compile(f"[{_CONTROL_AND_BEYOND_ASCII} \"#<>']")
_ENCODED_IN_FRAGMENT: Final = re.compile(f'[{_CONTROL_AND_BEYOND_ASCII} "<>`]')

_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_RESERVED: Final = frozenset(b";/?:@&=+$,#")  # decodeURI leaves the escapes of these as they are


class InvalidUrl(ValueError):  # noqa: N818 - says what is the case
    """JavaScript's `new URL()` refuses this text."""


@dataclass(frozen=True, kw_only=True)
class Url:
    """A parsed address; query and fragment come without their sign, and everything is percent-encoded."""

    host: str
    path: str
    query: str = ""
    fragment: str = ""

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter, decoded."""
        pairs = parse_qsl(self.query, keep_blank_values=True, errors="replace")
        return next((value for key, value in pairs if key == name), None)


def parse(text: str, base: Url | None = None) -> Url:
    """Parse an absolute address, or with *base* (an https address) also a relative one; raises InvalidUrl."""
    text = re.sub(r"[\t\n\r]", "", scrub(text).strip("".join(map(chr, range(0x21)))))
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    name = scheme[1].lower() if scheme else "https"
    if name not in _SPECIAL:
        return _parse_other(rest)
    slashes = len(rest) - len(rest.lstrip("/\\"))
    relative = base is not None and name == "https" and slashes < 2  # noqa: PLR2004 - two slashes begin a host
    if base is not None and relative:
        return _resolve(rest, base)
    if scheme is None and slashes < 2:  # noqa: PLR2004 - two slashes begin a host
        raise InvalidUrl("a relative address without a base")
    authority, tail = _split_at(rest[slashes:], r"[/\\?#]")
    return _with_tail(_host(authority), tail, [])


def _resolve(rest: str, base: Url) -> Url:
    head, query, fragment = _split_tail(rest)
    if not head:
        kept_query = query if "?" in rest.partition("#")[0] else base.query
        return Url(host=base.host, path=base.path, query=kept_query, fragment=fragment)
    folder = [] if head[0] in "/\\" else base.path.split("/")[1:-1]
    return _with_tail(base.host, rest, folder)


def _parse_other(rest: str) -> Url:
    """Parse what follows a scheme that is not of the web: `tg://resolve?domain=x`, `mailto:x`."""
    head, query, fragment = _split_tail(rest)
    host, path = "", head
    if head.startswith("//"):
        host, path = _split_at(head[2:], "/")
        if _FORBIDDEN_IN_HOST.search(host.rpartition("@")[2].partition(":")[0].replace("%", "")):
            raise InvalidUrl("a host with a forbidden character")
    return Url(host=host, path=_encode(path, _ENCODED_IN_PATH), query=query, fragment=fragment)


def _with_tail(host: str, tail: str, folder: list[str]) -> Url:
    head, query, fragment = _split_tail(tail)
    segments = list(folder)
    parts = re.split(r"[/\\]", head)
    if head[:1] in ("/", "\\"):
        parts = parts[1:]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        plain = part.lower().replace("%2e", ".")
        if plain == "..":
            segments = segments[:-1] + ([""] if last else [])
        elif plain == ".":
            segments += [""] if last else []
        else:
            segments.append(_encode(part, _ENCODED_IN_PATH))
    return Url(host=host, path="/" + "/".join(segments), query=query, fragment=fragment)


def _split_tail(text: str) -> tuple[str, str, str]:
    before, _, fragment = text.partition("#")
    head, _, query = before.partition("?")
    return head, _encode(query, _ENCODED_IN_QUERY), _encode(fragment, _ENCODED_IN_FRAGMENT)


def _split_at(text: str, pattern: str) -> tuple[str, str]:
    match = re.search(pattern, text)
    return (text[: match.start()], text[match.start() :]) if match else (text, "")


def _host(authority: str) -> str:
    host = authority.rpartition("@")[2]
    if ipv6 := _IPV6.match(host):
        return ipv6[0].lower()
    host, colon, port = host.partition(":")
    if colon and port and not (port.isascii() and port.isdigit() and int(port) <= _LARGEST_PORT):
        raise InvalidUrl("a port that is none")
    host = unquote_to_bytes(host).decode("utf-8", "replace")
    if not host or _FORBIDDEN_IN_HOST.search(host):
        raise InvalidUrl("a host that is empty or has a forbidden character")
    host = _to_ascii(host.lower())
    labels = host.removesuffix(".").split(".")
    return _ipv4(labels) if _is_number(labels[-1]) else host


def _to_ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise InvalidUrl("a host that has no ASCII form") from exc


def _is_number(label: str) -> bool:
    return re.fullmatch(r"\d+|0x[0-9a-f]*", label, re.ASCII) is not None


def _ipv4(labels: list[str]) -> str:
    if len(labels) > _IPV4_PARTS or not all(map(_is_number, labels)):
        raise InvalidUrl("a host that ends in a number and is no IPv4 address")
    try:
        *leading, last = [_ipv4_number(label) for label in labels]
    except ValueError as exc:
        raise InvalidUrl("a host that ends in a number and is no IPv4 address") from exc
    if any(number > 0xFF for number in leading) or last >= 256 ** (_IPV4_PARTS - len(leading)):  # noqa: PLR2004 - a byte
        raise InvalidUrl("an IPv4 address with a part that is too large")
    address = last + sum(number << (8 * (_IPV4_PARTS - 1 - index)) for index, number in enumerate(leading))
    return ".".join(str(byte) for byte in address.to_bytes(_IPV4_PARTS, "big"))


def _ipv4_number(label: str) -> int:
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8) if label.startswith("0") and len(label) > 1 else int(label)


def _encode(text: str, encoded: re.Pattern[str]) -> str:
    return encoded.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)


def decode_path(text: str) -> str:
    """Return `decodeURI(text)`, or *text* itself when an escape is broken."""
    return _decode(text, _RESERVED)


def decode_all(text: str) -> str:
    """Return `decodeURIComponent(text)`, or *text* itself when an escape is broken."""
    return _decode(text, frozenset())


def _decode(text: str, kept: frozenset[int]) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return text
    try:
        return _ESCAPES.sub(lambda match: _decode_run(match[0], kept), text)
    except UnicodeDecodeError:
        return text


def _decode_run(run: str, kept: frozenset[int]) -> str:
    escapes = [run[index : index + 3] for index in range(0, len(run), 3)]
    encoded = b"".join(e.encode() if int(e[1:], 16) in kept else bytes([int(e[1:], 16)]) for e in escapes)
    return encoded.decode("utf-8")
