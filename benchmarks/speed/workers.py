"""Executions that worker processes carry, with no driver: from the moment when all workers may begin, until the last
execution is complete.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from speed.processes import processes
from speed.rows import Figure, Row, ratios_of
from speed.workloads import Workload

import runfox as rfx

PLACES = ("sqlite FULL", "sqlite NORMAL")
_LOOK_SECONDS = 0.01
_PATIENCE_SECONDS = 300.0


def workers(
    size: int, counts: Sequence[int], place: str, rounds: int, folder: Path, tell: Callable[[str], None]
) -> Iterator[Row]:
    """So many executions by each number of workers, against one worker."""
    rates: dict[int, list[float]] = {count: [] for count in counts}
    workload = Workload("small", size)
    for _ in range(rounds):
        for count in counts:
            tell(f"{workload} on {place}: {count} workers")
            rates[count].append(workload.steps / seconds_of(workload, count, place, folder))
    alone = rates[counts[0]]
    for count in counts:
        figure = Figure(who="runfox", values=tuple(rates[count]), unit="steps/s")
        what = f"workers-{count} ({workload})"
        if count == counts[0]:
            yield Row(what=what, place=place, ours=figure, kind="", other=None)
        else:
            other = Figure(who=f"workers-{counts[0]}", values=tuple(alone), unit="steps/s")
            ratios = ratios_of(rates[count], alone)
            yield Row(what=what, place=place, ours=figure, kind="itself", other=other, ratios=ratios)


def seconds_of(workload: Workload, count: int, place: str, folder: Path) -> float:
    """How long so many workers take. All executions are started before."""
    with tempfile.TemporaryDirectory(dir=folder) as place_of_file:
        url = f"sqlite:///{place_of_file}/bench.db?synchronous={place.removeprefix('sqlite ')}"
        with rfx.open_backend(url) as backend, processes(count, "worker_process.py", url) as started:
            for _ in range(workload.size):
                rfx.Workflow.from_dict(workload.definition, backend, inputs={"value": 0}).start()
            begun = time.perf_counter()
            for process in started:
                process.go()
            _wait(backend, begun + _PATIENCE_SECONDS)
            seconds = time.perf_counter() - begun
            _check(backend, workload)
    return seconds


def _wait(backend: rfx.Backend, until: float) -> None:
    while backend.list_executions(status=rfx.WorkflowStatus.IN_PROGRESS, limit=1):
        if time.perf_counter() > until:
            raise RuntimeError("the workers did not finish")
        time.sleep(_LOOK_SECONDS)


def _check(backend: rfx.Backend, workload: Workload) -> None:
    complete = backend.list_executions(status=rfx.WorkflowStatus.COMPLETE, limit=workload.size + 1)
    outcomes = {str(rfx.Workflow.resume(one.workflow_execution_id, backend).outcome) for one in complete}
    if len(complete) != workload.size or outcomes != {str({"value": workload.outcome})}:
        raise RuntimeError(f"{len(complete)} of {workload.size} are complete, with {outcomes}")
