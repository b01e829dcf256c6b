"""How long to go on asking for a lock, and how the threads of one process wake each other."""

from __future__ import annotations

import threading
import time
from random import uniform

_FIRST_DELAY = 0.0005
_MAX_DELAY = 0.005


class Patience:
    """Asks for a lock until `deadline` (as `time.monotonic` counts), after longer and longer pauses."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._delay = _FIRST_DELAY

    def wait(self) -> bool:
        """False when the time is up, else True after a while."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, uniform(self._delay / 2, self._delay)))
        self._delay = min(self._delay * 1.5, _MAX_DELAY)
        return True


class Signal:
    """Wakes whoever waits for something to be submitted by this process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, with nobody waiting."""
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        self.count = 0

    def send(self) -> None:
        """Something can be gathered."""
        with self._lock:
            self.count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Return when `count` is no longer `seen`, after `seconds` at the latest."""
        with self._lock:
            self._condition.wait_for(lambda: self.count != seen, seconds)
