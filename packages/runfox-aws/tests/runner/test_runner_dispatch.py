"""Dispatching: what is refused, what is written and sent, and what a second dispatch does."""

from __future__ import annotations

from typing import Any

import pytest

from runfox.errors import InvalidJSON, PayloadTooLarge, StorageUnavailable, UnknownRoute
from runfox.results import DispatchJob
from runfox_aws import SQSRunner, WorkflowTaskItem

EXECUTION = "flow#one"


def test_a_job_is_one_row_and_one_message_and_two_requests(aws: Any, job: Any) -> None:
    aws.runner().dispatch(EXECUTION, [job()])
    assert aws.requests == ["PutItem", "SendMessageBatch"]
    ((row,), messages) = aws.rows(), aws.messages()
    assert row["PK"] == {"S": "EXECUTION#flow%23one"}
    assert row["SK"] == {"S": "TASK#step"}
    assert "sent" not in row
    assert messages == (1, 0)


def test_the_message_says_what_is_to_be_done(aws: Any, job: Any) -> None:
    aws.runner().dispatch(EXECUTION, [job(call="do", queue="one", inputs={"n": [1, "ü"]})])
    assert aws.bodies() == [
        {
            "workflow_execution_id": EXECUTION,
            "op": "step",
            "call": "do",
            "run_id": 1,
            "queue": "one",
            "inputs": {"n": [1, "ü"]},
        }
    ]


def test_messages_go_in_batches_of_ten_and_by_queue(aws: Any, job: Any) -> None:
    jobs = [job(f"s{n}", queue="two" if n % 2 else "one") for n in range(24)]
    aws.runner().dispatch(EXECUTION, jobs)
    assert aws.requests.count("SendMessageBatch") == 4
    assert aws.messages("one") == aws.messages("two") == (12, 0)


def test_the_messages_of_a_batch_have_no_more_bytes_than_one_may_have(aws: Any, job: Any) -> None:
    aws.runner(message_limit=1_600).dispatch(EXECUTION, [job(f"s{n}", inputs={"x": "x" * 800}) for n in range(3)])
    assert aws.requests.count("SendMessageBatch") == 3
    aws.runner(message_limit=4_000).dispatch(EXECUTION, [job(f"t{n}", inputs={"x": "x" * 800}) for n in range(3)])
    assert aws.requests.count("SendMessageBatch") == 4


@pytest.mark.parametrize("value", [float("nan"), b"bytes", {1: 2}])
def test_what_is_no_json_makes_no_request(aws: Any, job: Any, value: object) -> None:
    runner = aws.runner()
    with pytest.raises(InvalidJSON, match="'step'"):
        runner.dispatch(EXECUTION, [job("sound"), job(inputs={"x": value})])
    with pytest.raises(InvalidJSON, match="'step'"):
        runner.submit_work_result(EXECUTION, "step", {"x": value})  # type: ignore[dict-item]  # no JSON
    assert aws.requests == []


def test_a_job_of_another_execution_makes_no_request(aws: Any, job: Any) -> None:
    with pytest.raises(ValueError, match="not of the execution"):
        aws.runner().dispatch("flow#two", [job()])
    assert aws.requests == []


def unknown_to_a_mapping(aws: Any) -> SQSRunner:
    runner: SQSRunner = aws.runner(queue_map=aws.urls)
    return runner


def unknown_to_a_function(aws: Any) -> SQSRunner:
    runner: SQSRunner = aws.runner(queue_url=lambda job: aws.urls.get(job.queue))
    return runner


def unknown_to_a_lookup(aws: Any) -> SQSRunner:
    runner: SQSRunner = aws.runner(queue_url=lambda job: aws.urls[job.queue])
    return runner


