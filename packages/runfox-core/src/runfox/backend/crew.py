"""Threads that take jobs and work on them.

At any time at most one of a crew's threads asks the queue, for as many jobs as there are idle threads, and hands on
what it gets beyond its own: so a crew costs the queue one question at a time however many threads it has, and holds
no job that nobody works on.
"""

from __future__ import annotations

import atexit
import logging
import operator
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

from runfox.backend.job_handler import JobHandler, every
from runfox.protocols import Runner
from runfox.results import DispatchJob

logger = logging.getLogger("runfox")

POLL_INTERVAL = 0.05
"""Seconds."""

LONG_POLL = 2.0
"""Seconds that a question waits for jobs, where the runner can wait. `stop` waits for the question that is under way,
whose jobs it has to give back, and no runner can be told to cut it short: so this is also by how much an idle worker
may be late to stop.
"""

_FIRST_PAUSE = 0.001
_FIRST_PAUSE_AFTER_ERROR = 0.1
_LONGEST_PAUSE_AFTER_ERROR = 5.0


class Crew:
    """`size` threads that take jobs with `handler` and call `work` for each.

    An idle crew looks for jobs after a millisecond, then less and less often, at least every `poll_interval` seconds
    and at once when it is told to by `kick`. With `long_poll`, and a runner that can wait for jobs, a question waits
    for so many seconds instead, and the next one follows without a pause.

    What `work` raises is logged; an interrupt (KeyboardInterrupt, SystemExit), which no signal can have caused in a
    thread, goes to `interrupted`.
    """

    def __init__(
        self,
        handler: JobHandler,
        size: int,
        work: Callable[[DispatchJob], object],
        interrupted: Callable[[BaseException], None],
        poll_interval: float = POLL_INTERVAL,
        *,
        long_poll: float = 0.0,
    ) -> None:
        if operator.index(size) < 1:
            raise ValueError(f"concurrency must be 1 or more, not {size!r}")
        if not poll_interval > 0:
            raise ValueError(f"poll_interval must be more than 0 seconds, not {poll_interval!r}")
        self.handler = handler
        self.size = size
        self._work = work
        self._interrupted = interrupted
        self._poll_interval = poll_interval
        self._long_poll = long_poll if handler.can_wait else 0.0
        self._begin_anew()
        _crews.add(self)

    def _begin_anew(self) -> None:
        # An interrupt can't come between this lock of C and its `with`; the methods of a condition it can cut in two.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._kicked = threading.Condition(self._lock)
        self._left = threading.Condition(self._lock)
        self._users = 0
        self._threads: list[threading.Thread] = []
        self._ready: deque[DispatchJob] = deque()
        self._asking = False
        self._ask_again = False
        self._idle = 0
        self._at_work = 0
        self._leaving = 0
        self._pause = _FIRST_PAUSE
        self._failing = False

    # For those who have the crew

    @property
    def serving(self) -> bool:
        """True between `start` and `stop`."""
        return self._users > 0

    def start(self) -> None:
        """Begin the threads, for as long as there is a `stop` to come; further calls are counted."""
        with self._lock:
            self._pause = _FIRST_PAUSE
            while len(self._threads) < self.size:
                thread = threading.Thread(target=self._loop, name="runfox-worker", daemon=True)
                self._threads.append(thread)
                try:
                    thread.start()
                except BaseException:
                    # Those that did start find no user, and leave.
                    self._threads.remove(thread)
                    raise
            self._users += 1
            self._left.notify_all()

    def kick(self) -> None:
        """Jobs may have come: ask at once."""
        with self._lock:
            self._ask_again = True
            self._kicked.notify()

    def stop(self, *, wait: bool = True) -> None:
        """Let the threads end after the job that they are at. Does not wait for these jobs, but for a question that is
        under way: when it returns no job is taken any more, and what nobody has begun was given back. (Without `wait`
        that is so a little later.)
        """
        with self._lock:
            if not self._users:
                return
            self._users -= 1
            self._changed.notify_all()
            self._kicked.notify_all()
            if wait:
                self._left.wait_for(self._at_rest)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until no thread is left, after `stop`. False if that takes longer than `timeout` seconds."""
        with self._lock:
            return self._left.wait_for(self._gone, timeout)

    def is_current(self) -> bool:
        """True in one of the crew's own threads."""
        return threading.current_thread() in self._threads

    def _at_rest(self) -> bool:
        return self._users > 0 or (len(self._threads) <= self._at_work and not self._leaving)

    def _gone(self) -> bool:
        return self._users > 0 or not (self._threads or self._leaving)

    # The threads

    def _loop(self) -> None:
        while True:
            job = self._next()
            if job is None:
                return
            try:
                self._work(job)
            except Exception:
                if self._users > 0:
                    logger.exception("a worker could not submit a result; its job was given back")
                else:
                    # Nobody waits for it any more, and its storage may be closed; its lease lapses.
                    logger.info("a job that outlived its worker was left")
            except BaseException as error:  # noqa: BLE001  # the thread has to live: others may need it
                self._interrupted(error)
            finally:
                with self._lock:
                    self._at_work -= 1

    def _next(self) -> DispatchJob | None:
        """The next job to work on; None when the thread is to end."""
        while True:
            with self._lock:
                while self._users > 0 and self._asking and not self._ready:
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                if self._users <= 0:
                    # It is alive for a moment longer, but no longer one that `start` may count on.
                    self._threads.remove(threading.current_thread())
                    self._leaving += 1
                    break
                if self._ready:
                    self._at_work += 1
                    return self._ready.popleft()
                self._asking = True
                self._ask_again = False
                wanted = self._idle + 1
            self._ask(wanted)
        self._leave()
        return None

    def _ask(self, wanted: int) -> None:
        """Ask the queue once, as the only thread that does; where it has nothing, wait a while, if it has not waited
        itself.
        """
        jobs: list[DispatchJob] = []
        failed = False
        begun = time.monotonic()
        try:
            jobs = self.handler.take(wanted, self._long_poll)
        except Exception:
            failed = True
            if self._users > 0 and not self._failing:
                logger.exception("a worker can't take jobs, and goes on asking")
        except BaseException as error:  # noqa: BLE001  # the thread has to live: it is the one that asks
            self._interrupted(error)
        with self._lock:
            if jobs:
                self._ready.extend(jobs)
                self._pause = _FIRST_PAUSE
            elif self._users > 0 and not self._ask_again and (failed or not self._has_waited(begun)):
                self._kicked.wait(self._next_pause(failed=failed))
            if self._failing and not failed:
                logger.warning("a worker can take jobs again")
            self._failing = failed
            self._asking = False
            # One goes on to ask while this thread takes the first of the jobs.
            self._changed.notify(len(jobs))

    def _has_waited(self, begun: float) -> bool:
        """True where an answer came late because the runner waited for jobs. One that came early, against the law or
        because no jobs are taken any more, must not make the crew ask without end.
        """
        return 0 < self._long_poll <= 2 * (time.monotonic() - begun)

    def _next_pause(self, *, failed: bool) -> float:
        pause = max(self._pause, _FIRST_PAUSE_AFTER_ERROR) if failed else min(self._pause, self._poll_interval)
        self._pause = min(pause * 2, _LONGEST_PAUSE_AFTER_ERROR if failed else self._poll_interval)
        return pause

    def _leave(self) -> None:
        with self._lock:
            left = list(self._ready)
            self._ready.clear()
        for job in left:
            self.handler.give_back(job)
        with self._lock:
            self._leaving -= 1
            self._left.notify_all()


_crews: weakref.WeakSet[Crew] = weakref.WeakSet()


def is_served(runner: Runner) -> bool:
    """True while a crew of this process takes jobs of `runner`, and has a thread for them besides the caller."""
    return any(
        crew.serving and crew.handler.runner is runner and (crew.size > 1 or not crew.is_current())
        for crew in every(_crews)
    )


@atexit.register
def _leave() -> None:
    """The process ends: no thread begins anything more."""
    for crew in every(_crews):
        while crew.serving:
            crew.stop(wait=False)


def _leave_to_parent() -> None:  # pragma: no cover  # a test proves it, in a child that coverage does not follow
    """In the child of a fork: the threads are the parent's."""
    for crew in every(_crews):
        crew._begin_anew()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=_leave_to_parent)
