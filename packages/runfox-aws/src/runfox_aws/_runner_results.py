"""Results: the first one of a run is kept in its row, and stays in the local index until somebody gathers it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runfox.errors import StorageCorrupt
from runfox.packed import Packed, unpack, unpack_json
from runfox.results import StepResult
from runfox_aws._errors import ConditionFailed
from runfox_aws._parallel import in_parallel
from runfox_aws._rows import Stored, partition_of, stamp, task_key, token
from runfox_aws._runner_payloads import INLINE_RESULT, PayloadMissing, fits
from runfox_aws._runner_tasks import RESULT, Tasks, row_of
from runfox_aws._schema import RESULTS
from runfox_aws._table import Item

_FIRST_POLL = 0.005
_LONGEST_POLL = 0.25

_SUBMIT = (
    "SET #result = :result, submitted = :stamp, ready = :stamp, touched = :touched "
    "REMOVE lease, leased_at, leased_until, #length, receipt, taken_from"
)
_OPEN = "attribute_exists(PK) AND attribute_not_exists(#result)"


class Signal:
    """Wakes whoever waits for something to be submitted by this process."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._condition = threading.Condition()
        self.count = 0

    def _own(self) -> threading.Condition:
        if self._pid != os.getpid():
            self._reset()  # a fork may copy the lock while another thread of the parent holds it
        return self._condition

    def send(self) -> None:
        """Something can be gathered."""
        with self._own():
            self.count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Return when `count` is no longer `seen`, after `seconds` at the latest."""
        with self._own():
            self._condition.wait_for(lambda: self.count != seen, seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Submits, gathers, waits."""

    tasks: Tasks
    signal: Signal

    # Workers

    def submit(self, workflow_execution_id: str, op: str, packed: Packed, run_id: int | None) -> None:
        """Keep a result, if it is the first one of its run."""
        tasks = self.tasks
        key = task_key(workflow_execution_id, op)
        if not fits(packed, INLINE_RESULT) and not self._is_open(workflow_execution_id, op, run_id):
            return  # parts are not written in vain
        stored = tasks.payloads.store(key["PK"], packed, INLINE_RESULT)
        place = stamp()
        values: dict[str, object] = {":result": stored, ":stamp": place, ":touched": tasks.touched()}
        condition = _OPEN
        if run_id is not None:
            values[":run"] = run_id
            condition += " AND run_id = :run"
        names = {**RESULT, "#length": "length"}
        try:
            old = row_of(tasks.table.update(key, _SUBMIT, values, condition, returns="ALL_OLD", names=names))
        except ConditionFailed as refused:
            kept = row_of(refused.item)
            if kept is None or kept.submitted != place:  # else the reply of an earlier copy of this request was lost
                tasks.payloads.remove(key["PK"], [stored])
                return
            old = None
        self.signal.send()
        if old is not None and old.receipt is not None and old.taken_from is not None:
            tasks.queues.delete([(old.taken_from, old.receipt)])

    def _is_open(self, workflow_execution_id: str, op: str, run_id: int | None) -> bool:
        row = self.tasks.row(workflow_execution_id, op)
        return row is not None and row.result is None and run_id in (None, row.run_id)

    # Drivers

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results that wait, in the order submitted; each is this caller's only."""
        mine = token()
        waiting = list(self._waiting(workflow_execution_id))
        won = in_parallel(lambda item: self._win(item, mine), waiting)
        gathered = [item for item, is_mine in zip(waiting, won, strict=True) if is_mine]
        read = in_parallel(self._read, gathered)
        return [
            StepResult(unpack(item["op"]), unpack_json(packed), item["run_id"])
            for item, packed in zip(gathered, read, strict=True)
            if packed is not None
        ]

    def _waiting(self, workflow_execution_id: str, limit: int | None = None) -> Iterator[Item]:
        more: dict[str, Any] = {} if limit is None else {"Limit": limit}
        return self.tasks.table.query(
            "PK = :execution", {":execution": partition_of(workflow_execution_id)}, index=RESULTS, **more
        )

    def _win(self, item: Item, mine: str) -> bool:
        """True if the result is gathered by this call, and by no other."""
        values = {":run": item["run_id"], ":ready": item["ready"], ":mine": mine, ":touched": self.tasks.touched()}
        try:
            self.tasks.table.update(
                {"PK": item["PK"], "SK": item["SK"]},
                "SET gathered = :mine, touched = :touched REMOVE ready",
                values,
                "run_id = :run AND ready = :ready",
            )
        except ConditionFailed as refused:
            # Where the reply of an earlier copy of this request was lost it is this call's own mark.
            return refused.item is not None and refused.item.get("gathered") == mine
        return True

    def _read(self, item: Item) -> Packed | None:
        """The text of a result; None if its row is gone, or another, by now."""
        result: Stored = item["result"]
        try:
            return self.tasks.payloads.read(item["PK"], result)
        except PayloadMissing:
            row = row_of(self.tasks.table.get({"PK": item["PK"], "SK": item["SK"]}))
            if row is None or row.submitted != item["ready"]:
                return None
            pair = f"({unpack(item['op'])!r}, {item['run_id']})"
            raise StorageCorrupt(
                f"parts of the result of {pair} of {unpack(row.workflow_execution_id)!r} are not in the table "
                f"{self.tasks.table.name!r}: restore it, or forget() the pair {pair} and the step runs again"
            ) from None

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        """True as soon as something can be gathered, False after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        poll = _FIRST_POLL
        while True:
            seen = self.signal.count
            if next(self._waiting(workflow_execution_id, 1), None) is not None:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.signal.wait(seen, min(left, poll))
            poll = min(poll * 1.5, _LONGEST_POLL)
