"""Wrong runners for RUN-LEASE."""

from __future__ import annotations

import threading
from dataclasses import replace

from runfox.backend import InProcessRunner
from runfox.results import DispatchJob
from runfox.times import Clock
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.runner_parts import MOMENT, Queues, Watched, run_of
from runfox_testing.mutants.runner_take import ReadsFirstAndMarksLater


@mutant("RUN-LEASE-01", observed="its lease had lapsed too early", harness=MemoryRunnerHarness)
class LeasesEndEarly(InProcessRunner):
    """A lease is a tenth shorter than it was asked for."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        shorter = None if lease_seconds is None else lease_seconds * 0.9
        return super().take_pending_jobs(limit, queues, shorter)


@mutant("RUN-LEASE-02", observed="delivery 2 of a job has `delivery` 1", harness=MemoryRunnerHarness)
class EveryDeliveryIsTheFirst(InProcessRunner):
    """Deliveries are not counted."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return [replace(job, delivery=1) for job in super().take_pending_jobs(limit, queues, lease_seconds)]


@mutant("RUN-LEASE-03", observed="pending when the one short of three leases was over", harness=MemoryRunnerHarness)
class AllLeasesAreOfOneLength(InProcessRunner):
    """The length of the call is ignored."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit, queues)


class _Renewing(Watched):
    """A runner that knows when a lease ends, and how long it was at first."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.ends: dict[str | None, float] = {}
        self.lengths: dict[str | None, float] = {}

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = super().take_pending_jobs(limit, queues, lease_seconds)
        length = self.lease_seconds if lease_seconds is None else lease_seconds
        for job in taken:
            self.ends[job.lease] = self.clock() + length
            self.lengths[job.lease] = length
        return taken


@mutant("RUN-LEASE-04", observed="at the end of the renewed lease", harness=MemoryRunnerHarness)
class RenewalsAddToTheEnd(_Renewing):
    """The seconds of a renewal are added to the old end."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        left = max(0.0, self.ends.get(job.lease, 0.0) - self.clock())
        return super().extend_lease(job, None if seconds is None else seconds + left)


@mutant("RUN-LEASE-05", observed="renewed for a shorter time", harness=MemoryRunnerHarness)
class RenewalsOnlyLengthen(_Renewing):
    """Of the old and the new end the later one is kept."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        left = max(0.0, self.ends.get(job.lease, 0.0) - self.clock())
        return super().extend_lease(job, None if seconds is None else max(seconds, left))


@mutant("RUN-LEASE-06", observed="renewed for its own length", harness=MemoryRunnerHarness)
class NoneIsTheRunnersLength(InProcessRunner):
    """A renewal without seconds has the runner's own length."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return super().extend_lease(job, self.lease_seconds if seconds is None else seconds)


@mutant("RUN-LEASE-07", observed="after the length that was given last", harness=MemoryRunnerHarness)
class TheFirstLengthStays(_Renewing):
    """A renewal without seconds has the length of the take."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return super().extend_lease(job, self.lengths.get(job.lease) if seconds is None else seconds)


@mutant("RUN-LEASE-08", observed="pending after the job was given back", harness=MemoryRunnerHarness)
class ZeroIsNone(InProcessRunner):
    """0 seconds count as none given."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return super().extend_lease(job, seconds or None)


@mutant("RUN-LEASE-09", observed="a lapsed lease could be renewed", harness=MemoryRunnerHarness)
class LapsedLeasesAreRenewed(Watched):
    """A renewal compares the token with the latest one, and not the time."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        latest = [taken.lease for taken in self.handed.values() if run_of(taken) == run_of(job)][-1:]
        return super().extend_lease(job, seconds) or (job.lease is not None and [job.lease] == latest)


class _RenewsByRun(Watched):
    """A renewal of a job that is taken finds it by its run, where the token says so."""

    def is_accepted(self, token: str | None) -> bool:
        raise NotImplementedError

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        latest = [taken for taken in self.handed.values() if run_of(taken) == run_of(job)][-1:]
        return super().extend_lease(latest[0] if latest and self.is_accepted(job.lease) else job, seconds)


@mutant("RUN-LEASE-10", observed="a former taker's lease could be renewed", harness=MemoryRunnerHarness)
class FormerTakersRenew(_RenewsByRun):
    """A renewal looks for the run, whatever former token comes with it."""

    def is_accepted(self, token: str | None) -> bool:
        return token in self.handed


@mutant("RUN-LEASE-11", observed="the lease of a submitted run could be renewed", harness=MemoryRunnerHarness)
class LeasesOutliveTheirRuns(_Renewing):
    """A lease lives until its end, whatever became of its run."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return super().extend_lease(job, seconds) or self.clock() < self.ends.get(job.lease, 0.0)


@mutant("RUN-LEASE-12", observed="could be renewed", harness=MemoryRunnerHarness)
class NoTokenIsAnyToken(_RenewsByRun):
    """Without a token the living lease is renewed."""

    def is_accepted(self, token: str | None) -> bool:
        return not token


@mutant("RUN-LEASE-13", observed="where ValueError is due", harness=MemoryRunnerHarness)
class NegativeIsZero(InProcessRunner):
    """A negative length counts as 0."""

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return super().take_pending_jobs(limit, queues, None if lease_seconds is None else max(lease_seconds, 0.0))


class _NeverBack:
    """A clock that stands still where another goes back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = clock()

    def __call__(self) -> float:
        self._latest = max(self._latest, self._clock())
        return self._latest


@mutant("RUN-LEASE-14", observed="although the clock had gone back", harness=MemoryRunnerHarness)
class ClocksDoNotGoBack(InProcessRunner):
    """A clock that goes back is not thought of."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=_NeverBack(clock))


@mutant("RUN-LEASE-15", observed="when the clock went back to a time within the lease", harness=MemoryRunnerHarness)
class EveryLeaseEndsWithTheClock(Watched):
    """When the clock goes back every lease ends."""

    _latest = float("-inf")

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        now = self.clock()
        if now < self._latest:
            for job in self.handed.values():
                self.extend_lease(job, 0)
        self._latest = now
        return super().take_pending_jobs(limit, queues, lease_seconds)


@mutant("RUN-LEASE-16", observed="takers when the leases had lapsed", harness=MemoryRunnerHarness)
class LapsedJobsAreTakenTwice(ReadsFirstAndMarksLater):
    """Between the look for lapsed leases, and the taking, others come."""


@mutant("RUN-LEASE-17", observed="was renewed while others took the job", harness=MemoryRunnerHarness)
class RenewalsComeTooLate(Watched):
    """A renewal says True for every token that was handed out."""

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return super().extend_lease(job, seconds) or job.lease in self.handed


@mutant("RUN-LEASE-18", observed="a job that was given back was given to 2 takers", harness=MemoryRunnerHarness)
class GivingBackWritesOverTakes(Watched):
    """A job that is given back is written as pending after others could see it."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._given_back = threading.Event()

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        self.surplus_jobs += [job] if seconds == 0 else []
        extended = super().extend_lease(job, seconds)
        self._given_back.set()
        return extended

    def take_pending_jobs(
        self, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        if self.handed:
            self._given_back.wait(MOMENT)
        return super().take_pending_jobs(limit, queues, lease_seconds)
