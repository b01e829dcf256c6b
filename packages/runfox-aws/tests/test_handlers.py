"""Handlers for Lambda, called with events as AWS documents them. SQS and DynamoDB are moto's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

import runfox as rfx
from runfox.backend import InMemoryStore, InProcessRunner
from runfox.results import DispatchJob
from runfox_aws import SQSRunner, create_tables, handlers

Json = dict[str, Any]

CHAIN = {
    "name": "chain",
    "steps": [
        {
            "op": "first",
            "input": {"n": 1},
            "branch": [{"condition": {"==": [{"var": "ok"}, False]}, "action": "halt", "result": {"status": "error"}}],
        },
        {"op": "second", "depends_on": ["first"], "input": {"n": {"var": "steps.first.output.n"}}},
    ],
    "outputs": {"n": {"var": "steps.second.output.n"}},
}


def plus_one(op: str, inputs: Json) -> Json:
    return {"n": inputs["n"] + 1}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        create_tables(workflows="workflows", tasks="tasks")
        yield


@pytest.fixture
def sqs() -> Iterator[Any]:
    client = boto3.client("sqs")
    yield client
    client.close()


@pytest.fixture
def queue_url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="jobs")["QueueUrl"])


@pytest.fixture
def runner(queue_url: str) -> Iterator[SQSRunner]:
    runner = SQSRunner(queue_url=queue_url, tasks_table="tasks")
    yield runner
    runner.close()


@pytest.fixture
def backend(runner: SQSRunner) -> rfx.Backend:
    return rfx.Backend(store=InMemoryStore(), runner=runner)


@pytest.fixture
def workflow(backend: rfx.Backend) -> rfx.Workflow:
    workflow = rfx.Workflow.from_dict(CHAIN, backend)
    workflow.start()
    return workflow


def record(message: Json) -> Json:
    """A message of SQS as Lambda hands it on: the form of the event in AWS's documentation."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {
            name: {
                "stringValue": attribute["StringValue"],
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": attribute["DataType"],
            }
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:jobs",
        "awsRegion": "eu-west-2",
    }


@pytest.fixture
def event(sqs: Any, queue_url: str) -> Callable[[], Json]:
    """What Lambda would be called with now; the messages are hidden, as they are by Lambda's own poll."""

    def receive() -> Json:
        reply = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        return {"Records": [record(message) for message in reply.get("Messages", [])]}

    return receive


def failed(answer: Json) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


# Jobs


