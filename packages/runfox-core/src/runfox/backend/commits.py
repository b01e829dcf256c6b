"""The commit loop: ask the machine, write by compare-and-set, on a conflict refresh the snapshot and ask again.

A decision from a snapshot that may be old counts only if its commit succeeds, for that proves the snapshot right. One
that changes nothing, or that raises, is asked for again on a snapshot that is known to be fresh.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from runfox.backend.snapshots import Snapshots
from runfox.errors import ExecutionEnded, ExpressionError, UnknownStep, WriteConflict
from runfox.jsonvalue import JSONObject, copy_object
from runfox.limits import DEFAULT_LIMITS, Limits
from runfox.machine import Decision, Merge, Snapshot
from runfox.protocols import Store, SupportsPatch
from runfox.results import StateChangeEvent

logger = logging.getLogger("runfox")

T = TypeVar("T")

OnStateChange: TypeAlias = Callable[[str, JSONObject, JSONObject, StateChangeEvent | None], object]
"""``(workflow_execution_id, previous_state, new_state, event)``; must be pure. What it returns is ignored."""

MAX_ATTEMPTS = 100
"""How often a commit is tried against others before its `WriteConflict` reaches the caller."""

_LONGEST_PAUSE = 0.05


class Commits:
    """Commits decisions to one store. Safe between threads."""

    def __init__(self, store: Store, on_state_change: OnStateChange | None, limits: Limits = DEFAULT_LIMITS) -> None:
        self._store = store
        self._patches = store if isinstance(store, SupportsPatch) else None
        self._on_state_change = on_state_change
        self._snapshots = Snapshots(store, limits)

    def adopt(self, snapshot: Snapshot) -> None:
        """A record was written whole; this is the snapshot of it."""
        self._snapshots.put(snapshot)

    def discard(self, workflow_execution_id: str) -> None:
        """The record was changed past this object."""
        self._snapshots.take(workflow_execution_id)

    def commit(
        self,
        workflow_execution_id: str,
        decide: Callable[[Snapshot], Decision],
        read: Callable[[Decision], T],
        *,
        fresh: bool = False,
    ) -> T:
        """Commit what `decide` says, and give what `read` makes of it.

        `decide` may be called several times. With `fresh` not even the first call sees an old snapshot. Raises
        `WorkflowNotFound`, what `decide` raises, `WriteConflict` when others kept winning, and whatever the store
        raises: then nobody knows whether the commit took effect.
        """
        snapshot = self._snapshots.take(workflow_execution_id)
        verified = snapshot is None
        snapshot = snapshot or self._snapshots.load(workflow_execution_id)
        if fresh and not verified:
            snapshot, verified = self._snapshots.refresh(snapshot), True
        for pause in _pauses():
            try:
                decision = decide(snapshot)
            except (ExecutionEnded, ExpressionError, UnknownStep):
                if verified:
                    self._snapshots.put(snapshot)
                    raise
                snapshot, verified = self._snapshots.refresh(snapshot), True
                continue
            if decision.patch is None:
                version = snapshot.record.version
                if not verified:
                    snapshot, verified = self._snapshots.refresh(snapshot), True
                    if snapshot.record.version != version:
                        continue
                result = read(decision)
                self._snapshots.put(snapshot)
                return result
            try:
                self._write(snapshot, decision)
            except WriteConflict:
                time.sleep(pause)
                snapshot, verified = self._snapshots.refresh(snapshot), True
                continue
            return self._committed(workflow_execution_id, snapshot, decision, read)
        raise WriteConflict(workflow_execution_id, snapshot.record.version)

    def _write(self, snapshot: Snapshot, decision: Decision) -> None:
        assert decision.patch is not None
        if self._patches is not None:
            self._patches.patch(decision.patch)
        else:
            self._store.write(decision.patch.applied(snapshot.record))

    def _committed(
        self, workflow_execution_id: str, snapshot: Snapshot, decision: Decision, read: Callable[[Decision], T]
    ) -> T:
        observed = self._on_state_change is not None and decision.merges
        before = copy_object(snapshot.record.state, "the state") if observed else {}
        decision.committed()
        result = read(decision)
        self._snapshots.put(snapshot)
        if observed:
            self._notify(workflow_execution_id, before, decision.merges)
        return result

    def _notify(self, workflow_execution_id: str, before: JSONObject, merges: Sequence[Merge]) -> None:
        assert self._on_state_change is not None
        for merge in merges:
            after = {**before, **copy_object(merge.updates, "the state")}
            event = None if merge.op is None else StateChangeEvent(merge.op)
            try:
                self._on_state_change(
                    workflow_execution_id, copy_object(before, "the state"), copy_object(after, "the state"), event
                )
            except Exception:
                logger.exception("on_state_change raised for %s", workflow_execution_id)
            before = after


def _pauses() -> Iterator[float]:
    """Seconds to wait after each lost race: longer and longer, and never the same for two who lost together."""
    longest = 0.001
    for _ in range(MAX_ATTEMPTS):
        yield random.random() * longest
        longest = min(_LONGEST_PAUSE, longest * 2)
