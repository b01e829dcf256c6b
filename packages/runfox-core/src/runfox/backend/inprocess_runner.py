"""`InProcessRunner`: the job queue in this process's memory. The reference of the runner contract."""

from __future__ import annotations

import heapq
import itertools
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from runfox.jsonvalue import JSONValue, copy_json, copy_object
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock, format_time


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
        # An interrupt can't come between this lock of C and its `with`; the methods of a condition it can cut in two.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._numbers = itertools.count()
        # One entry for each step: only the newest run of a step is ever kept.
        self._entries: dict[str, dict[str, _Entry]] = {}
        self._pending = _Pending()
        self._leases = _Leases()
        self._results: dict[str, dict[int, _Entry]] = {}

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Enqueue jobs; nothing is executed here. Raises `InvalidJSON`; `ValueError` for another execution's job."""
        for job in jobs:
            if job.workflow_execution_id != workflow_execution_id:
                raise ValueError(f"the job {job.key!r} is not of the execution {workflow_execution_id!r}")
        own = [replace(job, inputs=copy_object(job.inputs, f"the inputs of step {job.op!r}")) for job in jobs]
        with self._lock:
            now = self._clock()
            entries = self._entries.setdefault(workflow_execution_id, {})
            for job in own:
                entry = entries.get(job.op)
                if entry is None or entry.job.run_id < job.run_id:
                    if entry is not None:
                        self._drop(entry)
                    entries[job.op] = entry = _Entry(next(self._numbers), job)
                    self._pending.add(entry)
                elif entry.job.run_id == job.run_id and entry.result is not None:
                    self._offer(entry)
                elif entry.job.run_id > job.run_id:
                    continue
                entry.touched = now
            self._changed.notify_all()
        return []

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results that nobody has gathered since the dispatch of their runs."""
        with self._lock:
            offered = self._results.pop(workflow_execution_id, None)
            if not offered:
                return []
            now = self._clock()
            for entry in offered.values():
                entry.touched = now
            # What a dispatch offered again was submitted before what has come since.
            in_order = sorted(offered.values(), key=lambda entry: entry.submitted)
            return [_given(entry.result) for entry in in_order if entry.result is not None]

    def list_pending_jobs(self) -> list[DispatchJob]:
        """All pending jobs, oldest first."""
        with self._lock:
            self._reclaim(self._clock())
            return [_handed_out(entry) for entry in self._pending.oldest(None)]

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Pending jobs, oldest first, leased to the caller."""
        length = _seconds(self.lease_seconds if lease_seconds is None else lease_seconds)
        most = None if limit is None else max(limit, 0)
        with self._lock:
            now = self._clock()
            self._reclaim(now)
            taken = list(itertools.islice(self._pending.oldest(queues), most))
            for entry in taken:
                self._pending.remove(entry)
                self._leases.grant(entry, now, length)
            return [_handed_out(entry) for entry in taken]

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """Renew a lease, or give the job back with 0 seconds."""
        length = None if seconds is None else _seconds(seconds)
        with self._lock:
            now = self._clock()
            self._reclaim(now)
            entry = self._entries.get(job.workflow_execution_id, {}).get(job.op)
            if entry is None or job.lease is None or (entry.lease, entry.job.run_id) != (job.lease, job.run_id):
                return False
            self._leases.renew(entry, now, entry.length if length is None else length)
            self._reclaim(now)
            return True

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        """Keep the first result of a run. Raises `InvalidJSON`."""
        copy = copy_json(output, f"the output of step {op!r}")
        with self._lock:
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
        with self._lock:
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
        with self._lock:
            # As text, which has whole microseconds, as the caller's `before` has.
            return [
                key
                for key, entries in self._entries.items()
                if any(format_time(entry.touched) < before for entry in entries.values())
            ]

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        """Wait until something can be gathered for the execution, `timeout` seconds at most."""
        with self._lock:
            return self._changed.wait_for(lambda: bool(self._results.get(workflow_execution_id)), timeout)

    def _offer(self, entry: _Entry) -> None:
        self._results.setdefault(entry.job.workflow_execution_id, {})[entry.number] = entry

    def _withdraw(self, entry: _Entry) -> None:
        """The run is neither pending nor taken any more."""
        self._pending.remove(entry)
        self._leases.end(entry)

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
        for entry in lapsed:
            self._withdraw(entry)
            self._pending.put_back(entry)
        if lapsed:
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


