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
from runfox.backend.engine import Turn
from runfox.backend.inprocess_worker import InProcessWorker
from runfox.errors import NoWorker, RunfoxError, StorageError, WaitTimeout, WriteConflict
from runfox.protocols import SupportsWait
from runfox.results import Complete, Halt, StepResult
from runfox.times import seconds_between

logger = logging.getLogger("runfox")

_COMPANY_SECONDS = 0.005
_LONGEST_WAIT = 0.1
_REPAIRS = 5


class Driver:
    """Carries one execution to its end, once."""

    def __init__(self, backend: Backend, workflow_execution_id: str, worker: InProcessWorker | None) -> None:
        self._backend = backend
        self._engine = backend.engine
        self._id = workflow_execution_id
        self._worker = worker
        self._lock = threading.RLock()
        self._turn: Turn | None = None
        self._pause = 0.001
        self._unsettled_since: float | None = None
        self._companion = _Companion(self._settle_overdue)

    def run(self, timeout: float | None = None) -> Complete | Halt:
        """Drive to the end. Raises `WaitTimeout` when `timeout` seconds are over, and `NoWorker`."""
        ends_at = None if timeout is None else time.monotonic() + timeout
        with self._working():
            turn = self._repair()
            while not isinstance(turn.answer, (Complete, Halt)):
                if timeout is not None and ends_at is not None and time.monotonic() >= ends_at:
                    raise WaitTimeout(self._id, timeout)
                turn = self._bring_on(turn, ends_at)
            return turn.answer

    @contextmanager
    def _working(self) -> Iterator[None]:
        """The worker's threads, where it has any, and the companion's end."""
        threads = self._worker is not None and self._worker.concurrency > 1
        if self._worker is not None and threads:
            self._worker.start()
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            if self._worker is not None and threads:
                self._worker.release()
            raise
        finally:
            self._companion.stop()
            if self._worker is not None and threads:
                self._worker.stop()

    def _bring_on(self, turn: Turn, ends_at: float | None) -> Turn:
        """Execute, or wait for results; settle; attend where that is due."""
        executed = self._execute()
        with self._lock:
            self._unsettled_since = None
            results = self._engine.gather(self._id)
            if not results and not executed:
                if not self._wait(turn, ends_at):
                    return self._repair()
                results = self._engine.gather(self._id)
            if results:
                self._pause = 0.001
            return self._settle(results)

    def _execute(self) -> int:
        """Run jobs in this thread until there are none, or a result has waited long enough. Returns how many."""
        if self._worker is None:
            return 0
        if self._worker.concurrency > 1:
            self._worker.kick()
            return 0
        return self._worker.work(until=self._company_is_over, on_next=self._companion.watch)

    def _company_is_over(self) -> bool:
        now = time.monotonic()
        if self._unsettled_since is None:
            self._unsettled_since = now
        return now - self._unsettled_since >= _COMPANY_SECONDS or self._ended

    @property
    def _ended(self) -> bool:
        return self._turn is not None and self._turn.ended

    def _settle_overdue(self) -> None:
        """Called by the companion while the driving thread executes."""
        since = self._unsettled_since
        if since is None or time.monotonic() - since < _COMPANY_SECONDS:
            return
        with self._lock:
            results = self._engine.gather(self._id)
            if results:
                self._settle(results)

    # Committing

    def _settle(self, results: list[StepResult]) -> Turn:
        return self._attempt(lambda: self._engine.carry(self._id, results))

    def _repair(self) -> Turn:
        with self._lock:
            return self._attempt(lambda: self._engine.attend(self._id))

    def _attempt(self, action: Callable[[], Turn]) -> Turn:
        """Do it; where nobody knows whether it took effect, attend to the execution at once. Whatever was in hand
        comes again from the runner.
        """
        failures = 0
        while True:
            try:
                self._turn = action()
                return self._turn
            except Exception as error:
                failures += 1
                if not _unknown(error) or failures > _REPAIRS:
                    raise
                name = type(error).__name__
                logger.warning("a commit of %s may not have taken effect (%s); attending", self._id, name)
                time.sleep(self._pause)
                action = self._attend

    def _attend(self) -> Turn:
        return self._engine.attend(self._id)

    # Waiting

    def _wait(self, turn: Turn, ends_at: float | None) -> bool:
        """Wait a while for results. False when the execution wants to be attended to instead."""
        if turn.running and not self._somebody_works():
            raise NoWorker(self._id)
        until_due = _LONGEST_WAIT if turn.wake_at is None else seconds_between(self._engine.now(), turn.wake_at)
        if until_due <= 0:
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
        if getattr(runner, "shared", False):
            return True
        return self._worker is not None and self._worker.runner is runner


def _unknown(error: Exception) -> bool:
    """True if nobody can say whether the call took effect: what the storage raises, not what runfox says on purpose."""
    return isinstance(error, (StorageError, WriteConflict)) or not isinstance(error, RunfoxError)


class _Companion:
    """A thread that calls `action` every few milliseconds, from the first `watch` until `stop`."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        """The driving thread is about to run a job while a result waits."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="runfox-companion", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_COMPANY_SECONDS):
            try:
                self._action()
            except Exception:
                # The driving thread meets the same trouble after its job, and can raise it.
                logger.warning("results could not be settled beside a running job", exc_info=True)
