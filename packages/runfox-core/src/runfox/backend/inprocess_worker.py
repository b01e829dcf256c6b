"""`InProcessWorker`: takes jobs, runs the executor, submits what it gives. Knows a runner and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from runfox.backend.crew import Crew
from runfox.backend.job_handler import MAX_DELIVERIES, Executor, JobHandler
from runfox.protocols import Runner

logger = logging.getLogger("runfox")


PATIENCE = 5.0
"""For how many seconds a worker without threads of its own submits a result that can't be submitted again."""


class InProcessWorker:
    """Executes a runner's jobs in this process, for whoever drives an execution.

    With `concurrency` 1 jobs run in the thread that calls `work`. With more, `start` begins that many threads, and
    each takes the next job when it has finished one. Leases are renewed while a job runs; what an interrupt
    (KeyboardInterrupt, SystemExit) stops is given back. `queues` are those it serves, None for all.
    `lease_seconds` is asked for with every take; where it is None, a minute, or less if the runner's own leases are
    shorter (its attribute of that name). Since leases are renewed, it is no limit for jobs; it is how long the jobs of
    a process that was killed stay with it.
    """

    def __init__(
        self,
        runner: Runner,
        executor: Executor,
        concurrency: int = 1,
        *,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
        max_deliveries: int = MAX_DELIVERIES,
    ) -> None:
        self.runner = runner
        self.concurrency = concurrency
        self._handler = JobHandler(
            runner,
            executor,
            queues=queues,
            lease_seconds=lease_seconds,
            max_deliveries=max_deliveries,
            # Who drives in the thread that executes wants to know before long.
            patience=PATIENCE if concurrency == 1 else None,
        )
        self._crew = Crew(self._handler, concurrency, self._handler.handle, _tell_of_interrupt)

    def work(
        self,
        limit: int | None = None,
        *,
        on_job: Callable[[], None] | None = None,
        until: Callable[[], bool] | None = None,
    ) -> int:
        """Run pending jobs in this thread, one after another, until there is none, `limit` were run, or `until()` is
        true after one of them. `on_job()` is called before each. Returns how many were run.
        """
        count = 0
        while limit is None or count < limit:
            jobs = self._handler.take(1)
            if not jobs:
                break
            if on_job is not None:
                on_job()
            self._handler.handle(jobs[0])
            count += 1
            if until is not None and until():
                break
        return count

    def start(self) -> None:
        """Begin the threads, for as long as there is a `stop` to come; further calls are counted."""
        self._handler.take_time()
        self._crew.start()

    def kick(self) -> None:
        """Jobs may have come: idle threads look at once."""
        self._crew.kick()

    def stop(self) -> None:
        """Let the threads end after the job that they are at. Does not wait for these jobs; but no job is taken any
        more when it returns.
        """
        self._crew.stop()
        if not self._crew.serving:
            self._handler.hurry()

    def release(self) -> None:
        """Give back the jobs that are running: this process is about to leave them."""
        self._handler.release()

    @property
    def busy(self) -> bool:
        """True while a job runs."""
        return self._handler.running > 0


def _tell_of_interrupt(interrupt: BaseException) -> None:
    # The thread lives on: should it end, nobody would be left to give the job up after its last delivery.
    name = type(interrupt).__name__
    logger.error("the executor raised %s in a worker's thread; its job was given back", name, exc_info=interrupt)
