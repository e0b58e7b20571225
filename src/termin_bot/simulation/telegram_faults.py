"""Troubles on order: the next calls of a method fail as told, in the order told."""

from dataclasses import dataclass

from .telegram_wire import ApiError, JsonDict, Params

ANY_METHOD = "*"


class ConnectionDropped(Exception):  # noqa: N818  what happened, not a mistake of ours
    """The connection ends without an answer; the call has had no effect."""


@dataclass
class _Fault:
    """What happens to the next *times* matching calls."""

    method: str
    chat_id: int | None
    trouble: ApiError | ConnectionDropped
    times: int

    def matches(self, method: str, params: Params) -> bool:
        return self.method in (ANY_METHOD, method) and (
            self.chat_id is None or params.text("chat_id") == str(self.chat_id)
        )


class Faults:
    """The troubles that wait for their call; the first that matches happens, and is used up."""

    def __init__(self) -> None:
        self._waiting: list[_Fault] = []

    def fail(self, method: str, status: int, description: str, *, times: int, chat_id: int | None) -> None:
        """Let the next *times* calls be refused."""
        self._add(method, chat_id, ApiError(status, description), times)

    def retry_after(self, method: str, seconds: float, *, times: int, chat_id: int | None) -> None:
        """Let the next *times* calls be told to wait."""
        # Telegram counts whole seconds; tests that wait for less stay fast.
        parameters: JsonDict = {"retry_after": seconds}
        error = ApiError(429, f"Too Many Requests: retry after {seconds}", parameters)
        self._add(method, chat_id, error, times)

    def drop_connection(self, method: str, *, times: int, chat_id: int | None) -> None:
        """Let the next *times* calls meet a dead line."""
        self._add(method, chat_id, ConnectionDropped(), times)

    def clear(self) -> None:
        """Forget what has not happened yet."""
        self._waiting.clear()

    def strike(self, method: str, params: Params) -> None:
        """Raise the trouble that waits for this call, if there is one."""
        for fault in self._waiting:
            if fault.matches(method, params):
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
                raise fault.trouble

    def _add(self, method: str, chat_id: int | None, trouble: ApiError | ConnectionDropped, times: int) -> None:
        if times < 1:
            raise ValueError("a fault happens at least once")
        self._waiting.append(_Fault(method.lower(), chat_id, trouble, times))
