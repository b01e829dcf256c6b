"""The runner: one file for each execution, with the newest run of each of its steps.

What a run is follows from its entry and the clock: done once it has a result, taken while its lease lasts, else
pending. So a lease lapses by itself, and no process has to see to it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from runfox.jsonvalue import JSONObject, JSONValue, copy_json, copy_object
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock, format_time

from ._files import Files
from ._json import fields_of


@dataclass(slots=True, kw_only=True)
class _Entry:
    """The newest run of a step. `job` has the token of its latest lease, and how often it was delivered.

    `number` is its place in the queue, `submitted` its result's among those of the execution, 0 while there is none.
    `touched` is UTC text, `leased_at` seconds since the epoch.
    """

    job: DispatchJob
    number: int
    touched: str
    leased_at: float = 0.0
    lease_seconds: float = 0.0
    submitted: int = 0
    output: JSONValue = None
    gathered: bool = False

    def is_taken(self, now: float) -> bool:
        """True while somebody has the job. A lease that began after `now` is none: the clock went back."""
        return not self.submitted and self.leased_at <= now < self.leased_at + self.lease_seconds

    def is_pending(self, now: float) -> bool:
        """True while somebody can take the job."""
        return not self.submitted and not self.is_taken(now)

    def is_gatherable(self) -> bool:
        """True if there is a result that was not gathered since the latest dispatch."""
        return self.submitted > 0 and not self.gathered


_Steps: TypeAlias = dict[str, _Entry]
"""The entries of an execution, by op."""


class FilesRunner:
    """A job queue as files in a folder, for any number of threads and processes of one machine.

    `folder` is as in `FilesStore`, and may be the same. `lease_seconds` is for how long a taken job is its taker's
    where the take does not say. `clock` gives seconds since the epoch. Raises `StorageUnavailable` and
    `StorageCorrupt` here and in every call.
    """

    durable = True
    shared = True

    def __init__(
        self, folder: str | os.PathLike[str], *, lease_seconds: float = 600.0, clock: Clock = time.time
    ) -> None:
        self.lease_seconds = _seconds(lease_seconds)
        self._clock = clock
        self._files = Files(folder, "jobs", _from_json)

    # What drivers call

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Enqueue jobs. Nothing is executed here, so the list is empty. Raises `InvalidJSON`; `ValueError` for another
        execution's job.
        """
        new = [_new_job(workflow_execution_id, job) for job in jobs]
        with self._files.locked():
            touched = format_time(self._clock())
            executions = self._files.all()
            number = max((entry.number for entry in _entries(executions)), default=0)
            steps = executions.get(workflow_execution_id, {})
            for job in new:
                known = steps.get(job.op)
                if known is None or known.job.run_id < job.run_id:
                    number += 1
                    steps[job.op] = _Entry(job=job, number=number, touched=touched)
                elif known.job.run_id == job.run_id:
                    known.gathered = False
                    known.touched = touched
            self._save(workflow_execution_id, steps)
        return []

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results that nobody has gathered since the dispatch of their runs, in the order submitted."""
        with self._files.locked():
            touched = format_time(self._clock())
            steps = self._files.read(workflow_execution_id) or {}
            done = [entry for entry in steps.values() if entry.is_gatherable()]
            done.sort(key=lambda entry: entry.submitted)
            for entry in done:
                entry.gathered = True
                entry.touched = touched
            if done:
                self._save(workflow_execution_id, steps)
        return [StepResult(entry.job.op, entry.output, entry.job.run_id) for entry in done]

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        """Remove what is held for the execution, or for the given (op, run_id) pairs."""
        pairs = None if runs is None else {(op, run_id) for op, run_id in runs}
        with self._files.locked():
            steps = self._files.read(workflow_execution_id) or {}
            kept: _Steps = {}
            if pairs is not None:
                kept = {op: entry for op, entry in steps.items() if (op, entry.job.run_id) not in pairs}
            if len(kept) < len(steps):
                self._save(workflow_execution_id, kept)

    def held(self, before: str) -> list[str]:
        """The executions of which any entry was last touched before `before`."""
        with self._files.locked():
            executions = self._files.all()
        return [key for key, steps in executions.items() if any(entry.touched < before for entry in steps.values())]

    # What workers call

    def list_pending_jobs(self) -> list[DispatchJob]:
        """All pending jobs of all executions, oldest first."""
        with self._files.locked():
            pending = _pending(self._files.all(), self._clock())
        return [replace(entry.job, lease=None) for entry in pending]

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Pending jobs, oldest first, which are the caller's from now on."""
        length = self.lease_seconds if lease_seconds is None else _seconds(lease_seconds)
        with self._files.locked():
            now = self._clock()
            executions = self._files.all()
            wanted = [entry for entry in _pending(executions, now) if queues is None or entry.job.queue in queues]
            taken = wanted if limit is None else wanted[: max(limit, 0)]
            for entry in taken:
                entry.job = replace(entry.job, lease=secrets.token_hex(16), delivery=entry.job.delivery + 1)
                entry.leased_at, entry.lease_seconds, entry.touched = now, length, format_time(now)
            for key in {entry.job.workflow_execution_id for entry in taken}:
                self._save(key, executions[key])
        return [entry.job for entry in taken]

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """Renew the lease for `seconds`, for its own length where None; 0 gives the job back."""
        length = None if seconds is None else _seconds(seconds)
        with self._files.locked():
            now = self._clock()
            steps = self._files.read(job.workflow_execution_id) or {}
            entry = steps.get(job.op)
            if entry is None or not entry.is_taken(now) or _token(entry.job) != _token(job):
                return False
            entry.leased_at, entry.touched = now, format_time(now)
            if length is not None:
                entry.lease_seconds = length
            self._save(job.workflow_execution_id, steps)
        return True

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        """Keep the first result of a run. Raises `InvalidJSON`."""
        own = copy_json(output, f"the output of step {op!r}")
        with self._files.locked():
            steps = self._files.read(workflow_execution_id) or {}
            entry = steps.get(op)
            if entry is None or entry.submitted or run_id not in (None, entry.job.run_id):
                return
            entry.submitted = 1 + max(other.submitted for other in steps.values())
            entry.output = own
            entry.touched = format_time(self._clock())
            self._save(workflow_execution_id, steps)

    def _save(self, workflow_execution_id: str, steps: _Steps) -> None:
        """An execution of which nothing is held has no file."""
        if steps:
            self._files.write(workflow_execution_id, _to_json(steps))
        else:
            self._files.remove(workflow_execution_id)


