"""A record with what the machine would otherwise have to search for: the frontier of an execution.

For each step how many dependencies it still waits for, which steps could be claimed, which are running, and the
timers. Making one costs what the record holds; following a commit costs what the commit touched.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TYPE_CHECKING

from runfox.plan import Plan
from runfox.records import StepRecord, WorkflowRecord
from runfox.status import StepStatus
from runfox.times import add_seconds

if TYPE_CHECKING:
    from runfox.machine.draft import Draft


class Snapshot:
    """A record that its holder owns, and its frontier. Only `absorb` and `replace` change it.

    `waiting`: op -> number of dependencies that are not COMPLETE. `ready`: READY steps that wait for nothing.
    `running`: IN_PROGRESS steps. `remaining`: how many steps are not COMPLETE.
    """

    __slots__ = ("_timers", "plan", "ready", "record", "remaining", "running", "waiting")

    def __init__(self, plan: Plan, record: WorkflowRecord) -> None:
        self.plan = plan
        self.record = record
        if list(record.steps) != list(plan.steps):
            record.steps = {op: record.steps.get(op) or StepRecord(op=op) for op in plan.steps}
        steps = record.steps
        done = {op for op, step in steps.items() if step.status is StepStatus.COMPLETE}
        self.remaining = len(steps) - len(done)
        self.waiting = {
            op: sum(dependency not in done for dependency in step.dependencies) for op, step in plan.steps.items()
        }
        self.ready: dict[str, None] = {}
        self.running: dict[str, None] = {}
        self._timers: list[tuple[str, str, int]] = []
        self._index(steps)

    def absorb(self, draft: Draft) -> None:
        """Follow a draft of this snapshot that was committed."""
        draft.patch.apply_to(self.record)
        self.record.version += 1
        self._follow(draft)

    def replace(self, draft: Draft, record: WorkflowRecord) -> None:
        """Go over to a later record of the same execution; `draft` has every step that differs."""
        self.record = record
        self._follow(draft)

    def _follow(self, draft: Draft) -> None:
        self.remaining += draft.remaining_delta
        self.waiting.update(draft.waiting)
        self._index(draft.waiting)
        self._index(draft.steps)

    def _index(self, ops: Iterable[str]) -> None:
        for op in ops:
            step = self.record.steps[op]
            self.ready.pop(op, None)
            self.running.pop(op, None)
            if step.status is StepStatus.READY:
                if self.waiting[op] == 0:
                    self.ready[op] = None
            elif step.status is StepStatus.IN_PROGRESS:
                self.running[op] = None
            at = timer_of(self.plan, step)
            if at is not None:
                heapq.heappush(self._timers, (at, op, step.run_id))

    def next_timer(self) -> str | None:
        """When the earliest timer goes off: a retry's delay or a timeout."""
        while self._timers:
            at, op, run_id = self._timers[0]
            if self._lives(at, op, run_id):
                return at
            heapq.heappop(self._timers)
        return None

    def next_timer_after(self, now: str) -> str | None:
        """As `next_timer`, without those that went off by `now`."""
        return min((timer[0] for timer in self._timers if timer[0] > now and self._lives(*timer)), default=None)

    def overdue(self, now: str) -> list[str]:
        """The steps whose run has passed its timeout."""
        return [step.op for step in self.due(now) if step.status is StepStatus.IN_PROGRESS]

    def due(self, now: str) -> list[StepRecord]:
        """The steps whose timer went off by `now`, earliest first."""
        passed = []
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)
            if self._lives(*timer):
                passed.append(timer)
        for timer in passed:
            # Whether the caller commits what it does about them is not known here, so they stay.
            heapq.heappush(self._timers, timer)
        return [self.record.steps[op] for op in dict.fromkeys(op for _, op, _ in passed)]

    def _lives(self, at: str, op: str, run_id: int) -> bool:
        step = self.record.steps[op]
        return step.run_id == run_id and timer_of(self.plan, step) == at


def timer_of(plan: Plan, step: StepRecord) -> str | None:
    """When time alone moves this step on: the end of a retry's delay, the timeout of a run."""
    if step.status is StepStatus.RETRY:
        return step.ready_at
    if step.status is StepStatus.IN_PROGRESS and step.start_time is not None:
        timeout = plan.steps[step.op].timeout
        return None if timeout is None else add_seconds(step.start_time, timeout)
    return None
