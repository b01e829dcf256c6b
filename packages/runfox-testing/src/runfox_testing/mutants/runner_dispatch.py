"""Wrong runners for RUN-DISPATCH and RUN-LIMIT."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from runfox.backend import InProcessRunner
from runfox.errors import PayloadTooLarge, UnknownRoute
from runfox.jsonvalue import JSONObject, JSONValue
from runfox.results import DispatchJob, StepResult
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import MOMENT, Meeting, Watched, run_of


@mutant("RUN-DISPATCH-01", observed="pending for the client that dispatched", harness=MemoryRunnerHarness)
class WritesLater(InProcessRunner):
    """A dispatch takes effect with the next one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._later: list[tuple[str, Sequence[DispatchJob]]] = []

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        for execution, waiting in self._later:
            super().dispatch(execution, waiting)
        self._later = [(workflow_execution_id, jobs)]
        return []


@mutant("RUN-DISPATCH-02", observed="taken after a dispatch of 500 jobs", harness=MemoryRunnerHarness)
class SendsOneBatch(InProcessRunner):
    """Of a dispatch the first hundred jobs are enqueued."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        return super().dispatch(workflow_execution_id, jobs[:100])


@mutant("RUN-DISPATCH-03", observed="after one step was dispatched in two executions", harness=MemoryRunnerHarness)
class KnowsRunsByStep(Watched):
    """A run is known by op and run_id, whatever its execution."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        known = {(op, run_id) for execution, op, run_id in self.dispatched if execution != workflow_execution_id}
        return super().dispatch(workflow_execution_id, [job for job in jobs if (job.op, job.run_id) not in known])


@mutant("RUN-DISPATCH-04", observed="after three dispatches of the same jobs", harness=MemoryRunnerHarness)
class EnqueuesAgain(Watched):
    """Each dispatch of a job that was not submitted makes a further entry."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        again = [job for job in jobs if run_of(job) in self.dispatched and run_of(job) not in self.submitted]
        self.surplus_jobs += again
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-DISPATCH-05", observed="pending after a taken job was dispatched again", harness=MemoryRunnerHarness)
class TakesJobsAway(Watched):
    """A taken job that is dispatched again is pending again."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        for taken in self.handed.values():
            if run_of(taken) in map(run_of, jobs):
                self.extend_lease(taken, 0)
        return super().dispatch(workflow_execution_id, jobs)


@mutant(
    "RUN-DISPATCH-06",
    observed="pending after the lease of a job that was dispatched again had lapsed",
    harness=MemoryRunnerHarness,
)
class RenewsLeases(Watched):
    """A dispatch of a taken job renews its lease."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        for taken in self.handed.values():
            if run_of(taken) in map(run_of, jobs):
                self.extend_lease(taken)
        return super().dispatch(workflow_execution_id, jobs)


@mutant(
    "RUN-DISPATCH-07",
    observed="pending after a run whose result is known was dispatched again",
    harness=MemoryRunnerHarness,
)
class RemovesWhatWasGathered(InProcessRunner):
    """A gathered result is removed, and its run is unknown from then on."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        results = super().gather(workflow_execution_id)
        self.forget(workflow_execution_id, [(result.op, result.run_id or 0) for result in results])
        return results


@mutant("RUN-DISPATCH-08", observed="after two more dispatches of a run with a result", harness=MemoryRunnerHarness)
class OffersResultsTwice(Watched):
    """A result that nobody has gathered is put beside itself by a dispatch."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        for job in jobs:
            if run_of(job) in self.submitted and run_of(job) not in self.gathered:
                result = StepResult(job.op, self.submitted[run_of(job)], job.run_id)
                self.surplus_results.append((workflow_execution_id, result))
        return super().dispatch(workflow_execution_id, jobs)


@mutant(
    "RUN-DISPATCH-09", observed="after older runs than the pending one were dispatched", harness=MemoryRunnerHarness
)
class EnqueuesOlderRuns(Watched):
    """An older run is enqueued like a newer one."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self.surplus_jobs += [job for job in jobs if job.run_id < (self.newest(workflow_execution_id, job.op) or 0)]
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-DISPATCH-10", observed="pending after a newer run was dispatched", harness=MemoryRunnerHarness)
class KeepsOlderRuns(Watched):
    """An older pending run stays when a newer one is dispatched."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        steps = {(workflow_execution_id, job.op) for job in jobs}
        before = [job for job in self.list_pending_jobs() if (job.workflow_execution_id, job.op) in steps]
        results = super().dispatch(workflow_execution_id, jobs)
        after = set(map(run_of, self.list_pending_jobs()))
        self.surplus_jobs += [job for job in before if run_of(job) not in after]
        return results


@mutant("RUN-DISPATCH-11", observed="the older one's lease could be renewed", harness=MemoryRunnerHarness)
class RenewsByTokenAlone(Watched):
    """A token that was handed out is good, whatever became of its run."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return super().extend_lease(job, seconds) or job.lease in self.handed


