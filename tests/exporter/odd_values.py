"""What attributes and times may be, and nobody expects."""

from typing import Final

from hypothesis import strategies as st

ANY_CHARACTER: Final = st.characters(exclude_categories=())  # surrogates, NUL and all
NASTY_TEXT: Final = st.sampled_from(
    [
        *("", "\x00", "\ud800", "\udfff\ud800", "\ufffd", "\u2028", "\U0001f37a" * 501, "x" * 500, "x" * 501),
        *("2026-13-45T99:99:99", "2026-02-30T10:00:00", "0000-01-01T00:00:00", "0001-01-01T00:00:00.000+01:00"),
        *("9999-12-31T23:59:59.999-01:00", "2026-03-02T10:00:00.123+99:99", "2026-03-02T10:00:00Z", "24:00", "09:30"),
        *("NaN", "Infinity", "1e400", "null", "undefined", "__proto__", "[object Object]", "-0", "0x1F", "1e15"),
    ]
)
DATE_LIKE: Final = st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(Z|[+-]\d\d:\d\d)?)?", fullmatch=True)
HUGE_TEXT: Final = st.builds(
    lambda text, times: text * times, st.text(ANY_CHARACTER, min_size=1, max_size=3), st.sampled_from([501, 100_000])
)
TEXT: Final = st.text(ANY_CHARACTER, max_size=40) | NASTY_TEXT | DATE_LIKE | HUGE_TEXT
NUMBER: Final = (
    st.integers()
    | st.floats()
    | st.sampled_from([10**15, 10**15 - 1, -(10**15), 2**53 + 1, 2**70, 10**4_000, 1e15, 1e15 - 0.5, float("nan")])
)
SCALAR: Final = st.booleans() | NUMBER | TEXT
VALUE: Final = (
    SCALAR
    | st.lists(SCALAR, max_size=4)
    | st.recursive(SCALAR, lambda each: st.lists(each, max_size=3).map(tuple), max_leaves=20)
    | st.none()
    | st.binary(max_size=5)
)
TIME: Final = st.integers(-(2**63), 2**63 - 1) | st.just(1_772_445_600_000_000_000) | st.sampled_from([0, 10**30])
