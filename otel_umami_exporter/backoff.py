"""How long to wait before the next attempt: a pure function; chance is an argument."""

from dataclasses import dataclass
from typing import Final

_DOUBLINGS: Final = 32  # beyond that the cap rules anyway, and the power would grow without end


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Exponential back-off with jitter: doubled from *first_seconds* on, capped at *cap_seconds*."""

    first_seconds: float = 1.0
    cap_seconds: float = 60.0

    def delay(self, failures: int, chance: float) -> float:
        """
        Return the seconds to wait after *failures* (1 or more) in a row.

        *chance* (0 to 1) spreads the delay over its upper half, so that many exporters do not return together.
        """
        full = min(self.cap_seconds, self.first_seconds * 2.0 ** min(max(failures, 1) - 1, _DOUBLINGS))
        return full * (0.5 + chance / 2)
