"""
What orchestrators ask, on a small server of its own.

    GET /healthz    200 while the event loop turns and no background task has died; else 503: start it anew
    GET /readyz     200 while it should be sent work; else 503, with what is missing

Both say how the instance is and name nobody; there is no other path.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from termin_bot.intake import listen
from termin_bot.services.readiness import Readiness

MAX_BODY_BYTES: Final = 1024
MAX_HEADER_BYTES: Final = 8 << 10
IDLE_SECONDS: Final = 30.0
_UNAVAILABLE: Final = 503


class HealthServer:
    """
    Serves the two questions.

    Args:
        host: where to listen.
        port: where to listen.
        readiness: knows the answer to the second one.

    """

    def __init__(self, host: str, port: int, readiness: Readiness) -> None:
        self._host = host
        self._port = port
        self._readiness = readiness
        self._server: HTTPServer | None = None

    def start(self, dead: Callable[[], list[str]]) -> None:
        """
        Begin to answer; *dead* names the background tasks that ended although they should not have.

        Raises:
            ListenError: the port is taken, or not ours.
        """
        application = Application(
            [("/healthz", _Live, {"dead": dead}), ("/readyz", _Ready, {"readiness": self._readiness})],
            log_function=lambda _handler: None,  # a probe every few seconds is no event
            default_handler_class=_Nothing,
        )
        self._server = HTTPServer(
            application,
            max_body_size=MAX_BODY_BYTES,
            max_header_size=MAX_HEADER_BYTES,
            idle_connection_timeout=IDLE_SECONDS,
        )
        self._server.add_socket(listen(self._host, self._port, "HEALTH_PORT"))

    async def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
            self._server = None


class _Answer(RequestHandler):
    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **_: Any) -> None:
        self.say({"status": status_code})

    def say(self, body: dict[str, Any]) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body) + "\n")


class _Live(_Answer):
    def initialize(self, dead: Callable[[], list[str]]) -> None:
        self._dead = dead

    def get(self) -> None:
        dead = self._dead()
        self.set_status(_UNAVAILABLE if dead else 200)
        self.say({"status": "dead" if dead else "alive", "dead": dead})


class _Ready(_Answer):
    def initialize(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def get(self) -> None:
        report = await self._readiness.report()
        self.set_status(200 if report.status == "ready" else _UNAVAILABLE)
        self.say(asdict(report))


class _Nothing(_Answer):
    def prepare(self) -> None:
        self.set_status(404)
        self.say({"status": 404})
