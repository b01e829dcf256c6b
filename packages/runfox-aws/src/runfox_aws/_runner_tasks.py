"""What the parts of the runner share: the tasks table, the queues, the clock, and rows as jobs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from runfox.errors import StorageCorrupt, StorageError
from runfox.jsonvalue import JSONObject
from runfox.packed import Packed, unpack, unpack_json, unpack_optional
from runfox.results import DispatchJob
from runfox.times import Clock, format_time
from runfox_aws._errors import ConditionFailed
from runfox_aws._items import item_of
from runfox_aws._queues import Queues
from runfox_aws._routes import Routes
from runfox_aws._rows import WorkflowTaskItem, microseconds, partition_of, task_key
from runfox_aws._runner_payloads import PayloadMissing, Payloads
from runfox_aws._table import Table

logger = logging.getLogger("runfox")

RESULT = {"#result": "result"}
"""A word that DynamoDB keeps for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """The tasks of one client."""

    table: Table
    payloads: Payloads
    queues: Queues
    routes: Routes
    clock: Clock

    def now(self) -> int:
        """Microseconds since the epoch."""
        return microseconds(self.clock())

    def touched(self) -> str:
        """Now, as UTC text."""
        return format_time(self.clock())

    def row(self, workflow_execution_id: str, op: str) -> WorkflowTaskItem | None:
        """The row of a step."""
        return row_of(self.table.get(task_key(workflow_execution_id, op)))

    def job(self, row: WorkflowTaskItem, *, taken: bool) -> DispatchJob | None:
        """The job of a row, with its lease where it was `taken`; None if the row is gone, or another, by now.

        A row whose inputs are not there, or can't be read, is removed: its execution's record has the job, and it is
        queued again when somebody attends to it.
        """
        try:
            inputs = _object(self.payloads.read(row.key["PK"], row.inputs))
        except (PayloadMissing, StorageCorrupt):
            self._drop(row)
            return None
        return DispatchJob(
            workflow_execution_id=unpack(row.workflow_execution_id),
            op=unpack(row.op),
            inputs=inputs,
            run_id=row.run_id,
            call=unpack(row.call),
            queue=unpack_optional(row.queue),
            lease=row.lease if taken else None,
            delivery=row.delivery,
        )

    def _drop(self, row: WorkflowTaskItem) -> None:
        now = row_of(self.table.get(row.key))
        if now is None or now.enqueued != row.enqueued:
            return
        logger.error(
            "the inputs of step %r of %r are missing or damaged: the job is dropped, and queued again when its "
            "execution is attended to",
            unpack(row.op),
            unpack(row.workflow_execution_id),
        )
        with suppress(ConditionFailed):
            self.table.delete(row.key, "enqueued = :enqueued", {":enqueued": row.enqueued})

    def clear(self, gone: WorkflowTaskItem) -> None:
        """Remove what a row that is gone referred to, as far as that can be done: nobody finds it any more."""
        partition = partition_of(unpack(gone.workflow_execution_id))
        try:
            self.payloads.remove(partition, (gone.inputs, gone.result))
        except StorageError as error:
            logger.debug("parts of step %r were left behind (%s)", unpack(gone.op), type(error).__name__)
        if gone.receipt is not None and gone.taken_from is not None:
            self.queues.delete([(gone.taken_from, gone.receipt)])


def row_of(item: Mapping[str, Any] | None) -> WorkflowTaskItem | None:
    """A row as it was read, None where there was none."""
    return None if item is None else item_of(WorkflowTaskItem, item)


def _object(packed: Packed) -> JSONObject:
    value = unpack_json(packed)
    if not isinstance(value, dict):
        raise StorageCorrupt("the inputs in a row are not the JSON object that was written")
    return value
