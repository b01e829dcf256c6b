"""Dispatching: what can be refused is refused before any request; then the row, and then its message.

The row is the outbox: a job whose message was not sent, or was lost, is sent again by a later dispatch of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from runfox.errors import PayloadTooLarge, StorageError, StorageUnavailable, UnknownRoute
from runfox.packed import Packed, pack, pack_json, pack_optional
from runfox.results import DispatchJob
from runfox.times import format_time
from runfox_aws._errors import ConditionFailed
from runfox_aws._items import Key
from runfox_aws._messages import BodyRefused, MessageBody, Outgoing, message_of
from runfox_aws._parallel import in_parallel
from runfox_aws._rows import WorkflowTaskItem, shard_of, stamp, task_key
from runfox_aws._runner_payloads import INLINE_INPUTS, fits
from runfox_aws._runner_tasks import RESULT, Tasks, row_of

_LONGEST_NAMES = 150_000
"""Bytes of a step's names. A row and its entry in the local index have 400 KiB together, and both have the op."""

_TRIES = 5
_MOST_DOUBLINGS = 10


class _Send(Enum):
    """Whether a job's message is to be sent, and whether one may have been before."""

    NOT = auto()
    FIRST = auto()
    AGAIN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A job that can go, with all that is needed for it."""

    job: DispatchJob
    key: Key
    name: str | None
    inputs: Packed
    message: Outgoing
    enqueued: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    job: DispatchJob
    error: type[PayloadTooLarge | UnknownRoute]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Enqueues jobs. `limit` is the bytes of a message, `resend_after` the microseconds after which a message that was
    sent is taken for lost; `offered` is called when a result can be gathered again.
    """

    tasks: Tasks
    body_of: MessageBody | None
    limit: int
    resend_after: int
    offered: Callable[[], None]

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> None:
        """Enqueue jobs. Those that can't be are named by the error, after the others were."""
        orders, refused = self._orders(workflow_execution_id, jobs)
        for name, url in dict.fromkeys((order.name, order.message.url) for order in orders):
            self.tasks.routes.register(name, url)
        errors: list[StorageError] = []

        def enqueue(order: _Order) -> _Send:
            try:
                return self._enqueue(order)
            except StorageError as error:
                errors.append(error)
                return _Send.NOT

        outcomes = list(zip(orders, in_parallel(enqueue, orders), strict=True))
        # What was written is sent, whatever befell the others; and noted then, so that nobody takes it for sent before.
        self.tasks.queues.send([order.message for order, send in outcomes if send is not _Send.NOT])
        in_parallel(self._note_sent, [order for order, send in outcomes if send is _Send.AGAIN])
        if errors:
            raise errors[0]
        _raise(refused)

    # Before any request

    def _orders(self, workflow_execution_id: str, jobs: Iterable[DispatchJob]) -> tuple[list[_Order], list[_Refused]]:
        """The newest run of each step, and what can't be enqueued."""
        jobs = list(jobs)
        for job in jobs:
            if job.workflow_execution_id != workflow_execution_id:
                raise ValueError(f"the job {job.key!r} is not of the execution {workflow_execution_id!r}")
        orders: dict[str, _Order] = {}
        refused: list[_Refused] = []
        for job in jobs:
            if job.op in orders and orders[job.op].job.run_id >= job.run_id:
                continue
            order = self._order(job)
            if isinstance(order, _Refused):
                refused.append(order)
                continue
            # A newer run goes last: its place is its own, not that of the run before it.
            orders.pop(job.op, None)
            orders[job.op] = order
        return list(orders.values()), refused

    def _order(self, job: DispatchJob) -> _Order | _Refused:
        inputs = pack_json(job.inputs, f"the inputs of step {job.op!r}")
        routes = self.tasks.routes
        name = routes.name_of(job)
        url = routes.url_of(job)
        if url is None:
            shown = f"the queue {name!r:.200}" if name is not None else "a job without a queue"
            return _Refused(job=job, error=UnknownRoute, detail=f"no URL for {shown}")
        length = sum(
            len(text.encode("utf-8", "surrogatepass"))
            for text in (job.op, job.call, name or "", job.workflow_execution_id)
        )
        if length > _LONGEST_NAMES:
            detail = (
                f"its op, call, queue and execution id have {length:,} bytes, at most {_LONGEST_NAMES:,} can be kept"
            )
            return _Refused(job=job, error=PayloadTooLarge, detail=detail)
        try:
            message = message_of(job, name, url, inputs, self.tasks.table.name, self.body_of, self.limit)
        except BodyRefused as problem:
            return _Refused(job=job, error=PayloadTooLarge, detail=str(problem))
        return _Order(
            job=job,
            key=task_key(job.workflow_execution_id, job.op),
            name=name,
            inputs=inputs,
            message=message,
            enqueued=f"{format_time(self.tasks.clock())}#{stamp()}",
        )

    # One job

    def _enqueue(self, order: _Order) -> _Send:
        """Write the row, or what a dispatch changes in one that is there."""
        job = order.job
        known: WorkflowTaskItem | None = None
        if not fits(order.inputs, INLINE_INPUTS):
            known = row_of(self.tasks.table.get(order.key))  # so that parts are not written in vain
        for _ in range(_TRIES):
            if known is None or known.run_id < job.run_id:
                inserted, known = self._insert(order)
                if inserted:
                    return _Send.FIRST
                continue
            if known.run_id > job.run_id:
                return _Send.NOT
            try:
                return self._again(known)
            except ConditionFailed as refused:
                known = row_of(refused.item)
        raise StorageUnavailable(f"the row of step {job.op!r} changed again and again: dispatch it again")

    def _insert(self, order: _Order) -> tuple[bool, WorkflowTaskItem | None]:
        """Write a row where there is none, or one of an older run; else what is there."""
        tasks = self.tasks
        stored = tasks.payloads.store(order.key["PK"], order.inputs, INLINE_INPUTS)
        item = {**order.key, **_row(order, stored).to_dict()}
        try:
            old = tasks.table.put(item, "attribute_not_exists(PK) OR run_id < :run", {":run": order.job.run_id})
        except ConditionFailed as refused:
            known = row_of(refused.item)
            if known is not None and known.enqueued == order.enqueued:
                return True, known  # the reply of an earlier copy of this request was lost
            tasks.payloads.remove(order.key["PK"], [stored])
            return False, known
        replaced = row_of(old)
        if replaced is not None:
            tasks.clear(replaced)
        return True, None

    def _again(self, row: WorkflowTaskItem) -> _Send:
        """A dispatch of a run that is there. Raises `ConditionFailed`."""
        tasks = self.tasks
        values: dict[str, object] = {":run": row.run_id, ":touched": tasks.touched()}
        if row.submitted is not None:
            tasks.table.update(
                row.key,
                "SET touched = :touched, ready = :ready",
                {**values, ":ready": row.submitted},
                "run_id = :run AND submitted = :ready",
            )
            self.offered()
            return _Send.NOT
        condition = "run_id = :run AND attribute_not_exists(#result)"
        tasks.table.update(row.key, "SET touched = :touched", values, condition, names=RESULT)
        return _Send.AGAIN if self._is_lost(row, tasks.now()) else _Send.NOT

    def _note_sent(self, order: _Order) -> None:
        values: dict[str, object] = {":run": order.job.run_id, ":now": self.tasks.now(), ":one": 1}
        with suppress(ConditionFailed):  # then a newer run is there, or none
            self.tasks.table.update(order.key, "SET sent = :now, sends = sends + :one", values, "run_id = :run")

    def _is_lost(self, row: WorkflowTaskItem, now: int) -> bool:
        """True if nobody may ever hear of the job: messages expire, queues are purged, processes end before they send.

        The first dispatch leaves no mark that its message was sent; a message too many does no harm.
        """
        if row.is_leased(now):
            return False
        heard_of = [moment for moment in (row.sent, row.leased_until) if moment is not None and moment <= now]
        if not heard_of:
            return True
        doublings = min(max(row.sends - 1, 0), _MOST_DOUBLINGS)
        return now - max(heard_of) >= self.resend_after << doublings


def _row(order: _Order, stored: Packed | list[object]) -> WorkflowTaskItem:
    job = order.job
    return WorkflowTaskItem(
        workflow_execution_id=pack(job.workflow_execution_id),
        op=pack(job.op),
        run_id=job.run_id,
        call=pack(job.call),
        queue=pack_optional(job.queue),
        route=pack_optional(order.name) if job.queue is None else None,
        inputs=stored,
        shard=shard_of(job.workflow_execution_id),
        enqueued=order.enqueued,
        touched=order.enqueued.partition("#")[0],
    )


def _raise(refused: Sequence[_Refused]) -> None:
    if refused:
        # One error names them all, whatever was wrong with each: what it does not name would wait in vain.
        details = dict.fromkeys(one.detail for one in refused)
        raise refused[0].error([one.job for one in refused], "; ".join(details))
