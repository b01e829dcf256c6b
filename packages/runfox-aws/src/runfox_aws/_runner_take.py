"""Taking: a message says which row may be had, and the row's condition says who has it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from runfox.errors import StorageCorrupt, StorageError
from runfox.packed import unpack_optional
from runfox.results import DispatchJob
from runfox_aws._errors import ConditionFailed
from runfox_aws._messages import Incoming, Ticket, digest_of
from runfox_aws._parallel import in_parallel
from runfox_aws._queues import BATCH, visibility
from runfox_aws._rows import SKEW, WorkflowTaskItem, token
from runfox_aws._runner_tasks import RESULT, Tasks, row_of

logger = logging.getLogger("runfox")

_MOST_HELD = 1_000
"""Messages of other queues' jobs that one take looks past."""

CLAIM = (
    "SET lease = :lease, leased_at = :now, leased_until = :until, #length = :length, touched = :touched, "
    "delivery = delivery + :one"
)
"""What makes a row the taker's."""

_CLAIM_OF_MESSAGE = f"{CLAIM}, receipt = :receipt, taken_from = :url"

CLAIMABLE = (
    "run_id = :run AND attribute_not_exists(#result) "
    "AND (attribute_not_exists(lease) OR leased_until <= :now OR leased_at > :latest)"
)
"""The condition under which a row can be taken."""


@dataclass(frozen=True, slots=True)
class _Taken:
    row: WorkflowTaskItem
    job: DispatchJob


