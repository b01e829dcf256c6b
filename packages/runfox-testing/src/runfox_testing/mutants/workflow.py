"""Mutants of stores and runners that whole workflows have to show: FLOW-STEP, FLOW-RECOVER, FLOW-RACE, FLOW-CLEAN.

`Mutant.options` says what the other part of the pair is: memory, or the served reference where the mutant is served.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from runfox.backend import InMemoryStore, InProcessRunner
from runfox.errors import InvalidJSON, WorkflowNotFound, WriteConflict
from runfox.jsonvalue import JSONObject, JSONValue
from runfox.records import UNSET, RecordPatch, StepRecord, WorkflowRecord
from runfox.results import DispatchJob, StepResult
from runfox_testing.memory import MemoryRunnerHarness, MemoryStoreHarness
from runfox_testing.mutants.gaps import Meeting, wait_until
from runfox_testing.mutants.local import LocalRunner, LocalRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.served import ServedRunnerHarness, ServedStoreHarness

# FLOW-STEP


@mutant("FLOW-STEP-01", observed="“results come in the opposite order”, event 8 of 11", harness=MemoryRunnerHarness)
class NewestResultsFirst(InProcessRunner):
    """Results are gathered in the opposite order."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        return super().gather(workflow_execution_id)[::-1]


@mutant("FLOW-STEP-02", observed="outcome: None (NoneType), not 'this' (str)", harness=MemoryStoreHarness)
class OutcomesAreMappings(InMemoryStore):
    """An outcome that is no mapping is not kept."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(patch if isinstance(patch.outcome, dict) else replace(patch, outcome=UNSET))


@mutant("FLOW-STEP-03", observed="“a late result does not pass for one of the next run”", harness=MemoryRunnerHarness)
class ResultsAreKnownByStep(InProcessRunner):
    """A result counts for the newest run of its step, whichever run brought it."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        super().submit_work_result(workflow_execution_id, op, output)


@mutant("FLOW-STEP-04", observed=".ready_at", harness=MemoryStoreHarness)
class DelaysAreInWholeMinutes(InMemoryStore):
    """The time of a retry is kept without its seconds."""

    def patch(self, patch: RecordPatch) -> None:
        steps = {} if patch.steps is UNSET else patch.steps
        super().patch(replace(patch, steps={op: self._rounded(step) for op, step in steps.items()}))

    def _rounded(self, step: StepRecord) -> StepRecord:
        return step if step.ready_at is None else replace(step, ready_at=f"{step.ready_at[:17]}00.000000Z")


@mutant("FLOW-STEP-05", observed="(int), not", harness=MemoryStoreHarness)
class NumbersAreNormal(InMemoryStore):
    """What a step's output has of whole floats comes back as integers."""

    def patch(self, patch: RecordPatch) -> None:
        steps = {} if patch.steps is UNSET else patch.steps
        super().patch(
            replace(patch, steps={op: replace(step, output=_whole(step.output)) for op, step in steps.items()})
        )


def _whole(value: Any) -> Any:
    match value:
        case dict():
            return {key: _whole(item) for key, item in value.items()}
        case list():
            return [_whole(item) for item in value]
        case float():
            return int(value) if value.is_integer() else value
        case _:
            return value


@mutant("FLOW-STEP-06", observed="handed out: a/0, b/0, c/0, not a/0", harness=MemoryRunnerHarness)
class AllQueuesAreOne(InProcessRunner):
    """A take serves all queues, whichever it was asked for."""

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit, None, lease_seconds)


@mutant(
    "FLOW-STEP-07", observed="“an output that is not JSON is an error result”, event 5", harness=MemoryRunnerHarness
)
class WhatIsNotJSONIsText(InProcessRunner):
    """An output that is not JSON is kept as text."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        try:
            super().submit_work_result(workflow_execution_id, op, output, run_id)
        except InvalidJSON:
            super().submit_work_result(workflow_execution_id, op, {"text": repr(output)}, run_id)


@mutant("FLOW-STEP-08", observed="definition: ", harness=MemoryStoreHarness)
class EmptyOutputsAreNone(InMemoryStore):
    """An output without keys is none."""

    def patch(self, patch: RecordPatch) -> None:
        steps = {} if patch.steps is UNSET else patch.steps
        super().patch(
            replace(patch, steps={op: replace(step, output=step.output or None) for op, step in steps.items()})
        )


@mutant("FLOW-STEP-09", observed="another outcome than in memory", harness=MemoryStoreHarness)
class OutcomesAreLoadedAsText(InMemoryStore):
    """Numbers in the outcome come back as text when a record is loaded."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        record = super().load(workflow_execution_id)
        outcome: Any = record.outcome
        if isinstance(outcome, dict):
            record.outcome = {key: str(value) for key, value in outcome.items()}
        return record

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        return self.load(record.workflow_execution_id)


@mutant("FLOW-STEP-10", observed="after it was created again", harness=MemoryStoreHarness)
class FirstWritesReplace(InMemoryStore):
    """A record of version 0 replaces one that is there."""

    def write(self, record: WorkflowRecord) -> None:
        if record.version == 0:
            with contextlib.suppress(WorkflowNotFound):
                self.delete(record.workflow_execution_id)
        super().write(record)


