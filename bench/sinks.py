"""The sink from the other side: starting it, and telling it what to do."""

import json
import socket
import subprocess
import sys
from types import TracebackType
from typing import Any, Self


class Orders:
    """A connection to the control port of a sink."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rw")

    def do(self, what: str, **more: object) -> dict[str, Any]:
        """Give one order; return the answer."""
        self._file.write(json.dumps({"do": what, **more}) + "\n")
        self._file.flush()
        answer: dict[str, Any] = json.loads(self._file.readline())
        return answer

    def events(self) -> int:
        """Return how many events came since the last reset."""
        return int(self.do("count")["events"])

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


class SinkProcess:
    """A sink in a process of its own, for the length of a block."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ports = json.loads(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{ports['port']}"
        self.control: int = ports["control"]
        self.orders = Orders(self.control)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.orders.close()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
