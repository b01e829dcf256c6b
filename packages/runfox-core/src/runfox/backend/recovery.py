"""`sweep`: attend to every execution that wants it. Any number of processes may sweep at any time."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection

from runfox.backend.base import Backend
from runfox.errors import WorkflowNotFound
from runfox.protocols import SupportsWake
from runfox.times import add_seconds

logger = logging.getLogger("runfox")


def sweep(backend: Backend, limit: int = 100) -> int:
    """Attend to the executions that the store says are due, earliest first, and to those of which the runner has held
    an entry for longer than the backend's `recover_after`. Returns how many were attended to.

    `limit` bounds either of them in one call. One execution that fails is logged and stops no other. It is for runners
    that processes share: where a shared store meets a process-local runner, only the drivers repair, and nothing is
    done here.
    """
    if backend.unattended:
        logger.warning("sweep() does nothing: the store is shared, but the runner lives in this process only")
        return 0
    sweeper = Sweeper(backend)
    held = sweeper.attend_held(limit)
    return len(held) + len(sweeper.attend_due(limit, held))


class Sweeper:
    """Attends to what the store and the runner of a backend say wants it, again and again.

    An execution that fails is logged and left alone for `recover_after`; it stops no other. Of many that fail in a row
    the first is logged as an error, the others as information. With `in_any_order` those who sweep at the same moment
    begin at different ends. Nothing more is begun once `stopped` is true.
    """

    def __init__(
        self, backend: Backend, *, in_any_order: bool = False, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._backend = backend
        self._in_any_order = in_any_order
        self._stopped = stopped
        self._failing = False
        # By id, when to try again, by the monotonic clock.
        self._failed: dict[str, float] = {}

    def attend_held(self, limit: int) -> list[str]:
        """Attend to up to `limit` executions of which the runner has held an entry for longer than `recover_after`, and
        tidy up after them. Gives those that were attended to.
        """
        backend = self._backend
        before = add_seconds(backend.engine.now(), -backend.recover_after)
        left_alone = self._left_alone()
        held = [key for key in backend.runner.held(before) if key not in left_alone]
        return self._attend(held, self._tidy, limit)

    def attend_due(self, limit: int, done: Collection[str] = ()) -> list[str]:
        """Attend to the first `limit` executions that are due, not counting those in `done` nor those that fail: they
        stay due, and first. Gives those that were attended to; none where the store can't say who is due.
        """
        store = self._backend.store
        if not isinstance(store, SupportsWake):
            return []
        attended: list[str] = []
        seen = {*done, *self._left_alone()}
        now = self._backend.engine.now()
        while (left := limit - len(attended)) and not self._stopped():
            new = [key for key in store.due(now, limit + len(seen)) if key not in seen][:left]
            if not new:
                break
            seen.update(new)
            attended += self._attend(new, self._repair, left)
        return attended

    def _left_alone(self) -> Collection[str]:
        """Those that failed a short while ago."""
        now = time.monotonic()
        self._failed = {key: until for key, until in self._failed.items() if until > now}
        return self._failed

    def _attend(self, keys: list[str], attend: Callable[[str], None], limit: int) -> list[str]:
        if self._in_any_order:
            random.shuffle(keys)
        attended: list[str] = []
        for key in keys:
            if len(attended) == limit or self._stopped():
                break
            if self._succeeds(key, attend):
                attended.append(key)
        return attended

    def _succeeds(self, workflow_execution_id: str, attend: Callable[[str], None]) -> bool:
        try:
            attend(workflow_execution_id)
        except Exception as error:
            self._failed[workflow_execution_id] = time.monotonic() + self._backend.recover_after
            # Another store may share the runner: its executions are unknown here, and its entries not ours to forget.
            if not isinstance(error, WorkflowNotFound):
                level = logging.INFO if self._failing else logging.ERROR
                logger.log(level, "execution %s could not be attended to", workflow_execution_id, exc_info=True)
                self._failing = True
            return False
        self._failing = False
        return True

    def _repair(self, workflow_execution_id: str) -> None:
        self._backend.engine.attend(workflow_execution_id, only_if_due=True)

    def _tidy(self, workflow_execution_id: str) -> None:
        self._backend.engine.attend(workflow_execution_id)
        self._backend.engine.tidy(workflow_execution_id)