@mutant("FLOW-STEP-11", observed="after start()", harness=LocalRunnerHarness)
class LocalResultsWithoutRuns(LocalRunner):
    """The first run's result is given for all runs of a step."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        first = [replace(job, run_id=0) for job in jobs]
        runs = {job.op: job.run_id for job in jobs}
        return [
            StepResult(result.op, result.output, runs[result.op])
            for result in super().dispatch(workflow_execution_id, first)
        ]


# FLOW-RECOVER


@mutant("FLOW-RECOVER-01", observed="the execution hangs", harness=MemoryRunnerHarness)
class GatheredResultsAreGone(InProcessRunner):
    """A dispatch of a run whose result was gathered does not offer it again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._gathered: set[tuple[str, str, int | None]] = set()

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        results = super().gather(workflow_execution_id)
        self._gathered.update((workflow_execution_id, result.op, result.run_id) for result in results)
        return results

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        new = [job for job in jobs if (workflow_execution_id, job.op, job.run_id) not in self._gathered]
        return super().dispatch(workflow_execution_id, new)


class _LeasesForEver(InProcessRunner):
    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit, queues, 1e9)


@mutant("FLOW-RECOVER-02", observed="the execution hangs", harness=MemoryRunnerHarness)
class LeasesNeverLapse(_LeasesForEver):
    """A job that was taken never comes back."""


@mutant("FLOW-RECOVER-03", observed="raised WriteConflict", harness=MemoryStoreHarness)
class StalePatchesPass(InMemoryStore):
    """A patch of an older version is applied to the newest one."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(replace(patch, version=self.load(patch.workflow_execution_id).version))


@mutant("FLOW-RECOVER-04", observed="executions hang", harness=ServedRunnerHarness)
class ServedLeasesNeverLapse(_LeasesForEver):
    """A job that was taken by a process which is killed never comes back."""


# FLOW-RACE


class _ComparesBesideWriting(InMemoryStore):
    """Compares the version first, and writes in another transaction, whatever is stored by then."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting = Meeting(0.5)
        self._lock_of_writes = threading.Lock()

    def patch(self, patch: RecordPatch) -> None:
        stored = self.load(patch.workflow_execution_id).version
        if stored != patch.version:
            raise WriteConflict(patch.workflow_execution_id, patch.version)
        if stored == 1:
            # All of them claim the first steps.
            self._meeting.wait()
        with self._lock_of_writes:
            super().patch(replace(patch, version=self.load(patch.workflow_execution_id).version))


@mutant("FLOW-RACE-01", observed="the run first/0 was claimed", harness=MemoryStoreHarness)
class TwoThreadsWriteOneVersion(_ComparesBesideWriting):
    """Threads that have read the same version may all write."""


@mutant("FLOW-RACE-02", observed="executed more often than there were runs", harness=MemoryRunnerHarness)
class TwoTakersGetOneJob(InProcessRunner):
    """A job is still pending for a moment after it was taken."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._deliveries: dict[str, int] = {}

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        jobs = super().take_pending_jobs(limit, queues, lease_seconds)
        for job in jobs:
            self._deliveries[job.key] = job.delivery
            if job.delivery == 1:
                self.extend_lease(job, 0)
                wait_until(lambda key=job.key: self._deliveries[key] > 1, 1.0)  # type: ignore[misc]  # no inference
        return jobs


@mutant("FLOW-RACE-03", observed="one of 4 that ran at once", harness=MemoryRunnerHarness)
class InputsAreKnownByRun(InProcessRunner):
    """The inputs of a run are those with which the first execution dispatched it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._inputs: dict[tuple[str, int], JSONObject] = {}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        own = [replace(job, inputs=self._inputs.setdefault((job.op, job.run_id), job.inputs)) for job in jobs]
        return super().dispatch(workflow_execution_id, own)


@mutant("FLOW-RACE-04", observed="the run first/0 was claimed", harness=ServedStoreHarness)
class TwoProcessesWriteOneVersion(_ComparesBesideWriting):
    """Processes that have read the same version may all write."""


# FLOW-CLEAN


@mutant("FLOW-CLEAN-01", observed="the runner holds entries of it", harness=MemoryRunnerHarness)
class ForgetsRunsOnly(InProcessRunner):
    """What is forgotten as a whole is kept."""

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        if runs is not None:
            super().forget(workflow_execution_id, runs)


@mutant("FLOW-CLEAN-02", observed="after late results", harness=MemoryRunnerHarness)
class UnknownResultsMakeEntries(InProcessRunner):
    """A result of a run that is not known makes an entry."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        self.dispatch(workflow_execution_id, [DispatchJob(workflow_execution_id, op, {}, run_id or 0)])
        super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant("FLOW-CLEAN-03", observed="of an execution that lives", harness=MemoryRunnerHarness)
class ForgetsTheDefinition(InProcessRunner):
    """With one execution all those of its definition are forgotten."""

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        if runs is not None:
            super().forget(workflow_execution_id, runs)
            return
        for key in self.held("9999-01-01T00:00:00.000000Z"):
            if key.partition("#")[0] == workflow_execution_id.partition("#")[0]:
                super().forget(key)


@mutant("FLOW-CLEAN-04", observed="the runner holds entries of it", harness=LocalRunnerHarness)
class LocalRunsAreKept(LocalRunner):
    """Runs that were executed are kept for good."""

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        pass
