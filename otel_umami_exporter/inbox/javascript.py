"""The little of JavaScript that decides what Umami answers and stores: JSON, strings in UTF-16, numbers as text."""

import json
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BRACKETS_AND_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_LARGEST_SAFE_INTEGER: Final = 2**53 - 1
_PLAIN_NOTATION: Final = (1e-6, 1e21)  # JavaScript writes numbers outside of these with an exponent

# Python's parser gives up at about 1000 levels, V8's never, but Umami's own recursion does somewhere below 10 000.
# What is nested deeper than this is replaced by a value that makes the same error later, where Umami makes it.
_DEEPEST: Final = 500
TOO_DEEP: Final = "nested too deeply"  # told from the same text of a client by identity


class NotJson(ValueError):  # noqa: N818 - says what is the case
    """The text is no JSON to JavaScript (NaN and Infinity, which Python accepts, included)."""


class RangeError(ValueError):
    """JavaScript's RangeError: an impossible date, or a call stack that is too high."""


def parse_json(body: bytes) -> Json:
    """Read *body* as `Response.json()` does; bytes that are no UTF-8 become U+FFFD."""
    text = body.decode("utf-8", errors="replace").removeprefix("\ufeff")
    try:
        try:
            return _loads(text, _refuse_constant)
        except RecursionError:
            return _loads(_prune(text), lambda _: TOO_DEEP)
    except ValueError as exc:
        raise NotJson("the body is no JSON") from exc


def _loads(text: str, constant: Callable[[str], str]) -> Json:
    value: Json = json.loads(text, parse_constant=constant, parse_int=_integer)
    return value


def _refuse_constant(name: str) -> str:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int | float:
    number = float(digits)
    return int(digits) if abs(number) <= _LARGEST_SAFE_INTEGER else number


def _prune(text: str) -> str:
    """Replace everything below the deepest level by a constant, which then becomes TOO_DEEP."""
    kept: list[str] = []
    depth = position = 0
    for match in _BRACKETS_AND_STRINGS.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth == _DEEPEST + 1:
                kept += [text[position : match.start()], "NaN"]
        elif match[0] in "]}":
            if depth == _DEEPEST + 1:
                position = match.end()
            depth -= 1
    return "".join([*kept, text[position:]])


def type_name(value: Json) -> str:
    """Return the name that Umami's body check (zod) gives to the type of *value*."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"


def length(text: str) -> int:
    """Return the length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, units: int) -> str:
    """Return the first *units* UTF-16 units; an emoji may be cut in two."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "surrogatepass")


def scrub(text: str) -> str:
    """Return *text* as it leaves JavaScript in UTF-8: lone surrogates become U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def to_number(value: Json) -> float:
    """Return `Number(value)`; NaN where JavaScript says so."""
    match value:
        case None:
            return 0.0
        case bool() | int() | float():
            return float(value)
        case str():
            return _number_from_text(value.strip())
        case list():
            if len(value) > 1:
                return math.nan
            first = value[0] if value else None
            return math.nan if isinstance(first, (bool, dict)) else to_number("" if first is None else first)
        case dict():
            return math.nan


def _number_from_text(text: str) -> float:
    if not text:
        return 0.0
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?Infinity", text, re.ASCII):
        return float(text)
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+", text):
        return float(int(text, 0))
    return math.nan


def to_fixed(number: float) -> str:
    """Return `number.toFixed(4)`: the binary fraction is rounded, half away from zero."""
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if abs(number) >= _PLAIN_NOTATION[1]:
        return number_text(number)
    rounded = Decimal(abs(number)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return f"-{rounded}" if number < 0 else str(rounded)


def number_text(number: float) -> str:
    """Return `String(number)`."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else to_fixed(number)
    if number == 0:
        return "0"
    exact = Decimal(repr(number))
    if _PLAIN_NOTATION[0] <= abs(number) < _PLAIN_NOTATION[1]:
        plain = f"{exact:f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    mantissa, exponent = f"{exact.normalize():e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def stringify(value: Json) -> str:
    """
    Return `JSON.stringify(value)`: no blanks, non-ASCII as it is, lone surrogates escaped.

    Raises RangeError where the nesting exceeds the call stack.
    """
    try:
        return _stringify(value)
    except RecursionError as exc:
        raise RangeError("Maximum call stack size exceeded") from exc


def _stringify(value: Json) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case int() | float():
            return number_text(value) if math.isfinite(value) else "null"
        case str():
            if value is TOO_DEEP:
                raise RecursionError
            return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))
        case list():
            return "[" + ",".join(map(_stringify, value)) + "]"
        case dict():
            return "{" + ",".join(f"{_stringify(key)}:{_stringify(item)}" for key, item in value.items()) + "}"


def flatten(data: dict[str, Json]) -> list[tuple[str, Json]]:
    """
    Return the leaves of nested objects with their dotted names, in order; arrays are leaves.

    A name may come twice: in `{"a": {"b": 1}, "a.b": 2}`.
    """
    leaves: list[tuple[str, Json]] = []
    waiting: list[tuple[str, Json]] = list(reversed(data.items()))
    while waiting:
        name, value = waiting.pop()
        if value is TOO_DEEP:
            raise RangeError("Maximum call stack size exceeded")
        if isinstance(value, dict):
            waiting.extend((f"{name}.{key}", item) for key, item in reversed(value.items()))
        else:
            leaves.append((name, value))
    return leaves
