"""`FaultyRunner`: any runner, with faults."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Self, cast

from runfox.jsonvalue import JSONValue
from runfox.protocols import Runner, SupportsLongPolling, SupportsWait
from runfox.results import DispatchJob, StepResult
from runfox_testing.faults import Faults, Injected, Injector, SupportsClose, able

_REMEMBERED_JOBS = 100


class FaultyRunner:
    """A runner whose calls fail, lose their replies, are made twice, or answer late or in another order, as `faults`
    says.

    It has the abilities of `runner`, neither more nor less, and hands on `durable`, `shared`, `ordered`,
    `lease_seconds` (where there is one) and `close`.

    Results that come late are kept for the next gather of this wrapper, like a reply that is on its way; if the
    wrapper is thrown away, they come again after a re-dispatch. Results that come a second time are what a gather gives
    after somebody has dispatched their runs again.

    A job is delivered a second time, once, as if its lease had lapsed: with `delivery` + 1, and the first taker's lease
    is over. If its result has come in by then, it is as if the second taker had taken it before, and begun late.
    """

    lease_seconds: float

    def __new__(cls, runner: Runner, faults: Faults | Injector) -> Self:  # noqa: ARG004  # `__init__` takes it
        """An instance of a subclass that has the abilities of `runner`."""
        return object.__new__(able(cls, _ABILITIES, runner))

    def __init__(self, runner: Runner, faults: Faults | Injector) -> None:
        self._runner = runner
        self._injector = Injector(faults) if isinstance(faults, Faults) else faults
        self._lock = threading.Lock()
        self._late: dict[str, list[StepResult]] = {}
        self._delivered_once: deque[DispatchJob] = deque(maxlen=_REMEMBERED_JOBS)
        self.durable: bool = getattr(runner, "durable", False)
        self.shared: bool = getattr(runner, "shared", False)
        self.ordered: bool = getattr(runner, "ordered", True)
        if hasattr(runner, "lease_seconds"):
            self.lease_seconds = runner.lease_seconds

    @property
    def injected(self) -> tuple[Injected, ...]:
        """The faults so far, in order."""
        return self._injector.injected

    # Drivers

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Enqueue jobs. May fail, lose its reply, or be made twice."""

        def call() -> list[StepResult]:
            results = list(self._runner.dispatch(workflow_execution_id, jobs))
            if jobs and self._injector.strikes("duplicates", "dispatch", workflow_execution_id):
                results += self._runner.dispatch(workflow_execution_id, jobs)
            return results

        return self._injector.acting("dispatch", workflow_execution_id, call)

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """Results. May fail, lose its reply, answer late, in another order, or the same once more."""
        return self._injector.acting("gather", workflow_execution_id, lambda: self._gather(workflow_execution_id))

    def _gather(self, key: str) -> list[StepResult]:
        new = self._runner.gather(key)
        with self._lock:
            results = self._late.pop(key, []) + new
        if results and self._injector.strikes("delays", "gather", key):
            self._keep(key, results)
            return []
        if new and self._injector.strikes("duplicates", "gather", key):
            self._keep(key, new)
        return self._injector.reordered(results, "gather", key)

    def _keep(self, key: str, results: list[StepResult]) -> None:
        with self._lock:
            self._late.setdefault(key, []).extend(results)

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        """Remove what is held. May fail, or lose its reply. It calls back nothing that is on its way."""
        self._injector.acting("forget", workflow_execution_id, lambda: self._runner.forget(workflow_execution_id, runs))

    def held(self, before: str) -> list[str]:
        """Executions last touched before `before`. May fail."""
        return self._injector.reading("held", "", lambda: self._runner.held(before))

    def list_pending_jobs(self) -> list[DispatchJob]:
        """All pending jobs. May fail."""
        return self._injector.reading("list_pending_jobs", "", self._runner.list_pending_jobs)

    # Workers

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Jobs. May fail, lose its reply, answer late or in another order, or deliver a job a second time."""

        def call() -> list[DispatchJob]:
            if self._anything(queues) and self._injector.strikes("delays", "take_pending_jobs"):
                return []
            jobs = self._again("take_pending_jobs", limit, queues)
            left = None if limit is None else limit - len(jobs)
            if left != 0:
                jobs += self._noted(self._runner.take_pending_jobs(left, queues, lease_seconds))
            return self._injector.reordered(jobs, "take_pending_jobs")

        return self._injector.acting("take_pending_jobs", "", call)

    def _noted(self, taken: list[DispatchJob]) -> list[DispatchJob]:
        """The jobs, of which some may be delivered again."""
        with self._lock:
            self._delivered_once.extend(job for job in taken if job.delivery == 1)
        return taken

    def _anything(self, queues: Collection[str | None] | None) -> bool:
        return any(queues is None or job.queue in queues for job in self._runner.list_pending_jobs())

    def _again(self, method: str, limit: int | None, queues: Collection[str | None] | None) -> list[DispatchJob]:
        """A job that was delivered before and is now delivered again; none where the runner itself will do that."""
        if limit is not None and limit <= 0:
            return []
        with self._lock:
            known = next((job for job in self._delivered_once if queues is None or job.queue in queues), None)
            if known is None or not self._injector.strikes("duplicates", method, known.key):
                return []
            self._delivered_once.remove(known)
        given_back = self._runner.extend_lease(known, 0)
        return [] if given_back else [replace(known, delivery=known.delivery + 1)]

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """Renew a lease, or give the job back. May fail, or lose its reply."""
        return self._injector.acting("extend_lease", job.key, lambda: self._runner.extend_lease(job, seconds))

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        """Bring a result. May fail, lose its reply, or be made twice (not without `run_id`: the second one could be
        for a later run).
        """
        about = f"{workflow_execution_id}#{op}" if run_id is None else f"{workflow_execution_id}#{op}#{run_id}"

        def call() -> None:
            self._runner.submit_work_result(workflow_execution_id, op, output, run_id)
            if run_id is not None and self._injector.strikes("duplicates", "submit_work_result", about):
                self._runner.submit_work_result(workflow_execution_id, op, output, run_id)

        self._injector.acting("submit_work_result", about, call)


class _Waiting(FaultyRunner):
    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        """Wait for results. May fail."""
        if self._late.get(workflow_execution_id):
            return True
        runner = cast("SupportsWait", self._runner)
        return self._injector.reading(
            "wait", workflow_execution_id, lambda: runner.wait(workflow_execution_id, timeout)
        )


class _Polling(FaultyRunner):
    def poll_pending_jobs(
        self,
        timeout: float,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Jobs, waited for. May fail, lose its reply, answer in another order, or deliver a job a second time."""
        runner = cast("SupportsLongPolling", self._runner)

        def call() -> list[DispatchJob]:
            jobs = self._again("poll_pending_jobs", limit, queues)
            jobs = jobs or self._noted(runner.poll_pending_jobs(timeout, limit, queues, lease_seconds))
            return self._injector.reordered(jobs, "poll_pending_jobs")

        return self._injector.acting("poll_pending_jobs", "", call)


class _Closing(FaultyRunner):
    def close(self) -> None:
        """Close the runner."""
        cast("SupportsClose", self._runner).close()


_ABILITIES = ((SupportsWait, _Waiting), (SupportsLongPolling, _Polling), (SupportsClose, _Closing))