def _given(result: StepResult) -> StepResult:
    """The result with an output of its own: it may be gathered again."""
    return StepResult(result.op, copy_json(result.output, "the output"), result.run_id)


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


class _Pending:
    """The entries that nobody has, by queue, each queue in the order of the numbers."""

    def __init__(self) -> None:
        self._queues: dict[str | None, OrderedDict[int, _Entry]] = {}

    def add(self, entry: _Entry) -> None:
        """An entry with a number above all others."""
        self._queues.setdefault(entry.job.queue, OrderedDict())[entry.number] = entry

    def put_back(self, entry: _Entry) -> None:
        """An entry that was removed, at its old place."""
        queue = self._queues.setdefault(entry.job.queue, OrderedDict())
        later = [number for number in queue if number > entry.number]
        queue[entry.number] = entry
        for number in later:
            queue.move_to_end(number)

    def remove(self, entry: _Entry) -> None:
        """Take the entry out, if it is there."""
        queue = self._queues.get(entry.job.queue)
        if queue is not None:
            queue.pop(entry.number, None)
            if not queue:
                del self._queues[entry.job.queue]

    def oldest(self, queues: Collection[str | None] | None) -> Iterator[_Entry]:
        """The entries of these queues, of all for None, oldest first. Costs what is read of it."""
        names = self._queues if queues is None else [name for name in self._queues if name in queues]
        return heapq.merge(*(self._queues[name].values() for name in names), key=lambda entry: entry.number)


class _Leases:
    """Which entries are taken, and until when. An entry that is taken no more may stay here until its time is over,
    but for what it holds.
    """

    def __init__(self) -> None:
        self._ends: list[tuple[float, int, str]] = []
        self._taken: dict[str, _Entry] = {}
        self._latest = float("-inf")

    def grant(self, entry: _Entry, now: float, length: float) -> None:
        """A new lease for a pending entry."""
        entry.lease = secrets.token_hex(8)
        entry.delivery += 1
        self._taken[entry.lease] = entry
        self.renew(entry, now, length)

    def renew(self, entry: _Entry, now: float, length: float) -> None:
        """The living lease ends `length` seconds from now."""
        entry.touched = entry.leased_at = now
        entry.length = length
        entry.leased_until = now + length
        self._latest = max(self._latest, now)
        assert entry.lease is not None
        heapq.heappush(self._ends, (entry.leased_until, entry.number, entry.lease))

    def end(self, entry: _Entry) -> None:
        """The entry is taken no more."""
        if entry.lease is not None:
            del self._taken[entry.lease]
            entry.lease = None
        if len(self._ends) > 2 * len(self._taken) + 64:
            self._ends = [end for end in self._ends if end[2] in self._taken]
            heapq.heapify(self._ends)

    def lapsed(self, now: float) -> list[_Entry]:
        """The entries whose lease is over. A lease that began after `now` is, too: the clock went back, and nobody
        can say any more how long it lasts.
        """
        gone: dict[str, _Entry] = {}
        if now < self._latest:
            self._latest = now
            gone = {lease: entry for lease, entry in self._taken.items() if entry.leased_at > now}
        while self._ends and self._ends[0][0] <= now:
            _, _, lease = heapq.heappop(self._ends)
            entry = self._taken.get(lease)
            if entry is not None and entry.leased_until <= now:
                gone[lease] = entry
        return list(gone.values())


def _seconds(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(f"a lease of {seconds!r} s: use 0 or more")
    return seconds
