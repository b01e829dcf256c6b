"""What `Workflow.run` does: carries one execution to its end.

The caller's thread executes (with a worker of concurrency 1), gathers, settles and waits. Results wait for company
only while that thread has further jobs at hand, and a few milliseconds at most: if it is kept by a slow job, a second
thread settles what has come in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runfox.backend.base import Backend
from runfox.backend.crew import is_served
from runfox.backend.engine import Turn
from runfox.backend.inprocess_worker import InProcessWorker
from runfox.errors import NoWorker, RunfoxError, StorageError, WaitTimeout, WriteConflict
from runfox.protocols import SupportsWait
from runfox.results import Complete, Halt, StepResult
from runfox.times import seconds_between

logger = logging.getLogger("runfox")

_COMPANY_SECONDS = 0.005
_FIRST_PAUSE = 0.001
_LONGEST_WAIT = 0.1
_REPAIRS = 5
_REPAIR_PAUSE = 0.02


class Driver:
    """Carries one execution to its end, once."""

    def __init__(self, backend: Backend, workflow_execution_id: str, worker: InProcessWorker | None) -> None:
        self._backend = backend
        self._engine = backend.engine
        self._id = workflow_execution_id
        self._worker = worker
        self._threads = worker if worker is not None and worker.concurrency > 1 else None
        self._shared = bool(getattr(backend.runner, "shared", False))
        self._lock = threading.Lock()
        self._in_hand: list[StepResult] = []
        self._pause = _FIRST_PAUSE
        # What the driving thread and its companion tell each other.
        self._job_since: float | None = None
        self._unsettled_since: float | None = None
        self._ended = False
        self._disturbed = False
        self._companion = _Companion(self._settle_beside_a_job)

    def run(self, timeout: float | None = None) -> Complete | Halt:
        """Drive to the end. Raises `WaitTimeout` when `timeout` seconds are over, and `NoWorker`.

        Where nobody can say whether a call took effect, the execution is attended to; whatever was in hand comes again
        from the runner. What fails again and again is raised.
        """
        ends_at = None if timeout is None else time.monotonic() + timeout
        turn: Turn | None = None
        failures = 0
        with self._working():
            while True:
                try:
                    turn = self._attend() if turn is None else self._bring_on(turn, ends_at)
                    failures = 0
                    if isinstance(turn.answer, (Complete, Halt)):
                        return turn.answer
                except Exception as error:
                    failures += 1
                    if not _unknown(error) or failures > _REPAIRS:
                        raise
                    logger.warning("a call for %s failed (%s): attending to it", self._id, type(error).__name__)
                    time.sleep(_REPAIR_PAUSE * 2**failures)
                    turn = None
                if timeout is not None and ends_at is not None and time.monotonic() >= ends_at:
                    raise WaitTimeout(self._id, timeout)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """The worker's threads, where it has any, and the companion's end."""
        started = interrupted = False
        try:
            if self._threads is not None:
                self._backend.employ(self._threads)
                started = True
                self._threads.start()
            yield
        except (KeyboardInterrupt, SystemExit):
            interrupted = True
            raise
        finally:
            try:
                self._companion.stop()
            finally:
                if started and self._threads is not None:
                    self._threads.stop()
                    if interrupted:
                        self._threads.release()

    def _attend(self) -> Turn:
        with self._lock:
            self._disturbed = False
            turn, results = self._engine.repair(self._id)
            self._in_hand = results or []
            return turn if results is None else self._settle()

    def _settle(self) -> Turn:
        """One round with what is in hand. What the runner executed by itself meanwhile is in hand for the next."""
        turn, self._in_hand = self._engine.round(self._id, self._in_hand)
        return turn

    def _bring_on(self, turn: Turn, ends_at: float | None) -> Turn:
        """Execute, or wait for results; settle; attend where that is due."""
        executed = self._execute()
        if self._disturbed:
            return self._attend()
        with self._lock:
            self._in_hand += self._engine.gather(self._id)
            if self._in_hand or executed:
                self._pause = _FIRST_PAUSE
                return self._settle()
        if not self._wait(turn, ends_at):
            return self._attend()
        with self._lock:
            self._in_hand += self._engine.gather(self._id)
            return self._settle()

    # Executing in the driving thread

    def _execute(self) -> int:
        """Run jobs in this thread until there are none, or a result has waited long enough. Returns how many."""
        if self._worker is None:
            return 0
        if self._threads is not None:
            self._threads.kick()
            return 0
        try:
            return self._worker.work(on_job=self._begins, until=self._company_is_over)
        finally:
            self._job_since = self._unsettled_since = None

    def _begins(self) -> None:
        if self._shared or self._unsettled_since is not None:
            # Results may be there or come in while this thread is busy.
            self._companion.watch()
        self._job_since = time.monotonic()

    def _company_is_over(self) -> bool:
        now = time.monotonic()
        if self._unsettled_since is None:
            self._unsettled_since = now
        return now - self._unsettled_since >= _COMPANY_SECONDS or self._ended

    def _settle_beside_a_job(self) -> None:
        """Called by the companion, again and again: acts when the driving thread is kept by a job."""
        since = self._job_since
        if since is None or time.monotonic() - since < _COMPANY_SECONDS or self._disturbed:
            return
        try:
            with self._lock:
                results = self._engine.gather(self._id)
                if results:
                    self._ended = self._engine.carry(self._id, results).ended
        except Exception:
            # The driving thread attends to it after its job; if the trouble lasts, it is raised there.
            self._disturbed = True
            logger.warning("results of %s could not be settled beside a running job", self._id, exc_info=True)

    # Waiting

    def _wait(self, turn: Turn, ends_at: float | None) -> bool:
        """Wait a while for results. False when the execution wants to be attended to instead."""
        if turn.running and not self._somebody_works():
            raise NoWorker(self._id)
        until_due = _LONGEST_WAIT if turn.wake_at is None else seconds_between(self._engine.now(), turn.wake_at)
        if until_due <= 0:
            if self._backend.recover_after <= 0:
                # It is always due; attending without a pause would be all that this machine does.
                time.sleep(self._backend.poll_interval)
            return False
        seconds = min(until_due, _LONGEST_WAIT)
        if ends_at is not None:
            seconds = min(seconds, max(0.0, ends_at - time.monotonic()))
        runner = self._backend.runner
        if isinstance(runner, SupportsWait):
            runner.wait(self._id, seconds)
        else:
            time.sleep(min(seconds, self._pause))
            self._pause = min(self._pause * 2, self._backend.poll_interval)
        return True

    def _somebody_works(self) -> bool:
        runner = self._backend.runner
        return self._shared or (self._worker is not None and self._worker.runner is runner) or is_served(runner)


def _unknown(error: Exception) -> bool:
    """True if nobody can say whether the call took effect: what the storage raises, not what runfox says on purpose."""
    return isinstance(error, (StorageError, WriteConflict)) or not isinstance(error, RunfoxError)


class _Companion:
    """A thread that calls `action`, which raises nothing, every few milliseconds, from the first `watch` to `stop`."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        """Begin, if that has not been done."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="runfox-companion", daemon=True)
            thread.start()
            self._thread = thread

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_COMPANY_SECONDS):
            self._action()