@mutant("RUN-DISPATCH-12", observed="gathered after a newer run than a result", harness=MemoryRunnerHarness)
class KeepsOlderResults(Watched):
    """A result stays gatherable when a newer run is dispatched."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        steps = {job.op: job.run_id for job in jobs}
        for (execution, op, run_id), output in self.submitted.items():
            if execution == workflow_execution_id and run_id < steps.get(op, 0):
                self.surplus_results.append((execution, StepResult(op, output, run_id)))
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-DISPATCH-13", observed="ValueError is due", harness=MemoryRunnerHarness)
class GoesByTheJobs(InProcessRunner):
    """The execution's id is taken from each job."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        for job in jobs:
            super().dispatch(job.workflow_execution_id, [job])
        return []


@mutant("RUN-DISPATCH-14", observed="after a dispatch of no jobs the executions", harness=MemoryRunnerHarness)
class WritesAHeader(InProcessRunner):
    """A dispatch notes its execution, also one of no jobs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._headers: dict[str, None] = {}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self._headers[workflow_execution_id] = None
        return super().dispatch(workflow_execution_id, jobs)

    def held(self, before: str) -> list[str]:
        return list(dict.fromkeys([*super().held(before), *self._headers]))


@mutant("RUN-DISPATCH-15", observed="pending after one dispatch of the runs", harness=MemoryRunnerHarness)
class TheLastOfABatchWins(InProcessRunner):
    """Of several runs of a step in one dispatch the last one counts."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        return super().dispatch(workflow_execution_id, list({job.op: job for job in jobs}.values()))


@mutant("RUN-DISPATCH-16", observed="after one dispatch of jobs in every state", harness=MemoryRunnerHarness)
class StopsAtAKnownRun(Watched):
    """The first known run ends a dispatch of several jobs."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        known = [number for number, job in enumerate(jobs) if run_of(job) in self.dispatched]
        return super().dispatch(workflow_execution_id, jobs[: known[0] + 1] if known else jobs)


class LooksBeforeItEnqueues(Watched):
    """Between the look whether a run is known, and its insertion, others come."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._meeting = Meeting()

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        unknown = [job for job in jobs if run_of(job) not in self.dispatched]
        if unknown:
            self._meeting.wait()
        self.surplus_jobs += [job for job in unknown if run_of(job) in self.dispatched]
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-DISPATCH-17", observed="clients dispatched the same jobs at once", harness=MemoryRunnerHarness)
class EnqueuesWhatItDidNotSee(LooksBeforeItEnqueues):
    """Between the look whether a run is known, and its insertion, other threads come."""


@mutant(
    "RUN-DISPATCH-18", observed="pending after a dispatch and a submit of one run at once", harness=MemoryRunnerHarness
)
class WritesTheWholeEntry(Watched):
    """A dispatch reads that a run has no result, and then writes the entry as it was dispatched."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._reads = threading.Event()
        self._has_result = threading.Event()

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        if any(run_of(job) in self.dispatched and run_of(job) not in self.submitted for job in jobs):
            self._reads.set()
            self._has_result.wait(MOMENT)
            self.forget(workflow_execution_id)
        return super().dispatch(workflow_execution_id, jobs)

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        self._reads.wait(MOMENT)
        super().submit_work_result(workflow_execution_id, op, output, run_id)
        self._has_result.set()


_LIMIT = 1_000_000


def _is_large(value: JSONValue | JSONObject) -> bool:
    return isinstance(value, dict) and len(str(value.get("large", ""))) > _LIMIT


@mutant("RUN-LIMIT-01", observed="a dispatch of a job with 3 MB of inputs", harness=MemoryRunnerHarness)
class OneLargeJobEndsTheDispatch(InProcessRunner):
    """A job that is too large ends the dispatch before the others are enqueued."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        large = [job for job in jobs if _is_large(job.inputs)]
        if large:
            raise PayloadTooLarge(large, "1 MB")
        return super().dispatch(workflow_execution_id, jobs)


@mutant(
    "RUN-LIMIT-02", observed="an output over the limit was refused, and the lease is over", harness=MemoryRunnerHarness
)
class EndsTheRunFirst(Watched):
    """The lease is ended before the output is found to be too large."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        if _is_large(output):
            for job in self.handed.values():
                self.extend_lease(job, 0)
            raise PayloadTooLarge([DispatchJob(workflow_execution_id, op, {})], "1 MB")
        super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant("RUN-LIMIT-03", observed="pending after a dispatch with an odd queue", harness=MemoryRunnerHarness)
class OneUnknownRouteEndsTheDispatch(InProcessRunner):
    """A job without a route ends the dispatch before the others are enqueued."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        unknown = [job for job in jobs if job.queue is not None and job.queue.startswith("runfox-kit")]
        if unknown:
            raise UnknownRoute(unknown, "not in the map")
        return super().dispatch(workflow_execution_id, jobs)
