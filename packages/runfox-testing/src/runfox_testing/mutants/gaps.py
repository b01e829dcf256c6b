"""For mutants that race: what makes sure that two calls are in the gap at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_PATIENCE = 2.0
"""Seconds that a call waits for another one."""


class Meeting:
    """Lets callers on in pairs; one that is alone goes on after a while."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._barrier = threading.Barrier(2)

    def wait(self) -> None:
        """Wait for another caller."""
        try:
            self._barrier.wait(self._patience)
        except threading.BrokenBarrierError:
            self._barrier.reset()


def wait_until(condition: Callable[[], bool], patience: float = 0.05) -> None:
    """Wait until the condition holds, or some time is over."""
    deadline = time.monotonic() + patience
    while not condition() and time.monotonic() < deadline:
        time.sleep(0)
