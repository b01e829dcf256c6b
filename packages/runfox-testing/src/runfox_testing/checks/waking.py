"""Calls that wait for something to happen, and what they give when it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from runfox_testing.check import describe, expect, violated
from runfox_testing.comparing import short

T = TypeVar("T")

LONG = 20.0
"""Seconds of a wait that something has to end before."""

BEGUN = 0.05
"""Seconds in which a waiting thread has surely begun to wait."""


def woken_by(act: Callable[[], object], wait: Callable[[], T], *, kind: str, too_early: str, after: str) -> T:
    """What `wait` gives, a call that waits for `LONG` seconds at most: it has begun when `act` is called, and has to
    end with it, long before its timeout.

    Messages call it `kind` (``a poll``); it ended `too_early` (``before there was anything to take``), or did not end
    `after` something.
    """
    outcomes: list[T | Exception] = []

    def run() -> None:
        try:
            outcomes.append(wait())
        except Exception as error:  # noqa: BLE001  # told below
            outcomes.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    time.sleep(BEGUN)
    expect(not outcomes, f"{kind} of {LONG:g} s ended {too_early}: {short(outcomes)}")
    act()
    thread.join(LONG / 2)
    expect(not thread.is_alive(), f"{kind} did not end in {LONG / 2:g} s after {after}")
    (answer,) = outcomes
    if isinstance(answer, Exception):
        violated(f"{kind} raised {describe(answer)} after {after}")
    return answer
