"""The snapshots that a backend has seen, bounded, and how one is made or brought up to date."""

from __future__ import annotations

import threading
from collections import OrderedDict

from runfox.limits import DEFAULT_LIMITS, Limits
from runfox.machine import Snapshot, follow
from runfox.plan import plans
from runfox.protocols import Store, SupportsRefresh
from runfox.records import WorkflowRecord

MAX_STEPS = 100_000
"""How many steps the kept records may have together."""


class Snapshots:
    """Keeps snapshots of living executions, the least recently used ones first to go.

    A snapshot is taken out while somebody works on it, so that two threads never share one; the second thread loads
    its own.
    """

    def __init__(self, store: Store, limits: Limits = DEFAULT_LIMITS, max_steps: int = MAX_STEPS) -> None:
        self._store = store
        self._limits = limits
        self._max_steps = max_steps
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Snapshot] = OrderedDict()
        self._steps = 0

    def take(self, workflow_execution_id: str) -> Snapshot | None:
        """The snapshot that is kept, which is the caller's until it is put back."""
        with self._lock:
            snapshot = self._kept.pop(workflow_execution_id, None)
            if snapshot is not None:
                self._steps -= len(snapshot.plan.steps)
            return snapshot

    def put(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless its execution has ended or a newer one is kept."""
        record = snapshot.record
        if record.status.ended:
            return
        key = record.workflow_execution_id
        with self._lock:
            other = self._kept.get(key)
            if other is not None:
                if other.record.version >= record.version:
                    return
                self._steps -= len(other.plan.steps)
            self._kept[key] = snapshot
            self._kept.move_to_end(key)
            self._steps += len(snapshot.plan.steps)
            while self._steps > self._max_steps and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._steps -= len(oldest.plan.steps)

    def load(self, workflow_execution_id: str) -> Snapshot:
        """A new snapshot from the store. Raises `WorkflowNotFound`."""
        return self._snapshot(self._store.load(workflow_execution_id))

    def refresh(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot brought up to date: in place, where the store refreshes. Raises `WorkflowNotFound`."""
        if not isinstance(self._store, SupportsRefresh):
            return self.load(snapshot.record.workflow_execution_id)
        record = self._store.refresh(snapshot.record)
        if record is not snapshot.record:
            follow(snapshot, record)
        return snapshot

    def _snapshot(self, record: WorkflowRecord) -> Snapshot:
        return Snapshot(plans.of_spec(record.workflow_id, record.spec, self._limits), record)
