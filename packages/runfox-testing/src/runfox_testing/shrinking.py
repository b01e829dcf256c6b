"""Shrinking within bounds: what Hypothesis makes smaller is worth some seconds, but each try calls the store or runner
under test, and a slow one must not use up the time of its check.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from typing import Any

SECONDS = 5.0
"""How long Hypothesis may look for a smaller example after the first one that fails."""


class ShrinkBudget:
    """Runs the body of a property. When the time is over, examples that have not failed before pass unseen, so that
    Hypothesis ends with the smallest that has.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._end: float | None = None
        self._failed: set[bytes] = set()

    def run(self, body: Callable[..., None], *example: Any) -> None:
        """Call ``body(*example)``."""
        key = pickle.dumps(example)
        if self._end is not None and time.monotonic() > self._end and key not in self._failed:
            return
        try:
            body(*example)
        except Exception:
            self._failed.add(key)
            if self._end is None:
                self._end = time.monotonic() + self._seconds
            raise
