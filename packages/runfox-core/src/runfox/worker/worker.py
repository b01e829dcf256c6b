"""`Worker`: carries workflows, with any number of others, and no driver."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Self

from runfox.backend.base import Backend
from runfox.backend.crew import LONG_POLL, POLL_INTERVAL, Crew
from runfox.backend.job_handler import MAX_DELIVERIES, Executor, JobHandler
from runfox.protocols import Runner
from runfox.results import DispatchJob, StepResult
from runfox.worker.caretaker import Caretaker
from runfox.worker.settling import Settling

logger = logging.getLogger("runfox")

SWEEP_INTERVAL = 1.0
"""Seconds, on average."""

_LOOK_SECONDS = 0.5


class Worker:
    """Executes jobs, and with a backend brings their executions on: it settles what it executed and dispatches what
    follows, and looks after what others left behind. A few processes that each `run` one carry any number of workflows.

    `target` is a `Backend`, or a runner, whose results are then somebody else's to settle. `executor` is a plain
    function or a coroutine function (a backend's own where it is None); coroutines all run in one event loop, in a
    thread of its own. Up to `concurrency` jobs run at a time, each in a thread. An idle worker looks for jobs every
    `poll_interval` seconds at least; a runner that can wait for jobs (`SupportsLongPolling`) is asked to, for two
    seconds at a time, by which an idle worker may be late to stop. `queues` are those it serves (None among them
    stands for jobs without a queue), all where it is None.

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
        )
        self._crew = Crew(self._handler, concurrency, self._work, self._end_with, poll_interval, long_poll=LONG_POLL)
        self._settling = None
        if backend is not None:
            self._settling = Settling(backend.engine, Caretaker(backend, sweep_interval, self._crew.kick))
        # One at a time starts or stops; whoever only tells the crew to take no more does without.
        self._lifecycle = threading.RLock()
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

        In the main thread Ctrl-C (SIGINT) does the same, and then KeyboardInterrupt is raised; a second Ctrl-C raises
        it at once, and what runs is given back. A program's own handler of SIGINT is left in its place. An executor's
        interrupt is raised, too.
        """
        self._begin_to_wait()
        try:
            with _asked_by_signals(self._end_wait) as interrupted:
                self.start()
                self._wait()
                if interrupted:
                    self._stop_taking()
                    logger.warning("interrupted: what runs is finished first, interrupt again to leave it")
                self.stop()
            if interrupted:
                raise KeyboardInterrupt
        except BaseException:
            # A second interrupt, wherever it came; else there is nothing left to release.
            self.release()
            raise

    def start(self) -> Self:
        """Work in the background, until `stop` or the end of the process."""
        with self._lifecycle:
            if self._crew.serving:
                return self
            self._interrupt = None
            self._handler.take_time()
            if self._backend is not None:
                self._backend.employ(self)
            if self._settling is not None:
                self._settling.caretaker.start()
            try:
                self._crew.start()
            except BaseException:
                self.release()
                raise
        return self

    def stop(self, timeout: float | None = None) -> bool:
        """Take no more jobs, give back those that nobody has begun, and finish what runs.

        What still runs after `timeout` seconds is given back, and left to this process; then it is False. Inside an
        executor it is False, too: what has to be finished is the caller. Raises the interrupt that ended the worker.
        """
        self._stop_taking()
        if self._crew.is_current() or self._handler.is_caller:
            return False
        ends_at = None if timeout is None else time.monotonic() + timeout
        with self._lifecycle:
            finished = self._crew.join(timeout)
            if not finished:
                self.release()
            if self._settling is not None:
                self._settling.caretaker.stop(None if ends_at is None else max(0.0, ends_at - time.monotonic()))
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
        self._crew.stop(wait=False)
        if self._settling is not None:
            # Whatever it would still begin is for others.
            self._settling.caretaker.stop(0.0)
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
        while True:
            # Now and then awake: a signal that comes just before the wait would not end it.
            with suppress(Empty):
                return self._ends.get(timeout=_LOOK_SECONDS)

    def _end_wait(self) -> None:
        self._ends.put(None)


@contextmanager
def _asked_by_signals(end: Callable[[], object]) -> Iterator[list[int]]:
    """Do `end` when the process is told to end, or interrupted; only the main thread can be asked to.

    Gives a list that has the SIGINT which came. The second one raises KeyboardInterrupt.
    """
    interrupts: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def interrupted(number: int, _: object) -> None:
        if interrupts:
            raise KeyboardInterrupt
        interrupts.append(number)
        end()

    handlers: dict[int, Callable[[int, FrameType | None], object]] = {signal.SIGTERM: lambda *_: end()}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handlers[signal.SIGINT] = interrupted
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
