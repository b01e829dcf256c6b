"""The state machine: a snapshot and an event in, a decision out. Pure.

Rule 1: everything that decides about an execution is in this package. Rule 2: nothing here reads a clock, a random
number, a disk, a network or a log; times (UTC text), random numbers and names of hosts are arguments. Rule 3: a
snapshot is not changed by asking. Whoever asked commits `Decision.patch` by compare-and-set and, if that succeeded,
calls `Decision.committed`; if not, the decision is void.

Every call costs what it touches, not what the workflow holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runfox.errors import ExecutionEnded, ExpressionError
from runfox.jsonvalue import JSONObject, JSONValue
from runfox.machine import transitions
from runfox.machine.draft import Draft, Merge
from runfox.machine.snapshot import Snapshot
from runfox.machine.transitions import error_output
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.results import Complete, Dispatch, DispatchJob, Halt, Pending, Result, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import add_seconds

__all__ = [
    "Decision",
    "Merge",
    "Snapshot",
    "advance",
    "attend",
    "error_output",
    "follow",
    "halt",
    "jobs_of",
    "look",
    "merge_state",
    "on_step_result",
    "settle",
]


_OVER = frozenset((StepStatus.COMPLETE, StepStatus.HALTED))


class Decision:
    """What follows from an event.

    `patch` is to be committed, None where nothing changes. `merges` are what went into the shared state, in order.
    `retired` are the (op, run_id) that no runner has to keep. `applied` is the step that `on_step_result` changed.
    """

    __slots__ = ("_draft", "applied", "merges", "patch", "retired")

    def __init__(self, draft: Draft, applied: StepStatus | None = None) -> None:
        self._draft = draft
        self.applied = applied
        self.patch: RecordPatch | None = None if draft.empty else draft.patch
        self.merges = tuple(draft.merges)
        self.retired = tuple(draft.retired)

    def running_jobs(self) -> list[DispatchJob]:
        """The jobs of all steps in progress, each with exactly the inputs of its claim, once the decision was
        committed. None of an execution that has ended.
        """
        if self._draft.base.record.status.ended:
            return []
        return jobs_of(self._draft.base, self._draft.base.running)

    def runs_over(self) -> list[tuple[str, int]]:
        """The latest run of each step that is over: of steps that are not in progress, and before the present one."""
        steps = self._draft.base.record.steps.values()
        present = [(step.op, step.run_id) for step in steps if step.end_time and step.status in _OVER]
        return present + [(step.op, step.run_id - 1) for step in steps if step.run_id]

    def committed(self) -> None:
        """The patch is in the store: the snapshot follows it."""
        self._draft.base.absorb(self._draft)

    @property
    def wake_at(self) -> str | None:
        """When somebody has to look after the execution, once the decision was committed."""
        return self._draft.base.record.wake_at

    @property
    def running(self) -> bool:
        """Whether runs are under way, once the decision was committed."""
        return bool(self._draft.base.running)

    @property
    def answer(self) -> Result:
        """What the caller is told, once the decision was committed."""
        record = self._draft.base.record
        if record.status is WorkflowStatus.COMPLETE:
            return Complete(record.outcome if isinstance(record.outcome, dict) else {})
        if record.status is WorkflowStatus.HALTED:
            return Halt(record.outcome)
        if self._draft.jobs:
            return Dispatch(list(self._draft.jobs))
        return Pending(self._draft.base.next_timer())


def look(snapshot: Snapshot) -> Decision:
    """Nothing happens; the decision tells how things stand."""
    return Decision(Draft(snapshot, snapshot.record.updated_at))


def advance(snapshot: Snapshot, *, now: str, host: str | None = None) -> Decision:
    """Claim every step that can run, or complete the workflow. Raises `ExpressionError`."""
    draft = Draft(snapshot, now)
    transitions.advance(draft, host)
    return Decision(draft)


def on_step_result(snapshot: Snapshot, result: StepResult, *, now: str, random: float) -> Decision:
    """Apply one result and claim nothing. Raises `ExpressionError` and `UnknownStep`."""
    draft = Draft(snapshot, now)
    step = transitions.apply_result(draft, result, random)
    return Decision(draft, None if step is None else step.status)


def settle(
    snapshot: Snapshot, results: Sequence[StepResult], *, now: str, random: float, host: str | None = None
) -> Decision:
    """Apply results, then overdue timeouts, then advance. An expression that fails ends the workflow."""
    draft = Draft(snapshot, now)
    try:
        for number, result in enumerate(results):
            transitions.apply_result(draft, result, transitions.spread(random, number))
        transitions.expire(draft, transitions.spread(random, len(results)))
        transitions.advance(draft, host)
    except ExpressionError as error:
        transitions.fail(draft, error)
    return Decision(draft)


def attend(snapshot: Snapshot, *, now: str, recover_after: float, host: str | None = None) -> Decision:
    """Put `wake_at` off to the next timer, or by `recover_after` seconds, and claim what can run.

    Timeouts are left alone: results may be waiting in the runner, and they come first.
    """
    draft = Draft(snapshot, now)
    if draft.status.ended:
        return Decision(draft)
    later = add_seconds(now, recover_after)
    draft.wake_at = min(later, snapshot.next_timer_after(now) or later)
    try:
        transitions.advance(draft, host)
    except ExpressionError as error:
        transitions.fail(draft, error)
    return Decision(draft)


def halt(snapshot: Snapshot, result: JSONValue, *, now: str) -> Decision:
    """End the workflow from outside. One that has ended stays as it is."""
    draft = Draft(snapshot, now)
    if not draft.status.ended:
        draft.end(WorkflowStatus.HALTED, result)
    return Decision(draft)


def jobs_of(snapshot: Snapshot, ops: Iterable[str]) -> list[DispatchJob]:
    """The jobs of steps that are in progress, each with exactly the inputs of its claim."""
    return transitions.jobs_of(Draft(snapshot, snapshot.record.updated_at), ops)


def merge_state(snapshot: Snapshot, op: str | None, updates: JSONObject, *, now: str) -> Decision:
    """Put keys into the shared state, on behalf of step `op` or of nobody. Raises `ExecutionEnded`."""
    if snapshot.record.status.ended:
        raise ExecutionEnded(snapshot.record.workflow_execution_id)
    draft = Draft(snapshot, now)
    draft.merge(op, updates)
    return Decision(draft)


def follow(snapshot: Snapshot, record: WorkflowRecord) -> None:
    """Bring a snapshot to a later record of its execution that shares with the old one what did not change."""
    draft = Draft(snapshot, record.updated_at)
    steps = record.steps
    for op, was in snapshot.record.steps.items():
        step = steps.get(op)
        if step is not was:
            draft.put(steps.setdefault(op, StepRecord(op=op)))
    snapshot.replace(draft, record)
