"""Calls that begin together, each in a thread of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from runfox_testing.check import Violation, describe

T = TypeVar("T")

_SWITCH_INTERVAL = 1e-5
"""Seconds between two switches of threads while they race: the interpreter's usual 5 ms would hide most races."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a call gave, or raised."""

    value: T | None = None
    error: Exception | None = None

    def __str__(self) -> str:
        return repr(self.value) if self.error is None else describe(self.error)


def race(calls: Sequence[Callable[[], T]], patience: float) -> list[Outcome[T]]:
    """What the calls gave, in their order. They wait for one another at a barrier, and then begin.

    Raises `Violation` where one has not returned after `patience` seconds.
    """
    barrier = threading.Barrier(len(calls))
    outcomes: list[Outcome[T] | None] = [None] * len(calls)

    def run(number: int) -> None:
        barrier.wait()
        try:
            outcomes[number] = Outcome(calls[number]())
        except Exception as error:  # noqa: BLE001  # the outcome
            outcomes[number] = Outcome(error=error)
        except BaseException as error:  # noqa: BLE001  # nothing that a call may raise
            outcomes[number] = Outcome(error=Violation(f"a call raised {describe(error)}"))

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(calls))]
    with _frequent_switches():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(patience)
    return [_returned(outcome, patience) for outcome in outcomes]


def _returned(outcome: Outcome[T] | None, patience: float) -> Outcome[T]:
    if outcome is None:
        raise Violation(f"a call had not returned after {patience:g} s while others raced with it")
    return outcome


@contextmanager
def _frequent_switches() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