def test_a_job_is_executed_settled_and_what_follows_is_dispatched(
    backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    handle = handlers.job_handler(backend, plus_one)
    assert failed(handle(event(), None)) == []
    assert workflow.step_statuses == {"first": "complete", "second": "in_progress"}
    assert failed(handle(event(), None)) == []
    assert workflow.outcome == {"n": 3}


def test_a_handler_with_a_runner_only_leaves_settling_to_others(
    runner: SQSRunner, backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    assert failed(handlers.job_handler(runner, plus_one)(event(), None)) == []
    assert workflow.step_statuses["first"] == "in_progress"
    assert [tuple(result) for result in runner.gather(workflow.id)] == [("first", {"n": 2})]


def test_a_message_that_is_delivered_twice_is_executed_once(
    backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    calls: list[str] = []

    def execute(op: str, inputs: Json) -> Json:
        calls.append(op)
        return plus_one(op, inputs)

    handle = handlers.job_handler(backend, execute)
    delivered = event()
    assert failed(handle(delivered, None)) == []
    assert failed(handle(delivered, None)) == []
    assert calls == ["first"]


def test_a_job_that_somebody_else_has_comes_again(
    runner: SQSRunner, backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    delivered = event()
    (message,) = delivered["Records"]
    taken = runner.take_delivered(handlers._message(message))
    assert taken is not None
    handle = handlers.job_handler(backend, plus_one)
    assert failed(handle(delivered, None)) == [message["messageId"]]
    assert runner.extend_lease(taken, 0)
    assert failed(handle(delivered, None)) == []
    assert workflow.step_statuses["first"] == "complete"


def test_of_a_batch_only_the_messages_that_failed_come_again(
    backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json], caplog: pytest.LogCaptureFixture
) -> None:
    delivered = event()
    stranger = {**delivered["Records"][0], "messageId": "stranger", "messageAttributes": {}, "body": "not of runfox"}
    answer = handlers.job_handler(backend, plus_one)({"Records": [stranger, *delivered["Records"]]}, None)
    assert failed(answer) == ["stranger"]
    assert workflow.step_statuses["first"] == "complete"
    assert "not of runfox" not in caplog.text


def test_what_an_executor_raises_is_an_error_result_and_no_failure(
    backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    def execute(op: str, inputs: Json) -> Json:
        raise ValueError("no luck")

    assert failed(handlers.job_handler(backend, execute)(event(), None)) == []
    assert workflow.status is rfx.WorkflowStatus.HALTED


def test_an_interrupt_ends_the_call_and_gives_the_job_back(
    runner: SQSRunner, backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    def execute(op: str, inputs: Json) -> Json:
        raise SystemExit

    with pytest.raises(SystemExit):
        handlers.job_handler(backend, execute)(event(), None)
    assert [job.op for job in runner.list_pending_jobs()] == ["first"]


def test_a_job_that_is_delivered_too_often_gets_an_error_result(
    runner: SQSRunner, backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    delivered = event()
    message = handlers._message(delivered["Records"][0])
    taken = runner.take_delivered(message)
    assert taken is not None
    runner.extend_lease(taken, 0)
    handlers.job_handler(backend, plus_one, max_deliveries=1)(delivered, None)
    assert workflow.status is rfx.WorkflowStatus.HALTED


def test_a_handler_needs_an_executor_and_an_sqs_runner(backend: rfx.Backend) -> None:
    with pytest.raises(TypeError, match="executor"):
        handlers.job_handler(backend)
    with pytest.raises(TypeError, match="SQSRunner"):
        handlers.job_handler(rfx.Backend(store=InMemoryStore(), runner=InProcessRunner()), plus_one)


# Results


def answers(*bodies: object) -> Json:
    return {
        "Records": [
            {"messageId": f"m{number}", "body": body if isinstance(body, str) else json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
    }


def answer_to(job: DispatchJob, output: Json) -> Json:
    return {
        "workflow_execution_id": job.workflow_execution_id,
        "op": job.op,
        "run_id": job.run_id,
        "output": output,
    }


def test_results_of_others_are_settled(backend: rfx.Backend, workflow: rfx.Workflow) -> None:
    handle = handlers.result_handler(backend)
    (job,) = backend.take_tasks()
    assert failed(handle(answers(answer_to(job, {"n": 7})), None)) == []
    (job,) = backend.take_tasks()
    assert job.inputs == {"n": 7}
    assert failed(handle(answers(answer_to(job, {"n": 8}), answer_to(job, {"n": 9})), None)) == []
    assert workflow.outcome == {"n": 8}


def test_a_message_that_is_no_result_comes_again_and_the_others_are_settled(
    backend: rfx.Backend, workflow: rfx.Workflow
) -> None:
    (job,) = backend.take_tasks()
    bad = ["{", {"op": "first"}, {**answer_to(job, {}), "run_id": "1"}, {**answer_to(job, {}), "run_id": True}]
    answer = handlers.result_handler(backend)(answers(*bad, answer_to(job, {"n": 7})), None)
    assert failed(answer) == ["m0", "m1", "m2", "m3"]
    assert workflow.step_statuses["first"] == "complete"


def test_a_result_of_an_unknown_execution_is_dropped(backend: rfx.Backend) -> None:
    unknown = {"workflow_execution_id": "no#body", "op": "first", "run_id": 0, "output": {}}
    assert failed(handlers.result_handler(backend)(answers(unknown), None)) == []


def test_results_that_can_not_be_settled_come_again(
    backend: rfx.Backend, workflow: rfx.Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = backend.take_tasks()
    handle = handlers.result_handler(backend)
    with monkeypatch.context() as broken:
        broken.setattr(backend.engine, "carry", lambda *_: 1 / 0)
        assert failed(handle(answers(answer_to(job, {"n": 7})), None)) == ["m0"]
    assert failed(handle(answers(answer_to(job, {"n": 7})), None)) == []
    assert workflow.step_statuses["first"] == "complete"


# Dead letters, the sweep, and a queue without Lambda


def test_a_dead_letter_becomes_an_error_result(
    backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    handle = handlers.dead_letter_handler(backend)
    delivered = event()
    assert failed(handle(delivered, None)) == []
    assert workflow.status is rfx.WorkflowStatus.HALTED
    assert "dead-letter queue" in str(backend.load(workflow.id).steps["first"].output)
    assert failed(handle(delivered, None)) == []


def test_a_dead_letter_of_a_job_that_somebody_has_is_looked_at_again(
    runner: SQSRunner, backend: rfx.Backend, workflow: rfx.Workflow, event: Callable[[], Json]
) -> None:
    delivered = event()
    (message,) = delivered["Records"]
    taken = runner.take_delivered(handlers._message(message))
    assert taken is not None
    assert failed(handlers.dead_letter_handler(backend)(delivered, None)) == [message["messageId"]]
    assert workflow.step_statuses["first"] == "in_progress"


def test_the_sweep_attends_to_what_is_due(runner: SQSRunner) -> None:
    backend = rfx.Backend(store=InMemoryStore(), runner=runner, recover_after=0.0)
    workflow = rfx.Workflow.from_dict(CHAIN, backend)
    assert handlers.sweep_handler(backend)({"source": "aws.events"}, None) == {"attended": 1}
    assert workflow.step_statuses["first"] == "in_progress"


def test_without_lambda_a_queue_is_fed_to_a_handler_and_what_is_done_is_deleted(
    backend: rfx.Backend, workflow: rfx.Workflow, queue_url: str, sqs: Any
) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody="not of runfox")
    assert handlers.feed(handlers.job_handler(backend, plus_one), queue_url) == 2
    assert handlers.feed(handlers.job_handler(backend, plus_one), queue_url, sqs) == 1
    assert workflow.outcome == {"n": 3}
    assert handlers.feed(handlers.job_handler(backend, plus_one), queue_url) == 0
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    assert attributes["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"
