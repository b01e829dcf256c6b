"""`ManualClock`: a clock that stands still until a test moves it."""

from __future__ import annotations

import math
import threading


class ManualClock:
    """The ``clock=`` of backends, runners and stores. It begins at `now`, seconds since the epoch.

    Safe between threads. It can be pickled; the copy stands where this one stood and goes its own way.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._lock = threading.Lock()
        self._now = _finite(now)

    def __call__(self) -> float:
        """Seconds since the epoch, as `time.time` gives them."""
        return self._now

    @property
    def now(self) -> float:
        """Where the clock stands, in seconds since the epoch. Set it to move the clock, forth or back."""
        return self._now

    @now.setter
    def now(self, now: float) -> None:
        with self._lock:
            self._now = _finite(now)

    def advance(self, seconds: float) -> None:
        """Move the clock by `seconds`; negative ones go back. Raises `ValueError` for what is no time."""
        with self._lock:
            self._now = _finite(self._now + seconds)

    def __repr__(self) -> str:
        return f"ManualClock({self._now!r})"

    def __reduce__(self) -> tuple[type[ManualClock], tuple[float]]:
        return type(self), (self._now,)


def _finite(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise ValueError(f"a clock can't stand at {seconds!r} s: use a finite number")
    return float(seconds)
