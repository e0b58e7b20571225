"""What a person sees: a text and the buttons under it, before Telegram."""

from dataclasses import dataclass

from termin_bot.buttons import Button


@dataclass(frozen=True)
class Key:
    """One inline button: it does something, or opens a page."""

    label: str
    does: Button | None = None
    opens: str | None = None


@dataclass(frozen=True)
class Screen:
    """A message: Telegram's HTML, and rows of buttons."""

    text: str
    rows: tuple[tuple[Key, ...], ...] = ()
