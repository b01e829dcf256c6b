"""Wrong runners for RUN-SUBMIT."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from runfox.backend import InProcessRunner
from runfox.errors import InvalidJSON
from runfox.jsonvalue import JSONValue, copy_json
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import MOMENT, Meeting, Watched, run_of
from runfox_testing.mutants.served import ServedRunnerHarness


class _KeepsResultsApart(Watched):
    """Results are kept beside the entries, which stay as they were."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        run = self.newest(workflow_execution_id, op) if run_id is None else run_id
        if run is not None and (workflow_execution_id, op, run) not in self.submitted:
            self.submitted[workflow_execution_id, op, run] = output
            self.surplus_results.append((workflow_execution_id, StepResult(op, output, run)))


@mutant(
    "RUN-SUBMIT-01",
    observed="the lease of a run whose result was submitted could be renewed",
    harness=MemoryRunnerHarness,
)
class SubmitsLeaveTheLease(_KeepsResultsApart):
    """A submit leaves the lease alive."""


@mutant("RUN-SUBMIT-02", observed="pending after the leases of submitted runs were over", harness=MemoryRunnerHarness)
class SubmittedRunsComeBack(_KeepsResultsApart):
    """The end of the lease brings a submitted run back."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return run_of(job) not in self.submitted and super().extend_lease(job, seconds)


@mutant("RUN-SUBMIT-03", observed="gathered after two results of each run", harness=MemoryRunnerHarness)
class TheLatestResultCounts(Watched):
    """A second result takes the place of the first."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        super().submit_work_result(workflow_execution_id, op, output, run_id)
        for run in self.submitted:
            if run == (workflow_execution_id, op, run_id):
                self.submitted[run] = output

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        return [
            replace(result, output=self.submitted[workflow_execution_id, result.op, result.run_id or 0])
            for result in super().gather(workflow_execution_id)
        ]


@mutant(
    "RUN-SUBMIT-04", observed="after a second result of a run whose first one was gathered", harness=MemoryRunnerHarness
)
class GatheredRunsAreOpen(Watched):
    """A run whose result was gathered takes another one."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        if (workflow_execution_id, op, run_id) in self.gathered:
            self.surplus_results.append((workflow_execution_id, StepResult(op, output, run_id)))
        super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant("RUN-SUBMIT-05", observed="gathered after results of unknown runs were submitted", harness=MemoryRunnerHarness)
class UnknownRunsHaveResults(Watched):
    """A result of a run that nobody has dispatched is kept."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        if run_id is not None and (workflow_execution_id, op, run_id) not in self.dispatched:
            self.surplus_results.append((workflow_execution_id, StepResult(op, output, run_id)))
        super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant(
    "RUN-SUBMIT-06",
    observed="pending after the result of a superseded run was submitted",
    harness=MemoryRunnerHarness,
)
class AnyRunIsTheNewest(InProcessRunner):
    """A result is the newest run's, whatever its run_id."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        super().submit_work_result(workflow_execution_id, op, output)


@mutant("RUN-SUBMIT-07", observed="gathered after a submit without run_id", harness=MemoryRunnerHarness)
class WithoutRunIdItIsZero(InProcessRunner):
    """A result without run_id is for run 0."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        super().submit_work_result(workflow_execution_id, op, output, run_id or 0)


@mutant("RUN-SUBMIT-08", observed="pending after a pending run's result was submitted", harness=MemoryRunnerHarness)
class OnlyTakenRunsHaveResults(Watched):
    """A result of a run that nobody ever took is ignored."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        if (workflow_execution_id, op, run_id) in [run_of(job) for job in self.handed.values()]:
            super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant("RUN-SUBMIT-09", observed="after a lapse", harness=MemoryRunnerHarness)
class LateResultsAreRefused(Watched):
    """A result of a job whose lease has lapsed is ignored."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        lapsed = {run_of(job) for job in self.list_pending_jobs() if job.delivery}
        if (workflow_execution_id, op, run_id) not in lapsed:
            super().submit_work_result(workflow_execution_id, op, output, run_id)


class LooksBeforeItKeeps(Watched):
    """Between the look whether a run has a result, and its writing, others come."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._meeting = Meeting()

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        if (workflow_execution_id, op, run_id) in self.submitted:
            return
        self._meeting.wait()
        if (workflow_execution_id, op, run_id) in self.submitted:
            self.surplus_results.append((workflow_execution_id, StepResult(op, output, run_id)))
        super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant("RUN-SUBMIT-10", observed="results submitted at once", harness=MemoryRunnerHarness)
class ThreadsHaveAResultEach(LooksBeforeItKeeps):
    """Between the look whether a run has a result, and its writing, other threads come."""


@mutant("RUN-SUBMIT-11", observed="of them for a run that had one", harness=ServedRunnerHarness)
class ProcessesHaveAResultEach(LooksBeforeItKeeps):
    """Between the look whether a run has a result, and its writing, other processes come."""


@mutant("RUN-SUBMIT-12", observed="where InvalidJSON is due", harness=MemoryRunnerHarness)
class AnythingIsAnOutput(InProcessRunner):
    """An output that is no JSON becomes a text."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        try:
            copy_json(output, "")
        except InvalidJSON:
            output = type(output).__name__
        super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant(
    "RUN-SUBMIT-13",
    observed="gathered after an older run's result and a newer run came at once",
    harness=MemoryRunnerHarness,
)
class ResultsOfOlderRunsSlipIn(Watched):
    """Between the look which run is the newest, and the writing of its result, a newer one is dispatched."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._looked = threading.Event()
        self._superseded = threading.Event()

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        if any(self.newest(workflow_execution_id, job.op) is not None for job in jobs):
            self._looked.wait(MOMENT)
        results = super().dispatch(workflow_execution_id, jobs)
        if self._looked.is_set():
            self._superseded.set()
        return results

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        if run_id == self.newest(workflow_execution_id, op):
            self._looked.set()
            self._superseded.wait(MOMENT)
            super().submit_work_result(workflow_execution_id, op, output)
