"""The chart of the page: bars for each peer, in SVG, from the figures alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

_WIDTH: Final = 760
_LABEL: Final = 170
_BAR: Final = 16
_GAP: Final = 6
_HEAD: Final = 30
_ROOM: Final = _WIDTH - _LABEL - 90
_OURS: Final = "#2563eb"
_OTHERS: Final = "#9ca3af"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One figure of all peers."""

    title: str
    figure: str
    digits: int = 0


PANELS: Final = (
    Panel(title="delivered events per second (more is better)", figure="delivered_per_second"),
    Panel(title="CPU seconds for 10,000 events (less is better)", figure="cpu_per_10k", digits=2),
    Panel(title="microseconds of the caller for an event, in a burst, mean (less is better)", figure="burst_mean_us"),
)


def draw(road: Mapping[str, Any], titles: Mapping[str, str], panels: Sequence[Panel] = PANELS) -> str:
    """Return the chart; bars are as long as the figure beside the largest but the slowest peer's, which is cut."""
    parts: list[str] = []
    top = 10
    for panel in panels:
        rows = [(titles[peer], road[peer][panel.figure]["median"], peer == "ours") for peer in titles]
        longest = sorted(value for _, value, _ in rows)[-3] if panel.figure != "delivered_per_second" else None
        scale = longest or max(value for _, value, _ in rows)
        parts.append(f'<text x="0" y="{top + 14}" class="head">{escape(panel.title)}</text>')
        top += _HEAD
        for title, value, is_ours in rows:
            parts += _bar(top, title, value, min(1.0, value / scale), panel.digits, is_ours=is_ours)
            top += _BAR + _GAP
        top += 14
    style = (
        "text{font:12px system-ui,sans-serif;fill:#374151}.head{font-weight:600;font-size:13px}"
        "@media(prefers-color-scheme:dark){text{fill:#d1d5db}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}">'
    return "\n".join([head, f"<style>{style}</style>", *parts, "</svg>"]) + "\n"


def _bar(top: int, title: str, value: float, share: float, digits: int, *, is_ours: bool) -> list[str]:
    width = max(1, round(share * _ROOM))
    return [
        f'<text x="{_LABEL - 8}" y="{top + 12}" text-anchor="end">{escape(title)}</text>',
        f'<rect x="{_LABEL}" y="{top}" width="{width}" height="{_BAR}" rx="2" fill="{_OURS if is_ours else _OTHERS}"/>',
        f'<text x="{_LABEL + width + 6}" y="{top + 12}">{value:,.{digits}f}</text>',
    ]
