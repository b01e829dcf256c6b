"""Keeps the leases of running jobs alive: one thread for each runner of a process, started with the first job.

A thread for each, because a renewal may wait for a storage that is locked, and other storages' leases can't.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass

from runfox.protocols import Runner
from runfox.results import DispatchJob

logger = logging.getLogger("runfox")

_IDLE_SECONDS = 60.0


@dataclass(slots=True)
class _Watched:
    runner: Runner
    job: DispatchJob
    seconds: float
    due: float


class Heartbeat:
    """Renews each watched lease of one runner when a third of it has passed."""

    def __init__(self) -> None:
        # An interrupt can't come between this lock of C and its `with`; the methods of a condition it can cut in two.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._watched: dict[int, _Watched] = {}
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0

    def watch(self, runner: Runner, job: DispatchJob, seconds: float) -> int:
        """Renew the lease of `job`, which is `seconds` long, until `release`. Returns the handle for that."""
        watched = _Watched(runner, job, seconds, time.monotonic() + seconds / 3)
        handle = id(watched)
        with self._lock:
            self._watched[handle] = watched
            if self._thread is None:
                self._wakes_at = watched.due
                thread = threading.Thread(target=self._run, name="runfox-heartbeat", daemon=True)
                thread.start()
                self._thread = thread
            elif watched.due < self._wakes_at:
                # Should the thread be renewing just now, it hears no notification, but finds this.
                self._wakes_at = watched.due
                self._changed.notify()
        return handle

    def release(self, handle: int) -> None:
        """The job has ended; its lease is left to itself."""
        with self._lock:
            self._watched.pop(handle, None)

    @property
    def alive(self) -> bool:
        """True while its thread runs."""
        return self._thread is not None

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            with self._lock:
                now = time.monotonic()
                if self._watched:
                    idle_since = now
                elif now - idle_since >= _IDLE_SECONDS:
                    self._thread = None
                    return
                due = [watched for watched in self._watched.values() if watched.due <= now]
                for watched in due:
                    watched.due = now + watched.seconds / 3
                self._wakes_at = min((w.due for w in self._watched.values()), default=now + _IDLE_SECONDS)
            for watched in due:
                _renew(watched)
            with self._lock:
                self._changed.wait(min(max(0.0, self._wakes_at - time.monotonic()), _IDLE_SECONDS))


def _renew(watched: _Watched) -> None:
    try:
        watched.runner.extend_lease(watched.job, watched.seconds)
    except Exception:
        # The next beat tries again; at worst the lease lapses and the job runs a second time.
        logger.warning("a lease of step %r could not be renewed", watched.job.op, exc_info=True)


class Heartbeats:
    """The heartbeats of a process, by runner."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._beats: dict[int, Heartbeat] = {}

    def of(self, runner: Runner) -> Heartbeat:
        """The heartbeat of a runner. (One that was left by a runner which is no more serves the next as well.)"""
        with self._lock:
            beat = self._beats.get(id(runner))
            if beat is None:
                self._beats = {key: other for key, other in self._beats.items() if other.alive}
                beat = self._beats[id(runner)] = Heartbeat()
            return beat


heartbeats = Heartbeats()
"""The heartbeats of this process."""


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    # A forked child has the parent's objects, but not their threads, and perhaps a lock that is held for ever.
    os.register_at_fork(after_in_child=heartbeats.__init__)  # type: ignore[misc]  # on an instance, on purpose
