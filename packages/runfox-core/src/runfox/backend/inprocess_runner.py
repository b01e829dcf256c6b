"""`InProcessRunner`: the job queue in this process's memory. The reference of the runner contract."""

from __future__ import annotations

import heapq
import itertools
import secrets
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from runfox.jsonvalue import JSONValue, copy_json, copy_object
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock, to_seconds


class InProcessRunner:
    """A queue for one process; what it holds ends with it. Safe between threads.

    `lease_seconds` is how long a taken job is its taker's where the take does not say; `clock` gives seconds since
    the epoch.
    """

    durable = False
    shared = False

    def __init__(self, *, lease_seconds: float = 600.0, clock: Clock = time.time) -> None:
        self.lease_seconds = lease_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        # One entry for each step: only the newest run of a step is ever kept.
        self._entries: dict[str, dict[str, _Entry]] = {}
        self._pending: dict[int, _Entry] = {}
        self._leases = _Leases()
        self._results: dict[str, dict[int, _Entry]] = {}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Enqueue jobs; nothing is executed here. Raises `InvalidJSON`."""
        own = [replace(job, inputs=copy_object(job.inputs, f"the inputs of step {job.op!r}")) for job in jobs]
        with self._changed:
            now = self._clock()
            entries = self._entries.setdefault(workflow_execution_id, {})
            for job in own:
                entry = entries.get(job.op)
                if entry is None or entry.job.run_id < job.run_id:
                    if entry is not None:
                        self._drop(entry)
                    entries[job.op] = entry = _Entry(next(self._numbers), job)
                    self._pending[entry.number] = entry
                elif entry.job.run_id == job.run_id and entry.result is not None:
                    self._offer(entry)
                elif entry.job.run_id > job.run_id:
                    continue
                entry.touched = now
            self._changed.notify_all()
        return []

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results that nobody has gathered since the dispatch of their runs."""
        with self._changed:
            offered = self._results.pop(workflow_execution_id, None)
            if not offered:
                return []
            now = self._clock()
            for entry in offered.values():
                entry.touched = now
            # What a dispatch offered again was submitted before what has come since.
            in_order = sorted(offered.values(), key=lambda entry: entry.submitted)
            return [entry.result for entry in in_order if entry.result is not None]

    def list_pending_jobs(self) -> list[DispatchJob]:
        """All pending jobs, oldest first."""
        with self._changed:
            self._reclaim(self._clock())
            return [_handed_out(entry) for entry in self._pending.values()]

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Pending jobs, oldest first, leased to the caller."""
        length = self.lease_seconds if lease_seconds is None else lease_seconds
        with self._changed:
            now = self._clock()
            self._reclaim(now)
            wanted = (e for e in self._pending.values() if queues is None or e.job.queue in queues)
            taken = list(itertools.islice(wanted, limit))
            for entry in taken:
                del self._pending[entry.number]
                self._leases.grant(entry, now, length)
            return [_handed_out(entry) for entry in taken]

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """Renew a lease, or give the job back with 0 seconds."""
        with self._changed:
            now = self._clock()
            self._reclaim(now)
            entry = self._entries.get(job.workflow_execution_id, {}).get(job.op)
            if entry is None or job.lease is None or entry.lease != job.lease:
                return False
            self._leases.renew(entry, now, entry.length if seconds is None else seconds)
            self._reclaim(now)
            return True

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        """Keep the first result of a run. Raises `InvalidJSON`."""
        copy = copy_json(output, f"the output of step {op!r}")
        with self._changed:
            entry = self._entries.get(workflow_execution_id, {}).get(op)
            if entry is None or entry.result is not None or run_id not in (None, entry.job.run_id):
                return
            self._withdraw(entry)
            entry.result = StepResult(op, copy, entry.job.run_id)
            entry.submitted = next(self._numbers)
            entry.touched = self._clock()
            self._offer(entry)
            self._changed.notify_all()

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        """Remove what is held for the execution, or for the given runs."""
        with self._changed:
            entries = self._entries.get(workflow_execution_id, {})
            if runs is None:
                gone = list(entries.values())
            else:
                gone = [entries[op] for op, run_id in runs if op in entries and entries[op].job.run_id == run_id]
            for entry in gone:
                self._drop(entry)
                entries.pop(entry.job.op, None)
            if not entries:
                self._entries.pop(workflow_execution_id, None)

    def held(self, before: str) -> list[str]:
        """The executions of which an entry was last touched before `before`."""
        limit = to_seconds(before)
        with self._changed:
            return [
                key
                for key, entries in self._entries.items()
                if any(entry.touched < limit for entry in entries.values())
            ]

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        """Wait until something can be gathered for the execution, `timeout` seconds at most."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._results.get(workflow_execution_id)), timeout)

    def _offer(self, entry: _Entry) -> None:
        self._results.setdefault(entry.job.workflow_execution_id, {})[entry.number] = entry

    def _withdraw(self, entry: _Entry) -> None:
        """The run is neither pending nor taken any more."""
        self._pending.pop(entry.number, None)
        entry.lease = None

    def _drop(self, entry: _Entry) -> None:
        self._withdraw(entry)
        offered = self._results.get(entry.job.workflow_execution_id)
        if offered is not None:
            offered.pop(entry.number, None)
            if not offered:
                del self._results[entry.job.workflow_execution_id]

    def _reclaim(self, now: float) -> None:
        """Make the jobs of lapsed leases pending again, each at its old place."""
        lapsed = self._leases.lapsed(now)
        if lapsed:
            for entry in lapsed:
                self._withdraw(entry)
                self._pending[entry.number] = entry
            self._pending = dict(sorted(self._pending.items()))
            self._changed.notify_all()


