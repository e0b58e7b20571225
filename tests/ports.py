"""Ports for programs that have to be told one."""

import random
import socket
from contextlib import suppress
from typing import Final

_PORTS: Final = (15_000, 32_000)
_CHANCE: Final = random.SystemRandom()  # whoever seeds the common one must not choose the ports of several runs


def free_ports(number: int) -> list[int]:
    """
    Return ports that were free a moment ago, all different.

    They are below those that the system hands out by itself: nobody who asks for any port takes one in between.
    """
    found: list[int] = []
    while len(found) < number:
        port = _CHANCE.randrange(*_PORTS)
        if port not in found:
            with suppress(OSError), socket.create_server(("127.0.0.1", port)):
                found.append(port)
    return found


def free_port() -> int:
    """Return a port that nobody listens on now."""
    [port] = free_ports(1)
    return port
