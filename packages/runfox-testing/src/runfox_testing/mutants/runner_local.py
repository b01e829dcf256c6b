"""Wrong runners for RUN-LOCAL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from runfox.backend import InProcessRunner
from runfox.jsonvalue import JSONValue
from runfox.results import DispatchJob, StepResult
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.local import LocalRunner, LocalRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import Meeting


@mutant("RUN-LOCAL-01", observed="given by dispatch of new jobs", harness=LocalRunnerHarness)
class LocalResultsWithoutRun(LocalRunner):
    """The results have no run_id."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        return [replace(result, run_id=None) for result in super().dispatch(workflow_execution_id, jobs)]


@mutant("RUN-LOCAL-02", observed="gathered after a dispatch gave the result", harness=LocalRunnerHarness)
class LocalResultsAreGathered(LocalRunner):
    """What a dispatch has given is gathered as well."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._offered: list[StepResult] = []

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self._offered = super().dispatch(workflow_execution_id, jobs)
        return self._offered

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        offered, self._offered = self._offered, []
        return offered


@mutant("RUN-LOCAL-03", observed="pending after a dispatch that executed its jobs", harness=LocalRunnerHarness)
class LocalJobsStayPending(LocalRunner):
    """Jobs that were executed are listed as pending."""

    _pending: Sequence[DispatchJob] = ()

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self._pending = jobs
        return super().dispatch(workflow_execution_id, jobs)

    def list_pending_jobs(self) -> list[DispatchJob]:
        return list(self._pending)


@mutant("RUN-LOCAL-04", observed="of a run that was executed before", harness=LocalRunnerHarness)
class LocalRunsAreExecutedAgain(LocalRunner):
    """Each dispatch executes its jobs."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self.forget(workflow_execution_id, [(job.op, job.run_id) for job in jobs])
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-LOCAL-05", observed="of an older run than the newest", harness=LocalRunnerHarness)
class LocalOlderRunsAreExecuted(LocalRunner):
    """An older run is executed like a newer one."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        for job in jobs:
            newer = range(job.run_id + 1, job.run_id + 10)
            self.forget(workflow_execution_id, [(job.op, run_id) for run_id in newer])
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-LOCAL-06", observed="another order of keys", harness=LocalRunnerHarness)
class LocalInputsAreSorted(LocalRunner):
    """The keys of inputs are sorted."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        changed = [replace(job, inputs={key: job.inputs[key] for key in sorted(job.inputs)}) for job in jobs]
        return super().dispatch(workflow_execution_id, changed)


@mutant("RUN-LOCAL-07", observed="after what was given and what was got had been changed", harness=LocalRunnerHarness)
class LocalResultsAreHandedOut(LocalRunner):
    """Each dispatch of a run gives the same result, not a copy."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._own: dict[tuple[str, str, int | None], StepResult] = {}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        results = super().dispatch(workflow_execution_id, jobs)
        return [self._own.setdefault((workflow_execution_id, one.op, one.run_id), one) for one in results]


@mutant("RUN-LOCAL-08", observed="given by dispatch after one of two runs was forgotten", harness=LocalRunnerHarness)
class LocalResultsAreNotForgotten(LocalRunner):
    """A forget of runs leaves their results."""

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        if runs is None:
            super().forget(workflow_execution_id)


@mutant("RUN-LOCAL-09", observed="run_id None) for a run that was executed in dispatch", harness=LocalRunnerHarness)
class LocalResultsAreOverwritten(LocalRunner):
    """A submitted result without run_id is gathered."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._submitted: list[StepResult] = []

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        if run_id is None:
            self._submitted.append(StepResult(op, output))

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        submitted, self._submitted = self._submitted, []
        return submitted


@mutant("RUN-LOCAL-10", observed="one run has two results", harness=LocalRunnerHarness)
class LocalRunsAreExecutedAtOnce(LocalRunner):
    """Between the look whether a run is known, and its execution, others come."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._meeting = Meeting()

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self._meeting.wait()
        return [StepResult(job.op, {"op": job.op, "inputs": job.inputs}, job.run_id) for job in jobs]


@mutant("RUN-LOCAL-11", observed="given by a dispatch of known runs and the next gather", harness=MemoryRunnerHarness)
class GivesKnownResultsTwice(InProcessRunner):
    """A dispatch gives known results and makes them gatherable, too."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        super().dispatch(workflow_execution_id, jobs)
        results = self.gather(workflow_execution_id)
        super().dispatch(workflow_execution_id, jobs)
        return results
