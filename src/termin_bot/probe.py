"""
Ask a bot on this machine how it is: `python -m termin_bot.probe [healthz|readyz] [--wait SECONDS]`.

For orchestrators that run a command instead of asking by HTTP (Docker, systemd). Reads HEALTH_PORT and HEALTH_HOST as
the bot does. Prints the answer; exit status 0 if it is well, 1 if not, 2 if there is no HEALTH_PORT.
"""

import argparse
import http.client
import os
import sys
import time
from typing import Final

_TIMEOUT: Final = 5.0
_PAUSE: Final = 0.5
_OK: Final = 200
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  to listen on, not to call


def main() -> int:
    """Ask until it is well, or time is over."""
    parser = argparse.ArgumentParser(prog="python -m termin_bot.probe", description=__doc__)
    parser.add_argument("question", nargs="?", choices=("healthz", "readyz"), default="readyz")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="how long it may take to be well")
    args = parser.parse_args()
    port = os.environ.get("HEALTH_PORT", "")
    if not port.isdecimal():
        return _say("HEALTH_PORT: it is missing, so nobody answers", 2)
    host = os.environ.get("HEALTH_HOST") or "127.0.0.1"
    deadline = time.monotonic() + args.wait
    while True:
        well, said = _ask(_ANY_ADDRESS.get(host, host), int(port), args.question)
        if well or time.monotonic() >= deadline:
            return _say(said, 0 if well else 1)
        time.sleep(_PAUSE)


def _ask(host: str, port: int, question: str) -> tuple[bool, str]:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", f"/{question}")
        answer = connection.getresponse()
        return answer.status == _OK, answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return False, f"no answer ({type(error).__name__})"
    finally:
        connection.close()


def _say(text: str, status: int) -> int:
    print(text)  # noqa: T201  what was asked for
    return status


if __name__ == "__main__":
    sys.exit(main())
