"""What a transition is about to change, laid over a snapshot that stays as it is.

A draft costs what it touches. It becomes a `RecordPatch`; once that is committed the snapshot absorbs the draft, and
otherwise it is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from runfox.jsonvalue import JSONObject, JSONValue
from runfox.machine.snapshot import Snapshot, timer_of
from runfox.records import UNSET, RecordPatch, StepRecord, Unset
from runfox.results import DispatchJob
from runfox.status import StepStatus, WorkflowStatus


@dataclass(frozen=True, slots=True)
class Merge:
    """Keys went into the shared state: an output's, or from outside any step (`op` is None)."""

    op: str | None
    updates: JSONObject


class Draft:
    """Changes over `base`, at the time `now`.

    `jobs` were claimed, `merges` happened in this order, `retired` are the (op, run_id) that need no entry in a runner
    any more.
    """

    def __init__(self, base: Snapshot, now: str) -> None:
        self.base = base
        self.now = now
        self.status = base.record.status
        self.outcome: JSONValue | Unset = UNSET
        self.wake_at: str | None | Unset = UNSET
        self.steps: dict[str, StepRecord] = {}
        self.state: JSONObject = {}
        self.waiting: dict[str, int] = {}
        self.remaining_delta = 0
        self.jobs: list[DispatchJob] = []
        self.merges: list[Merge] = []
        self.retired: list[tuple[str, int]] = []

    def step(self, op: str) -> StepRecord:
        """The step as it stands now."""
        return self.steps.get(op) or self.base.record.steps[op]

    def waits_for(self, op: str) -> int:
        """How many dependencies of the step are not COMPLETE."""
        count = self.waiting.get(op)
        return self.base.waiting[op] if count is None else count

    @property
    def remaining(self) -> int:
        """How many steps are not COMPLETE."""
        return self.base.remaining + self.remaining_delta

    def put(self, step: StepRecord) -> None:
        """Replace a step, and count for its dependents whether it is COMPLETE."""
        was = self.step(step.op).status is StepStatus.COMPLETE
        becomes = step.status is StepStatus.COMPLETE
        self.steps[step.op] = step
        if was is becomes:
            return
        change = -1 if becomes else 1
        self.remaining_delta += change
        for dependent in self.base.plan.steps[step.op].dependents:
            self.waiting[dependent] = self.waits_for(dependent) + change

    def merge(self, op: str | None, updates: JSONObject) -> None:
        """Put keys into the state, latest wins."""
        self.state.update(updates)
        self.merges.append(Merge(op, updates))

    def end(self, status: WorkflowStatus, outcome: JSONValue) -> None:
        """End the workflow. Nobody has to look after it any more."""
        self.status = status
        self.outcome = outcome
        self.wake_at = None
        self.jobs.clear()

    @cached_property
    def patch(self) -> RecordPatch:
        """The draft as a patch. Nothing may be added to it afterwards."""
        record = self.base.record
        return RecordPatch(
            workflow_execution_id=record.workflow_execution_id,
            version=record.version,
            updated_at=self.now,
            status=self.status if self.status is not record.status else UNSET,
            outcome=self.outcome,
            wake_at=self._wake_at(),
            state=self.state or UNSET,
            steps=self.steps or UNSET,
        )

    @property
    def empty(self) -> bool:
        """True if there is nothing to commit."""
        return not (
            self.steps
            or self.state
            or self.merges
            or self.wake_at is not UNSET
            or self.outcome is not UNSET
            or self.status is not self.base.record.status
        )

    def _wake_at(self) -> str | None | Unset:
        """The draft's own wish, brought nearer by the timers that it starts."""
        present = self.base.record.wake_at if self.wake_at is UNSET else self.wake_at
        if self.status.ended:
            return self.wake_at
        started = [at for step in self.steps.values() if (at := timer_of(self.base.plan, step)) is not None]
        nearest = min([*started, present] if present is not None else started, default=present)
        return nearest if nearest != self.base.record.wake_at else UNSET
