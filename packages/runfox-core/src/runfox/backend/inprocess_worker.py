"""`InProcessWorker`: takes jobs, runs the executor, submits what it gives. Knows a runner and nothing else."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from runfox.backend.heartbeat import heartbeats
from runfox.errors import InvalidJSON, PayloadTooLarge
from runfox.jsonvalue import JSONValue
from runfox.machine import error_output
from runfox.protocols import Runner
from runfox.results import DispatchJob

logger = logging.getLogger("runfox")

Executor: TypeAlias = Callable[[str, dict[str, Any]], Mapping[str, Any] | None]
"""``(op, inputs) -> output``: a plain function; None counts as ``{}``. What it gives is checked to be JSON."""

MAX_DELIVERIES = 5
"""How often a job is begun before it gets an error result instead (an executor that kills its process)."""

LEASE_SECONDS = 60.0
"""For how long a worker has a job without renewing its lease."""

_POLL_SECONDS = 0.05


class InProcessWorker:
    """Executes a runner's jobs in this process.

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
        if concurrency < 1:
            raise ValueError(f"concurrency must be 1 or more, not {concurrency!r}")
        self.runner = runner
        self.concurrency = concurrency
        self._executor = executor
        self._queues = queues
        usual = min(LEASE_SECONDS, getattr(runner, "lease_seconds", LEASE_SECONDS))
        self._lease_seconds = usual if lease_seconds is None else lease_seconds
        self._max_deliveries = max_deliveries
        # An interrupt can't come between this lock of C and its `with`; the methods of a condition it can cut in two.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        # By job and not by run: where a lease lapsed, two threads may have the same run.
        self._running: dict[int, DispatchJob] = {}
        self._users = 0
        self._threads: list[threading.Thread] = []

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
            job = self._take()
            if job is None:
                break
            if on_job is not None:
                on_job()
            self._run(job)
            count += 1
            if until is not None and until():
                break
        return count

    def start(self) -> None:
        """Begin the threads, for as long as there is a `stop` to come; further calls are counted."""
        _with_threads.add(self)
        with self._lock:
            self._users += 1
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            while len(self._threads) < self.concurrency:
                thread = threading.Thread(target=self._loop, name="runfox-worker", daemon=True)
                self._threads.append(thread)
                thread.start()

    def kick(self) -> None:
        """Jobs may have come: idle threads look at once."""
        with self._lock:
            self._changed.notify_all()

    def stop(self) -> None:
        """Let the threads end after the job that they are at. Does not wait for these jobs; but no job is taken any
        more when it returns.
        """
        with self._lock:
            self._users -= 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._users > 0 or len(self._threads) <= len(self._running))

    def release(self) -> None:
        """Give back the jobs that are running: this process is about to leave them."""
        for job in list(self._running.values()):
            self._give_back(job)

    @property
    def busy(self) -> bool:
        """True while a job runs."""
        return bool(self._running)

    def _loop(self) -> None:
        while True:
            worked = self._turn()
            with self._lock:
                if not worked and self._users > 0:
                    self._changed.wait(_POLL_SECONDS)
                if self._users <= 0:
                    # It is alive for a moment longer, but no longer one that `start` may count on.
                    self._threads.remove(threading.current_thread())
                    self._changed.notify_all()
                    return

    def _turn(self) -> bool:
        """Take a job and run it. False where a pause is due before the storage is asked again."""
        try:
            job = self._take()
            if job is not None:
                self._run(job)
        except Exception:
            if self._users > 0:
                logger.exception("a worker could not take or submit a job")
            else:
                # Nobody waits for it any more, and its storage may be closed; its lease lapses.
                logger.info("a job that outlived its run() was left")
            return False
        except BaseException:
            # No signal arrives in this thread, so the executor did that by itself (sys.exit()). Should the thread
            # end, nobody would be left to give the job up after its last delivery.
            logger.exception("the executor interrupted a worker's thread; its job was given back")
            return True
        return job is not None

    def _take(self) -> DispatchJob | None:
        jobs = self.runner.take_pending_jobs(1, self._queues, self._lease_seconds)
        return jobs[0] if jobs else None

    def _run(self, job: DispatchJob) -> None:
        with self._lock:
            self._running[id(job)] = job
            if self._users <= 0:
                self._changed.notify_all()  # for `stop`
        beat = heartbeats.of(self.runner)
        handle = beat.watch(self.runner, job, self._lease_seconds)
        try:
            self._submit(job, self._execute(job))
        except BaseException:
            # Not an error of the executor's, but the end of this process or the storage's failure. A job whose result
            # has arrived is not given back by this: its lease is over.
            self._give_back(job)
            raise
        finally:
            beat.release(handle)
            del self._running[id(job)]

    def _give_back(self, job: DispatchJob) -> None:
        try:
            self.runner.extend_lease(job, 0)
        except Exception:
            # It comes back when its lease lapses. What made us give it back is the better error to raise.
            logger.warning("the job of step %r could not be given back", job.op, exc_info=True)

    def _execute(self, job: DispatchJob) -> JSONValue:
        if job.delivery > self._max_deliveries:
            message = f"given up after {self._max_deliveries} deliveries: its workers ended without a result"
            return {"ok": False, "error": message, "error_type": "TooManyDeliveries"}
        try:
            return self._executor(job.call, job.inputs)  # type: ignore[return-value]  # the runner checks that it is JSON
        except Exception as error:
            logger.exception("the executor raised in step %r of %s", job.op, job.workflow_execution_id)
            return error_output(error)

    def _submit(self, job: DispatchJob, output: JSONValue) -> None:
        submit = self.runner.submit_work_result
        try:
            submit(job.workflow_execution_id, job.op, output, job.run_id)
        except (InvalidJSON, PayloadTooLarge) as error:
            submit(job.workflow_execution_id, job.op, error_output(error), job.run_id)


_with_threads: weakref.WeakSet[InProcessWorker] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    """The process ends, and with it the threads, in the middle of what they run."""
    for worker in list(_with_threads):
        worker.release()
