"""Wrong runners for RUN-GATHER."""

from __future__ import annotations

import threading
from typing import Any

from runfox.backend import InProcessRunner
from runfox.results import StepResult
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import MOMENT, Watched


@mutant("RUN-GATHER-01", observed="gathered a second time", harness=MemoryRunnerHarness)
class GathersEverythingAgain(InProcessRunner):
    """Results are not marked as gathered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._every: list[StepResult] = []

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        self._every += super().gather(workflow_execution_id)
        return list(self._every)


@mutant("RUN-GATHER-02", observed="for an execution that nobody knows", harness=MemoryRunnerHarness)
class GathersByPrefix(InProcessRunner):
    """Results are found by the beginning of the execution's id."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        every = self.held("9999-12-31T23:59:59.999999Z")
        found = [execution for execution in every if execution.startswith(workflow_execution_id)]
        gather = super().gather
        return [result for execution in found for result in gather(execution)]


@mutant("RUN-GATHER-03", observed="in another order than submitted", harness=MemoryRunnerHarness)
class GathersInTheOrderOfOps(InProcessRunner):
    """Results are in the order of their ops."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        return sorted(super().gather(workflow_execution_id), key=lambda result: result.op)


@mutant("RUN-GATHER-04", observed="in another order than submitted", harness=MemoryRunnerHarness)
class OldResultsComeLast(Watched):
    """A result that is gatherable again comes after those that were submitted since."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        before = set(self.gathered)
        results = super().gather(workflow_execution_id)
        return sorted(results, key=lambda result: (workflow_execution_id, result.op, result.run_id) in before)


@mutant("RUN-GATHER-05", observed="a call raised KeyError", harness=MemoryRunnerHarness)
class UnknownExecutionsAreErrors(InProcessRunner):
    """To gather for an unknown execution is an error."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        if workflow_execution_id not in self.held("9999-12-31T23:59:59.999999Z"):
            raise KeyError(workflow_execution_id)
        return super().gather(workflow_execution_id)


@mutant("RUN-GATHER-06", observed="gathered after 3 dispatches", harness=MemoryRunnerHarness)
class GivesAResultTwiceAtMost(InProcessRunner):
    """A result can be gathered twice, however often it is dispatched."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._given: dict[str, int] = {}

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        results = super().gather(workflow_execution_id)
        for result in results:
            self._given[result.op] = self._given.get(result.op, 0) + 1
        return [result for result in results if self._given[result.op] <= 2]


@mutant("RUN-GATHER-07", observed="has the run_id None", harness=MemoryRunnerHarness)
class ResultsDoNotTellTheirRun(InProcessRunner):
    """Results have no run_id."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        return [StepResult(result.op, result.output) for result in super().gather(workflow_execution_id)]


@mutant("RUN-GATHER-08", observed="of them twice", harness=MemoryRunnerHarness)
class GatherersSeeTheSame(InProcessRunner):
    """Between the look at the results, and their marking, others come."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._seen: dict[str, list[StepResult]] = {}
        self._some = threading.Event()

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        results = super().gather(workflow_execution_id)
        if results:
            self._seen[workflow_execution_id] = results
            self._some.set()
            return results
        self._some.wait(MOMENT)
        return self._seen.get(workflow_execution_id, [])