class Taking:
    """One take. `jobs` are what was taken; when the context ends, messages that were received and not used are given
    back. What ends it by an error, or from outside, gives back the jobs, too.

    `queues` are the names that are wanted, all for None; `most` is how many jobs, `length` their lease in microseconds.
    """

    def __init__(self, tasks: Tasks, most: int | None, queues: Collection[str | None] | None, length: int) -> None:
        self.error: StorageError | None = None
        self._tasks = tasks
        self._most = most
        self._wanted = None if queues is None else {digest_of(queue) for queue in queues}
        self._length = length
        # With 0 a receive would give the same message again and again.
        self._visibility = max(visibility(length), 1)
        self._taken: list[_Taken] = []
        self._seen: set[tuple[str, str, int]] = set()
        self._attempts: list[tuple[Incoming, Ticket, str]] = []
        self._stale: list[Incoming] = []
        self._later: list[tuple[Incoming, int]] = []
        self._held = 0
        self.strangers = 0

    @property
    def jobs(self) -> list[DispatchJob]:
        """What was taken, oldest first."""
        return [taken.job for taken in sorted(self._taken, key=lambda taken: taken.row.enqueued)]

    @property
    def has_ended(self) -> bool:
        """True if nothing more is to be asked for: there are jobs, or an error."""
        return bool(self._taken) or self.error is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._give_back()
        queues = self._tasks.queues
        queues.delete((message.url, message.receipt) for message in self._stale)
        queues.show((message.url, message.receipt, seconds) for message, seconds in self._later)

    def drain(self, url: str) -> None:
        """Take what the queue has now, as far as it is wanted."""
        while self._wants() and self.receive(url):
            pass

    def _wants(self) -> int:
        """How many messages to ask for."""
        if self._held >= _MOST_HELD:
            return 0
        return BATCH if self._most is None else self._most - len(self._taken)

    def receive(self, url: str, wait: int = 0) -> bool:
        """Ask the queue once, and wait for an answer so many seconds. False if nothing came, or an error."""
        wanted = self._wants()
        if not wanted:
            return False
        try:
            received = self._tasks.queues.receive(url, wanted, self._visibility, wait)
        except StorageError as error:
            self.error = self.error or error
            return False
        mine = [(message, message.ticket) for message in received if message.ticket and self._is_new(message)]
        self.strangers += sum(message.ticket is None for message in received)
        errors: list[StorageError] = []

        def claim(found: tuple[Incoming, Ticket]) -> _Taken | None:
            try:
                return self._claim(*found)
            except StorageCorrupt:
                logger.exception("a row that can't be read is left alone: others are served")
                return None
            except StorageError as error:
                # If it is somebody's now, whoever receives the message next will see that.
                self._later.append((found[0], 0))
                errors.append(error)
                return None

        self._taken += [taken for taken in in_parallel(claim, mine) if taken is not None]
        if errors:
            self.error = self.error or errors[0]
            return False
        return bool(received)

    def _is_new(self, message: Incoming) -> bool:
        """True if its row is to be asked for. A copy of one that this take has seen stays hidden for as long."""
        ticket = message.ticket
        assert ticket is not None
        if ticket.table not in (None, self._tasks.table.name) or not self._is_wanted(ticket.queue):
            self._hold(message)
            return False
        which = (ticket.key["PK"], ticket.key["SK"], ticket.run_id)
        new = which not in self._seen
        self._seen.add(which)
        return new

    def _is_wanted(self, queue: str | None) -> bool:
        return self._wanted is None or queue is None or queue in self._wanted

    def _hold(self, message: Incoming) -> None:
        """Keep the message out of this take's way."""
        self._held += 1
        self._later.append((message, 0))

    def _claim(self, message: Incoming, ticket: Ticket) -> _Taken | None:
        tasks = self._tasks
        if ticket.queue is None and self._wanted is not None and not self._is_of_wanted_queue(ticket):
            self._hold(message)
            return None
        lease = token()
        now = tasks.now()
        self._attempts.append((message, ticket, lease))
        values: dict[str, object] = {
            ":run": ticket.run_id,
            ":lease": lease,
            ":now": now,
            ":latest": now + SKEW,
            ":until": now + self._length,
            ":length": self._length,
            ":touched": tasks.touched(),
            ":receipt": message.receipt,
            ":url": message.url,
            ":one": 1,
        }
        names = {**RESULT, "#length": "length"}
        try:
            row = row_of(
                tasks.table.update(ticket.key, _CLAIM_OF_MESSAGE, values, CLAIMABLE, returns="ALL_NEW", names=names)
            )
        except ConditionFailed as refused:
            row = row_of(refused.item)
            if row is None or row.lease != lease:  # else the reply of an earlier copy of this request was lost
                self._put_off(message, ticket, row, now)
                return None
        assert row is not None
        return self._delivered(message, row)

    def _is_of_wanted_queue(self, ticket: Ticket) -> bool:
        row = row_of(self._tasks.table.get(ticket.key))
        if row is None:
            return True  # which the claim finds, too
        queue = row.route if row.queue is None else row.queue
        return self._is_wanted(digest_of(unpack_optional(queue)))

    def _put_off(self, message: Incoming, ticket: Ticket, row: WorkflowTaskItem | None, now: int) -> None:
        """A message whose job can't be had now, or never again."""
        if row is None or row.run_id != ticket.run_id or row.result is not None:
            self._stale.append(message)
        elif row.leased_until is not None:
            self._later.append((message, visibility(max(row.leased_until - now, 0))))

    def _delivered(self, message: Incoming, row: WorkflowTaskItem) -> _Taken | None:
        job = self._tasks.job(row, taken=True)
        if job is None:
            self._stale.append(message)
            return None
        if self._length == 0:
            self._later.append((message, 0))
        return _Taken(row, job)

    def _give_back(self) -> None:
        """Nobody will ever hear of these jobs, whether their claims took effect or not."""
        for message, ticket, lease in list(self._attempts):
            try:
                self._tasks.table.update(
                    ticket.key,
                    "SET leased_until = :now REMOVE lease",
                    {":now": self._tasks.now(), ":lease": lease},
                    "lease = :lease",
                )
            except (ConditionFailed, StorageError) as error:
                logger.debug("a job could not be given back (%s)", type(error).__name__)
            self._later.append((message, 0))