@pytest.mark.parametrize("open_runner", [unknown_to_a_mapping, unknown_to_a_function, unknown_to_a_lookup])
def test_jobs_without_a_way_to_go_are_named_and_the_others_go(aws: Any, job: Any, open_runner: Any) -> None:
    runner = open_runner(aws)
    with pytest.raises(UnknownRoute) as caught:
        runner.dispatch(EXECUTION, [job("lost", queue="nowhere"), job("plain")])
    assert [one.op for one in caught.value.jobs] == ["lost", "plain"]
    assert aws.requests == []
    with pytest.raises(UnknownRoute) as caught:
        runner.dispatch(EXECUTION, [job("lost", queue="nowhere"), job("sound", queue="one")])
    assert [one.op for one in caught.value.jobs] == ["lost"]
    assert [one.op for one in runner.take_pending_jobs()] == ["sound"]


def test_a_job_without_a_queue_goes_by_its_inputs(aws: Any, job: Any) -> None:
    runner = aws.runner()
    routed, own = job("a", inputs={"model_type": "two"}), job("b", inputs={"model_type": "one"}, queue="two")
    runner.dispatch(EXECUTION, [routed, own, job("c", inputs={"model_type": 7})])
    assert [body["op"] for body in aws.bodies("one")] == ["c"]
    assert sorted(body["op"] for body in aws.bodies("two")) == ["a", "b"]
    runner = aws.runner(route_by="kind")
    runner.dispatch(EXECUTION, [job("d", inputs={"kind": "two", "model_type": "one"})])
    assert [body["op"] for body in aws.bodies("two")] == ["d"]


def test_one_url_may_be_that_of_all_jobs(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_url=aws.urls["two"])
    runner.dispatch(EXECUTION, [job("a", queue="x"), job("b")])
    assert {one.op: one.queue for one in runner.take_pending_jobs()} == {"a": "x", "b": None}


# Bodies


def test_a_body_may_be_the_callers_own(aws: Any, job: Any) -> None:
    aws.runner(message_body_fn=lambda one: {"do": one.op}).dispatch(EXECUTION, [job("a")])
    aws.runner(message_body_fn=lambda one: f"do {one.op}").dispatch(EXECUTION, [job("b")])
    assert aws.runner().take_pending_jobs(1)
    aws.put_back()
    assert sorted(aws.bodies(), key=str) == ["do b", {"do": "a"}]


@pytest.mark.parametrize("body", ["x" * 300_000, "nul \0", "half \ud800", "￾", ""])
def test_a_body_that_sqs_does_not_take_is_refused_and_the_others_go(aws: Any, job: Any, body: str) -> None:
    runner = aws.runner(message_body_fn=lambda one: body if one.op == "odd" else "fine")
    with pytest.raises(PayloadTooLarge) as caught:
        runner.dispatch(EXECUTION, [job("odd"), job("even")])
    assert [one.op for one in caught.value.jobs] == ["odd"]
    assert [one.op for one in runner.take_pending_jobs()] == ["even"]
    assert len(aws.rows()) == 1


def test_inputs_that_no_message_can_have_are_pointed_at(aws: Any, job: Any) -> None:
    runner = aws.runner(message_limit=1_000)
    runner.dispatch(EXECUTION, [job(inputs={"x": "x" * 2_000})])
    ((body,), (row,)) = aws.bodies(), aws.rows()
    assert "inputs" not in body
    assert body["inputs_in"] == {"table": "tasks", "PK": row["PK"]["S"], "SK": row["SK"]["S"]}


def test_names_that_no_row_can_have_are_refused_before_any_request(aws: Any, job: Any) -> None:
    with pytest.raises(PayloadTooLarge, match="150,000"):
        aws.runner(queue_url=aws.urls["one"]).dispatch(EXECUTION, [job("long", call="c" * 200_000)])
    assert aws.requests == []


