"""Wrong runners for RUN-HELD and RUN-WAIT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from runfox.backend import InProcessRunner
from runfox.jsonvalue import JSONValue
from runfox.results import DispatchJob, StepResult
from runfox.times import LATEST, Clock, format_time, to_seconds
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import Queues, Watched, run_of
from runfox_testing.mutants.served import ServedRunnerHarness


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
        self._nothing.wait(min(timeout, 0.5))
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
