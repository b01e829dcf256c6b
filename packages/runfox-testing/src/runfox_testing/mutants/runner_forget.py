"""Wrong runners for RUN-FORGET."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from runfox.backend import InProcessRunner
from runfox.jsonvalue import JSONValue
from runfox.results import StepResult
from runfox.times import LATEST, Clock
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import MOMENT, Watched, run_of

Runs = Iterable[tuple[str, int]] | None


@mutant("RUN-FORGET-01", observed="pending after the execution was forgotten", harness=MemoryRunnerHarness)
class PendingJobsStay(InProcessRunner):
    """A forget leaves what is pending."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        pending = [job for job in self.list_pending_jobs() if job.workflow_execution_id == workflow_execution_id]
        super().forget(workflow_execution_id, runs)
        self.dispatch(workflow_execution_id, pending)


@mutant("RUN-FORGET-02", observed="a forgotten job's lease could be renewed", harness=MemoryRunnerHarness)
class TakenJobsStay(Watched):
    """A forget leaves what is taken."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        taken = set(map(run_of, self.handed.values()))
        known = [(op, run) for execution, op, run in self.dispatched if execution == workflow_execution_id]
        gone = known if runs is None else list(runs)
        super().forget(workflow_execution_id, [pair for pair in gone if (workflow_execution_id, *pair) not in taken])


@mutant("RUN-FORGET-03", observed="gathered after the execution was forgotten", harness=MemoryRunnerHarness)
class ResultsStay(Watched):
    """A forget leaves results that nobody has gathered."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        super().forget(workflow_execution_id, runs)
        self.surplus_results += [
            (run[0], StepResult(run[1], output, run[2]))
            for run, output in self.submitted.items()
            if run[0] == workflow_execution_id and run not in self.gathered
        ]


@mutant("RUN-FORGET-04", observed="after given runs were forgotten", harness=MemoryRunnerHarness)
class PairsAreIgnored(InProcessRunner):
    """A forget of runs forgets the execution."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        super().forget(workflow_execution_id)


@mutant("RUN-FORGET-05", observed="after other runs of the step were forgotten", harness=MemoryRunnerHarness)
class RunsAreForgottenByOp(Watched):
    """Of a pair only the op counts."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        if runs is None:
            super().forget(workflow_execution_id)
        else:
            super().forget(workflow_execution_id, [(op, self.newest(workflow_execution_id, op) or 0) for op, _ in runs])


@mutant("RUN-FORGET-06", observed="gathered after results of forgotten runs", harness=MemoryRunnerHarness)
class ForgottenRunsHaveResults(Watched):
    """A result of a run that was forgotten is kept."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        super().forget(workflow_execution_id, runs)
        self._forgotten = True

    _forgotten = False

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        super().submit_work_result(workflow_execution_id, op, output, run_id)
        if self._forgotten:
            self.surplus_results.append((workflow_execution_id, StepResult(op, output, run_id)))


@mutant("RUN-FORGET-07", observed="a call raised KeyError", harness=MemoryRunnerHarness)
class UnknownIsAnError(InProcessRunner):
    """To forget an unknown execution is an error."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        if workflow_execution_id not in self.held(LATEST):
            raise KeyError(workflow_execution_id)
        super().forget(workflow_execution_id, runs)


@mutant("RUN-FORGET-08", observed="pending after another execution was forgotten", harness=MemoryRunnerHarness)
class ForgetsByPrefix(InProcessRunner):
    """All executions are forgotten whose id begins with the given one."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        for execution in self.held(LATEST):
            if execution.startswith(workflow_execution_id):
                super().forget(execution, runs)


@mutant("RUN-FORGET-09", observed="pending after runs were forgotten that came as", harness=MemoryRunnerHarness)
class RunsAreReadTwice(InProcessRunner):
    """The runs are gone through twice."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        ops = None if runs is None else {op for op, _ in runs}
        super().forget(
            workflow_execution_id, None if runs is None else [pair for pair in runs if pair[0] in (ops or ())]
        )


@mutant("RUN-FORGET-10", observed="pending after an empty list of runs was forgotten", harness=MemoryRunnerHarness)
class NoRunsAreAllRuns(InProcessRunner):
    """An empty list of runs counts as None."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        super().forget(workflow_execution_id, list(runs or ()) or None)


@mutant("RUN-FORGET-11", observed="pending after 400 runs were forgotten", harness=MemoryRunnerHarness)
class ForgetsOneBatch(InProcessRunner):
    """Of the runs the first hundred are forgotten."""

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        super().forget(workflow_execution_id, None if runs is None else list(runs)[:100])


@mutant(
    "RUN-FORGET-12",
    observed="gathered after an execution was forgotten while results came",
    harness=MemoryRunnerHarness,
)
class WritesBackWhatWasForgotten(Watched):
    """Between the look at a run, and the writing of its result, it is forgotten."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._looked = threading.Event()
        self._forgotten = threading.Event()

    def forget(self, workflow_execution_id: str, runs: Runs = None) -> None:
        self._looked.wait(MOMENT)
        super().forget(workflow_execution_id, runs)
        self._forgotten.set()

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        self._looked.set()
        self._forgotten.wait(MOMENT)
        self.surplus_results.append((workflow_execution_id, StepResult(op, output, run_id)))
