"""Looking at all that is held, and removing it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runfox.packed import unpack
from runfox.results import DispatchJob
from runfox_aws._errors import ConditionFailed
from runfox_aws._items import Key
from runfox_aws._parallel import in_parallel
from runfox_aws._rows import SHARD_NAMES, partition_of, task_key
from runfox_aws._runner_tasks import Tasks, row_of
from runfox_aws._schema import AGE
from runfox_aws._table import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """Lists, and forgets."""

    tasks: Tasks

    def list_pending(self) -> list[DispatchJob]:
        """All jobs that can be taken, oldest first."""
        now = self.tasks.now()
        rows = [row for row in map(row_of, self.tasks.table.get_many(self._keys()).values()) if row is not None]
        pending = sorted((row for row in rows if row.is_pending(now)), key=lambda row: row.enqueued)
        jobs = in_parallel(lambda row: self.tasks.job(row, taken=False), pending)
        return [job for job in jobs if job is not None]

    def held(self, before: str) -> list[str]:
        """The executions of which any row was last touched before, longest untouched first."""
        keys = self._keys(before)
        rows = self.tasks.table.get_many(keys, ["workflow_execution_id", "touched"])
        old = sorted((row["touched"], unpack(row["workflow_execution_id"])) for row in rows.values())
        return list(dict.fromkeys(execution for touched, execution in old if touched < before))

    def _keys(self, before: str | None = None) -> list[Key]:
        """The keys of all rows, or of those that were enqueued before a time: none was touched before that."""
        if before is not None and not before:
            return []

        def of_shard(shard: str) -> list[Key]:
            condition, values = "#shard = :shard", {":shard": shard}
            if before is not None:
                condition += " AND enqueued < :before"
                values[":before"] = before
            rows = self.tasks.table.query(
                condition,
                values,
                index=AGE,
                consistent=False,  # global indexes have no other reads
                ExpressionAttributeNames={"#shard": "shard"},
            )
            return [{"PK": row["PK"], "SK": row["SK"]} for row in rows]

        return [key for keys in in_parallel(of_shard, SHARD_NAMES) for key in keys]

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None) -> None:
        """Remove what is held for an execution, or for some of its runs."""
        if runs is not None:
            in_parallel(lambda run: self._forget_run(workflow_execution_id, *run), dict.fromkeys(runs))
            return
        items = list(
            self.tasks.table.query(
                "PK = :execution",
                {":execution": partition_of(workflow_execution_id)},
                ProjectionExpression="PK, SK, receipt, taken_from",
            )
        )
        # Rows first: parts without a row are found by nobody, a row without its parts is damaged.
        for wanted in (True, False):
            self.tasks.table.delete_many(
                {"PK": item["PK"], "SK": item["SK"]} for item in items if item["SK"].startswith("TASK#") is wanted
            )
        self._delete_messages(items)

    def _delete_messages(self, items: Iterable[Item]) -> None:
        self.tasks.queues.delete(
            (item["taken_from"], item["receipt"]) for item in items if "receipt" in item and "taken_from" in item
        )

    def _forget_run(self, workflow_execution_id: str, op: str, run_id: int) -> None:
        try:
            gone = row_of(
                self.tasks.table.delete(task_key(workflow_execution_id, op), "run_id = :run", {":run": run_id})
            )
        except ConditionFailed:
            return
        if gone is not None:
            self.tasks.clear(gone)
