"""`LocalRunner` executes jobs inside `dispatch`: the reference of what the contract says of such runners."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from runfox.jsonvalue import JSONObject, JSONValue, copy_json, copy_object
from runfox.protocols import Runner
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock, to_seconds
from runfox_testing.clock import ManualClock
from runfox_testing.echoing import echo
from runfox_testing.harness import RunnerHarness

Execute: TypeAlias = Callable[[str, JSONObject], JSONValue]


@dataclass(slots=True)
class _Entry:
    """The newest run of a step."""

    run_id: int
    output: JSONValue
    touched: float


class LocalRunner:
    """Executes one job after the other, in the thread that dispatches. What an executor raises is the step's output, as
    a worker would have it. Safe between threads.
    """

    durable = False
    shared = False

    def __init__(self, execute: Execute, *, clock: Clock = time.time) -> None:
        self._execute = execute
        self._clock = clock
        self._lock = threading.RLock()
        self._entries: dict[str, dict[str, _Entry]] = {}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Execute the runs that are not known; the results of all of them, but for those that are older than the newest
        of their step. Raises `InvalidJSON`; `ValueError` for another execution's job.
        """
        for job in jobs:
            if job.workflow_execution_id != workflow_execution_id:
                raise ValueError(f"the job {job.key!r} is not of the execution {workflow_execution_id!r}")
        inputs = [copy_object(job.inputs, f"the inputs of step {job.op!r}") for job in jobs]
        with self._lock:
            for job, own in zip(jobs, inputs, strict=True):
                self._dispatch(job, own)
            newest = {(job.op, job.run_id): None for job in jobs if self._find(job).run_id == job.run_id}
            return [
                StepResult(op, copy_json(self._entries[workflow_execution_id][op].output, "the output"), run_id)
                for op, run_id in newest
            ]

    def _dispatch(self, job: DispatchJob, inputs: JSONObject) -> None:
        known = self._entries.get(job.workflow_execution_id, {}).get(job.op)
        if known is None or known.run_id < job.run_id:
            output = copy_json(self._output(job, inputs), f"the output of step {job.op!r}")
            entries = self._entries.setdefault(job.workflow_execution_id, {})
            entries[job.op] = _Entry(job.run_id, output, self._clock())
        elif known.run_id == job.run_id:
            known.touched = self._clock()

    def _output(self, job: DispatchJob, inputs: JSONObject) -> JSONValue:
        try:
            return self._execute(job.call, inputs)
        except Exception as error:  # noqa: BLE001  # the executor's, whatever it is, is the step's result
            return {"ok": False, "error": str(error), "error_type": type(error).__name__}

    def _find(self, job: DispatchJob) -> _Entry:
        return self._entries[job.workflow_execution_id][job.op]

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """Nothing: `dispatch` has given it."""
        return []

    def list_pending_jobs(self) -> list[DispatchJob]:
        """Nothing: no job is ever pending."""
        return []

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Nothing: no job is ever pending."""
        _check_seconds(lease_seconds)
        return []

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """False: nobody has a lease."""
        _check_seconds(seconds)
        return False

    def submit_work_result(
        self,
        workflow_execution_id: str,
        op: str,
        output: JSONValue,
        run_id: int | None = None,
    ) -> None:
        """Nothing: every run that is known has its result. Raises `InvalidJSON`."""
        copy_json(output, f"the output of step {op!r}")

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        """Remove what is held for the execution, or for the given runs."""
        with self._lock:
            entries = self._entries.get(workflow_execution_id, {})
            if runs is None:
                entries.clear()
            else:
                for op, run_id in runs:
                    if op in entries and entries[op].run_id == run_id:
                        del entries[op]
            if not entries:
                self._entries.pop(workflow_execution_id, None)

    def held(self, before: str) -> list[str]:
        """The executions of which an entry was last dispatched before `before`."""
        limit = to_seconds(before)
        with self._lock:
            return [
                key
                for key, entries in self._entries.items()
                if any(entry.touched < limit for entry in entries.values())
            ]


class LocalRunnerHarness(RunnerHarness):
    """`LocalRunner`, or what a subclass names, with `echo`: one for each namespace, which all its clients are."""

    implementation: ClassVar[Callable[..., Any]] = LocalRunner
    local = True

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._runners: dict[str, Runner] = {}

    def open(self, namespace: str) -> Runner:
        """The one runner of the namespace."""
        if namespace not in self._runners:
            self._runners[namespace] = type(self).implementation(echo, clock=self.clock)
        return self._runners[namespace]

    def destroy(self, namespace: str) -> None:
        """Let it go."""
        self._runners.pop(namespace, None)


def _check_seconds(seconds: float | None) -> None:
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"a lease of {seconds!r} s: use 0 or more")
