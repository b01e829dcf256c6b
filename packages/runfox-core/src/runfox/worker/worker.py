"""`Worker`: carries workflows, with any number of others, and no driver."""

from __future__ import annotations

import logging
import math
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Self

from runfox.backend.base import Backend
from runfox.backend.crew import POLL_INTERVAL, Crew
from runfox.backend.job_handler import MAX_DELIVERIES, Executor, JobHandler
from runfox.protocols import Runner
from runfox.results import DispatchJob, StepResult
from runfox.worker.caretaker import Caretaker
from runfox.worker.settling import Settling

logger = logging.getLogger("runfox")

SWEEP_INTERVAL = 1.0
"""Seconds, on average."""


class Worker:
    """Executes jobs, and with a backend brings their executions on: it settles what it executed and dispatches what
    follows, and looks after what others left behind. A few processes that each `run` one carry any number of workflows.

    `target` is a `Backend`, or a runner, whose results are then somebody else's to settle. `executor` is a plain
    function or a coroutine function (a backend's own where it is None); coroutines all run in one event loop, in a
    thread of its own. Up to `concurrency` jobs run at a time, each in a thread. An idle worker looks for jobs every
    `poll_interval` seconds at least. `queues` are those it serves (None among them stands for jobs without a queue),
    all where it is None.

    Jobs are leased for `lease_seconds` (a minute, or less if the runner's own leases are shorter), which is how long
    the jobs of a worker that was killed stay with it: while they run, leases are renewed when a third has passed. A
    job that was delivered more than `max_deliveries` times gets an error result instead of one more run. About every
    `sweep_interval` seconds a worker with a backend asks the store which executions are due, and attends to them.

    What an executor raises is logged and becomes an error result; an interrupt (KeyboardInterrupt, SystemExit) gives
    its job back and ends the worker. A storage that fails ends nothing: the worker goes on when it can.
    """

    def __init__(
        self,
        target: Backend | Runner,
        executor: Executor | None = None,
        concurrency: int = 1,
        poll_interval: float = POLL_INTERVAL,
        *,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
        max_deliveries: int = MAX_DELIVERIES,
        sweep_interval: float = SWEEP_INTERVAL,
    ) -> None:
        backend = target if isinstance(target, Backend) else None
        runner = target.runner if isinstance(target, Backend) else target
        if not hasattr(runner, "take_pending_jobs"):
            raise TypeError(f"a Backend or a runner is wanted, not {type(target).__name__}")
        executor = executor or (backend.executor if backend is not None else None)
        if executor is None:
            raise TypeError("an executor is wanted: Worker(backend, execute), or a Backend that has one")
        if not 0 < sweep_interval < math.inf:
            raise ValueError(f"sweep_interval must be more than 0 seconds, not {sweep_interval!r}")
        self.runner = runner
        self._backend = backend
        self._handler = JobHandler(
            runner,
            executor,
            queues=queues,
            lease_seconds=lease_seconds,
            max_deliveries=max_deliveries,
            keeps_results=True,
        )
        self._crew = Crew(self._handler, concurrency, self._work, self._end_with, poll_interval)
        self._settling = None
        if backend is not None:
            self._settling = Settling(backend.engine, Caretaker(backend, sweep_interval, self._crew.kick))
        self._lock = threading.Lock()
        self._started = False
        self._interrupt: BaseException | None = None
        self._begin_to_wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def busy(self) -> bool:
        """True while a job runs."""
        return self._handler.running > 0

    def run(self) -> None:
        """Work until the process is told to end (SIGTERM) or another thread calls `stop`; then finish what runs, and
        give back what has not begun.

        SIGTERM is heard in the main thread only. A KeyboardInterrupt is raised when what runs has finished; a second
        one at once, and what runs is given back. An executor's interrupt is raised, too.
        """
        try:
            with _on_sigterm(self._end_wait):
                try:
                    self.start()
                    self._wait()
                except KeyboardInterrupt:
                    self._stop_taking()
                    logger.warning("interrupted: what runs is finished first, interrupt again to leave it")
                    self.stop()
                    raise
                self.stop()
        except BaseException:
            # A second interrupt, wherever it came; else there is nothing left to release.
            self.release()
            raise

    def start(self) -> Self:
        """Work in the background, until `stop` or the end of the process."""
        with self._lock:
            if self._started:
                return self
            self._started = True
            self._interrupt = None
            self._begin_to_wait()
        self._handler.take_time()
        if self._backend is not None:
            self._backend.employ(self)
        if self._settling is not None:
            self._settling.caretaker.start()
        self._crew.start()
        return self

    def stop(self, timeout: float | None = None) -> bool:
        """Take no more jobs, give back those that nobody has begun, and finish what runs.

        What still runs after `timeout` seconds is given back, and left to this process; then it is False. Inside an
        executor it is False, too: what has to be finished is the caller. Raises the interrupt that ended the worker.
        """
        self._stop_taking()
        if self._crew.is_current():
            return False
        finished = self._crew.join(timeout)
        if not finished:
            self.release()
        if self._settling is not None:
            self._settling.caretaker.stop()
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt
        return finished

    def release(self) -> None:
        """Take no more jobs, and give back those that are running: this process is about to leave them."""
        self._stop_taking()
        self._handler.hurry()
        self._handler.release()

    def _stop_taking(self) -> None:
        with self._lock:
            started, self._started = self._started, False
        if started:
            self._crew.stop(wait=not self._crew.is_current())
        self._end_wait()

    # In the threads

    def _work(self, job: DispatchJob) -> None:
        settling = self._settling
        if settling is None:
            self._handler.handle(job)
            return
        settling.caretaker.met(job.workflow_execution_id)
        output = self._handler.handle(job)
        settling.settle(job.workflow_execution_id, StepResult(job.op, output, job.run_id))
        self._crew.kick()

    def _end_with(self, interrupt: BaseException) -> None:
        logger.error("the executor raised %s: its job was given back, and the worker ends", type(interrupt).__name__)
        self._interrupt = interrupt
        self._stop_taking()

    # What `run` waits for. This kind of queue, and no event or condition, may be put to by a handler of signals.

    def _begin_to_wait(self) -> None:
        self._ends: SimpleQueue[None] = SimpleQueue()

    def _wait(self) -> None:
        self._ends.get()

    def _end_wait(self) -> None:
        self._ends.put(None)


@contextmanager
def _on_sigterm(action: Callable[[], object]) -> Iterator[None]:
    """Do `action` when the process is told to end; only the main thread can be asked to."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: action())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
