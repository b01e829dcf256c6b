"""`Backend`: composes a store and a runner, and is the only place from which records change.

It decides nothing: the machine does, and the engine commits and hands on.
"""

from __future__ import annotations

import logging
import math
import random
import time
import weakref
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol, Self, TypeVar

from runfox import machine
from runfox.backend.commits import Commits, OnStateChange
from runfox.backend.engine import Engine, Run, as_results, checked, host
from runfox.backend.inmemory_store import InMemoryStore
from runfox.backend.inprocess_runner import InProcessRunner
from runfox.backend.inprocess_worker import InProcessWorker
from runfox.backend.job_handler import Executor, checked_executor
from runfox.definition import Definition
from runfox.errors import ExecutionActive, ExecutionExists, NotSupported, WorkflowNotFound
from runfox.identity import checked_execution_id, execution_ids
from runfox.jsonvalue import JSONObject, JSONValue, copy_json, copy_object, same_json
from runfox.limits import DEFAULT_LIMITS, Limits
from runfox.machine import Snapshot
from runfox.plan import plans
from runfox.protocols import Runner, Store, SupportsDelete, SupportsListing
from runfox.records import ExecutionSummary, StepRecord, WorkflowRecord, defined_ops
from runfox.results import DispatchJob, Halt, Pending, Result, StateChangeEvent, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import Clock, add_seconds

logger = logging.getLogger("runfox")

POLL_INTERVAL = 0.02
"""Seconds."""

RECOVER_AFTER = 60.0
"""Seconds."""


_GATHERED = 10_000


class Employed(Protocol):
    """A worker that may be at a job when the backend is closed."""

    def release(self) -> None:
        """Give back the jobs that are running."""
        ...


