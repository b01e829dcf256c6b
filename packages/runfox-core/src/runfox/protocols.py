"""The contracts of stores and runners. The docstrings here are their text; a clause id stands before each law.

A store keeps the long-term record, one per execution. A runner keeps the short-term job queue, one entry per
dispatched run. Any store works with any runner; neither decides anything about workflows.

What every implementation must have is in `Store` and `Runner`. Each optional ability is a Protocol of its own,
found by `isinstance` (so a wrapper has to have the methods: since Python 3.12 a `__getattr__` does not count). What no
method can show is a class attribute: ``durable`` and ``shared``, which count as False where they are missing, and of a
runner ``ordered``, which counts as True.

STORE-CLAIM, RUN-CLAIM: what is claimed is true, methods take the arguments that are named here, and what can be done is
claimed.
STORE-DURABLE, RUN-DURABLE: with ``durable``, what was acknowledged survives closing, reopening and SIGKILL at any
moment.
STORE-SHARED, RUN-SHARED: with ``shared``, several processes see the same one, so somebody else may execute the jobs.
STORE-THREADS, RUN-THREADS: one client may be used by several threads at once.
STORE-CLOSE, RUN-CLOSE: a client that has a `close` gives back by it what it holds (threads, file handles,
connections); nothing is left of one that is closed, and others are not disturbed.
STORE-MODEL, RUN-MODEL: any sequence of calls of any number of clients gives what these laws say.

Any store works with any runner.

FLOW-STEP: a workflow takes the same steps to the same outcome on every pair.
FLOW-RECOVER: a process that ends between any two calls, and a reply that is lost, leave nothing that `attend` does not
repair: the outcome is that of the undisturbed run, and of each run one result is applied.
FLOW-RACE: any number of drivers and workers, threads or processes, bring an execution to that same outcome.
FLOW-CLEAN: when an execution has ended and was attended to, the runner holds nothing of it.

Times are UTC text (`runfox.times`). A call that a law does not mention may raise `StorageError`; only
`WriteConflict` says that a write had no effect, every other exception leaves that unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, runtime_checkable

from runfox.jsonvalue import JSONValue
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox.results import DispatchJob, StepResult
from runfox.status import WorkflowStatus


class Store(Protocol):
    """Durable persistence of `WorkflowRecord`.

    STORE-ISO: what `load` returns and what `write` was given share nothing with the store; changing either changes
    nothing stored.
    STORE-JSON: every JSON value survives: unicode with NUL and lone surrogates, empty strings and containers,
    integers to 4,000 digits, floats to the last bit, -0.0, 500 levels, the order of keys; None is not absence. What
    can't be kept is refused with a typed error and the old record stays.
    STORE-FRESH: after `write` returns, every client's `load` sees it, and sees it whole: never half of one commit and
    half of another.
    """

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        """The record as last written.

        STORE-LOAD: an unknown id raises `WorkflowNotFound`.
        """
        ...

    def write(self, record: WorkflowRecord) -> None:
        """Persist the whole record; the argument is left as it is.

        STORE-CAS: `record.version` is the version that the caller read, 0 for one never written. A write succeeds
        only if it equals the stored one, and stores version + 1; otherwise it raises `WriteConflict` and what is
        stored stays bit for bit. Of N concurrent writers of one version exactly one succeeds.
        STORE-LIMIT: a record over the store's limit raises `RecordTooLarge`; nothing is cut short.
        """
        ...


@runtime_checkable
class SupportsPatch(Protocol):
    """A store that writes only what changed."""

    def patch(self, patch: RecordPatch) -> None:
        """STORE-PATCH: equals load, apply, write: the same compare-and-set, the same record afterwards. An id that is
        not stored is a `WriteConflict`. It costs what the patch holds, not what the record holds.
        """
        ...


@runtime_checkable
class SupportsRefresh(Protocol):
    """A store that can bring a record that the caller has seen up to date."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        """STORE-REFRESH: equals `load(record.workflow_execution_id)`, and costs what changed since `record.version`.

        Returns `record` itself where nothing changed, else a new one; it may share unchanged parts with the
        argument, which belongs to the caller and is left as it is.
        """
        ...


@runtime_checkable
class SupportsListing(Protocol):
    """A store that can be browsed."""

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """STORE-LIST: summaries, newest first, in pages of `limit`, each execution once.

        `since` (UTC text) keeps those created then or later. `after` is the `cursor` of the last summary seen; its
        plain workflow_execution_id does, too, while that execution exists (else `WorkflowNotFound`).
        """
        ...


@runtime_checkable
class SupportsDelete(Protocol):
    """A store from which records can be removed."""

    def delete(self, workflow_execution_id: str) -> None:
        """STORE-DELETE: removes all of it; an unknown id raises `WorkflowNotFound`."""
        ...


@runtime_checkable
class SupportsWake(Protocol):
    """A store that knows who has to be looked after. Without it only a driver repairs."""

    def due(self, now: str, limit: int = 100) -> list[str]:
        """STORE-WAKE: the ids of records whose `wake_at` is `now` or earlier, earliest first, at most `limit`."""
        ...


class Runner(Protocol):
    """The job queue.

    An entry is known by (execution, op, run_id).

    RUN-JSON: the results that a runner gives are whole and equal to what was submitted, the jobs to what was
    dispatched, for all JSON that a store keeps (STORE-JSON) and any text as op, call and queue.
    RUN-ISO: what a runner is given and what it gives share nothing with it; changing either changes nothing in it.
    """

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Enqueue jobs.

        RUN-DISPATCH: durable (as far as the runner is) before it returns. Idempotent by (execution, op, run_id): a
        job that is pending or taken is left alone; one whose result is known becomes gatherable again, and does not
        run again. A run older than the newest known of that step is ignored; a newer one removes all older entries
        of the step, taken or not. A job of another execution is a `ValueError`.
        RUN-LOCAL: results of jobs that a runner executes inside `dispatch` are returned by it once, and not gathered.
        RUN-LIMIT: a payload over the limit raises `PayloadTooLarge`, a job with no way to go `UnknownRoute`, before
        anything of that job is enqueued; the error names the jobs, the others are dispatched.
        """
        ...

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """RUN-GATHER: each result once per dispatch, only this execution's, in the order submitted; never waits; []
        when there is none. What was gathered and never settled comes again after a re-dispatch.
        """
        ...

    def list_pending_jobs(self) -> list[DispatchJob]:
        """RUN-LIST: all pending jobs, of all executions; changes nothing."""
        ...

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """RUN-TAKE: every pending job goes to exactly one taker, whole and equal to what was dispatched, oldest first,
        unless the class attribute `ordered` is False: then about in that order, as of a distributed queue that keeps
        none; at most `limit` of them (none for 0 and below), only of `queues` (None in it stands for jobs without
        one); [] at once when there is nothing.
        RUN-LEASE: a taken job is the taker's for `lease_seconds` (of the call; else the runner's, 600). When a lease
        lapses the job is pending again, once, at t but not before, with `delivery` + 1. A lease that ends further
        ahead than its own length (the clock went back) counts as lapsed.
        """
        ...

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """RUN-LEASE: renews the lease for `seconds` from now (its own length where None); 0 gives the job back. False
        when `job.lease` is not the living token of that run. Fewer than 0 seconds, here and in a take, are a
        `ValueError`.
        """
        ...

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        """RUN-SUBMIT: the first result of a run is kept, whoever brings it, lease or no lease, taken or still pending;
        it is then no longer pending. A second one, one for an unknown run, one for a superseded run change nothing;
        all return None. Without `run_id` it is for the step's newest run.
        RUN-LIMIT: an output over the limit raises `PayloadTooLarge`, one that is not JSON `InvalidJSON`; the run stays
        as it was.
        """
        ...

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        """RUN-FORGET: removes what is held for the execution, or for the given (op, run_id) pairs; later submits for
        it change nothing. An unknown execution or run is no error.
        """
        ...

    def held(self, before: str) -> list[str]:
        """RUN-HELD: the executions of which any entry was last touched (dispatched, also again, taken, extended,
        submitted, gathered) before `before` (UTC text).
        """
        ...


@runtime_checkable
class SupportsWait(Protocol):
    """A runner that can wake a waiting driver."""

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        """RUN-WAIT: returns True as soon as something can be gathered for the execution, False after `timeout`
        seconds.
        """
        ...


@runtime_checkable
class SupportsLongPolling(Protocol):
    """A runner that lets an idle worker wait for jobs. To be had where asking again and again is dear."""

    def poll_pending_jobs(
        self,
        timeout: float,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """RUN-POLL: equals `take_pending_jobs`, but where there is nothing to take it waits, `timeout` seconds at most
        (0: not at all), and returns as soon as it has taken something: what is there then, up to `limit`. [] after
        `timeout`, and not before. Other calls of the same client go on meanwhile.
        """
        ...
