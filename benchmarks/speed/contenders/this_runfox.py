"""Ours. Counted is everything: reading and checking the definition, creating the execution, carrying it to its end.

The places: ``memory``; ``sqlite FULL`` and ``sqlite NORMAL``, with store and queue in the file, as
``open_backend("sqlite:///…")`` has it; the same with ``, local queue``: the store in the file, the queue in this
process, which like the peers has no other process to share its jobs with.
"""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving import Measured, serve
from workloads import Workload, total

import runfox as rfx

LOCAL_QUEUE = ", local queue"


class Executor:
    """Counts what it executes."""

    def __init__(self) -> None:
        self.executed = 0

    def __call__(self, _op: str, inputs: dict[str, Any]) -> dict[str, Any]:
        self.executed += 1
        return {"value": total(inputs)}


def open_place(place: str, folder: Path, executor: Executor) -> rfx.Backend:
    """A backend on a new file."""
    if place == "memory":
        return rfx.Backend(executor)
    url = f"sqlite:///{folder}/bench.db?synchronous={place.removesuffix(LOCAL_QUEUE).removeprefix('sqlite ')}"
    if place.endswith(LOCAL_QUEUE):
        return rfx.Backend(executor, store=rfx.open_store(url))
    return rfx.open_backend(url, executor=executor)


def run(workload: Workload, backend: rfx.Backend, _: Executor) -> Any:
    """As many executions as it has, one after another, in this thread."""
    definition = workload.definition
    outcome = None
    for _ in range(workload.size if workload.shape == "small" else 1):
        result = rfx.Workflow.from_dict(definition, backend, inputs={"value": 0}).run()
        assert isinstance(result, rfx.Complete), result
        outcome = result.outcome["value"]
    return outcome


def handle_events(workload: Workload, backend: rfx.Backend, executor: Executor) -> Any:
    """The queue is this function's: each result is an event, which only knows the execution's id."""
    workflow_id = rfx.Workflow.from_dict(workload.definition, backend, inputs={"value": 0}).id
    answer: Any = rfx.Workflow.resume(workflow_id, backend).advance()
    queue: deque[rfx.DispatchJob] = deque()
    while not isinstance(answer, rfx.Complete):
        if isinstance(answer, rfx.Dispatch):
            queue.extend(answer.jobs)
        job = queue.popleft()
        result = rfx.StepResult(job.op, executor(job.call, job.inputs), job.run_id)
        answer = rfx.Workflow.resume(workflow_id, backend).settle([result])
    return answer.outcome["value"]


def carry(workload: Workload, place: str, folder: Path) -> Measured:
    """Time one workload."""
    executor = Executor()
    way: Callable[[Workload, rfx.Backend, Executor], Any] = handle_events if workload.shape == "events" else run
    with open_place(place, folder, executor) as backend:
        begun = time.perf_counter()
        outcome = way(workload, backend, executor)
        seconds = time.perf_counter() - begun
    return {"seconds": seconds, "executed": executor.executed, "outcome": outcome}


def carry_traced(workload: Workload, place: str, folder: Path) -> Measured:
    """The same with the peak of the memory that Python takes for it, beyond what is there already."""
    tracemalloc.start()
    try:
        measured = carry(workload, place, folder)
        return {**measured, "peak_bytes": tracemalloc.get_traced_memory()[1]}
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    import sys

    # A store that others could share, with a queue that they can't: it would say so, once.
    logging.getLogger("runfox").setLevel(logging.ERROR)
    serve(carry_traced if "--memory" in sys.argv else carry, "runfox-core", "runfox-sqlite", "sqlalchemy")
