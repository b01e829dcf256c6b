"""What a store keeps: the record of an execution, and the patch that changes it.

Nothing here decides anything. A `StepRecord` is replaced, never changed; a `WorkflowRecord` is whoever's holds it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from runfox.jsonvalue import JSONObject, JSONValue
from runfox.status import StepStatus, WorkflowStatus


class Unset(enum.Enum):
    """The type of `UNSET`, which marks a field that a patch leaves as it is: None is a value."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"

    __str__ = __repr__


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of an execution. `StepRecord(op=op)` is a step that nobody has touched.

    `run_id` counts the runs and never goes back. `attempt` counts the failed runs of the present activation.
    Times are UTC text: `start_time` of the latest claim, `end_time` of the latest result, `ready_at` of a retry.
    `host` names the process that claimed it. `inputs` are kept while a claim is open, and only where they
    could not be derived again to the letter. `output` is None until there is one.
    """

    op: str
    status: StepStatus = StepStatus.READY
    output: JSONObject | None = None
    run_id: int = 0
    attempt: int = 0
    start_time: str | None = None
    end_time: str | None = None
    ready_at: str | None = None
    host: str | None = None
    inputs: JSONObject | None = None


@dataclass(slots=True, kw_only=True)
class WorkflowRecord:
    """One execution, whole.

    `steps` has every step in the definition's order; a store may leave out those that equal `StepRecord(op=op)`.
    `version` counts the writes, 0 for one never written. `wake_at` is when somebody has to look after the
    execution, whatever happens; None once it has ended. Times are UTC text.
    """

    workflow_id: str
    execution_id: str
    spec: JSONObject
    inputs: JSONObject = field(default_factory=dict)
    state: JSONObject = field(default_factory=dict)
    steps: dict[str, StepRecord] = field(default_factory=dict)
    status: WorkflowStatus = WorkflowStatus.PENDING
    outcome: JSONValue = None
    version: int = 0
    created_at: str = ""
    updated_at: str = ""
    wake_at: str | None = None

    @property
    def workflow_execution_id(self) -> str:
        """``workflow_id#execution_id``, the key in every store and runner."""
        return f"{self.workflow_id}#{self.execution_id}"

    @property
    def name(self) -> str:
        """The definition's name, ``workflow`` where it has none."""
        name = self.spec.get("name", "workflow")
        return name if isinstance(name, str) else "workflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPatch:
    """What one transition changes, and the version that it was computed from. The rest is `UNSET`.

    `state` holds the changed keys (keys are never removed), `steps` the changed steps, whole.
    """

    workflow_execution_id: str
    version: int
    updated_at: str
    status: WorkflowStatus | Unset = UNSET
    outcome: JSONValue | Unset = UNSET
    wake_at: str | None | Unset = UNSET
    state: JSONObject | Unset = UNSET
    steps: dict[str, StepRecord] | Unset = UNSET

    def apply_to(self, record: WorkflowRecord) -> None:
        """Change `record` in place. Its version stays: that is for the store to count."""
        record.updated_at = self.updated_at
        if self.status is not UNSET:
            record.status = self.status
        if self.outcome is not UNSET:
            record.outcome = self.outcome
        if self.wake_at is not UNSET:
            record.wake_at = self.wake_at
        if self.state is not UNSET:
            record.state.update(self.state)
        if self.steps is not UNSET:
            record.steps.update(self.steps)

    def applied(self, record: WorkflowRecord) -> WorkflowRecord:
        """A record with the changes, for a store without `patch` to `write`.

        It shares with `record` only what did not change.
        """
        changed = replace(record, state=dict(record.state), steps=dict(record.steps))
        self.apply_to(changed)
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSummary:
    """One line of a listing. `cursor` is where the next page goes on, even if this execution is deleted by then."""

    workflow_execution_id: str
    name: str
    status: WorkflowStatus
    created_at: str
    updated_at: str

    @property
    def cursor(self) -> str:
        """The place of this execution in a listing: ``created_at workflow_execution_id``."""
        return f"{self.created_at} {self.workflow_execution_id}"


def defined_ops(spec: JSONObject) -> Iterator[str]:
    """The ops of a definition in its order, for stores that leave out untouched steps."""
    steps = spec.get("steps")
    for step in steps if isinstance(steps, list) else ():
        op = step.get("op") if isinstance(step, dict) else None
        if isinstance(op, str):
            yield op
