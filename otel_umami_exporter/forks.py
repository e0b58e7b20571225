"""What a forked child must not inherit: connections, threads, and locks that a thread of the parent may hold."""

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that begins anew in a forked child."""

    def begin_anew(self) -> None:
        """Forget what belongs to the parent. Runs in the child, before any of its threads, and must not block."""
        ...


class Pausing(Forkable, Protocol):
    """Something that also holds still while a child is forked."""

    def before_fork(self) -> None:
        """Hold still: nothing may be under way in another thread. Runs in the parent."""
        ...

    def after_fork(self) -> None:
        """Go on, in the parent."""
        ...


_living: WeakSet[Forkable] = WeakSet()
_pausing: WeakSet[Pausing] = WeakSet()
_held: list[Pausing] = []
_registered = False


def begin_anew_in_children(thing: Forkable) -> None:
    """Call *thing*'s `begin_anew` in every child that is forked while it lives."""
    _register()
    _living.add(thing)


def pause_for_forks(thing: Pausing) -> None:
    """Call `before_fork` and `after_fork` around each fork, too."""
    begin_anew_in_children(thing)
    _pausing.add(thing)


def _register() -> None:
    global _registered  # noqa: PLW0603  # once for each process, and only if something is to be told
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(before=_pause, after_in_parent=_go_on, after_in_child=_tell)


def _pause() -> None:
    for thing in list(_pausing):
        thing.before_fork()
        _held.append(thing)


def _go_on() -> None:
    while _held:
        _held.pop().after_fork()


def _tell() -> None:
    _held.clear()
    for thing in list(_living):
        thing.begin_anew()
