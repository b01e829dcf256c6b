"""Where a process of the chaos suite dies: points that have a name, and stores and runners that pass by them.

A `Death` is asked for at one point, at the n-th time that the process passes it; it is SIGKILL, which nothing can
catch, so that what the process has done up to there is all that there is. The points lie in classes that do nothing
else, to be mixed with what is under test: whatever runfox asks of a store by its type, these have it. Each backend adds
points of its own, in what it calls.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ledger import Ledger
from orders import DRIVER, HAND, WORKER

from runfox.jsonvalue import JSONValue
from runfox.records import UNSET, RecordPatch, WorkflowRecord
from runfox.results import DispatchJob, StepResult
from runfox.status import StepStatus

POINTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # creating and claiming
        "created, not started": (DRIVER,),
        "claimed, not dispatched": (DRIVER, WORKER),
        "dispatched": (DRIVER, WORKER),
        # a job's way
        "taken, not executed": (WORKER, HAND, DRIVER),
        "executing": (WORKER, HAND, DRIVER),
        "executed, not submitted": (WORKER, HAND, DRIVER),
        "executed, and paused": (WORKER, HAND),
        "submitted, not settled": (WORKER, HAND, DRIVER),
        "gathered, not settled": (DRIVER,),
        # settling
        "settled and claimed, not dispatched": (WORKER, DRIVER),
        "settled, nothing claimed": (WORKER, DRIVER),
        "ended, not forgotten": (WORKER, DRIVER),
        # heartbeats and sweeps
        "before a heartbeat": (WORKER, HAND),
        "after a heartbeat": (WORKER, HAND),
        "found due, not attended to": (WORKER,),
        "found held, not attended to": (WORKER,),
        "wake_at put off, not dispatched again": (WORKER, DRIVER),
    }
)
"""The points that are the same for all backends, and who passes them."""

PAUSES = frozenset({"executed, and paused"})
"""Points at which nobody dies: the process stops itself, and goes on when its leases have lapsed."""

RARE: Mapping[str, int] = MappingProxyType(
    {
        "created, not started": 2,
        "before a heartbeat": 1,
        "after a heartbeat": 1,
        "wake_at put off, not dispatched again": 1,
        "found due, not attended to": 1,
        "found held, not attended to": 1,
    }
)
"""At which pass of a point to die at most, where that is not the usual."""


class Deaths:
    """Kills this process when it passes `point` for the `count`-th time; without a point, never."""

    def __init__(self, ledger: Ledger, point: str | None, count: int) -> None:
        self._ledger = ledger
        self._point = point
        self._left = count
        self._lock = threading.Lock()

    def passing(self, point: str) -> None:
        """The process passes a point; perhaps it gets no further."""
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                if point in PAUSES:
                    self._ledger.note("pause", point)
                    os.kill(os.getpid(), signal.SIGSTOP)
                    return
                self._ledger.note("death", point)
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # for the few instructions that a thread may have left


class MortalStore:
    """A store whose process may die beside each call. To be mixed with one, and before it."""

    def __init__(self, *where: Any, deaths: Deaths, **options: Any) -> None:
        self._deaths = deaths
        super().__init__(*where, **options)

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        self._deaths.passing("created, not started")

    def patch(self, patch: RecordPatch) -> None:
        super().patch(patch)
        steps = [] if patch.steps is UNSET else patch.steps.values()
        claims = any(step.status is StepStatus.IN_PROGRESS for step in steps)
        if patch.state is not UNSET:
            self._deaths.passing("settled and claimed, not dispatched" if claims else "settled, nothing claimed")
        elif claims:
            self._deaths.passing("claimed, not dispatched")
        elif not steps and patch.wake_at is not UNSET:
            self._deaths.passing("wake_at put off, not dispatched again")

    def due(self, now: str, limit: int = 100) -> list[str]:
        found = super().due(now, limit)
        if found:
            self._deaths.passing("found due, not attended to")
        return found


class MortalRunner:
    """A runner whose process may die beside each call. What is taken is noted in the ledger. To be mixed with one."""

    def __init__(self, *where: Any, deaths: Deaths, ledger: Ledger, **options: Any) -> None:
        self._deaths = deaths
        self._ledger = ledger
        super().__init__(*where, **options)

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        results = super().dispatch(workflow_execution_id, jobs)
        self._deaths.passing("dispatched")
        return results

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        results = super().gather(workflow_execution_id)
        if results:
            self._deaths.passing("gathered, not settled")
        return results

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        return self._taken(super().take_pending_jobs(limit, queues, lease_seconds))

    def _taken(self, jobs: list[DispatchJob]) -> list[DispatchJob]:
        for job in jobs:
            execution_id = job.workflow_execution_id.rpartition("#")[2]
            self._ledger.note("take", execution_id, job.op, job.run_id, job.lease)
        if jobs:
            self._deaths.passing("taken, not executed")
        return jobs

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        if seconds == 0:
            return super().extend_lease(job, seconds)
        self._deaths.passing("before a heartbeat")
        extended = super().extend_lease(job, seconds)
        self._deaths.passing("after a heartbeat")
        return extended

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        self._deaths.passing("executed, not submitted")
        self._deaths.passing("executed, and paused")
        super().submit_work_result(workflow_execution_id, op, output, run_id)
        self._deaths.passing("submitted, not settled")

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        if runs is None:
            self._deaths.passing("ended, not forgotten")
        super().forget(workflow_execution_id, runs)

    def held(self, before: str) -> list[str]:
        found = super().held(before)
        if found:
            self._deaths.passing("found held, not attended to")
        return found
