"""Ours against itself at a tenth of the size: what a step takes in time and in memory must not depend on how many
there are.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from speed import bars
from speed.comparing import WARM, Field
from speed.contestants import OURS, Process
from speed.rows import Figure, Row, ratios_of
from speed.workloads import Workload

KIB = 1024

SHORT_RUNS = 4
"""On each side of a long run: whatever else the machine does would otherwise hit the one or the other."""


def growth(entered: Field, workload: Workload, place: str, rounds: int) -> Row:
    """The time of a step ÷ that at a tenth of the size, which is measured several times before and after."""
    small = workload._replace(size=workload.size // 10)
    large_times: list[float] = []
    small_times: list[float] = []
    for _ in range(rounds):
        around = [_microseconds(entered, small, place) for _ in range(SHORT_RUNS)]
        large_times.append(_microseconds(entered, workload, place))
        around += [_microseconds(entered, small, place) for _ in range(SHORT_RUNS)]
        small_times.append(statistics.median(around))
    return Row(
        what=str(workload),
        place=place,
        ours=Figure(who="runfox", values=tuple(large_times), unit="µs/step"),
        kind="itself",
        other=Figure(who=str(small), values=tuple(small_times), unit="µs/step"),
        ratios=ratios_of(large_times, small_times),
        bar=bars.growth(str(workload)),
    )


def memory(entered: Field, open_traced: Callable[[], Process], workload: Workload, place: str) -> Row:
    """The peak of Python's memory, by the step, ÷ that at a tenth of the size; each in a process of its own.

    It is traced, and nearly the same at every run.
    """
    small = workload._replace(size=workload.size // 10)
    large_peak, small_peak = (_peak(entered, open_traced, one, place) for one in (workload, small))
    return Row(
        what=f"{workload}: memory",
        place=place,
        ours=Figure(who="runfox", values=(large_peak,), unit="KiB/step"),
        kind="itself",
        other=Figure(who=str(small), values=(small_peak,), unit="KiB/step"),
        ratios=(large_peak / small_peak,),
        bar=bars.GROWTH.get(str(workload)),
    )


def _microseconds(entered: Field, workload: Workload, place: str) -> float:
    return 1e6 / entered.rate(OURS, workload, place)


def _peak(entered: Field, open_traced: Callable[[], Process], workload: Workload, place: str) -> float:
    entered.tell(f"{workload} on {place}: memory")
    with open_traced() as process:
        # What is imported late, and the caches of a process, are none of the step's.
        process.ask(workload._replace(size=WARM), place, entered.folder)
        peak = process.ask(workload, place, entered.folder)["peak_bytes"]
    return float(peak / workload.steps / KIB)
