"""Wrong runners for RUN-POLL."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runfox.results import DispatchJob, StepResult
from runfox_testing.mutants.gaps import Meeting, wait_until
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.polling import PollingRunner, PollingRunnerHarness, PollingStub
from runfox_testing.mutants.runner_parts import Queues
from runfox_testing.mutants.served import RunnerClientHarness

_SOON = 0.5
"""Seconds after which a poll that hears of nothing gives up."""


@mutant("RUN-POLL-01", observed="where jobs are pending", harness=PollingRunnerHarness)
class PollsForWhatIsNew(PollingRunner):
    """A poll does not look for what is there."""

    def poll_pending_jobs(
        self, timeout: float, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        time.sleep(min(timeout, _SOON))
        return []


@mutant("RUN-POLL-02", observed="a poll with limit 2 gave 3 jobs", harness=PollingRunnerHarness)
class PollsHaveNoLimit(PollingRunner):
    """A poll takes all that is there."""

    def poll_pending_jobs(
        self, timeout: float, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        none = limit is not None and limit <= 0
        return super().poll_pending_jobs(timeout, 0 if none else None, queues, lease_seconds)


@mutant("RUN-POLL-03", observed="[] could be taken", harness=PollingRunnerHarness)
class PollsHaveOneLease(PollingRunner):
    """A poll's jobs are leased for as long as the runner says."""

    def poll_pending_jobs(
        self, timeout: float, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        refused = lease_seconds is not None and lease_seconds < 0
        return super().poll_pending_jobs(timeout, limit, queues, lease_seconds if refused else None)


class _HearsOfDispatches:
    """A poll that found nothing looks again only when this object was asked to dispatch, and gives up soon."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._dispatches = 0

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        results: list[StepResult] = super().dispatch(workflow_execution_id, jobs)  # type: ignore[misc]  # the reference
        self._dispatches += 1
        return results

    def poll_pending_jobs(
        self, timeout: float, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        before = self._dispatches
        taken: list[DispatchJob] = self.take_pending_jobs(limit, queues, lease_seconds)  # type: ignore[attr-defined]
        if not taken:
            wait_until(lambda: self._dispatches != before, min(timeout, _SOON))
            if self._dispatches != before:
                taken = self.take_pending_jobs(limit, queues, lease_seconds)  # type: ignore[attr-defined]
        return taken


@mutant("RUN-POLL-04", observed="after another client had dispatched a job", harness=PollingRunnerHarness)
class NothingWakesAPoll(PollingRunner):
    """A poll looks when it begins, and then no more."""

    def poll_pending_jobs(
        self, timeout: float, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        taken = self.take_pending_jobs(limit, queues, lease_seconds)
        if not taken:
            time.sleep(min(timeout, _SOON))
        return taken


@mutant("RUN-POLL-05", observed="in a new namespace gave []", harness=PollingRunnerHarness)
class PollsGiveUpEarly(PollingRunner):
    """A poll waits for a tenth of its timeout."""

    def poll_pending_jobs(
        self, timeout: float, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        return super().poll_pending_jobs(timeout / 10, limit, queues, lease_seconds)


@mutant("RUN-POLL-06", observed="went to more than one", harness=PollingRunnerHarness)
class PollersGetWhatTheySaw(PollingRunner):
    """A poll hands out what it saw in the listing, whoever has taken it since."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._meeting = Meeting()

    def poll_pending_jobs(
        self, timeout: float, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        wait_until(lambda: bool(self.list_pending_jobs()), timeout)
        seen = self.list_pending_jobs()[:limit]
        self._meeting.wait()
        self.take_pending_jobs(limit, queues, lease_seconds)
        return [replace(job, lease="seen", delivery=1) for job in seen]


@mutant("RUN-POLL-07", observed="after a job was given back", harness=PollingRunnerHarness)
class OnlyDispatchesEndAPoll(_HearsOfDispatches, PollingRunner):
    """A poll hears of dispatches, and not of what comes back."""


@mutant("RUN-POLL-08", observed="polled while another thread used the client", harness=PollingRunnerHarness)
class APollKeepsTheClient(PollingRunner):
    """A poll keeps others from dispatching until it is over."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._connection = threading.Lock()

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        with self._connection:
            return super().dispatch(workflow_execution_id, jobs)

    def poll_pending_jobs(
        self, timeout: float, limit: int | None = None, queues: Queues = None, lease_seconds: float | None = None
    ) -> list[DispatchJob]:
        with self._connection:
            return super().poll_pending_jobs(min(timeout, _SOON), limit, queues, lease_seconds)


@mutant("RUN-POLL-09", observed="after another process had dispatched a job", harness=RunnerClientHarness)
class OtherProcessesWakeNoPoll(_HearsOfDispatches, PollingStub):
    """A poll hears of what its own client dispatches."""
