"""The runner: a row in DynamoDB for the newest run of each step, and a message in SQS that says it can be had.

The row is the truth and the message a ticket. Messages come late, twice, or never; whatever they do, a row's condition
decides who has a job and which result counts, and a later dispatch sends what was lost.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from runfox.jsonvalue import JSONValue
from runfox.packed import pack_json
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock
from runfox_aws._clients import Client
from runfox_aws._messages import MessageBody
from runfox_aws._queues import LONGEST_POLL, Queues
from runfox_aws._routes import QueueURL, Routes
from runfox_aws._rows import microseconds
from runfox_aws._runner_delivered import take_delivered
from runfox_aws._runner_dispatch import Dispatcher
from runfox_aws._runner_leases import Leases
from runfox_aws._runner_payloads import Payloads
from runfox_aws._runner_results import Results, Signal
from runfox_aws._runner_take import Taking
from runfox_aws._runner_tasks import Tasks
from runfox_aws._runner_upkeep import Upkeep
from runfox_aws._table import Table

logger = logging.getLogger("runfox")

_MAX_MESSAGE = 1_048_576
_SHORT_PAUSE = 0.25


class SQSRunner:
    """A job queue in SQS and DynamoDB.

    `queue_map` gives the URLs of the queues by name; the name None is for jobs without one. `queue_url` instead is one
    URL for all jobs, or a function that gives a job's URL (None, or a `LookupError`, where there is none). A job's
    queue is its own, else the text at `route_by` in its inputs.

    `tasks_table` is the table that `create_tables` makes. `sqs_client` and `ddb_client` are clients of boto3; else
    they are made from the environment, `region` and `endpoint_url`, when they are first needed. `message_body_fn`
    gives a message's body for readers without runfox; `message_limit` is the bytes that the queues take.

    `lease_seconds` is for how long a taken job is its taker's, `clock` what leases are measured by: it has to be about
    the same for all processes. A job that nobody has taken `resend_after` seconds after its message was sent again is
    sent once more when it is dispatched again.

    The calls raise `StorageUnavailable` and `StorageCorrupt`.
    """

    durable = True
    shared = True
    ordered = False

    def __init__(  # noqa: PLR0913  # settings, by name
        self,
        queue_map: Mapping[str | None, str] | Mapping[str, str] | None = None,
        *,
        queue_url: QueueURL | None = None,
        tasks_table: str,
        sqs_client: Any = None,
        ddb_client: Any = None,
        message_body_fn: MessageBody | None = None,
        route_by: str = "model_type",
        region: str | None = None,
        endpoint_url: str | None = None,
        lease_seconds: float = 600.0,
        message_limit: int = 262_144,
        resend_after: float = 900.0,
        clock: Clock = time.time,
    ) -> None:
        if not 1 <= message_limit <= _MAX_MESSAGE:
            raise ValueError(f"message_limit={message_limit!r}: SQS takes 1 to {_MAX_MESSAGE:,} bytes")
        if not resend_after >= 0:
            raise ValueError(f"resend_after={resend_after!r}: use 0 or more seconds")
        self.lease_seconds = _seconds(lease_seconds)
        self._sqs = Client("sqs", sqs_client, region=region, endpoint_url=endpoint_url)
        self._dynamodb = Client("dynamodb", ddb_client, region=region, endpoint_url=endpoint_url)
        table = Table(self._dynamodb, tasks_table)
        self._tasks = Tasks(
            table=table,
            payloads=Payloads(table),
            queues=Queues(self._sqs, message_limit),
            routes=Routes(table, queue_map, queue_url, route_by),
            clock=clock,
        )
        submitted = Signal()
        self._dispatcher = Dispatcher(
            tasks=self._tasks,
            body_of=message_body_fn,
            limit=message_limit,
            resend_after=microseconds(resend_after),
            offered=submitted.send,
        )
        self._results = Results(tasks=self._tasks, signal=submitted)
        self._leases = Leases(tasks=self._tasks)
        self._upkeep = Upkeep(tasks=self._tasks)
        self._turns = itertools.count()
        self._met_strangers = False

    def close(self) -> None:
        """Close the connections of the clients that were made here. What is called later makes them anew."""
        self._sqs.close()
        self._dynamodb.close()

    # Drivers

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Enqueue jobs; nothing is executed here, so the list is empty.

        Raises `InvalidJSON`, and, after the other jobs were enqueued, `UnknownRoute` or `PayloadTooLarge`. Where a
        message could not be sent the row stays, and the next dispatch of the job sends it.
        """
        self._dispatcher.dispatch(workflow_execution_id, jobs)
        return []

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results that were not gathered since the last dispatch of their run, in the order submitted."""
        return self._results.gather(workflow_execution_id)

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        """True as soon as something can be gathered, False after `timeout` seconds.

        What this process submits wakes it at once; what others submit is asked for, every 250 ms in the end.
        """
        return self._results.wait(workflow_execution_id, timeout)

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        """Remove what is held for the execution, or for the given (op, run_id) pairs."""
        self._upkeep.forget(workflow_execution_id, runs)

    def held(self, before: str) -> list[str]:
        """The executions of which any entry was last touched before `before`, longest untouched first."""
        return self._upkeep.held(before)

    # Workers

    def list_pending_jobs(self) -> list[DispatchJob]:
        """All pending jobs of all executions, oldest first, as the table's global index shows them."""
        return self._upkeep.list_pending()

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Jobs that are the caller's for `lease_seconds`; about the oldest first. SQS may answer a moment late."""
        length = microseconds(self._lease(lease_seconds))
        if _nothing(limit, queues):
            return []
        with Taking(self._tasks, limit, queues, length) as taking:
            for url in self._urls(queues):
                taking.drain(url)
        return self._given(taking)

    def poll_pending_jobs(
        self,
        timeout: float,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """As `take_pending_jobs`; where there is nothing it waits for something, up to `timeout` seconds."""
        length = microseconds(self._lease(lease_seconds))
        if _nothing(limit, queues):
            return []
        ends_at = time.monotonic() + timeout
        while True:
            left = ends_at - time.monotonic()
            with Taking(self._tasks, limit, queues, length) as taking:
                waited = self._poll(taking, queues, left)
            if jobs := self._given(taking):
                return jobs
            if left <= 0:
                return []
            if not waited:
                time.sleep(min(left, _SHORT_PAUSE))

    def _poll(self, taking: Taking, queues: Collection[str | None] | None, left: float) -> bool:
        """Ask once, and wait as long as SQS does that, in whole seconds. True if it did."""
        urls = self._urls(queues)
        if len(urls) != 1 or left < 1:
            for url in urls:
                taking.drain(url)
            if taking.has_ended or left < 1 or not urls:
                return False
        # SQS waits at one queue only: at several it is one after the other, a second each.
        taking.receive(urls[0], min(int(left), LONGEST_POLL if len(urls) == 1 else 1))
        return True

    def take_delivered(self, message: Mapping[str, Any], lease_seconds: float | None = None) -> DispatchJob | None:
        """The job of a message that the caller has received and will delete or let come again (``Body``,
        ``MessageAttributes``, as SQS gives them); None if the job is over. Raises `JobTaken` while somebody else has
        it, `ValueError` for a message that is none of a runner's.
        """
        return take_delivered(self._tasks, message, microseconds(self._lease(lease_seconds)))

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """Renew a lease, or give the job back with 0 seconds."""
        length = None if seconds is None else _seconds(seconds)
        return self._leases.extend(job, length)

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        """Keep the first result of a run. Raises `InvalidJSON`."""
        packed = pack_json(output, f"the output of step {op!r}")
        self._results.submit(workflow_execution_id, op, packed, run_id)

    def _lease(self, lease_seconds: float | None) -> float:
        return self.lease_seconds if lease_seconds is None else _seconds(lease_seconds)

    def _urls(self, queues: Collection[str | None] | None) -> list[str]:
        """The queues to ask, each time beginning with another one, so that none is starved by the first."""
        urls = self._tasks.routes.urls(queues)
        first = next(self._turns) % len(urls) if urls else 0
        return urls[first:] + urls[:first]

    def _given(self, taking: Taking) -> list[DispatchJob]:
        jobs = taking.jobs
        if taking.strangers and not self._met_strangers:
            self._met_strangers = True
            logger.warning("a queue holds messages that no runner sent: they are left alone")
        if taking.error is not None:
            if not jobs:
                raise taking.error
            logger.warning("a take gave only what it had when an error came: %s", taking.error)
        return jobs


def _nothing(limit: int | None, queues: Collection[str | None] | None) -> bool:
    """True if nothing is asked for."""
    return (limit is not None and limit <= 0) or (queues is not None and not queues)


def _seconds(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(f"a lease of {seconds!r} s: use 0 or more")
    return float(seconds)