def _new_job(workflow_execution_id: str, job: DispatchJob) -> DispatchJob:
    if job.workflow_execution_id != workflow_execution_id:
        raise ValueError(f"the job {job.key!r} is not of the execution {workflow_execution_id!r}")
    inputs = copy_object(job.inputs, f"the inputs of step {job.op!r}")
    return replace(job, inputs=inputs, lease=None, delivery=0)


def _token(job: DispatchJob) -> tuple[int, str | None]:
    return job.run_id, job.lease


def _entries(executions: Mapping[str, _Steps]) -> list[_Entry]:
    return [entry for steps in executions.values() for entry in steps.values()]


def _pending(executions: Mapping[str, _Steps], now: float) -> list[_Entry]:
    pending = [entry for entry in _entries(executions) if entry.is_pending(now)]
    return sorted(pending, key=lambda entry: entry.number)


def _seconds(seconds: float) -> float:
    if not seconds >= 0:  # NaN is refused, too
        raise ValueError(f"a lease of {seconds!r} s: use 0 or more")
    return seconds


def _to_json(steps: _Steps) -> JSONObject:
    return {op: {**fields_of(entry), "job": fields_of(entry.job)} for op, entry in steps.items()}


def _from_json(value: dict[str, Any]) -> _Steps:
    return {op: _Entry(**{**entry, "job": DispatchJob(**entry["job"])}) for op, entry in value.items()}
