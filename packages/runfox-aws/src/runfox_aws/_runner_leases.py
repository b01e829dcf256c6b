"""Leases: the row says until when a job is its taker's. The message's visibility follows, as well as it can."""

from __future__ import annotations

from dataclasses import dataclass

from runfox.results import DispatchJob
from runfox_aws._errors import ConditionFailed
from runfox_aws._queues import visibility
from runfox_aws._rows import SKEW, WorkflowTaskItem, microseconds, task_key
from runfox_aws._runner_tasks import RESULT, Tasks, row_of

_LIVING = (
    "lease = :lease AND run_id = :run AND attribute_not_exists(#result) "
    "AND leased_at <= :latest AND leased_until > :now"
)
_GIVE_BACK = "SET touched = :touched, leased_until = :now REMOVE lease"
_RENEW = "SET touched = :touched, leased_at = :now, #length = :length, leased_until = :until"
_RENEW_AS_BEFORE = "SET touched = :touched, leased_at = :now, leased_until = #length + :now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """Renews leases, and ends them."""

    tasks: Tasks

    def extend(self, job: DispatchJob, seconds: float | None) -> bool:
        """Renew a lease, or give the job back with 0 seconds. False if the lease is not the living one."""
        if job.lease is None:
            return False
        now = self.tasks.now()
        row = self._change(job, now, None if seconds is None else microseconds(seconds))
        if row is None:
            return False
        if row.receipt is not None and row.taken_from is not None and row.leased_until is not None:
            self.tasks.queues.show([(row.taken_from, row.receipt, visibility(row.leased_until - now))])
        return True

    def _change(self, job: DispatchJob, now: int, length: int | None) -> WorkflowTaskItem | None:
        expression = _RENEW_AS_BEFORE if length is None else _RENEW if length else _GIVE_BACK
        names = dict(RESULT)
        values: dict[str, object] = {
            ":lease": job.lease,
            ":run": job.run_id,
            ":now": now,
            ":latest": now + SKEW,
            ":touched": self.tasks.touched(),
        }
        if expression != _GIVE_BACK:
            names["#length"] = "length"
        if expression == _RENEW:
            assert length is not None
            values |= {":length": length, ":until": now + length}
        key = task_key(job.workflow_execution_id, job.op)
        try:
            return row_of(self.tasks.table.update(key, expression, values, _LIVING, returns="ALL_NEW", names=names))
        except ConditionFailed as refused:
            row = row_of(refused.item)
            given_back = (
                row is not None
                and expression == _GIVE_BACK
                and refused.retried  # an earlier copy of this request ended it
                and (row.run_id, row.lease, row.leased_until) == (job.run_id, None, now)
            )
            return row if given_back else None
