"""The store: one file for each execution, written whole.

It has no `patch` and no `refresh`: a file is replaced as a whole, so neither would be cheaper than what the backend
does by itself.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from runfox.errors import WorkflowNotFound, WriteConflict
from runfox.jsonvalue import JSONObject, copy_json
from runfox.records import ExecutionSummary, StepRecord, WorkflowRecord
from runfox.status import StepStatus, WorkflowStatus

from ._files import Files
from ._json import fields_of


class FilesStore:
    """Executions as files in a folder, for any number of threads and processes of one machine.

    `folder` is made where it is missing, in a folder that exists. Raises `StorageUnavailable` and `StorageCorrupt` here
    and in every call.
    """

    durable = True
    shared = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._files = Files(folder, "executions", _from_json)

    # Store

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        """The record as last written. Raises `WorkflowNotFound`."""
        record = self._files.read(workflow_execution_id)
        if record is None:
            raise WorkflowNotFound(workflow_execution_id)
        return record

    def write(self, record: WorkflowRecord) -> None:
        """Persist the whole record. Raises `WriteConflict` and `InvalidJSON`."""
        key = record.workflow_execution_id
        written = _to_json(replace(record, version=record.version + 1))
        with self._files.locked():
            stored = self._files.read(key)
            if record.version != (0 if stored is None else stored.version):
                raise WriteConflict(key, record.version)
            self._files.write(key, written)

    # SupportsDelete

    def delete(self, workflow_execution_id: str) -> None:
        """Remove the record. Raises `WorkflowNotFound`."""
        with self._files.locked():
            if not self._files.remove(workflow_execution_id):
                raise WorkflowNotFound(workflow_execution_id)

    # SupportsListing

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Summaries, newest first; those of one microsecond by descending id. Reads every record."""
        if after is not None and " " not in after:
            after = _summary(self.load(after)).cursor
        summaries = [
            _summary(record)
            for record in self._records()
            if (status is None or record.status == status)
            and (name is None or record.name == name)
            and (since is None or record.created_at >= since)
        ]
        summaries.sort(key=_place, reverse=True)
        if after is not None:
            last_seen = tuple(after.split(" ", 1))
            summaries = [summary for summary in summaries if _place(summary) < last_seen]
        return summaries[: max(limit, 0)]

    # SupportsWake

    def due(self, now: str, limit: int = 100) -> list[str]:
        """The ids of records whose `wake_at` is `now` or earlier, earliest first. Reads every record."""
        passed = sorted(
            (record.wake_at, record.workflow_execution_id)
            for record in self._records()
            if record.wake_at is not None and record.wake_at <= now
        )
        return [key for _, key in passed[: max(limit, 0)]]

    def _records(self) -> list[WorkflowRecord]:
        with self._files.locked():
            return list(self._files.all().values())


def _place(summary: ExecutionSummary) -> tuple[str, ...]:
    return summary.created_at, summary.workflow_execution_id


def _summary(record: WorkflowRecord) -> ExecutionSummary:
    return ExecutionSummary(
        workflow_execution_id=record.workflow_execution_id,
        name=record.name,
        status=record.status,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _to_json(record: WorkflowRecord) -> JSONObject:
    """Raises `InvalidJSON`, which names the field."""
    values = fields_of(record)
    steps: dict[str, StepRecord] = values.pop("steps")
    return {
        **{name: copy_json(value, f"the record's {name}") for name, value in values.items()},
        "steps": {op: _step_to_json(step) for op, step in steps.items()},
    }


def _step_to_json(step: StepRecord) -> JSONObject:
    return {name: copy_json(value, f"the {name} of step {step.op!r}") for name, value in fields_of(step).items()}


def _from_json(value: dict[str, Any]) -> WorkflowRecord:
    steps = {op: StepRecord(**{**step, "status": StepStatus(step["status"])}) for op, step in value["steps"].items()}
    return WorkflowRecord(**{**value, "status": WorkflowStatus(value["status"]), "steps": steps})
