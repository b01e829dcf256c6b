"""What becomes of one job: it is taken, executed while its lease is renewed, and its result is submitted.

Every worker does this with its jobs, in whatever thread. Whatever the executor does, a job ends with a result, or goes
back to the queue; a result that can't be submitted at once is kept for a while.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, TypeAlias, TypeVar

from runfox.backend.coroutines import event_loop
from runfox.backend.heartbeat import heartbeats
from runfox.errors import InvalidJSON, NoCurrentJob, PayloadTooLarge
from runfox.jsonvalue import JSONValue, copy_json
from runfox.machine import error_output
from runfox.protocols import Runner, SupportsLongPolling
from runfox.results import DispatchJob

logger = logging.getLogger("runfox")

Output: TypeAlias = Mapping[str, Any] | None

Executor: TypeAlias = Callable[[str, dict[str, Any]], Output | Coroutine[Any, Any, Output]]
"""``(op, inputs) -> output``: a plain function or a coroutine function; None counts as ``{}``. What it gives is checked
to be JSON."""

MAX_DELIVERIES = 5
"""How often a job is handed out before it gets an error result instead (an executor that kills its process). One that
was given back counts, too."""

LEASE_SECONDS = 60.0
"""For how long a worker has a job without renewing its lease."""

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0

_DENIED = re.compile("new futures|new thread|interpreter shutdown")
"""What Python says when it lets nobody begin threads or futures any more."""

_current: ContextVar[DispatchJob] = ContextVar("runfox_current_job")


def current_job() -> DispatchJob:
    """The job that the calling executor was given. Its `key` is the same at every delivery of a run: hand it on to
    whatever must not be done twice. Raises `NoCurrentJob` outside an executor.
    """
    try:
        return _current.get()
    except LookupError:
        raise NoCurrentJob from None


def call_executor(executor: Callable[[str, dict[str, Any]], object], job: DispatchJob) -> object:
    """What an executor gives for a job, which is its `current_job` meanwhile. A coroutine is run to its end."""
    token = _current.set(job)
    try:
        output = executor(job.call, job.inputs)
        return event_loop.run(output) if isinstance(output, Coroutine) else output
    finally:
        _current.reset(token)


def checked_executor(executor: Executor) -> Executor:
    """The executor itself. Raises `TypeError` for what can't be called."""
    if not callable(executor):
        raise TypeError(f"an executor is a function (op, inputs) -> dict, not {type(executor).__name__}")
    return executor


