"""`Workflow`: a handle on one execution. It holds an id and a backend, and nothing that could be out of date."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Self

from runfox.backend.base import Backend
from runfox.backend.driver import Driver
from runfox.backend.inprocess_worker import InProcessWorker
from runfox.definition import parse_dict, parse_json, parse_yaml
from runfox.errors import RunfoxError, WaitTimeout
from runfox.jsonvalue import JSONValue
from runfox.records import WorkflowRecord
from runfox.results import Complete, Halt, Pending, Result, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import seconds_between

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05


class Workflow:
    """One execution of a definition. Two handles with the same id and backend are interchangeable.

    `from_yaml`, `from_json` and `from_dict` create an execution; `resume` gives a handle on one that exists.
    """

    __slots__ = ("backend", "id")

    def __init__(self, workflow_execution_id: str, backend: Backend) -> None:
        self.id = workflow_execution_id
        self.backend = backend

    @classmethod
    def from_yaml(
        cls,
        text: str,
        backend: Backend,
        inputs: Mapping[str, JSONValue] | None = None,
        execution_id: str | None = None,
    ) -> Self:
        """Create an execution of a definition in YAML (the text, not a path).

        With an `execution_id` that exists for this definition with the same inputs, it is that execution. Raises
        `DefinitionError` with all that is wrong, `ExecutionExists`, `InvalidExecutionId`, `InvalidJSON`, and
        `MissingExtra` where a library is not installed; nothing is stored then.
        """
        limit = _checked(backend).limits.definition_size
        return cls(backend.create(parse_yaml(text, limit), inputs, execution_id), backend)

    @classmethod
    def from_json(
        cls,
        text: str,
        backend: Backend,
        inputs: Mapping[str, JSONValue] | None = None,
        execution_id: str | None = None,
    ) -> Self:
        """Create an execution of a definition in JSON; otherwise as `from_yaml`."""
        limit = _checked(backend).limits.definition_size
        return cls(backend.create(parse_json(text, limit), inputs, execution_id), backend)

    @classmethod
    def from_dict(
        cls,
        definition: Mapping[str, Any],  # whatever it holds is checked
        backend: Backend,
        inputs: Mapping[str, JSONValue] | None = None,
        execution_id: str | None = None,
    ) -> Self:
        """Create an execution of a definition in Python values; otherwise as `from_yaml`."""
        limit = _checked(backend).limits.definition_size
        return cls(backend.create(parse_dict(definition, limit), inputs, execution_id), backend)

    @classmethod
    def resume(cls, workflow_execution_id: str, backend: Backend) -> Self:
        """A handle on an execution that exists. Raises `WorkflowNotFound`."""
        _checked(backend).look(workflow_execution_id)
        return cls(workflow_execution_id, backend)

    # Driving

    def run(self, worker: InProcessWorker | None = None, timeout: float | None = None) -> Complete | Halt:
        """Drive the execution to its end, executing its jobs with `worker` or with the backend's executor.

        With neither, a runner that other processes share leaves the jobs to them; one that lives in this process
        raises `NoWorker`. Raises `TimeoutError` (`WaitTimeout`) after `timeout` seconds; the execution is left to be
        resumed.
        """
        if worker is not None and not hasattr(worker, "work"):
            raise TypeError(
                f"an InProcessWorker is wanted, not {type(worker).__name__}: make one of the runner and the executor, "
                "or call run() alone where a Worker serves the runner"
            )
        self.backend.warn_if_unattended()
        return Driver(self.backend, self.id, worker or self.backend.worker).run(timeout)

    def start(self) -> Result:
        """Claim what can run and hand it to the runner, without waiting. Returns what `advance` returns."""
        return self.backend.engine.start(self.id).answer

    def result(self, timeout: float | None = None) -> Complete | Halt:
        """Wait for the end without driving. Raises `TimeoutError` (`WaitTimeout`) after `timeout` seconds."""
        ends_at = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while True:
            answer = self.backend.look(self.id)
            if isinstance(answer, (Complete, Halt)):
                return answer
            if timeout is not None and ends_at is not None:
                left = ends_at - time.monotonic()
                if left <= 0:
                    raise WaitTimeout(self.id, timeout)
                pause = min(pause, left)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    # Events

    def advance(self) -> Result:
        """Claim every step that can run: `Dispatch` with their jobs, for `Backend.dispatch`. `Complete` when all steps
        are, `Halt` when the workflow was ended, else `Pending`. Raises `ExpressionError`, and commits nothing then.
        """
        return self.backend.advance(self.id)

    def on_step_result(self, op: str, output: JSONValue, run_id: int | None = None) -> Halt | Pending | None:
        """Apply one result: `Halt` when the workflow has ended so, `Pending` when the step is to run again, None when
        it is finished or the result is stale. Without `run_id` a late result can't be told from a fresh one. Raises
        `ExpressionError` and `UnknownStep`, and commits nothing then.
        """
        return self.backend.on_step_result(self.id, op, output, run_id)

    def settle(self, results: Iterable[StepResult | tuple[str, JSONValue]]) -> Result:
        """Apply any number of results, then overdue timeouts, then advance, in one commit. Returns what `advance`
        returns; an expression that fails ends the workflow.
        """
        return self.backend.settle(self.id, results)

    def halt(self, result: JSONValue = None) -> Result:
        """End the execution from outside; `result` is its outcome. One that has ended stays as it is."""
        return self.backend.halt(self.id, result)

    # Looking

    @property
    def status(self) -> WorkflowStatus:
        """Where the execution stands."""
        return self._record().status

    @property
    def outcome(self) -> JSONValue:
        """The resolved outputs, or what the workflow was halted with; None until it has ended."""
        return self._record().outcome

    @property
    def step_statuses(self) -> dict[str, StepStatus]:
        """Where each step stands, in the definition's order."""
        return {op: step.status for op, step in self._record().steps.items()}

    @property
    def progress(self) -> float:
        """The share of steps that are complete, 0.0 to 1.0."""
        record = self._record()
        return _complete(record) / len(record.steps)

    @property
    def step_durations(self) -> dict[str, float]:
        """Seconds from claim to result of each step's latest run; until now for one that is running. Steps that have
        not run are left out.
        """
        record, now = self._record(), self.backend.engine.now()
        return {
            op: seconds_between(step.start_time, step.end_time or now)
            for op, step in record.steps.items()
            if step.start_time is not None
        }

    @property
    def elapsed(self) -> float:
        """Seconds from creation to the end, or until now."""
        record = self._record()
        end = record.updated_at if record.status.ended else self.backend.engine.now()
        return seconds_between(record.created_at, end)

    def __repr__(self) -> str:
        try:
            record = self._record()
        except RunfoxError as error:
            return f"<Workflow {self.id!r} ({type(error).__name__})>"
        done = _complete(record)
        return f"<Workflow {record.name!r} {self.id!r} {record.status.value} {done}/{len(record.steps)} steps>"

    def _record(self) -> WorkflowRecord:
        return self.backend.load(self.id)


def _checked(backend: Backend) -> Backend:
    """The backend itself. Raises `TypeError` for what is none: a URL or a store, perhaps."""
    if not hasattr(backend, "engine"):
        raise TypeError(f"a Backend is wanted, not {type(backend).__name__}: open_backend(URL), or Backend(store=…)")
    return backend


def _complete(record: WorkflowRecord) -> int:
    return sum(step.status is StepStatus.COMPLETE for step in record.steps.values())
