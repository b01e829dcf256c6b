"""Wrong runners for RUN-CLAIM, RUN-JSON and RUN-ISO."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from runfox.backend import InProcessRunner
from runfox.errors import InvalidJSON
from runfox.jsonvalue import JSONObject, JSONValue, copy_json
from runfox.results import DispatchJob, StepResult
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import Queues, Run, Watched, run_of
from runfox_testing.mutants.served import RunnerClientHarness, RunnerStub


@mutant("RUN-CLAIM-01", observed="does not take", harness=MemoryRunnerHarness)
class AnotherParametersName(InProcessRunner):
    """The queues of a take have another name."""

    def take_pending_jobs(
        self, limit: int | None = None, queue_names: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit, queue_names, lease_seconds)


@mutant("RUN-CLAIM-02", observed="not True or False", harness=MemoryRunnerHarness)
class DurableInWords(InProcessRunner):
    """`durable` is a text."""

    durable = "no"  # type: ignore[assignment]  # which is what is wrong


@mutant("RUN-CLAIM-03", observed="the same object", harness=RunnerClientHarness)
class OneClientForAll(RunnerStub):
    """Every open of a namespace gives the same client."""

    _clients: ClassVar[dict[tuple[str, str], Any]] = {}

    def __new__(cls, address: str, namespace: str) -> Self:
        client: Self = cls._clients.setdefault((address, namespace), super().__new__(cls))
        return client


@mutant("RUN-CLAIM-04", observed="(tuple), not list", harness=MemoryRunnerHarness)
class GathersATuple(InProcessRunner):
    """gather gives a tuple."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        return tuple(super().gather(workflow_execution_id))  # type: ignore[return-value]  # which is what is wrong


class _ChangedInputs(InProcessRunner):
    """Inputs are changed on their way in."""

    def changed(self, inputs: JSONObject) -> JSONObject:
        raise NotImplementedError

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        return super().dispatch(workflow_execution_id, [replace(job, inputs=self.changed(job.inputs)) for job in jobs])


def _sorted(value: Any) -> Any:
    """A value whose outermost keys, and those one level below, are sorted."""
    if isinstance(value, dict):
        return {
            key: dict(sorted(value[key].items())) if isinstance(value[key], dict) else value[key]
            for key in sorted(value)
        }
    return value


@mutant("RUN-JSON-01", observed="another order of keys", harness=MemoryRunnerHarness)
class SortsKeysOfInputs(_ChangedInputs):
    """The keys of inputs are sorted."""

    def changed(self, inputs: JSONObject) -> JSONObject:
        sorted_inputs: JSONObject = _sorted(inputs)
        return sorted_inputs


@mutant("RUN-JSON-02", observed="another order of keys", harness=MemoryRunnerHarness)
class SortsKeysOfOutputs(InProcessRunner):
    """The keys of outputs are sorted."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        super().submit_work_result(workflow_execution_id, op, _sorted(output), run_id)


@mutant("RUN-JSON-03", observed="gathered after outputs of every kind were submitted", harness=MemoryRunnerHarness)
class NoneIsNoResult(InProcessRunner):
    """An output that is None counts as none."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        if output is not None:
            super().submit_work_result(workflow_execution_id, op, output, run_id)


@mutant("RUN-JSON-04", observed="pending after jobs with odd names were dispatched", harness=MemoryRunnerHarness)
class CutsQueuesAtNul(InProcessRunner):
    """A queue's name ends at NUL."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        cut = [replace(job, queue=job.queue.split("\0")[0] if job.queue else job.queue) for job in jobs]
        return super().dispatch(workflow_execution_id, cut)


@mutant("RUN-JSON-05", observed="pending after jobs with similar names were dispatched", harness=MemoryRunnerHarness)
class TrimsOps(InProcessRunner):
    """Spaces at the end of an op are lost."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        return super().dispatch(workflow_execution_id, [replace(job, op=job.op.rstrip(" ")) for job in jobs])


@mutant("RUN-JSON-06", observed="not what was dispatched", harness=MemoryRunnerHarness)
class ReplacesWhatIsNotASCII(_ChangedInputs):
    """In calls, and in the keys of inputs, what is not ASCII is lost."""

    def changed(self, inputs: JSONObject) -> JSONObject:
        return {_ascii(key): value for key, value in inputs.items()}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        return super().dispatch(workflow_execution_id, [replace(job, call=_ascii(job.call)) for job in jobs])


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


@mutant("RUN-JSON-07", observed="was acknowledged", harness=MemoryRunnerHarness)
class WritesWhateverComes(_ChangedInputs):
    """What is no JSON becomes text."""

    def changed(self, inputs: JSONObject) -> JSONObject:
        try:
            copy_json(inputs, "")
        except InvalidJSON:
            return {key: type(value).__name__ for key, value in inputs.items()}
        return inputs


@mutant(
    "RUN-ISO-01", observed="after the caller changed the inputs that it had dispatched", harness=MemoryRunnerHarness
)
class KeepsTheCallersInputs(Watched):
    """The caller's own inputs are kept."""

    def list_pending_jobs(self) -> list[DispatchJob]:
        return [replace(job, inputs=self.dispatched[run_of(job)].inputs) for job in super().list_pending_jobs()]


@mutant("RUN-ISO-02", observed="after what a listing had given was changed", harness=MemoryRunnerHarness)
class HandsOutItsOwnInputs(InProcessRunner):
    """Whoever asks gets the same inputs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._own: dict[Run, JSONObject] = {}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self._own |= {run_of(job): copy.deepcopy(job.inputs) for job in jobs}
        return super().dispatch(workflow_execution_id, jobs)

    def list_pending_jobs(self) -> list[DispatchJob]:
        return [replace(job, inputs=self._own[run_of(job)]) for job in super().list_pending_jobs()]

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        return [replace(job, inputs=self._own[run_of(job)]) for job in taken]


@mutant("RUN-ISO-03", observed="after the worker changed the output", harness=MemoryRunnerHarness)
class KeepsTheWorkersOutput(Watched):
    """The worker's own output is kept."""

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        results = super().gather(workflow_execution_id)
        return [
            replace(result, output=self.submitted[workflow_execution_id, result.op, result.run_id or 0])
            for result in results
        ]


@mutant("RUN-ISO-04", observed="what was gathered before had been changed", harness=MemoryRunnerHarness)
class HandsOutItsOwnOutputs(InProcessRunner):
    """Every gather gives the same outputs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._own: dict[str, StepResult] = {}

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        return [
            self._own.setdefault(json.dumps([workflow_execution_id, result.op, result.run_id]), result)
            for result in super().gather(workflow_execution_id)
        ]
