"""`sweep`: attend to every execution that wants it. Any number of processes may sweep at any time."""

from __future__ import annotations

import logging

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
    now = backend.engine.now()
    held = backend.runner.held(add_seconds(now, -backend.recover_after))[:limit]
    attended = {key: _attended(backend, key, held=True) for key in held}
    if isinstance(backend.store, SupportsWake):
        _attend_due(backend, backend.store, now, limit, attended)
    return sum(attended.values())


def _attend_due(backend: Backend, store: SupportsWake, now: str, limit: int, attended: dict[str, bool]) -> None:
    """Attend to the first `limit` that are due, not counting those that fail: they stay due, and first."""
    left = limit
    while left > 0:
        new = [key for key in store.due(now, limit + len(attended)) if key not in attended][:left]
        if not new:
            return
        for key in new:
            attended[key] = _attended(backend, key, held=False)
            left -= attended[key]


def _attended(backend: Backend, workflow_execution_id: str, *, held: bool) -> bool:
    try:
        backend.engine.attend(workflow_execution_id, only_if_due=not held)
        if held:
            backend.engine.tidy(workflow_execution_id)
    except WorkflowNotFound:
        # Another store may share the runner, so its entries are not ours to forget.
        return False
    except Exception:
        logger.exception("execution %s could not be attended to", workflow_execution_id)
        return False
    return True
