"""How the demo shows its progress: a live picture on a terminal, plain lines elsewhere."""

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .demo_watch import Watch

_PER_SECOND: Final = 8
_LATEST: Final = 6


class Screen(AbstractContextManager["Screen"], Protocol):
    """What the director tells the audience."""

    def follow(self, watch: "Watch", citizens: int) -> None:
        """Show how many events *watch* counts from now on."""
        ...

    def scene(self, title: str) -> None:
        """Say what happens now."""
        ...


class LiveScreen(Screen):
    """Scenes done and under way, people, and the events as they are counted."""

    def __init__(self, console: Console) -> None:
        self._spinner = Spinner("dots")
        self._scenes: list[str] = []
        self._watch: Watch | None = None
        self._citizens = 0
        self._is_over = False
        self._live = Live(get_renderable=self.picture, console=console, refresh_per_second=_PER_SECOND, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.finish()
        self._live.stop()

    def follow(self, watch: "Watch", citizens: int) -> None:
        """Show how many events *watch* counts from now on."""
        self._watch, self._citizens = watch, citizens

    def scene(self, title: str) -> None:
        """Say what happens now."""
        self._scenes.append(title)

    def finish(self) -> None:
        """Say that the last scene is over, too."""
        self._is_over = True

    def picture(self) -> RenderableType:
        """Return what is to be seen now."""
        scenes = Table.grid(padding=(0, 1))
        for number, title in enumerate(self._scenes):
            is_now = number == len(self._scenes) - 1 and not self._is_over
            scenes.add_row(self._spinner if is_now else Text("✓", "green"), Text(title, "bold" if is_now else "dim"))
        if self._watch is None:
            return scenes
        events = dict(self._watch.events)
        head = Text.assemble(
            (str(self._citizens), "bold"), " citizens   ",
            (str(sum(events.values())), "bold cyan"), " events   ",
            (str(self._watch.views), "bold cyan"), " page views   ",
            (str(len(self._watch.visitors)), "bold cyan"), " visitors",
        )  # fmt: skip
        most = sorted(events.items(), key=lambda item: -item[1])[:_LATEST]
        bars = Table.grid(padding=(0, 1))
        for name, count in most:
            bars.add_row(name, Text(str(count), justify="right"), Text("▇" * min(count, 60), "cyan"))
        return Group(head, Text(), scenes, Text(), bars)


class PlainScreen(Screen):
    """One line for each scene, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._watch: Watch | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Nothing is to be closed."""

    def follow(self, watch: "Watch", citizens: int) -> None:
        """Count with *watch* from now on."""
        self._watch = watch
        self._console.print(f"{citizens} citizens", markup=False, soft_wrap=True)

    def scene(self, title: str) -> None:
        """Say what happens now."""
        events = 0 if self._watch is None else sum(self._watch.events.values())
        seconds = time.monotonic() - self._began
        self._console.print(f"{seconds:5.1f} s  {events:4d} events  {title}", markup=False, soft_wrap=True)


def screen_for(console: Console) -> Screen:
    """Return the screen that *console* can show."""
    return LiveScreen(console) if console.is_terminal else PlainScreen(console)
