"""The items of the tasks table: one row for each step of an execution that was dispatched, parts of what is too large
for a row, and the queues that jobs were sent to. All numbers are integers: leases are counted in microseconds.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from dynawrap import DBItem

from runfox.packed import Packed, unpack
from runfox_aws._items import Key, key_of, key_part
from runfox_aws._schema import SHARDS

Stored: TypeAlias = "Packed | list[Any]"
"""A JSON text, or where it is: ``[payload, number of parts, "S" or "B"]``."""

MICROSECONDS = 1_000_000

SKEW = MICROSECONDS
"""By how much a lease may have begun in the future, by the clock of a machine that is ahead of this one."""

_LONGEST_LEASE = 10**12 * MICROSECONDS


@dataclass(kw_only=True)
class WorkflowTaskItem(DBItem):
    """The newest known run of a step, from its dispatch until it is forgotten.

    `queue` and `call` are the job's; `route` is what stood in its inputs where it has no queue of its own. `enqueued`
    is its place among all jobs. `sent` and `sends` say when and how often its message was sent again. A job that is
    taken has a `lease`; `receipt` is its message's, from the queue `taken_from`. `result` comes with `submitted`, its
    place among the results; `ready` is the same while the result waits to be gathered, and `gathered` the token of
    who gathered it last.
    """

    pk_pattern: ClassVar[str] = "EXECUTION#{execution}"
    sk_pattern: ClassVar[str] = "TASK#{step}"

    workflow_execution_id: Packed
    op: Packed
    run_id: int
    call: Packed
    queue: Packed | None = None
    route: Packed | None = None
    inputs: Stored = field(repr=False)
    shard: str
    enqueued: str
    touched: str
    sent: int | None = None
    sends: int = 0
    delivery: int = 0
    lease: str | None = field(default=None, repr=False)
    leased_at: int | None = None
    leased_until: int | None = None
    length: int | None = None
    receipt: str | None = field(default=None, repr=False)
    taken_from: str | None = field(default=None, repr=False)
    result: Stored | None = field(default=None, repr=False)
    submitted: str | None = None
    ready: str | None = None
    gathered: str | None = None

    @property
    def key(self) -> Key:
        """Where it is in the table."""
        return task_key(unpack(self.workflow_execution_id), unpack(self.op))

    def is_leased(self, now: int) -> bool:
        """True if somebody has it. A lease that began later than `now` is over: the clock went back."""
        if self.lease is None or self.leased_at is None or self.leased_until is None:
            return False
        return self.leased_at <= now + SKEW and now < self.leased_until

    def is_pending(self, now: int) -> bool:
        """True if it can be taken."""
        return self.result is None and not self.is_leased(now)


@dataclass(kw_only=True)
class PayloadItem(DBItem):
    """A part of a JSON text that is too large for its row."""

    pk_pattern: ClassVar[str] = "EXECUTION#{execution}"
    sk_pattern: ClassVar[str] = "PAYLOAD#{payload}#{part}"

    data: bytes = field(repr=False)


@dataclass(kw_only=True)
class RouteItem(DBItem):
    """A queue that jobs were sent to: `name` is theirs, None for jobs without one, `url` the queue of SQS."""

    pk_pattern: ClassVar[str] = "ROUTES"
    sk_pattern: ClassVar[str] = "ROUTE#{queue}"

    name: Packed | None = None
    url: str = field(repr=False)


def task_key(workflow_execution_id: str, op: str) -> Key:
    """The key of a step's row."""
    return key_of(WorkflowTaskItem, execution=key_part(workflow_execution_id), step=key_part(op))


def partition_of(workflow_execution_id: str) -> str:
    """The partition key of everything of an execution."""
    return WorkflowTaskItem.pk_pattern.format(execution=key_part(workflow_execution_id))


SHARD_NAMES = tuple(f"tasks#{number}" for number in range(SHARDS))


def shard_of(workflow_execution_id: str) -> str:
    """Where in the global index the rows of an execution are."""
    digest = hashlib.sha256(key_part(workflow_execution_id).encode("ascii")).digest()
    return SHARD_NAMES[digest[0] % SHARDS]


def token() -> str:
    """A text that nobody else has."""
    return secrets.token_hex(8)


def microseconds(seconds: float) -> int:
    """Seconds as DynamoDB keeps them."""
    return _LONGEST_LEASE if seconds >= _LONGEST_LEASE / MICROSECONDS else round(seconds * MICROSECONDS)


class _Stamps:
    """Texts in the order in which they were made: of this process exactly, of several as well as their clocks agree."""

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # A fork may copy the lock while another thread of the parent holds it.
        self._lock = threading.Lock()
        self._last = 0
        self._tail = secrets.token_hex(4)

    def __call__(self) -> str:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return f"{self._last:020d}-{self._tail}"


stamp = _Stamps()
"""A text that nobody else has, above all that this process made before. It is not of the runner's clock, which may
stand still.
"""
