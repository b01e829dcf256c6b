"""Wrong runners for RUN-DURABLE, RUN-SHARED, RUN-THREADS, RUN-CLOSE and RUN-MODEL."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from runfox.backend import InProcessRunner
from runfox.errors import StorageUnavailable
from runfox.jsonvalue import JSONValue
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_dispatch import LooksBeforeItEnqueues
from runfox_testing.mutants.runner_parts import MOMENT, Queues, Watched
from runfox_testing.mutants.served import RunnerClientHarness, RunnerStub, ServedRunnerHarness


class _RemembersItsLeases(RunnerStub):
    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        self._own: set[str | None] = set()

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        self._own |= {job.lease for job in taken}
        return taken


@mutant("RUN-DURABLE-01", observed="a living lease can't be renewed", harness=RunnerClientHarness)
class LeasesLiveInTheClient(_RemembersItsLeases):
    """A client renews only the leases that it was given itself."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return job.lease in self._own and super().extend_lease(job, seconds)


class OneForEachProcess(RunnerStub):
    """Every process has a namespace of its own."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, f"{namespace}/{os.getpid()}")


@mutant("RUN-DURABLE-02", observed="in a new process a living lease can't be renewed", harness=RunnerClientHarness)
class OthersProcessesFindNothing(OneForEachProcess):
    """What one process has written another does not find."""


class _WritesOnClose(RunnerStub):
    """A client that keeps some calls to itself until it is closed."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        self.later: list[tuple[Any, ...]] = []

    def close(self) -> None:
        for call in self.later:
            self._call(*call)
        self.later.clear()


@mutant("RUN-DURABLE-03", observed="an acknowledged result is lost", harness=RunnerClientHarness)
class ResultsAreWrittenOnClose(_WritesOnClose):
    """A submit is acknowledged, and written when the client is closed."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        self.later.append(("submit_work_result", workflow_execution_id, op, output, run_id))

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        self.close()
        return super().gather(workflow_execution_id)


@mutant("RUN-DURABLE-04", observed="whose dispatch was acknowledged are lost", harness=RunnerClientHarness)
class JobsAreWrittenOnClose(_WritesOnClose):
    """A dispatch is acknowledged, and written when the client is closed."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self.later.append(("dispatch", workflow_execution_id, jobs))
        return []

    def list_pending_jobs(self) -> list[DispatchJob]:
        self.close()
        return super().list_pending_jobs()


@mutant("RUN-SHARED-01", observed="taken in another process", harness=RunnerClientHarness)
class SharedOnlyInName(OneForEachProcess):
    """What one process dispatches another does not see."""


@mutant("RUN-SHARED-02", observed="another process could renew", harness=RunnerClientHarness)
class ProcessesTrustTheirMemory(_RemembersItsLeases):
    """A process renews what it has once taken, without asking."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return job.lease in self._own


@mutant("RUN-SHARED-03", observed="processes dispatched the same jobs at once", harness=ServedRunnerHarness)
class ProcessesEnqueueTheSame(LooksBeforeItEnqueues):
    """Between the look whether a run is known, and its insertion, other processes come."""


@mutant("RUN-SHARED-04", observed="taken after the leases of a killed process were over", harness=ServedRunnerHarness)
class LeasesLastForEver(InProcessRunner):
    """Leases of the dead do not end."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit, queues, 1e9)


@mutant("RUN-THREADS-01", observed="used by two threads at once", harness=MemoryRunnerHarness)
class OneThreadAtATime(InProcessRunner):
    """A take fails while another thread is in one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._busy = threading.Lock()

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        if not self._busy.acquire(blocking=False):
            raise StorageUnavailable("used by two threads at once")
        try:
            time.sleep(0.01)
            return super().take_pending_jobs(limit, queues, lease_seconds)
        finally:
            self._busy.release()


@mutant(
    "RUN-THREADS-02",
    observed="a job whose result came while it was taken could be given back",
    harness=MemoryRunnerHarness,
)
class TakesAreWrittenOverSubmits(Watched):
    """A lease lives on when the result comes right after the take."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._taken = threading.Event()

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        self._taken.set()
        return taken

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        self._taken.wait(MOMENT)
        super().submit_work_result(workflow_execution_id, op, output, run_id)

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return super().extend_lease(job, seconds) or job.lease in self.handed


@mutant("RUN-THREADS-03", observed="a client that another thread had opened failed", harness=MemoryRunnerHarness)
class BelongsToItsThread(InProcessRunner):
    """A client can only be used in the thread that opened it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._thread = threading.get_ident()

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        if threading.get_ident() != self._thread:
            raise StorageUnavailable("created in another thread")
        return super().dispatch(workflow_execution_id, jobs)


@mutant("RUN-CLOSE-01", observed="more open files", harness=RunnerClientHarness)
class FilesStayOpen(RunnerStub):
    """Each client opens a file that nobody closes."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        os.open(os.devnull, os.O_RDONLY)


@mutant("RUN-CLOSE-02", observed="a call raised StorageUnavailable", harness=RunnerClientHarness)
class ClosingClosesAll(RunnerStub):
    """The first client that is closed closes what all of them use."""

    _closed: ClassVar[set[str]] = set()

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        if self._namespace in self._closed:
            raise StorageUnavailable("closed")
        return super()._call(method, *arguments, **options)

    def close(self) -> None:
        self._closed.add(self._namespace)


@mutant("RUN-CLOSE-03", observed="a call raised StorageUnavailable", harness=RunnerClientHarness)
class ClosesOnce(RunnerStub):
    """To close a client twice is an error."""

    _is_closed = False

    def close(self) -> None:
        if self._is_closed:
            raise StorageUnavailable("closed before")
        self._is_closed = True


@mutant("RUN-MODEL-01", observed="not what was dispatched", harness=MemoryRunnerHarness)
class OneLawBreaksAnother(InProcessRunner):
    """A job that comes back to the queue is handed out without its inputs."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        return [replace(job, inputs=job.inputs if job.delivery == 1 else {}) for job in taken]


@mutant("RUN-MODEL-02", observed="gathered for flow#1", harness=MemoryRunnerHarness)
class ARepeatedCallIsAnother(Watched):
    """A second result of a run that nobody has gathered yet is put beside the first."""

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        run = (workflow_execution_id, op, run_id or 0)
        if run in self.submitted and run not in self.gathered:
            self.surplus_results.append((workflow_execution_id, StepResult(op, output, run_id)))
        super().submit_work_result(workflow_execution_id, op, output, run_id)
