"""What a forked child must not inherit: connections, threads, and locks that a thread of the parent may hold."""

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that begins anew in a forked child."""

    def begin_anew(self) -> None:
        """Forget what belongs to the parent. Runs in the child, before any of its threads, and must not block."""
        ...


_living: WeakSet[Forkable] = WeakSet()
_registered = False


def begin_anew_in_children(thing: Forkable) -> None:
    """Call *thing*'s `begin_anew` in every child that is forked while it lives."""
    global _registered  # noqa: PLW0603  # once for each process, and only if something is to be told
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(after_in_child=_tell)
    _living.add(thing)


def _tell() -> None:
    for thing in list(_living):
        thing.begin_anew()
