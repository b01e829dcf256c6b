"""What checks of stores do in processes of their own.

A child process imports the module of each function that it is to call, and this one imports little.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

from runfox.errors import WriteConflict
from runfox.protocols import Store
from runfox.records import RecordPatch, WorkflowRecord
from runfox_testing.sample_records import OPS, chain_patch, chain_record, chain_write, complete_step, copy_of, patch_of

CHAIN = chain_record(1).workflow_execution_id


def load(client: Store, workflow_execution_id: str) -> WorkflowRecord:
    """Load."""
    return client.load(workflow_execution_id)


def is_stored(client: Store, workflow_execution_id: str) -> bool:
    """True if it can be loaded; for whatever reason it can't, it is not there."""
    try:
        client.load(workflow_execution_id)
    except Exception:  # noqa: BLE001  # the reason does not matter here
        return False
    return True


def write(client: Store, record: WorkflowRecord) -> None:
    """Write."""
    client.write(record)


def patch_stored(client: Any, patch: RecordPatch) -> None:
    """Patch."""
    client.patch(patch)


def delete(client: Any, workflow_execution_id: str) -> None:
    """Delete."""
    client.delete(workflow_execution_id)


def list_all(client: Any) -> list[str]:
    """The ids of the first page."""
    return [summary.workflow_execution_id for summary in client.list_executions()]


def list_due(client: Any, now: str) -> list[str]:
    """What is due."""
    ids: list[str] = client.due(now)
    return ids


def keep_writing(client: Store, version: int) -> Iterator[int]:
    """Write the chain on from `version`, for ever; each version when it is acknowledged."""
    for number in itertools.count(version + 1):
        client.write(chain_write(number))
        yield number


def keep_patching(client: Any, version: int) -> Iterator[int]:
    """As `keep_writing`, with patches."""
    for number in itertools.count(version + 1):
        client.patch(chain_patch(number))
        yield number


def load_until(client: Store, last: int, seconds: float) -> Iterator[object]:
    """Load until the chain's last version is there; then all that was seen, each version once unless it is not whole.

    The first item is a sign that the process reads.
    """
    deadline = time.monotonic() + seconds
    seen = [client.load(CHAIN)]
    yield "reading"
    while seen[-1].version != last and time.monotonic() < deadline:
        record = client.load(CHAIN)
        if record.version != seen[-1].version or record != chain_record(record.version):
            seen.append(record)
    yield from seen


def marked_by(base: WorkflowRecord, contender: int) -> WorkflowRecord:
    """What one of several contenders writes over `base`: its number is in every part of it."""
    record = copy_of(base, outcome=contender, state={"winner": contender, f"only {contender}": True})
    record.steps = {op: complete_step(op, {"winner": contender}) for op in OPS}
    return record


def write_marked(client: Store, base: WorkflowRecord, contender: int) -> None:
    """Write as one of the contenders."""
    client.write(marked_by(base, contender))


def count_up(client: Store, workflow_execution_id: str, times: int) -> None:
    """Add one to the record's state so often, each time by loading and writing until there is no conflict."""
    for _ in range(times):
        while True:
            record = client.load(workflow_execution_id)
            count = record.state["count"]
            assert isinstance(count, int)
            record.state["count"] = count + 1
            try:
                client.write(record)
            except WriteConflict:
                continue
            break


def count_up_by_patches(client: Any, workflow_execution_id: str, times: int) -> None:
    """As `count_up`, with a patch of the one key."""
    for _ in range(times):
        while True:
            record = client.load(workflow_execution_id)
            try:
                client.patch(patch_of(record, state={"count": record.state["count"] + 1}))
            except WriteConflict:
                continue
            break