def test_names_may_be_any_text(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_url=aws.urls["one"])
    odd = [job(op, call=f"call {op}", queue=op) for op in ("nul \0", "half \ud800", "a#b", "a%23b", "é" * 2_000, " ")]
    runner.dispatch(EXECUTION, odd)
    taken = runner.take_pending_jobs()
    assert sorted(taken, key=lambda one: one.op) == sorted(odd, key=lambda one: one.op)
    for one in taken:
        runner.submit_work_result(EXECUTION, one.op, one.op, one.run_id)
    assert sorted(result.op for result in runner.gather(EXECUTION)) == sorted(one.op for one in odd)


# Large inputs


def test_large_inputs_are_parts_beside_the_row(aws: Any, job: Any) -> None:
    runner = aws.runner()
    large = job(inputs={"large": "l" * 3_000_000})
    runner.dispatch(EXECUTION, [large])
    assert len(aws.parts()) == 9
    assert runner.list_pending_jobs() == runner.take_pending_jobs() == [large]
    aws.requests.clear()
    runner.dispatch(EXECUTION, [large])
    assert "BatchWriteItem" not in aws.requests
    runner.forget(EXECUTION, [("step", 1)])
    assert aws.items() == []


def test_parts_that_dynamodb_puts_off_are_written_all_the_same(aws: Any, job: Any) -> None:
    runner = aws.runner()
    large = job(inputs={"large": "l" * 1_000_000})
    aws.before("BatchWriteItem", lambda body: (200, {"UnprocessedItems": unsent(aws)}), times=2)
    runner.dispatch(EXECUTION, [large])
    assert runner.take_pending_jobs() == [large]


def unsent(aws: Any) -> Any:
    """The items of the last batch."""
    return next(sent for sent in reversed(aws.sent) if sent["request"] == "BatchWriteItem")["RequestItems"]


def test_a_newer_run_takes_the_place_of_an_older_one(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job(inputs={"large": "l" * 500_000})])
    (old,) = runner.take_pending_jobs()
    runner.dispatch(EXECUTION, [job(run_id=2), job("other")])
    assert aws.parts() == []
    assert aws.messages() == (2, 0)  # the old run's is removed
    runner.submit_work_result(EXECUTION, "step", "old", 1)
    assert not runner.extend_lease(old)
    assert runner.gather(EXECUTION) == []
    runner.dispatch(EXECUTION, [job(run_id=1)])
    assert aws.messages() == (2, 0)
    assert [(one.op, one.run_id) for one in runner.list_pending_jobs()] == [("step", 2), ("other", 1)]


def test_of_several_runs_in_one_call_the_newest_goes_at_its_place(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job(run_id=2), job("other"), job(run_id=3), job(run_id=1)])
    assert [(one.op, one.run_id) for one in runner.list_pending_jobs()] == [("other", 1), ("step", 3)]
    assert aws.messages() == (2, 0)


# Disturbances


def test_a_row_whose_reply_was_lost_is_this_dispatchs_own(aws: Any, job: Any) -> None:
    aws.repeat("PutItem")
    large = job(inputs={"large": "l" * 500_000})
    runner = aws.runner()
    runner.dispatch(EXECUTION, [large])
    assert aws.messages() == (1, 0)
    assert "sent" not in aws.rows()[0]
    assert runner.take_pending_jobs() == [large]


def test_parts_of_a_dispatch_that_lost_a_race_are_removed(aws: Any, job: Any) -> None:
    winner, loser = aws.runner(), aws.runner()
    aws.before("PutItem", lambda _: winner.dispatch(EXECUTION, [job(inputs={"n": 2}, run_id=2)]) and None)
    loser.dispatch(EXECUTION, [job(inputs={"large": "l" * 500_000})])
    assert aws.parts() == []
    assert [one.run_id for one in loser.take_pending_jobs()] == [2]


def test_messages_that_sqs_puts_off_are_sent_again(aws: Any, job: Any) -> None:
    failed = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    aws.before("SendMessageBatch", lambda _: (200, failed), times=2)
    aws.runner().dispatch(EXECUTION, [job()])
    assert aws.requests.count("SendMessageBatch") == 3
    assert aws.messages() == (1, 0)


