"""dbos: workflows and steps are decorated functions, its system database is SQLite, as it is without configuration.

Counted is from calling the workflow to its result; starting DBOS is not. A chain and a loop call one step after
another. A fan awaits concurrent steps with `asyncio.gather`: of the ways that its documentation shows (this one,
`start_workflow` and a queue, both with a child workflow for each) it is the fastest by far.
Its file has SQLite's own settings: a rollback journal, synchronous FULL.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from dbos import DBOS
from serving import Measured, serve
from workloads import SMALL_STEPS, Workload, total

executed = 0


@DBOS.step()
def step(inputs: dict[str, int]) -> int:
    return _execute(inputs)


@DBOS.step()
async def concurrent_step(inputs: dict[str, int]) -> int:
    return _execute(inputs)


@DBOS.workflow()
def chain(length: int) -> int:
    value = 0
    for _ in range(length):
        value = step({"value": value})
    return value


@DBOS.workflow()
def loop(times: int) -> int:
    value = 0
    while value < times:
        value = step({"value": value})
    return value


@DBOS.workflow()
async def fan(width: int) -> int:
    root = await concurrent_step({"value": 0})
    values = await asyncio.gather(*(concurrent_step({"value": root}) for _ in range(width)))
    return await concurrent_step({str(number): value for number, value in enumerate(values)})


def _execute(inputs: dict[str, int]) -> int:
    global executed  # noqa: PLW0603  # steps are functions of a module
    executed += 1
    return total(inputs)


def _run(workload: Workload) -> int:
    match workload.shape:
        case "chain":
            return chain(workload.size)
        case "loop":
            return loop(workload.size)
        case "small":
            return [chain(SMALL_STEPS) for _ in range(workload.size)][-1]
        case _:
            return asyncio.run(fan(workload.size))


def carry(workload: Workload, _place: str, folder: Path) -> Measured:
    """Run on a new database."""
    global executed  # noqa: PLW0603  # likewise
    executed = 0
    DBOS(
        config={"name": "bench", "system_database_url": f"sqlite:///{folder}/dbos.db", "log_level": "ERROR"},
    )
    DBOS.launch()
    try:
        begun = time.perf_counter()
        outcome = _run(workload)
        return {"seconds": time.perf_counter() - begun, "executed": executed, "outcome": outcome}
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    serve(carry, "dbos")
