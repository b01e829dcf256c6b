"""Shrinking within bounds: what Hypothesis makes smaller is worth some seconds, but each try calls the store or runner
under test, and a slow one must not use up the time of its check.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from typing import Any

from runfox_testing.observing import History

SECONDS = 5.0
"""How long Hypothesis may look for a smaller example after the first one that fails."""

_REMEMBERED = 100
_WIDTH = 1_500


class _TimeIsOver(BaseException):
    """Ends Hypothesis, which takes an `Exception` for a failure of the example."""


class ShrinkBudget:
    """Runs a property of Hypothesis, and ends it in time with the smallest example that has failed.

    The `history` then has the calls of that example.
    """

    def __init__(self, history: History, seconds: float = SECONDS) -> None:
        self._history = history
        self._seconds = seconds
        self._end: float | None = None
        self._error: Exception | None = None
        self._size = 0
        self._lines: list[str] = []

    def search(self, test: Callable[[], None]) -> None:
        """Run what Hypothesis has decorated; raises what its smallest failing example has raised."""
        try:
            test()
        except (Exception, _TimeIsOver) as error:
            # An implementation that fails only now and then would be told as a flaky test otherwise.
            if self._error is None or error is self._error:
                raise
            self._history.clear()
            for line in self._lines:
                self._history.add(line)
            raise self._error from None

    def run(self, body: Callable[..., None], *example: Any) -> None:
        """Call ``body(*example)``, as all that the property does."""
        self.begin()
        try:
            body(*example)
        except Exception as error:
            error.add_note(f"with {example!r:.{_WIDTH}}")
            self.failed(error, len(pickle.dumps(example)))
            raise

    def begin(self) -> None:
        """An example begins: the last moment to end."""
        if self._end is not None and time.monotonic() > self._end:
            raise _TimeIsOver

    def failed(self, error: Exception, size: int) -> None:
        """An example of this size has failed."""
        if self._end is None:
            self._end = time.monotonic() + self._seconds
        if self._error is None or size <= self._size:
            self._error, self._size, self._lines = error, size, self._history.latest(_REMEMBERED)
