"""A clock that stands still until a test moves it, and threads that start together."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

EPOCH = 1_700_000_000.0


class ManualClock:
    """Seconds since the epoch, as `time.time`; `now` is for the test to set."""

    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def together() -> Callable[[int, Callable[[int], object]], list[object]]:
    """Call a function with 0, 1, … in as many threads, which begin at one moment. Gives what they gave or raised."""

    def run(count: int, function: Callable[[int], object]) -> list[object]:
        barrier = threading.Barrier(count)
        results: list[object] = [None] * count

        def body(number: int) -> None:
            barrier.wait()
            try:
                results[number] = function(number)
            except Exception as error:  # noqa: BLE001  # what was raised is what the test asks for
                results[number] = error

        threads = [threading.Thread(target=body, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return run
