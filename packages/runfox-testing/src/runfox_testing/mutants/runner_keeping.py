"""Wrong runners for RUN-FORGET, RUN-HELD and RUN-WAIT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from runfox.backend import InProcessRunner
from runfox.jsonvalue import JSONValue
from runfox.results import DispatchJob, StepResult
from runfox.times import LATEST, Clock, format_time, to_seconds
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import MOMENT, Queues, Watched, run_of
from runfox_testing.mutants.served import ServedRunnerHarness

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


@mutant("RUN-HELD-01", observed="are held before", harness=MemoryRunnerHarness)
class HeldIsTheWrongWayRound(InProcessRunner):
    """What was touched since is held."""

    def held(self, before: str) -> list[str]:
        old = super().held(before)
        return [execution for execution in super().held(LATEST) if execution not in old or before == LATEST]


@mutant("RUN-HELD-02", observed="the very time at which they were dispatched", harness=MemoryRunnerHarness)
class HeldIncludesTheMoment(InProcessRunner):
    """What was touched at the given moment is held."""

    def held(self, before: str) -> list[str]:
        return super().held(before if before == LATEST else format_time(to_seconds(before) + 1e-6))


@mutant("RUN-HELD-03", observed="with several entries", harness=MemoryRunnerHarness)
class HeldNamesEachEntry(Watched):
    """An execution is named once for each entry."""

    def held(self, before: str) -> list[str]:
        executions = super().held(before)
        return [execution for execution, _, _ in self.dispatched if execution in executions]


@mutant("RUN-HELD-04", observed="between the touches of two entries", harness=MemoryRunnerHarness)
class TheLatestTouchCounts(Watched):
    """An execution is held if none of its entries was touched since."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._touched: dict[str, float] = {}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self._touched[workflow_execution_id] = self.clock()
        return super().dispatch(workflow_execution_id, jobs)

    def held(self, before: str) -> list[str]:
        return [execution for execution in super().held(before) if self._touched[execution] < to_seconds(before)]


class _Frozen(Watched):
    """A runner on whose clock some calls take place at the time of the first dispatch, so that they touch nothing."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=lambda: clock() if self._frozen is None else self._frozen)
        self._frozen: float | None = None
        self._first: float | None = None

    @contextmanager
    def untouched(self) -> Iterator[None]:
        self._first = self._first or self.clock()
        self._frozen = self._first
        try:
            yield
        finally:
            self._frozen = None


@mutant("RUN-HELD-05", observed="its pending job was dispatched again", harness=MemoryRunnerHarness)
class DispatchesDoNotTouch(_Frozen):
    """A dispatch of a known job does not touch it."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        with self.untouched():
            return super().dispatch(workflow_execution_id, jobs)


class _FirstDispatch(_Frozen):
    """Knows when the first dispatch was."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self._first = self._first or self.clock()
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-HELD-06", observed="its job was taken", harness=MemoryRunnerHarness)
class TakesDoNotTouch(_FirstDispatch):
    """A take does not touch."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        with self.untouched():
            return super().take_pending_jobs(limit, queues, lease_seconds)


@mutant("RUN-HELD-07", observed="its job's lease was renewed", harness=MemoryRunnerHarness)
class RenewalsDoNotTouch(_FirstDispatch):
    """A renewal does not touch."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        with self.untouched():
            return super().extend_lease(job, seconds)


@mutant("RUN-HELD-08", observed="its job's result was submitted", harness=MemoryRunnerHarness)
class SubmitsDoNotTouch(_FirstDispatch):
    """A submit does not touch."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        with self.untouched():
            super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant("RUN-HELD-09", observed="its job's result was submitted and gathered", harness=MemoryRunnerHarness)
class GathersDoNotTouch(_FirstDispatch):
    """A gather does not touch."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        with self.untouched():
            return super().gather(workflow_execution_id)


@mutant("RUN-HELD-10", observed="taken and gathered runs were dispatched again", harness=MemoryRunnerHarness)
class DispatchesTouchWhatIsPending(_Frozen):
    """A dispatch touches only what is pending."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        pending = set(map(run_of, self.list_pending_jobs()))
        if any(run_of(job) in self.dispatched and run_of(job) not in pending for job in jobs):
            with self.untouched():
                return super().dispatch(workflow_execution_id, jobs)
        self._first = self._first or self.clock()
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-HELD-11", observed="whose only entry is gathered are not held", harness=MemoryRunnerHarness)
class WhatWasGatheredIsNotHeld(Watched):
    """An execution all of whose runs were gathered is not held."""

    def held(self, before: str) -> list[str]:
        open_runs = [run for run in self.dispatched if run not in self.gathered]
        return [execution for execution in super().held(before) if execution in {run[0] for run in open_runs}]


@mutant("RUN-WAIT-01", observed="although a result could be gathered", harness=MemoryRunnerHarness)
class WaitsForWhatIsNew(InProcessRunner):
    """A wait does not look for what is there."""

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        return False


@mutant("RUN-WAIT-02", observed="although nothing can be gathered", harness=MemoryRunnerHarness)
class ATimeoutIsTrue(InProcessRunner):
    """A wait returns True whatever ended it."""

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        super().wait(workflow_execution_id, timeout)
        return True


class NobodyIsWoken(InProcessRunner):
    """A wait that has begun hears of nothing, and gives up soon."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._nothing = threading.Event()

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        if super().wait(workflow_execution_id, 0):
            return True
        self._nothing.wait(min(timeout, 3.0))
        return False


@mutant("RUN-WAIT-03", observed="after a result was submitted by another client", harness=MemoryRunnerHarness)
class SubmitsWakeNobody(NobodyIsWoken):
    """A submit wakes nobody."""


@mutant("RUN-WAIT-04", observed="after another process had submitted a result", harness=ServedRunnerHarness)
class ProcessesWakeNobody(NobodyIsWoken):
    """A submit of another process wakes nobody."""


@mutant("RUN-WAIT-05", observed="after a run whose result is known was dispatched again", harness=MemoryRunnerHarness)
class DispatchesWakeNobody(NobodyIsWoken):
    """A dispatch wakes nobody."""


@mutant("RUN-WAIT-06", observed="although only other executions have results", harness=MemoryRunnerHarness)
class AnyResultWakes(InProcessRunner):
    """A result of any execution ends a wait."""

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        wait: Callable[[str, float], bool] = super().wait
        return any(wait(execution, 0) for execution in self.held(LATEST)) or wait(workflow_execution_id, timeout)
