"""The latest raw requests, kept in memory within bounds: what a canary test searches for what must not be there."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RecordedRequest:
    """One request to /api/send or /api/batch as it came in, also when it was refused or a fault was answered."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Recorder:
    """Keeps the latest requests, at most so many and so many bytes of bodies."""

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._lock = threading.Lock()
        self._requests: deque[RecordedRequest] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._forgotten = 0

    @property
    def forgotten(self) -> int:
        """How many requests were forgotten to stay within the bounds."""
        return self._forgotten

    def add(self, request: RecordedRequest) -> None:
        """Keep a request, and forget the oldest that there is no room for."""
        with self._lock:
            self._requests.append(request)
            self._bytes += len(request.body)
            while len(self._requests) > self._most or self._bytes > self._most_bytes:
                self._bytes -= len(self._requests.popleft().body)
                self._forgotten += 1

    def all(self) -> list[RecordedRequest]:
        """Return the requests, oldest first."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._requests.clear()
            self._bytes = self._forgotten = 0
