"""Taking the job of one message that somebody else has received, as Lambda does, and will delete or let come again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runfox.results import DispatchJob
from runfox_aws._errors import ConditionFailed
from runfox_aws._messages import incoming
from runfox_aws._rows import SKEW, token
from runfox_aws._runner_take import CLAIM, CLAIMABLE
from runfox_aws._runner_tasks import RESULT, Tasks, row_of


class JobTaken(Exception):
    """The job of a message is with somebody else now."""


def take_delivered(tasks: Tasks, message: Mapping[str, Any], length: int) -> DispatchJob | None:
    """The job of a message, leased for `length` microseconds; None if it is over.

    The row gets no receipt: the message is not ours to hide or to delete. Raises `JobTaken`, and `ValueError` for a
    message of which no job is known.
    """
    ticket = incoming("", {"ReceiptHandle": "", **message}).ticket
    if ticket is None or ticket.table not in (None, tasks.table.name):
        raise ValueError("a message is not one of this runner's")
    now = tasks.now()
    lease = token()
    values: dict[str, object] = {
        ":run": ticket.run_id,
        ":lease": lease,
        ":now": now,
        ":latest": now + SKEW,
        ":until": now + length,
        ":length": length,
        ":touched": tasks.touched(),
        ":one": 1,
    }
    expression = f"{CLAIM} REMOVE receipt, taken_from"
    names = {**RESULT, "#length": "length"}
    try:
        row = row_of(tasks.table.update(ticket.key, expression, values, CLAIMABLE, returns="ALL_NEW", names=names))
    except ConditionFailed as refused:
        row = row_of(refused.item)
        if row is None or row.run_id != ticket.run_id or row.result is not None:
            return None
        if row.lease != lease:  # else the reply of an earlier copy of this request was lost
            raise JobTaken from None
    assert row is not None
    return tasks.job(row, taken=True)
