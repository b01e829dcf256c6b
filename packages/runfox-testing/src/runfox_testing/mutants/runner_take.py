"""Wrong runners for RUN-LIST and RUN-TAKE."""

from __future__ import annotations

import queue
import threading
from dataclasses import replace
from typing import Any

from runfox.backend import InProcessRunner
from runfox.results import DispatchJob
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import Meeting, Queues, Watched
from runfox_testing.mutants.served import ServedRunnerHarness


@mutant("RUN-LIST-01", observed="pending after jobs of two executions were dispatched", harness=MemoryRunnerHarness)
class ListsOnePage(InProcessRunner):
    """The listing has a hundred jobs at most."""

    def list_pending_jobs(self) -> list[DispatchJob]:
        return super().list_pending_jobs()[:100]


@mutant("RUN-LIST-02", observed="the first delivery of jobs that were listed before", harness=MemoryRunnerHarness)
class ListsByReceiving(InProcessRunner):
    """The listing takes the jobs and gives them back."""

    def list_pending_jobs(self) -> list[DispatchJob]:
        taken = self.take_pending_jobs()
        for job in taken:
            self.extend_lease(job, 0)
        return taken


@mutant("RUN-LIST-03", observed="pending after the one job was taken", harness=MemoryRunnerHarness)
class ListsTakenJobs(Watched):
    """The listing has the jobs that are taken, too."""

    def list_pending_jobs(self) -> list[DispatchJob]:
        return [*super().list_pending_jobs(), *self.handed.values()]


@mutant("RUN-LIST-04", observed="pending after the leases had lapsed", harness=MemoryRunnerHarness)
class ListsNewJobsOnly(InProcessRunner):
    """Jobs that were taken before are not listed."""

    def list_pending_jobs(self) -> list[DispatchJob]:
        return [job for job in super().list_pending_jobs() if job.delivery == 0]


class _Taking(InProcessRunner):
    """A runner whose takes are changed."""

    def give_back(self, jobs: list[DispatchJob]) -> None:
        for job in jobs:
            self.extend_lease(job, 0)


@mutant("RUN-TAKE-01", observed="the first delivery of a job has `delivery` 0", harness=MemoryRunnerHarness)
class CountsDeliveriesFromZero(_Taking):
    """Deliveries are counted from 0."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        return [replace(job, delivery=job.delivery - 1) for job in taken]


@mutant("RUN-TAKE-02", observed="a take with limit 1 gave", harness=MemoryRunnerHarness)
class LimitsEachQueue(_Taking):
    """The limit holds for each queue."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        names = {job.queue for job in self.list_pending_jobs()} if queues is None else queues
        take = super().take_pending_jobs
        return [job for name in names for job in take(limit, [name], lease_seconds)]


@mutant("RUN-TAKE-03", observed="a take with limit 0 gave", harness=MemoryRunnerHarness)
class ZeroIsNoLimit(_Taking):
    """A limit of 0 is none."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit or None, queues, lease_seconds)


@mutant("RUN-TAKE-04", observed="gave jobs of", harness=MemoryRunnerHarness)
class TakesFromAnyQueue(_Taking):
    """The names of queues are ignored."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit, None, lease_seconds)


@mutant("RUN-TAKE-05", observed="gave jobs of", harness=MemoryRunnerHarness)
class NoneIsEveryQueue(_Taking):
    """None among the queues stands for all of them."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        every = queues is None or None in queues
        return super().take_pending_jobs(limit, None if every else queues, lease_seconds)


@mutant("RUN-TAKE-06", observed="with limit 2 gave", harness=MemoryRunnerHarness)
class LimitsBeforeItChooses(_Taking):
    """The limit is applied first, and then the queues."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, None, lease_seconds)
        self.give_back([job for job in taken if queues is not None and job.queue not in queues])
        return [job for job in taken if queues is None or job.queue in queues]


@mutant("RUN-TAKE-07", observed="a take from the queues [] gave jobs of", harness=MemoryRunnerHarness)
class NoQueuesAreAllQueues(_Taking):
    """An empty collection of queues counts as None."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit, queues or None, lease_seconds)


@mutant("RUN-TAKE-08", observed="a call raised TypeError", harness=MemoryRunnerHarness)
class QueuesAreAList(_Taking):
    """The queues have to be a list."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        wanted: Any = queues
        return super().take_pending_jobs(limit, None if wanted is None else wanted[:], lease_seconds)


@mutant("RUN-TAKE-09", observed="a call raised Empty", harness=MemoryRunnerHarness)
class NothingIsAnError(_Taking):
    """An empty queue is an error."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        if not taken:
            raise queue.Empty
        return taken


@mutant("RUN-TAKE-10", observed="were taken as", harness=MemoryRunnerHarness)
class OrdersByOp(_Taking):
    """Jobs are taken in the order of their ops."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = sorted(super().take_pending_jobs(None, queues, lease_seconds), key=lambda job: job.op)
        self.give_back(taken if limit is not None and limit <= 0 else taken[limit or len(taken) :])
        return taken[:limit] if limit is None or limit > 0 else []


@mutant("RUN-TAKE-11", observed="different tokens", harness=MemoryRunnerHarness)
class TokensAreNamesOfRuns(_Taking):
    """The token of a lease is made of the run."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tokens: dict[str | None, str | None] = {}

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        self._tokens |= {job.key: job.lease for job in taken}
        return [replace(job, lease=job.key) for job in taken]

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return super().extend_lease(replace(job, lease=self._tokens.get(job.lease, job.lease)), seconds)


class ReadsFirstAndMarksLater(Watched):
    """Between the look at the pending jobs, and the taking, others come."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._meeting = Meeting()

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        seen = self.list_pending_jobs()[: len(self.list_pending_jobs()) if limit is None else max(limit, 0)]
        if seen:
            self._meeting.wait()
        super().take_pending_jobs(limit, queues, lease_seconds)
        return [replace(job, lease=f"{threading.get_ident()}/{job.key}", delivery=job.delivery + 1) for job in seen]


@mutant("RUN-TAKE-12", observed="takers at once, all told", harness=MemoryRunnerHarness)
class ThreadsTakeTheSame(ReadsFirstAndMarksLater):
    """Between the look at the pending jobs, and the taking, other threads come."""


@mutant("RUN-TAKE-13", observed="processes at once, all told", harness=ServedRunnerHarness)
class ProcessesTakeTheSame(ReadsFirstAndMarksLater):
    """Between the look at the pending jobs, and the taking, other processes come."""
