"""References whose listings and takes are late, as a distributed service's are: what `lag_seconds` of a harness allows,
as late as it goes. A check that does not wait where it has to fails on them.

The runner keeps no order, either, and gives no more than a few jobs at a time.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from runfox.backend import InMemoryStore, InProcessRunner
from runfox.backend.inprocess_runner import _Entry, _handed_out, _Pending
from runfox.jsonvalue import JSONValue
from runfox.protocols import Store
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox.results import DispatchJob, StepResult
from runfox.status import WorkflowStatus
from runfox.times import format_time
from runfox_testing.memory import MemoryRunnerHarness, MemoryStoreHarness
from runfox_testing.mutants.served import RunnerStub, ServedRunnerHarness

LATE = 0.01
"""Seconds by which listings are late."""

_LATER = 0.02
"""Seconds by which takes are late: what is listed need not be there to be taken yet."""

LAG = 1.0
"""Seconds that the harnesses state: calls take time, too, on a machine that has much to do."""

_AT_ONCE = 10
"""Jobs that one take gives at most."""


class LateStore(InMemoryStore):
    """Lists, and knows who is due, as it was a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = InMemoryStore()
        self._unseen: list[tuple[float, Callable[[], None]]] = []
        self._in_order = threading.Lock()

    def write(self, record: WorkflowRecord) -> None:
        """Persist the whole record."""
        with self._in_order:
            super().write(record)
            written = self.load(record.workflow_execution_id)
            written.version -= 1
            self._unseen.append((time.monotonic(), lambda: self._seen.write(written)))

    def patch(self, patch: RecordPatch) -> None:
        """Persist what changed."""
        with self._in_order:
            super().patch(patch)
            written = self.load(patch.workflow_execution_id)
            written.version -= 1
            self._unseen.append((time.monotonic(), lambda: self._seen.write(written)))

    def delete(self, workflow_execution_id: str) -> None:
        """Remove the record."""
        with self._in_order:
            super().delete(workflow_execution_id)
            self._unseen.append((time.monotonic(), lambda: self._seen.delete(workflow_execution_id)))

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Summaries of a moment ago."""
        seen = self._as_it_was()
        return seen.list_executions(status=status, name=name, since=since, limit=limit, after=after)

    def due(self, now: str, limit: int = 100) -> list[str]:
        """Who was due a moment ago."""
        return self._as_it_was().due(now, limit)

    def _as_it_was(self) -> InMemoryStore:
        with self._in_order:
            while self._unseen and self._unseen[0][0] <= time.monotonic() - LATE:
                self._unseen.pop(0)[1]()
            return self._seen


class _LatePending(_Pending):
    """Pending entries that can't be taken in the moment after they became pending, and come in no order."""

    def __init__(self) -> None:
        super().__init__()
        self._since: dict[int, float] = {}
        self._random = random.Random(0)

    def add(self, entry: _Entry) -> None:
        """A new entry."""
        super().add(entry)
        self._since[entry.number] = time.monotonic()

    def put_back(self, entry: _Entry) -> None:
        """An entry whose lease is over."""
        super().put_back(entry)
        self._since[entry.number] = time.monotonic()

    def oldest(self, queues: Collection[str | None] | None) -> Iterator[_Entry]:
        """Some that may be taken, in any order."""
        ripe = time.monotonic() - _LATER
        found = [entry for entry in super().oldest(queues) if self._since[entry.number] <= ripe]
        return iter(self._random.sample(found, min(_AT_ONCE, len(found))))

    def every(self) -> list[_Entry]:
        """All of them."""
        return list(super().oldest(None))


class LateRunner(InProcessRunner):
    """Takes see a job, and listings see anything, a moment after it was so."""

    ordered = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pending: _LatePending = _LatePending()
        # What was so until a moment, for the latest of them.
        self._past: list[tuple[float, list[DispatchJob], dict[str, list[str]]]] = []

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Enqueue jobs."""
        with self._lock:
            self._remember()
            return super().dispatch(workflow_execution_id, jobs)

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results, at once."""
        with self._lock:
            self._remember()
            return super().gather(workflow_execution_id)

    def list_pending_jobs(self) -> list[DispatchJob]:
        """What was pending a moment ago."""
        with self._lock:
            return self._as_it_was()[1]

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Some jobs that became pending more than a moment ago."""
        with self._lock:
            self._remember()
            return super().take_pending_jobs(limit, queues, lease_seconds)

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """Renew a lease, or give the job back."""
        with self._lock:
            self._remember()
            return super().extend_lease(job, seconds)

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        """Keep the first result of a run."""
        with self._lock:
            self._remember()
            super().submit_work_result(workflow_execution_id, op, output, run_id)

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        """Remove what is held."""
        with self._lock:
            self._remember()
            super().forget(workflow_execution_id, runs)

    def held(self, before: str) -> list[str]:
        """The executions that were held a moment ago."""
        with self._lock:
            touched = self._as_it_was()[2]
        return [key for key, times in touched.items() if any(one < before for one in times)]

    def _remember(self) -> None:
        oldest = time.monotonic() - LATE
        self._past = [past for past in self._past if past[0] > oldest]
        self._past.append(self._as_it_is())

    def _as_it_was(self) -> tuple[float, list[DispatchJob], dict[str, list[str]]]:
        oldest = time.monotonic() - LATE
        return next((past for past in self._past if past[0] > oldest), None) or self._as_it_is()

    def _as_it_is(self) -> tuple[float, list[DispatchJob], dict[str, list[str]]]:
        self._reclaim(self._clock())
        pending = [_handed_out(entry) for entry in self._pending.every()]
        touched = {
            key: [format_time(entry.touched) for entry in entries.values()] for key, entries in self._entries.items()
        }
        return time.monotonic(), pending, touched


class LateStub(RunnerStub):
    """A late runner that is elsewhere."""

    ordered = False


class ServedLateHarness(ServedRunnerHarness):
    """`LateRunner` behind a socket."""

    implementation: ClassVar[Callable[..., Any]] = LateRunner
    lag_seconds = LAG

    def make_client(self, address: str, namespace: str) -> Any:
        """Its client."""
        return LateStub(address, namespace)


class LateStoreHarness(MemoryStoreHarness):
    """`LateStore`, and the lag that it has."""

    implementation: ClassVar[Callable[[], Store]] = LateStore
    lag_seconds = LAG


class LateRunnerHarness(MemoryRunnerHarness):
    """`LateRunner`, and the lag that it has."""

    implementation: ClassVar[Callable[..., Any]] = LateRunner
    lag_seconds = LAG