class Backend:
    """A store, a runner, and what runs between them.

    `executor` is what `Workflow.run` executes jobs with where it is given no worker. `poll_interval` is the longest
    pause, in seconds, between two looks at a runner that can't wake a waiting driver. An execution that nobody has
    brought on for `recover_after` seconds is attended to by whoever is alive. `on_state_change` is called after each
    merge into the shared state, with copies; it must be pure. `limits` are what definitions, values and expressions
    may cost. `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        executor: Executor | None = None,
        store: Store | None = None,
        runner: Runner | None = None,
        poll_interval: float = POLL_INTERVAL,
        recover_after: float = RECOVER_AFTER,
        on_state_change: OnStateChange | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
        clock: Clock = time.time,
    ) -> None:
        self.executor = None if executor is None else checked_executor(executor)
        self.limits = limits
        self.store: Store = InMemoryStore() if store is None else _checked(store, "store", "load")
        self.runner: Runner = InProcessRunner() if runner is None else _checked(runner, "runner", "dispatch")
        for name, seconds in (("poll_interval", poll_interval), ("recover_after", recover_after)):
            if not 0 <= seconds < math.inf:
                raise ValueError(f"{name} must be 0 or more seconds, not {seconds!r}")
        self.poll_interval = poll_interval
        self.recover_after = recover_after
        self._commits = Commits(self.store, on_state_change, limits)
        self.engine = Engine(self._commits, self.runner, clock, recover_after)
        # What is still to be settled, the latest of it; whatever falls out costs the runner one call more.
        self._gathered: OrderedDict[tuple[str, Run], bool] = OrderedDict()
        self._worker: InProcessWorker | None = None
        self._employed: weakref.WeakSet[Employed] = weakref.WeakSet()
        self._warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store and the runner, where they can be closed. Jobs that still run are given back before."""
        for worker in list(self._employed):
            worker.release()
        close(self.runner)
        close(self.store)

    @property
    def worker(self) -> InProcessWorker | None:
        """The worker that runs the backend's own executor; None without one."""
        if self._worker is None and self.executor is not None:
            self._worker = InProcessWorker(self.runner, self.executor)
        return self._worker

    def employ(self, worker: Employed) -> None:
        """Remember a worker whose threads may still be at a job when this backend is closed."""
        self._employed.add(worker)

    @property
    def unattended(self) -> bool:
        """True if nobody but its own driver can repair an execution: the store is shared, the runner is not."""
        return bool(getattr(self.store, "shared", False)) and not getattr(self.runner, "shared", False)

    def warn_if_unattended(self) -> None:
        """Say so, once."""
        if self.unattended and not self._warned:
            self._warned = True
            logger.warning(
                "the store is shared but the runner lives in this process: should the process end, its executions "
                "wait until somebody calls run() on them"
            )

    # Records

    def create(
        self, definition: Definition, inputs: Mapping[str, JSONValue] | None = None, execution_id: str | None = None
    ) -> str:
        """Store a new execution and give its workflow_execution_id.

        With an `execution_id` that exists for this definition and the same inputs, that execution. Raises
        `ExecutionExists` where the inputs differ, `InvalidExecutionId` and `InvalidJSON`.
        """
        plan = plans.of(definition, self.limits)
        now = self.engine.now()
        record = WorkflowRecord(
            workflow_id=definition.workflow_id,
            execution_id=execution_ids.new() if execution_id is None else checked_execution_id(execution_id),
            spec=definition.spec,
            inputs=self._own({} if inputs is None else inputs, "the workflow's inputs"),
            steps={op: StepRecord(op=op) for op in plan.steps},
            created_at=now,
            updated_at=now,
            wake_at=add_seconds(now, self.recover_after),
        )
        try:
            self.store.write(record)
        except Exception as error:  # noqa: BLE001  # whatever it was: what counts is whether the record is there
            return self._existing(record, error)
        record.version = 1
        self._commits.adopt(Snapshot(plan, record))
        return record.workflow_execution_id

    def _own(self, values: Mapping[str, JSONValue], subject: str) -> JSONObject:
        return copy_object(values, subject, self.limits.value_size)

    def _existing(self, record: WorkflowRecord, error: Exception) -> str:
        """The execution that is there already, or that a write whose reply was lost has made."""
        try:
            stored = self.store.load(record.workflow_execution_id)
        except WorkflowNotFound:
            raise error from None
        if not same_json(stored.inputs, record.inputs):
            raise ExecutionExists(record.workflow_execution_id) from error
        return record.workflow_execution_id

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        """A copy of the record. Raises `WorkflowNotFound`."""
        record = self.store.load(workflow_execution_id)
        if any(op not in record.steps for op in defined_ops(record.spec)):
            untouched = {op: StepRecord(op=op) for op in defined_ops(record.spec)}
            record.steps = {**untouched, **record.steps}
        return record

    def write(self, record: WorkflowRecord) -> None:
        """Write a record whole, past the machine. Raises `WriteConflict`."""
        self._commits.discard(record.workflow_execution_id)
        self.store.write(record)

    def delete(self, workflow_execution_id: str) -> None:
        """Remove an execution that has ended. Raises `ExecutionActive`, `WorkflowNotFound`, `NotSupported`.

        Don't use its id again: what is still on its way for the old execution can't be told from the new one's.
        """
        if not isinstance(self.store, SupportsDelete):
            raise NotSupported("this store", "SupportsDelete")
        if not self.store.load(workflow_execution_id).status.ended:
            raise ExecutionActive(workflow_execution_id)
        # In this order a crash in between leaves a record, which can be deleted again, and no orphans in the queue.
        self.runner.forget(workflow_execution_id)
        self.store.delete(workflow_execution_id)
        self._commits.discard(workflow_execution_id)

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Executions, newest first; `after` is the `cursor` of the last one seen. Raises `NotSupported`."""
        if not isinstance(self.store, SupportsListing):
            raise NotSupported("this store", "SupportsListing")
        return self.store.list_executions(status=status, name=name, since=since, limit=limit, after=after)

    # Events

    def advance(self, workflow_execution_id: str) -> Result:
        """Claim every step that can run. The caller dispatches the jobs. Raises `ExpressionError`."""
        now = self.engine.now
        return self.engine.turn(
            workflow_execution_id, lambda snapshot: machine.advance(snapshot, now=now(), host=host())
        ).answer

    def on_step_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> Halt | Pending | None:
        """Apply one result and claim nothing: `Halt`, `Pending` for a retry, None for what is finished or stale.

        Raises `ExpressionError` and `UnknownStep`, and commits nothing then.
        """
        result, now = checked(StepResult(op, output, run_id)), self.engine.now
        brought = self._brought(workflow_execution_id, [result])
        turn, applied = self.engine.commit(
            workflow_execution_id,
            lambda snapshot: machine.on_step_result(snapshot, result, now=now(), random=random.random()),
            lambda decision: decision.applied,
            answered=lambda: {(op, run_id)} - brought,
        )
        match turn.answer:
            case Halt():
                return turn.answer
            case Pending() if applied is StepStatus.RETRY:
                return turn.answer
            case _:
                return None

    def settle(self, workflow_execution_id: str, results: Iterable[StepResult | tuple[str, JSONValue]]) -> Result:
        """Apply results, then overdue timeouts, then advance, in one commit. The caller dispatches the jobs."""
        in_hand = as_results(results)
        brought = self._brought(workflow_execution_id, in_hand)
        return self.engine.settle(workflow_execution_id, in_hand, brought=brought).answer

    def _brought(self, workflow_execution_id: str, results: Iterable[StepResult]) -> set[Run]:
        """The runs whose results were not gathered here: the runner may still have their jobs."""
        runs = ((result.op, result.run_id) for result in results)
        return {run for run in runs if self._gathered.pop((workflow_execution_id, run), None) is None}

    def halt(self, workflow_execution_id: str, result: JSONValue) -> Result:
        """End an execution from outside. One that has ended stays as it is."""
        outcome, now = copy_json(result, "the result of halt()", self.limits.value_size), self.engine.now
        return self.engine.turn(
            workflow_execution_id, lambda snapshot: machine.halt(snapshot, outcome, now=now())
        ).answer

    def merge_workflow_state(
        self, workflow_execution_id: str, updates: Mapping[str, JSONValue], event: StateChangeEvent | None = None
    ) -> None:
        """Put keys into the shared state, latest wins. Raises `ExecutionEnded`."""
        own, now = self._own(updates, "the updates of the state"), self.engine.now
        op = None if event is None else event.op
        self.engine.turn(workflow_execution_id, lambda snapshot: machine.merge_state(snapshot, op, own, now=now()))

    def look(self, workflow_execution_id: str) -> Result:
        """How an execution stands, without changing it: `Complete`, `Halt` or `Pending`."""
        return self.engine.turn(workflow_execution_id, machine.look, fresh=True).answer

    def attend(self, workflow_execution_id: str) -> Result:
        """Repair what a crash may have left: put `wake_at` off, hand out again what is in progress, settle what has
        come in, dispatch what follows. Harmless at any time, by any number of callers. Raises `WorkflowNotFound`.
        """
        return self.engine.attend(workflow_execution_id).answer

    # The runner's side

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Hand jobs to the runner. Gives results that need no waiting: of jobs that the runner executed itself, and an
        error result for each one that it refuses for good. Feed them to `on_step_result` or `settle`.
        """
        return self.engine.dispatch(workflow_execution_id, jobs)

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results that have come in for an execution; never waits."""
        results = self.engine.gather(workflow_execution_id)
        for result in results:
            self._gathered[workflow_execution_id, (result.op, result.run_id)] = True
        while len(self._gathered) > _GATHERED:
            self._gathered.popitem(last=False)
        return results

    def pending_tasks(self) -> list[DispatchJob]:
        """A look at all pending jobs."""
        return self.runner.list_pending_jobs()

    def take_tasks(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Take pending jobs, each of which is the caller's until its lease lapses."""
        return self.runner.take_pending_jobs(limit, queues, lease_seconds)

    def submit_result(self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None) -> None:
        """Bring a worker's result. Pass `DispatchJob.run_id` on: it keeps a late result from a run that is over.

        Raises `TypeError` for a run_id that is no integer, and what the runner raises.
        """
        result = checked(StepResult(op, output, run_id))
        self.runner.submit_work_result(workflow_execution_id, result.op, result.output, result.run_id)


Part = TypeVar("Part", Store, Runner)


def _checked(part: Part, kind: str, method: str) -> Part:
    """The part itself. Raises `TypeError` for what is none: a URL, perhaps."""
    if not hasattr(part, method):
        raise TypeError(f"a {kind} is wanted, not {type(part).__name__}: open_{kind}(URL) opens one")
    return part


def close(part: Store | Runner) -> None:
    """Close a store or a runner, if it is of a kind that is closed."""
    method = getattr(part, "close", None)
    if method is not None:
        method()
