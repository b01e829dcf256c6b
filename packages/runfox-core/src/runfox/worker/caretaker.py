"""Looking after executions by the way: a thread of each worker that has a backend.

It attends to executions of which this worker has seen that a timer goes off before the next sweep, at that moment; at
once to those of which a call failed; and now and then to whatever the store says is due and the runner has held for
long: later timers, and what another process left. Workers begin at different moments and go in different orders, so
that any number of them share the work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import uniform

from runfox.backend.base import Backend
from runfox.backend.engine import Turn
from runfox.backend.recovery import Sweeper
from runfox.errors import WorkflowNotFound
from runfox.protocols import SupportsWake
from runfox.times import seconds_between

logger = logging.getLogger("runfox")

_BATCH = 20
"""Executions that are attended to before the thread looks whether it is to end."""

_SHORTEST = 0.01
_LONGEST_WAIT = 60.0
_FIRST_PAUSE_AFTER_ERROR = 0.1
_LONGEST_PAUSE_AFTER_ERROR = 5.0
_MOST_FAILURES = 10


@dataclass(frozen=True, slots=True)
class _Visit:
    """When to attend to an execution, by the monotonic clock. With `only_if_due` somebody else may have done it."""

    at: float
    only_if_due: bool
    failures: int = 0


@dataclass(slots=True)
class _Round:
    """A sweep that comes again and again: at `at`, by the monotonic clock, then after about `interval` seconds, or
    `next_batch` seconds if there is more to do. `failures` are those in a row.
    """

    attend: Callable[[int], list[str]]
    interval: float
    next_batch: float
    at: float
    failures: int = 0

    def pause(self, *, more: bool) -> float:
        """Seconds to the next one. Never the same for two workers that began together."""
        if more:
            return self.next_batch
        longer = _pause_after(self.failures) if self.failures else _SHORTEST
        return max(uniform(0.5, 1.5) * self.interval, longer)


def _pause_after(failures: int) -> float:
    """Seconds before the next try after so many in a row that failed."""
    return min(_FIRST_PAUSE_AFTER_ERROR * 2.0 ** min(failures, _MOST_FAILURES), _LONGEST_PAUSE_AFTER_ERROR)


class Caretaker:
    """Attends to the executions of a backend that want it. `sweep_interval` is in seconds, on average.

    `brought_on` is called when something was dispatched, perhaps.
    """

    def __init__(self, backend: Backend, sweep_interval: float, brought_on: Callable[[], object]) -> None:
        self._backend = backend
        self._interval = sweep_interval
        self._brought_on = brought_on
        self._sweeper = Sweeper(backend, in_any_order=True, stopped=lambda: self._stopped)
        self._wakes = isinstance(backend.store, SupportsWake)
        # Where nobody else would find an execution, it is remembered here until it ends.
        self._alone = backend.unattended or not self._wakes
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._visits: dict[str, _Visit] = {}
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._waits_until = 0.0
        self._in_trouble = False

    def start(self) -> None:
        """Begin the thread."""
        self._backend.warn_if_unattended()
        if not self._wakes:
            logger.warning(
                "the store can't say which executions are due (SupportsWake): what a process leaves behind when it "
                "ends is repaired only by whoever drives it"
            )
        self.stop()
        self._stopped = False
        thread = threading.Thread(target=self._run, name="runfox-caretaker", daemon=True)
        thread.start()
        self._thread = thread

    def stop(self, timeout: float | None = None) -> None:
        """End the thread after what it is at, and wait for that, `timeout` seconds at most."""
        with self._lock:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def met(self, workflow_execution_id: str) -> None:
        """A job of this execution is in hand. When the execution wants attention is not known."""
        if self._alone and workflow_execution_id not in self._visits:
            self._plan(workflow_execution_id, _Visit(time.monotonic(), only_if_due=True))

    def settled(self, workflow_execution_id: str, turn: Turn) -> None:
        """How an execution stands after a commit of ours."""
        visit = self._next_visit(turn)
        with self._lock:
            self._in_trouble = False
            planned = self._visits.get(workflow_execution_id)
            if planned is not None and planned.failures:
                return  # what failed before may still be unsettled
            if visit is not None:
                self._plan(workflow_execution_id, visit)
            else:
                self._visits.pop(workflow_execution_id, None)

    def _next_visit(self, turn: Turn) -> _Visit | None:
        if turn.ended or turn.wake_at is None:
            return None
        in_seconds = seconds_between(self._backend.engine.now(), turn.wake_at)
        if in_seconds > self._interval and not self._alone:
            return None  # a sweep finds it, here or elsewhere
        return _Visit(time.monotonic() + max(in_seconds, _SHORTEST), only_if_due=True)

    def failed(self, workflow_execution_id: str, error: BaseException) -> None:
        """A call failed, and nobody can say what took effect: attend to the execution as soon as that works again."""
        with self._lock:
            visit = self._visits.pop(workflow_execution_id, None)
            failures = 0 if visit is None else visit.failures
            if isinstance(error, WorkflowNotFound):
                return  # another store's: the runner is shared
            if failures == _MOST_FAILURES:
                if not self._alone:
                    return  # the sweeps find it, now and then
                failures -= 1
            pause = _pause_after(failures)
            at = time.monotonic() + uniform(pause / 2, pause)
            self._plan(workflow_execution_id, _Visit(at, only_if_due=False, failures=failures + 1))
            first, self._in_trouble = not self._in_trouble, True
        if not failures:
            # Once as a warning, for as long as the trouble lasts.
            logger.log(
                logging.WARNING if first else logging.INFO,
                "execution %s could not be brought on, and is attended to",
                workflow_execution_id,
                exc_info=error,
            )

    def _plan(self, workflow_execution_id: str, visit: _Visit) -> None:
        with self._lock:
            self._visits[workflow_execution_id] = visit
            if visit.at < self._waits_until:
                self._changed.notify_all()

    # The thread

    def _run(self) -> None:
        rounds = self._rounds()
        while self._waits(min(one.at for one in rounds)):
            self._visit()
            for one in rounds:
                if one.at <= time.monotonic():
                    more = self._sweep(one)
                    one.at = time.monotonic() + one.pause(more=more)

    def _rounds(self) -> list[_Round]:
        now, sweeper, often = time.monotonic(), self._sweeper, self._interval
        seldom = max(self._backend.recover_after, often)
        return [
            _Round(sweeper.attend_due, often, _SHORTEST, now + uniform(0, often)),
            # An entry may be of a kind that attending does not touch: in no hurry, even if there are many.
            _Round(sweeper.attend_held, seldom, often, now + uniform(0, seldom)),
        ]

    def _waits(self, until: float) -> bool:
        """Wait for the next visit, or until `until`. False when the thread is to end."""
        with self._lock:
            while not self._stopped:
                next_visit = min((visit.at for visit in self._visits.values()), default=until)
                self._waits_until = min(until, next_visit)
                left = self._waits_until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, _LONGEST_WAIT))
            return not self._stopped

    def _visit(self) -> None:
        """Attend to those whose time has come."""
        now = time.monotonic()
        with self._lock:
            due = [(key, visit) for key, visit in self._visits.items() if visit.at <= now][:_BATCH]
        for key, visit in due:
            try:
                turn = self._backend.engine.attend(key, only_if_due=visit.only_if_due)
            except BaseException as error:  # noqa: BLE001  # an interrupt of somebody's callback, too: this thread is needed
                self.failed(key, error)
            else:
                with self._lock:
                    if self._visits.get(key) is visit:
                        del self._visits[key]
                self.settled(key, turn)
                self._brought_on()

    def _sweep(self, one: _Round) -> bool:
        """Attend to a batch. True where there may be more."""
        if self._backend.unattended:
            return False
        try:
            attended = one.attend(_BATCH)
        except BaseException:
            if not one.failures:
                logger.warning("a worker can't ask who is to be attended to, and goes on asking", exc_info=True)
            one.failures += 1
            return False
        one.failures = 0
        if attended:
            self._brought_on()
        return len(attended) == _BATCH
