"""Handlers for AWS Lambda: jobs, results, dead letters, and the sweep. Each factory gives a plain function ``(event,
context)``, to be made once, when the module of a Lambda function is loaded:

    backend = runfox.Backend(store=DynamoDBStore("workflows"), runner=SQSRunner(queue_map=…, tasks_table="tasks"))
    handle_jobs = job_handler(backend, execute)

The first three are for event sources of SQS with ``ReportBatchItemFailures``: they name the messages that are to come
again, and everything else is done. Without Lambda `feed` gives them what a queue has.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from runfox.backend import Backend, sweep
from runfox.backend.job_handler import LEASE_SECONDS, MAX_DELIVERIES, Executor, JobHandler
from runfox.errors import UnknownStep, WorkflowNotFound
from runfox.jsonvalue import JSONObject, JSONValue
from runfox.results import StepResult
from runfox_aws._clients import Client
from runfox_aws._errors import calling
from runfox_aws._runner import SQSRunner
from runfox_aws._runner_delivered import JobTaken

logger = logging.getLogger("runfox")

Event: TypeAlias = Mapping[str, Any]
Failures: TypeAlias = "dict[str, list[dict[str, str]]]"
"""``{"batchItemFailures": [{"itemIdentifier": messageId}, …]}``"""

Handler: TypeAlias = Callable[[Event, Any], Failures]
"""What Lambda calls. Nothing is asked of the context, which may be None."""

_SWEEP_LIMIT = 100
_BATCH = 10


def job_handler(
    target: Backend | SQSRunner,
    executor: Executor | None = None,
    *,
    lease_seconds: float = LEASE_SECONDS,
    max_deliveries: int = MAX_DELIVERIES,
) -> Handler:
    """A handler of job messages: it executes each job, submits its result and, with a backend, settles it and
    dispatches what follows.

    The lease is renewed while a job runs, so it need not be as long as one. A job that somebody else has, or whose
    result could not be kept, comes again; one that is over does not. Raises `TypeError` without an executor.
    """
    backend, runner = _parts(target)
    executor = executor or (backend.executor if backend is not None else None)
    if executor is None:
        raise TypeError("an executor is wanted: job_handler(backend, execute), or a Backend that has one")
    jobs = JobHandler(runner, executor, lease_seconds=lease_seconds, max_deliveries=max_deliveries)

    def handle(record: Mapping[str, Any]) -> None:
        job = runner.take_delivered(_message(record), lease_seconds)
        if job is not None:
            output = jobs.handle(job)
            _settle(backend, job.workflow_execution_id, [StepResult(job.op, output, job.run_id)])

    return lambda event, _: _each(event, handle)


def result_handler(target: Backend | SQSRunner) -> Handler:
    """A handler of results that executors without runfox put into a queue of their own: messages whose body is
    ``{"workflow_execution_id": …, "op": …, "run_id": …, "output": …}``, as the job's message had them.

    With a backend results are settled, those of one execution together, and what follows is dispatched. A result of an
    execution or step that does not exist is dropped; a message that is no result comes again, until the queue's
    redrive policy moves it.
    """
    backend, runner = _parts(target)

    def handle_all(event: Event, _: Any) -> Failures:
        submitted: dict[str, list[tuple[str, StepResult]]] = {}

        def submit(record: Mapping[str, Any]) -> None:
            workflow_execution_id, result = _result(record)
            runner.submit_work_result(workflow_execution_id, result.op, result.output, result.run_id)
            submitted.setdefault(workflow_execution_id, []).append((record["messageId"], result))

        failed = _each(event, submit)
        for workflow_execution_id, results in submitted.items():
            try:
                _settle(backend, workflow_execution_id, [result for _, result in results])
            except Exception:
                logger.exception("results of %s could not be settled, and come again", workflow_execution_id)
                failed["batchItemFailures"] += [{"itemIdentifier": message} for message, _ in results]
        return failed

    return handle_all


def dead_letter_handler(target: Backend | SQSRunner) -> Handler:
    """A handler of a dead-letter queue of jobs: a job whose message SQS gave up gets an error result, so that no
    workflow waits for ever. One that somebody has at the moment is looked at again later.
    """
    backend, runner = _parts(target)

    def handle(record: Mapping[str, Any]) -> None:
        job = runner.take_delivered(_message(record), LEASE_SECONDS)
        if job is None:
            return
        error = "its message was received too often, without a result, and moved to the dead-letter queue"
        output: JSONObject = {"ok": False, "error": error, "error_type": "DeadLetter"}
        runner.submit_work_result(job.workflow_execution_id, job.op, output, job.run_id)
        _settle(backend, job.workflow_execution_id, [StepResult(job.op, output, job.run_id)])

    return lambda event, _: _each(event, handle)


def sweep_handler(backend: Backend, *, limit: int = _SWEEP_LIMIT) -> Callable[[Event, Any], dict[str, int]]:
    """A handler for a schedule, once a minute for example: it looks after up to `limit` executions that are due
    (timers, retries, and whatever a crash left behind), and gives ``{"attended": number}``.
    """
    return lambda _event, _context: {"attended": sweep(backend, limit)}


def feed(
    handler: Handler,
    queue_url: str,
    client: Any = None,
    *,
    wait_seconds: int = 0,
    region: str | None = None,
    endpoint_url: str | None = None,
) -> int:
    """Give a handler what a queue has, up to ten messages, as Lambda does, and delete those that are done.

    Waits up to `wait_seconds` (at most 20) for the first one. Gives how many there were. Raises `StorageError`.
    """
    sqs = Client("sqs", client, region=region, endpoint_url=endpoint_url)
    try:
        with calling("receiving from a queue"):
            reply = sqs().receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=wait_seconds,
                MessageAttributeNames=["All"],
            )
        messages = reply.get("Messages", [])
        if not messages:
            return 0
        answer = handler({"Records": [_record(message) for message in messages]}, None)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in failed:
                with calling("deleting from a queue"):
                    sqs().delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)
    finally:
        sqs.close()


def _parts(target: Backend | SQSRunner) -> tuple[Backend | None, SQSRunner]:
    backend = target if isinstance(target, Backend) else None
    runner = target.runner if isinstance(target, Backend) else target
    if not isinstance(runner, SQSRunner):
        raise TypeError(f"an SQSRunner is wanted, or a Backend that has one, not {type(runner).__name__}")
    return backend, runner


def _each(event: Event, handle: Callable[[Mapping[str, Any]], None]) -> Failures:
    """Call `handle` with each record; what it raises makes that one's message come again."""
    failures: list[dict[str, str]] = []
    for record in event["Records"]:
        try:
            handle(record)
        except JobTaken:
            logger.info("a job is with somebody else, and its message comes again")
            failures.append({"itemIdentifier": record["messageId"]})
        except Exception:
            logger.exception("the message %s was not handled, and comes again", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def _settle(backend: Backend | None, workflow_execution_id: str, results: list[StepResult]) -> None:
    if backend is None:
        return
    try:
        backend.engine.carry(workflow_execution_id, results)
    except (WorkflowNotFound, UnknownStep) as error:
        logger.warning("results were dropped: %s", error)


def _result(record: Mapping[str, Any]) -> tuple[str, StepResult]:
    """Raises `ValueError` for a message that is no result."""
    body: JSONValue = json.loads(record["body"])
    match body:
        case {"workflow_execution_id": str(execution), "op": str(op), "output": output, **more}:
            run_id = more.get("run_id")
            if run_id is None or (isinstance(run_id, int) and not isinstance(run_id, bool)):
                return execution, StepResult(op, output, run_id)
    raise ValueError(
        'a message of the results queue is no {"workflow_execution_id": …, "op": …, "run_id": …, "output": …}'
    )


def _message(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of Lambda's as SQS itself gives a message."""
    attributes = {
        name: {"StringValue": attribute["stringValue"]}
        for name, attribute in (record.get("messageAttributes") or {}).items()
        if "stringValue" in attribute
    }
    return {"Body": record["body"], "MessageAttributes": attributes}


def _record(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of SQS as a record of Lambda's, as far as handlers look."""
    attributes = {
        name: {"stringValue": attribute["StringValue"], "dataType": attribute["DataType"]}
        for name, attribute in message.get("MessageAttributes", {}).items()
        if "StringValue" in attribute
    }
    return {"messageId": message["MessageId"], "body": message["Body"], "messageAttributes": attributes}