class JobHandler:
    """Takes jobs of one runner and runs them with one executor. Safe between threads.

    `lease_seconds` is asked for with every take; where it is None, a minute, or less if the runner's own leases are
    shorter (its attribute of that name). A result that can't be submitted is kept and submitted again for `patience`
    seconds, the length of a lease where it is None; then its job is given back.
    """

    def __init__(
        self,
        runner: Runner,
        executor: Executor,
        *,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
        max_deliveries: int = MAX_DELIVERIES,
        patience: float | None = None,
    ) -> None:
        usual = min(LEASE_SECONDS, getattr(runner, "lease_seconds", None) or LEASE_SECONDS)
        self.lease_seconds = usual if lease_seconds is None else lease_seconds
        if not 0 < self.lease_seconds < math.inf:
            raise ValueError(f"a lease of {self.lease_seconds!r} s: a worker needs more than 0 to renew it in time")
        if max_deliveries < 1:
            raise ValueError(f"max_deliveries must be 1 or more, not {max_deliveries!r}")
        self.runner = runner
        self._poller = runner if isinstance(runner, SupportsLongPolling) else None
        self._executor = checked_executor(executor)
        self._queues = None if queues is None else _checked(queues)
        self._max_deliveries = max_deliveries
        self._patience = self.lease_seconds if patience is None else patience
        self._hurried = threading.Event()
        self._denied = False
        # By job and not by run: where a lease lapsed, two threads may have the same run.
        self._running: dict[int, DispatchJob] = {}
        self._left: set[int] = set()
        _handlers.add(self)

    @property
    def running(self) -> int:
        """How many jobs are being run."""
        return len(self._running)

    @property
    def is_caller(self) -> bool:
        """True inside an executor, or a coroutine, that this handler runs."""
        job = _current.get(None)
        return job is not None and id(job) in self._running

    @property
    def can_wait(self) -> bool:
        """True where `take` can wait for jobs."""
        return self._poller is not None

    def take(self, limit: int, timeout: float = 0.0) -> list[DispatchJob]:
        """Up to `limit` pending jobs, oldest first. Where there are none, a runner that can waits for some, for
        `timeout` seconds at most.
        """
        if self._denied:
            return []
        if self._poller is not None and timeout > 0:
            return self._poller.poll_pending_jobs(timeout, limit, self._queues, self.lease_seconds)
        return self.runner.take_pending_jobs(limit, self._queues, self.lease_seconds)

    def handle(self, job: DispatchJob) -> JSONValue:
        """Execute a job that was taken, submit its result, and give the output as it was submitted.

        An interrupt (KeyboardInterrupt, SystemExit) and what the runner raises give the job back, and are raised.
        """
        beat = heartbeats.of(self.runner)
        handle: int | None = None
        try:
            self._left.discard(id(job))
            self._running[id(job)] = job
            handle = beat.watch(self.runner, job, self.lease_seconds)
            return self._submit(job, self._execute(job))
        except BaseException:
            # A job whose result has arrived is not given back by this: its lease is over.
            self.give_back(job)
            raise
        finally:
            if handle is not None:
                beat.release(handle)
            self._running.pop(id(job), None)

    def give_back(self, job: DispatchJob) -> bool:
        """Make a job that was taken pending again, for whoever takes it next. False if that failed."""
        try:
            self.runner.extend_lease(job, 0)
            return True
        except Exception:
            # It comes back when its lease lapses. What made us give it back is the better error to raise.
            logger.warning("the job of step %r could not be given back", job.op, exc_info=True)
            return False

    def release(self) -> None:
        """Give back all jobs that are running, each once: this process is about to leave them."""
        for handle, job in list(self._running.items()):
            if handle not in self._left and self.give_back(job):
                self._left.add(handle)

    def hurry(self) -> None:
        """The process is about to leave what runs. Until `take_time` a result that can't be submitted is kept no
        longer, and an error of an executor, which may have lost what it works with, gives its job back.
        """
        self._hurried.set()

    def take_time(self) -> None:
        """The opposite of `hurry`, and how it is at first."""
        self._hurried.clear()

    def _execute(self, job: DispatchJob) -> JSONValue:
        if job.delivery > self._max_deliveries:
            message = f"given up after {self._max_deliveries} deliveries, none of which brought a result"
            return {"ok": False, "error": message, "error_type": "TooManyDeliveries"}
        try:
            output = call_executor(self._executor, job)
            # A copy, so that what is submitted and what is settled are the same, whatever the executor goes on to do.
            return copy_json(output, f"the output of step {job.op!r}")
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if self._is_left(error):
                raise
            if not isinstance(error, InvalidJSON):
                logger.exception("the executor raised in step %r of %s", job.op, job.workflow_execution_id)
            return error_output(error)

    def _is_left(self, error: BaseException) -> bool:
        """True for an error that says nothing about the job: the process is about to end, and takes away what the
        executor uses.
        """
        if self._hurried.is_set():
            return True
        # Python says by this name alone that it no longer lets anybody begin threads or futures.
        ending = getattr(threading, "_SHUTTING_DOWN", False) or not threading.main_thread().is_alive()
        if ending and isinstance(error, RuntimeError) and _DENIED.search(str(error)):
            self._denied = True
            logger.warning("the main thread has ended, and executors can begin no threads: no more jobs are taken")
            return True
        return False

    def _submit(self, job: DispatchJob, output: JSONValue) -> JSONValue:
        ends_at = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._submit_once(job, output)
            except Exception:
                if self._hurried.is_set() or time.monotonic() >= ends_at:
                    raise
                if pause == _FIRST_PAUSE:
                    logger.warning(
                        "a result of step %r could not be submitted, and is kept until it can", job.op, exc_info=True
                    )
            self._hurried.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _submit_once(self, job: DispatchJob, output: JSONValue) -> JSONValue:
        submit = self.runner.submit_work_result
        try:
            submit(job.workflow_execution_id, job.op, output, job.run_id)
        except (InvalidJSON, PayloadTooLarge) as error:
            output = error_output(error)
            submit(job.workflow_execution_id, job.op, output, job.run_id)
        return output


def _checked(queues: Collection[str | None]) -> tuple[str | None, ...]:
    if isinstance(queues, (str, bytes)):
        raise TypeError(f"queues is the text {queues!r}: give a list of names, [{queues!r}]")
    names = tuple(queues)
    if not names or any(name is not None and not isinstance(name, str) for name in names):
        raise ValueError(f"queues is {list(names)!r}: give names, None for jobs without one, or nothing for all")
    return names


T = TypeVar("T")


def every(known: weakref.WeakSet[T]) -> list[T]:
    """What is in a set to which other threads may just be adding."""
    while True:
        try:
            return list(known)
        except RuntimeError:  # pragma: no cover  # it changed while it was read
            pass


_handlers: weakref.WeakSet[JobHandler] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    """The process ends, and with it its threads, in the middle of what they run."""
    for handler in every(_handlers):
        handler.hurry()
        handler.release()


def _forget_jobs() -> None:  # pragma: no cover  # a test proves it, in a child that coverage does not follow
    """In the child of a fork: what the parent runs is the parent's."""
    for handler in every(_handlers):
        handler._running.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=_forget_jobs)
