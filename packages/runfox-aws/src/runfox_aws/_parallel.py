"""Many requests of one call, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

REQUESTS_AT_A_TIME = 8


def in_parallel(function: Callable[[T], R], items: Iterable[T], threads: int = REQUESTS_AT_A_TIME) -> list[R]:
    """What `function` gives for each item, in their order. Raises the first error, after all have ended."""
    waiting = list(items)
    if len(waiting) < 2 or threads < 2:
        return [function(item) for item in waiting]
    with ThreadPoolExecutor(min(threads, len(waiting)), thread_name_prefix="runfox-aws") as pool:
        futures = [pool.submit(function, item) for item in waiting]
    return [future.result() for future in futures]