def _handed_out(entry: _Entry) -> DispatchJob:
    """The job with inputs of its own: what an executor does to them reaches no one else."""
    job = entry.job
    return DispatchJob(
        job.workflow_execution_id,
        job.op,
        copy_object(job.inputs, "the inputs"),
        job.run_id,
        job.call,
        job.queue,
        entry.lease,
        entry.delivery,
    )


@dataclass(slots=True, eq=False)
class _Entry:
    """One dispatched run. `number` is its place in the queue, `submitted` its result's among the results; `lease` is
    set while somebody has it.
    """

    number: int
    job: DispatchJob
    result: StepResult | None = None
    submitted: int = 0
    touched: float = 0.0
    lease: str | None = None
    delivery: int = 0
    leased_at: float = 0.0
    leased_until: float = 0.0
    length: float = 0.0


class _Leases:
    """Which entries are taken, and until when."""

    def __init__(self) -> None:
        self._ends: list[tuple[float, int, str, _Entry]] = []
        self._latest = float("-inf")

    def grant(self, entry: _Entry, now: float, length: float) -> None:
        """A new lease for a pending entry."""
        entry.lease = secrets.token_hex(8)
        entry.delivery += 1
        entry.length = length
        self.renew(entry, now, length)

    def renew(self, entry: _Entry, now: float, length: float) -> None:
        """The living lease ends `length` seconds from now."""
        entry.touched = entry.leased_at = now
        entry.leased_until = now + length
        self._latest = max(self._latest, now)
        assert entry.lease is not None
        heapq.heappush(self._ends, (entry.leased_until, entry.number, entry.lease, entry))

    def lapsed(self, now: float) -> list[_Entry]:
        """The entries whose lease is over. A lease that began after `now` is, too: the clock went back, and nobody
        can say any more how long it lasts.
        """
        if now < self._latest:
            self._latest = now
            self._ends = [(min(end, now if e.leased_at > now else end), n, lease, e) for end, n, lease, e in self._ends]
            heapq.heapify(self._ends)
        gone: dict[int, _Entry] = {}
        while self._ends and self._ends[0][0] <= now:
            _, _, lease, entry = heapq.heappop(self._ends)
            if entry.lease == lease and (entry.leased_until <= now or entry.leased_at > now):
                gone[entry.number] = entry
        return list(gone.values())
