"""What the wrong runners are made of: the reference, with notes, and with a place for what it should not have."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypeAlias

from runfox.backend import InProcessRunner
from runfox.jsonvalue import JSONValue
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock

Queues: TypeAlias = "Collection[str | None] | None"
Run: TypeAlias = "tuple[str, str, int]"

MOMENT = 0.4
"""Seconds that a call waits for another one, so that both come into one gap."""


def run_of(job: DispatchJob) -> Run:
    """What an entry is known by."""
    return job.workflow_execution_id, job.op, job.run_id


class Meeting:
    """Where two calls wait for each other, so that neither sees what the other is going to do."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2)

    def wait(self) -> None:
        """Until another call comes, or for a moment."""
        with contextlib.suppress(threading.BrokenBarrierError):
            self._barrier.wait(MOMENT)
            return
        self._barrier.reset()


class Watched(InProcessRunner):
    """The reference, which notes what it was asked for. What is put into `surplus_jobs` and `surplus_results` is handed
    out with its own.
    """

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.clock = clock
        self.dispatched: dict[Run, DispatchJob] = {}
        self.handed: dict[str, DispatchJob] = {}
        self.submitted: dict[Run, JSONValue] = {}
        self.gathered: set[Run] = set()
        self.surplus_jobs: list[DispatchJob] = []
        self.surplus_results: list[tuple[str, StepResult]] = []

    def newest(self, workflow_execution_id: str, op: str) -> int | None:
        """The newest run of a step that was ever dispatched."""
        runs = [run for execution, name, run in self.dispatched if (execution, name) == (workflow_execution_id, op)]
        return max(runs, default=None)

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        results = super().dispatch(workflow_execution_id, jobs)
        for job in jobs:
            self.dispatched.setdefault(run_of(job), job)
        return results

    def list_pending_jobs(self) -> list[DispatchJob]:
        return [*super().list_pending_jobs(), *self.surplus_jobs]

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        self.handed |= {job.lease or "": job for job in taken}
        surplus, self.surplus_jobs = self.surplus_jobs, []
        return [*taken, *[replace(job, lease="surplus", delivery=1) for job in surplus]]

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        super().submit_work_result(workflow_execution_id, op, output, run_id)
        run = self.newest(workflow_execution_id, op) if run_id is None else run_id
        if run is not None and (workflow_execution_id, op, run) in self.dispatched:
            self.submitted.setdefault((workflow_execution_id, op, run), output)

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        results = super().gather(workflow_execution_id)
        results += [result for execution, result in self.surplus_results if execution == workflow_execution_id]
        self.surplus_results = [entry for entry in self.surplus_results if entry[0] != workflow_execution_id]
        self.gathered |= {(workflow_execution_id, result.op, result.run_id or 0) for result in results}
        return results
