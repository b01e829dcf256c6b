"""`InMemoryStore`: records in this process's memory. The reference of the store contract."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from dataclasses import replace

from runfox.errors import WorkflowNotFound, WriteConflict
from runfox.jsonvalue import JSONObject, copy_json, copy_object
from runfox.records import UNSET, ExecutionSummary, RecordPatch, StepRecord, WorkflowRecord
from runfox.status import WorkflowStatus

_REMEMBERED_CHANGES = 1_000


class InMemoryStore:
    """A store for one process; what it holds ends with it. Safe between threads."""

    durable = False
    shared = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        """The record as last written. Raises `WorkflowNotFound`."""
        with self._lock:
            return _copy_record(self._entry(workflow_execution_id).record)

    def write(self, record: WorkflowRecord) -> None:
        """Persist the whole record. Raises `WriteConflict` and `InvalidJSON`."""
        copy = _copy_record(record)
        copy.version += 1
        with self._lock:
            entry = self._entries.get(record.workflow_execution_id)
            if record.version != (entry.record.version if entry else 0):
                raise WriteConflict(record.workflow_execution_id, record.version)
            self._entries[record.workflow_execution_id] = _Entry(copy)

    def patch(self, patch: RecordPatch) -> None:
        """Persist what changed. Raises `WriteConflict` and `InvalidJSON`."""
        copy = _copy_patch(patch)
        with self._lock:
            entry = self._entries.get(patch.workflow_execution_id)
            if entry is None or entry.record.version != patch.version:
                raise WriteConflict(patch.workflow_execution_id, patch.version)
            copy.apply_to(entry.record)
            entry.record.version += 1
            entry.changes.append(copy)

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        """The record brought up to date. Raises `WorkflowNotFound`."""
        with self._lock:
            entry = self._entry(record.workflow_execution_id)
            if entry.record.created_at != record.created_at:
                return _copy_record(entry.record)  # another execution, made under the id of one that was deleted
            if entry.record.version == record.version:
                return record
            missed = entry.changes_since(record.version)
            if missed is None:
                return _copy_record(entry.record)
        fresh = replace(record, state=dict(record.state), steps=dict(record.steps))
        for patch in missed:
            _copy_patch(patch).apply_to(fresh)
            fresh.version += 1
        return fresh

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Summaries, newest first. Raises `WorkflowNotFound` for an id in `after` that is not there."""
        wanted = None if status is None else WorkflowStatus(status)
        with self._lock:
            records = [entry.record for entry in self._entries.values()]
            if after is not None and " " not in after:
                after = _summary(self._entry(after).record).cursor
            summaries = [
                _summary(record)
                for record in records
                if (wanted is None or record.status is wanted)
                and (name is None or record.name == name)
                and (since is None or record.created_at >= since)
            ]
        summaries.sort(key=_place)
        end = len(summaries) if after is None else bisect_right(summaries, tuple(after.split(" ", 1)), key=_place)
        if after is not None and end and summaries[end - 1].cursor == after:
            end -= 1
        return summaries[max(0, end - limit) : end][::-1]

    def delete(self, workflow_execution_id: str) -> None:
        """Remove the record. Raises `WorkflowNotFound`."""
        with self._lock:
            self._entry(workflow_execution_id)
            del self._entries[workflow_execution_id]

    def due(self, now: str, limit: int = 100) -> list[str]:
        """The ids of records whose `wake_at` has passed, earliest first."""
        with self._lock:
            passed = sorted(
                (entry.record.wake_at, key)
                for key, entry in self._entries.items()
                if entry.record.wake_at is not None and entry.record.wake_at <= now
            )
        return [key for _, key in passed[: max(limit, 0)]]

    def _entry(self, workflow_execution_id: str) -> _Entry:
        try:
            return self._entries[workflow_execution_id]
        except KeyError:
            raise WorkflowNotFound(workflow_execution_id) from None


class _Entry:
    """A stored record and its latest patches, for `refresh`."""

    __slots__ = ("changes", "record")

    def __init__(self, record: WorkflowRecord) -> None:
        self.record = record
        self.changes: deque[RecordPatch] = deque(maxlen=_REMEMBERED_CHANGES)

    def changes_since(self, version: int) -> list[RecordPatch] | None:
        """The patches that lead from `version` to the present record; None where they are not all remembered."""
        count = self.record.version - version
        if not 0 <= count <= len(self.changes):
            return None
        return [self.changes[index] for index in range(len(self.changes) - count, len(self.changes))]


def _place(summary: ExecutionSummary) -> tuple[str, str]:
    return summary.created_at, summary.workflow_execution_id


def _summary(record: WorkflowRecord) -> ExecutionSummary:
    return ExecutionSummary(
        workflow_execution_id=record.workflow_execution_id,
        name=record.name,
        status=record.status,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _copy_record(record: WorkflowRecord) -> WorkflowRecord:
    return replace(
        record,
        spec=copy_object(record.spec, "the definition"),
        inputs=copy_object(record.inputs, "the workflow's inputs"),
        state=copy_object(record.state, "the state"),
        steps={op: _copy_step(step) for op, step in record.steps.items()},
        outcome=copy_json(record.outcome, "the outcome"),
    )


def _copy_patch(patch: RecordPatch) -> RecordPatch:
    return RecordPatch(
        workflow_execution_id=patch.workflow_execution_id,
        version=patch.version,
        updated_at=patch.updated_at,
        status=patch.status,
        outcome=UNSET if patch.outcome is UNSET else copy_json(patch.outcome, "the outcome"),
        wake_at=patch.wake_at,
        state=UNSET if patch.state is UNSET else copy_object(patch.state, "the state"),
        steps=UNSET if patch.steps is UNSET else {op: _copy_step(step) for op, step in patch.steps.items()},
    )


def _copy_step(step: StepRecord) -> StepRecord:
    if step.output is None and step.inputs is None:
        return step
    return StepRecord(
        op=step.op,
        status=step.status,
        output=_copy_optional(step.output),
        run_id=step.run_id,
        attempt=step.attempt,
        start_time=step.start_time,
        end_time=step.end_time,
        ready_at=step.ready_at,
        host=step.host,
        inputs=_copy_optional(step.inputs),
    )


def _copy_optional(value: JSONObject | None) -> JSONObject | None:
    return None if value is None else copy_object(value, "the step")