def test_only_what_failed_of_a_batch_is_sent_again(aws: Any, job: Any) -> None:
    bodies: list[Any] = []
    failed = {"Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}], "Successful": []}
    aws.before("SendMessageBatch", lambda _: (200, failed))
    aws.before("SendMessageBatch", lambda body: bodies.append(body["Entries"]), times=2)
    aws.runner().dispatch(EXECUTION, [job("a"), job("b"), job("c")])
    assert ['"op":"b"' in entry["MessageBody"] for entry in bodies[-1]] == [True]


def test_messages_that_can_not_be_sent_are_named_and_kept(aws: Any, job: Any) -> None:
    failed = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    aws.before("SendMessageBatch", lambda _: (200, failed), times=4)
    runner = aws.runner()
    with pytest.raises(StorageUnavailable, match=r"InternalError.*'step'"):
        runner.dispatch(EXECUTION, [job()])
    assert aws.messages() == (0, 0)
    runner.dispatch(EXECUTION, [job()])
    assert runner.take_pending_jobs() == [job()]


def test_what_sqs_calls_the_senders_fault_is_not_repeated(aws: Any, job: Any) -> None:
    failed = {"Failed": [{"Id": "0", "Code": "InvalidMessageContents", "SenderFault": True}]}
    aws.before("SendMessageBatch", lambda _: (200, failed), times=4)
    with pytest.raises(StorageUnavailable, match="InvalidMessageContents"):
        aws.runner().dispatch(EXECUTION, [job()])
    assert aws.requests.count("SendMessageBatch") == 1


def test_a_queue_that_is_missing_keeps_no_other_from_its_jobs(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_map={"gone": aws.urls["one"] + "-gone", **aws.urls})
    with pytest.raises(StorageUnavailable, match=r"'one-gone'.*no such queue.*'a'"):
        runner.dispatch(EXECUTION, [job("a", queue="gone"), job("b", queue="two")])
    assert aws.messages("two") == (1, 0)


def test_a_process_that_ends_before_it_sends_leaves_a_row_for_the_next(aws: Any, job: Any) -> None:
    aws.fail("SendMessageBatch", "KMS.DisabledException")
    runner = aws.runner()
    with pytest.raises(StorageUnavailable):
        runner.dispatch(EXECUTION, [job()])
    assert runner.take_pending_jobs() == []
    assert runner.list_pending_jobs() == [job()]
    runner.dispatch(EXECUTION, [job()])
    assert runner.take_pending_jobs() == [job()]


def test_a_message_whose_reply_was_lost_is_a_duplicate_at_worst(aws: Any, job: Any) -> None:
    aws.lose_reply("SendMessageBatch")
    runner = aws.runner()
    with pytest.raises(StorageUnavailable):
        runner.dispatch(EXECUTION, [job()])
    runner.dispatch(EXECUTION, [job()])
    assert aws.messages() == (2, 0)
    assert runner.take_pending_jobs() == [job()]


def test_a_job_whose_row_was_not_written_keeps_no_other_from_its_message(aws: Any, job: Any) -> None:
    aws.fail("PutItem", "ThrottlingException", times=9, when=lambda body: body["Item"]["op"] == {"S": "a"})
    runner = aws.runner()
    with pytest.raises(StorageUnavailable, match="ThrottlingException"):
        runner.dispatch(EXECUTION, [job("a"), job("b")])
    assert [one.op for one in runner.take_pending_jobs()] == ["b"]


def test_a_conflict_in_passing_is_repeated(aws: Any, job: Any) -> None:
    aws.fail("PutItem", "TransactionConflictException", times=7)
    aws.runner().dispatch(EXECUTION, [job()])
    assert len(aws.rows()) == 1


# Again


def sends(aws: Any, runner: SQSRunner, job: DispatchJob) -> bool:
    aws.requests.clear()
    runner.dispatch(EXECUTION, [job])
    return "SendMessageBatch" in aws.requests


def test_a_job_that_nobody_takes_is_sent_again_at_once_and_then_more_and_more_rarely(aws: Any, job: Any) -> None:
    runner = aws.runner(resend_after=100)
    assert sends(aws, runner, job())
    assert sends(aws, runner, job())
    assert aws.rows()[0]["sends"] == {"N": "1"}
    for wait in (100, 200, 400):
        assert not sends(aws, runner, job())
        aws.clock.now += wait - 1
        assert not sends(aws, runner, job())
        aws.clock.now += 1
        assert sends(aws, runner, job())


def test_a_job_that_somebody_has_is_not_sent(aws: Any, job: Any) -> None:
    runner = aws.runner(resend_after=100, lease_seconds=10_000)
    runner.dispatch(EXECUTION, [job()])
    runner.take_pending_jobs()
    aws.clock.now += 9_999
    assert not sends(aws, runner, job())


def test_a_job_whose_lease_lapsed_long_ago_is_sent(aws: Any, job: Any) -> None:
    runner = aws.runner(resend_after=100, lease_seconds=50)
    runner.dispatch(EXECUTION, [job()])
    runner.take_pending_jobs()
    aws.clock.now += 149
    assert not sends(aws, runner, job())
    aws.clock.now += 1
    assert sends(aws, runner, job())


def test_a_job_that_was_given_back_long_ago_is_sent(aws: Any, job: Any) -> None:
    runner = aws.runner(resend_after=100)
    runner.dispatch(EXECUTION, [job()])
    assert runner.extend_lease(runner.take_pending_jobs()[0], 0)
    aws.clock.now += 99
    assert not sends(aws, runner, job())
    aws.clock.now += 1
    assert sends(aws, runner, job())


def test_what_a_purge_removed_comes_back(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    aws.sqs.purge_queue(QueueUrl=aws.urls["one"])
    assert runner.take_pending_jobs() == []
    runner.dispatch(EXECUTION, [job()])
    assert runner.take_pending_jobs() == [job()]


def test_a_result_that_comes_during_a_second_dispatch_is_not_lost(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    aws.before("UpdateItem", lambda _: runner.submit_work_result(EXECUTION, "step", "done", 1))
    runner.dispatch(EXECUTION, [job()])
    assert aws.messages() == (1, 0)
    assert [result.output for result in runner.gather(EXECUTION)] == ["done"]


def test_a_run_that_is_forgotten_during_a_second_dispatch_is_enqueued_anew(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    aws.before("UpdateItem", lambda _: runner.forget(EXECUTION))
    runner.dispatch(EXECUTION, [job()])
    assert runner.take_pending_jobs() == [job()]


# Settings


def test_one_of_queue_map_and_queue_url_is_given() -> None:
    for both in ({}, {"queue_map": {}, "queue_url": "https://sqs.example/q"}):
        with pytest.raises(ValueError, match="queue_map"):
            SQSRunner(tasks_table="tasks", **both)


@pytest.mark.parametrize("option", [{"message_limit": 0}, {"message_limit": 2_000_000}, {"lease_seconds": -1}])
def test_settings_that_make_no_sense_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"message_limit|lease"):
        SQSRunner({}, tasks_table="tasks", **option)


def test_a_runner_wants_neither_region_nor_credentials_before_its_first_call(
    monkeypatch: pytest.MonkeyPatch, job: Any
) -> None:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    runner = SQSRunner(queue_map={"one": "https://sqs.eu-west-2.amazonaws.com/1/one"}, tasks_table="tasks")
    with pytest.raises(StorageUnavailable, match="region"):
        runner.dispatch(EXECUTION, [job(queue="one")])
    runner.close()


def test_the_item_class_makes_the_keys() -> None:
    assert WorkflowTaskItem.create_item_key(execution="flow%23one", step="a") == {
        "PK": "EXECUTION#flow%23one",
        "SK": "TASK#a",
    }
