"""Taking: messages come twice, late, to the wrong one, or are not ours; rows decide."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import pytest

from runfox.errors import StorageError, StorageUnavailable
from runfox_aws import create_tables

EXECUTION = "flow#one"


def visibilities(aws: Any) -> list[int]:
    """What messages were hidden for, by those who changed it."""
    batches = [sent["Entries"] for sent in aws.sent if sent["request"] == "ChangeMessageVisibilityBatch"]
    return [entry["VisibilityTimeout"] for batch in batches for entry in batch]


def test_a_take_is_one_receive_and_one_write_for_each_job(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_url=aws.urls["one"])
    runner.dispatch(EXECUTION, [job("a"), job("b")])
    aws.requests.clear()
    assert [one.op for one in runner.take_pending_jobs(2)] == ["a", "b"]
    assert sorted(aws.requests) == ["ReceiveMessage", "UpdateItem", "UpdateItem"]
    assert aws.messages() == (0, 2)


def test_an_empty_queue_costs_one_short_poll(aws: Any) -> None:
    runner = aws.runner(queue_url=aws.urls["one"])
    assert runner.take_pending_jobs() == []
    assert aws.requests == ["ReceiveMessage"]
    assert aws.sent[-1]["WaitTimeSeconds"] == 0


def test_nothing_wanted_makes_no_request(aws: Any) -> None:
    runner = aws.runner()
    assert runner.take_pending_jobs(0) == runner.take_pending_jobs(-1) == runner.take_pending_jobs(None, []) == []
    assert runner.poll_pending_jobs(10, 0) == runner.poll_pending_jobs(10, None, []) == []
    with pytest.raises(ValueError, match="lease"):
        runner.take_pending_jobs(lease_seconds=-1)
    assert aws.requests == []


def test_no_more_messages_are_received_than_jobs_are_wanted(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job(f"s{n}") for n in range(15)])
    assert len(runner.take_pending_jobs(12)) == 12
    assert aws.messages() == (3, 12)
    assert len(runner.take_pending_jobs()) == 3


@pytest.mark.parametrize(
    ("seconds", "hidden"), [(0.25, 1), (30.5, 31), (600, 600), (10**9, 43_200), (float("inf"), 43_200)]
)
def test_a_message_is_hidden_for_as_long_as_the_lease(aws: Any, job: Any, seconds: float, hidden: int) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    (taken,) = runner.take_pending_jobs(lease_seconds=seconds)
    (receive, *_) = [sent for sent in aws.sent if sent["request"] == "ReceiveMessage"]
    assert receive["VisibilityTimeout"] == hidden
    aws.clock.now += seconds / 2 if seconds < 10**9 else 10**8
    aws.put_back()
    assert runner.take_pending_jobs() == []
    assert runner.extend_lease(taken)


def test_a_lease_of_no_time_is_over_at_once(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    assert [one.delivery for one in runner.take_pending_jobs(lease_seconds=0)] == [1]
    assert [one.delivery for one in runner.take_pending_jobs()] == [2]


def test_a_job_is_had_again_when_its_lease_is_over_and_not_before(aws: Any, job: Any) -> None:
    runner = aws.runner(lease_seconds=30.75)
    runner.dispatch(EXECUTION, [job()])
    (first,) = runner.take_pending_jobs()
    aws.clock.now += 30.75 - 1e-6
    aws.put_back()
    assert runner.take_pending_jobs() == runner.list_pending_jobs() == []
    assert visibilities(aws) == [1]
    aws.clock.now += 1e-6
    aws.put_back()
    assert runner.list_pending_jobs() == [first]
    (second,) = runner.take_pending_jobs()
    assert (first.delivery, second.delivery) == (1, 2)
    assert first.lease != second.lease


def test_a_lease_from_the_future_is_over_but_for_what_clocks_differ(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    runner.take_pending_jobs()
    aws.clock.now -= 1
    aws.put_back()
    assert runner.take_pending_jobs() == runner.list_pending_jobs() == []
    aws.clock.now -= 1
    aws.put_back()
    assert len(runner.list_pending_jobs()) == 1
    assert [one.delivery for one in runner.take_pending_jobs()] == [2]


def test_two_messages_of_a_job_give_it_to_one_taker(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    runner.dispatch(EXECUTION, [job()])
    assert aws.messages() == (2, 0)
    (taken,) = runner.take_pending_jobs(1)
    assert runner.take_pending_jobs() == []
    assert visibilities(aws) == [600]
    runner.submit_work_result(EXECUTION, "step", "done", taken.run_id)
    aws.put_back()
    assert runner.take_pending_jobs() == []
    assert aws.messages() == (0, 0)


@pytest.mark.parametrize("lease_seconds", [0, 600])
def test_two_messages_in_one_take_are_one_job(aws: Any, job: Any, lease_seconds: int) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    runner.dispatch(EXECUTION, [job()])
    assert [one.delivery for one in runner.take_pending_jobs(lease_seconds=lease_seconds)] == [1]


def test_messages_of_runs_that_are_gone_are_removed(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job("forgotten"), job("newer"), job("done")])
    runner.forget(EXECUTION, [("forgotten", 1)])
    runner.dispatch(EXECUTION, [job("newer", 2)])
    runner.submit_work_result(EXECUTION, "done", 1, 1)
    assert aws.messages() == (4, 0)
    assert [(one.op, one.run_id) for one in runner.take_pending_jobs()] == [("newer", 2)]
    assert aws.messages() == (0, 1)


# Messages of others


def test_what_is_no_runners_message_is_left_alone_and_said_once(
    aws: Any, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    runner = aws.runner()
    odd = ["hello secret", "[1]", '{"op": "step"}', "[" * 100_000, '{"workflow_execution_id": 1, "op": 2, "run_id": 3}']
    for body in odd:
        aws.sqs.send_message(QueueUrl=aws.urls["one"], MessageBody=body)
    runner.dispatch(EXECUTION, [job()])
    assert runner.take_pending_jobs() == [job()]
    aws.put_back()
    assert runner.take_pending_jobs() == []
    assert sum(aws.messages()) == 6
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "secret" not in caplog.text


FORGED: list[dict[str, Any]] = [
    {"PK": "", "SK": "", "run_id": 1},
    {"PK": "ROUTES", "SK": "ROUTE#one", "run_id": 1},
    {"PK": "EXECUTION#\ud800", "SK": "TASK#step", "run_id": 1},
    {"PK": "EXECUTION#e", "SK": "TASK#" + "s" * 1_024, "run_id": 1},
    {"PK": "EXECUTION#e", "SK": "TASK#step", "run_id": True},
    {"PK": "EXECUTION#e", "SK": "TASK#step", "run_id": 10**38},
]


@pytest.mark.parametrize("forged", FORGED, ids=["empty", "another item", "no UTF-8", "too long", "a bool", "too large"])
def test_a_ticket_that_names_no_row_stops_no_other(aws: Any, job: Any, forged: dict[str, Any]) -> None:
    attributes = {"runfox": {"DataType": "String", "StringValue": json.dumps(forged)}}
    aws.sqs.send_message(QueueUrl=aws.urls["one"], MessageBody="b", MessageAttributes=attributes)
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    aws.requests.clear()
    assert runner.take_pending_jobs() == [job()]
    assert aws.requests.count("UpdateItem") == 1


def test_a_job_with_an_empty_name_has_a_ticket(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job("")])
    assert runner.take_pending_jobs() == [job("")]


def test_a_body_that_names_no_run_stops_no_other(aws: Any, job: Any) -> None:
    for run_id in (True, 10**38):
        body = json.dumps({"workflow_execution_id": EXECUTION, "op": "step", "run_id": run_id})
        aws.sqs.send_message(QueueUrl=aws.urls["one"], MessageBody=body)
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    assert runner.take_pending_jobs() == [job()]


def test_a_message_of_another_table_stays_for_others(aws: Any, job: Any) -> None:
    aws.runner(queue_url=aws.urls["one"]).dispatch(EXECUTION, [job()])
    create_tables(aws.dynamodb, tasks="others")
    assert aws.runner(tasks_table="others").take_pending_jobs() == []
    assert aws.runner().take_pending_jobs() == [job()]


@pytest.mark.parametrize("queue", ["one", None])
def test_a_message_of_somebody_elses_making_is_understood_by_its_body(aws: Any, job: Any, queue: str | None) -> None:
    runner = aws.runner(queue_url=aws.urls["one"])
    wanted = job(queue=queue)
    runner.dispatch(EXECUTION, [wanted])
    (body,) = aws.bodies()
    aws.sqs.send_message(QueueUrl=aws.urls["one"], MessageBody=json.dumps(body))
    assert runner.take_pending_jobs(queues=["other"]) == []
    assert runner.take_pending_jobs(queues=[queue]) == [wanted]


def test_jobs_of_other_queues_stay_for_others(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_url=aws.urls["two"])
    runner.dispatch(EXECUTION, [job(f"a{n}", queue="a") for n in range(25)])
    runner.dispatch(EXECUTION, [job("b", queue="b"), job("none"), job("by inputs", inputs={"model_type": "b"})])
    assert sorted(one.op for one in runner.take_pending_jobs(queues=["b"])) == ["b", "by inputs"]
    assert [one.op for one in runner.take_pending_jobs(queues=[None])] == ["none"]
    assert len(runner.take_pending_jobs(queues=["a", "c"])) == 25


def test_only_the_queues_that_are_asked_for_are_polled(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job("a", queue="one"), job("b", queue="two")])
    aws.sent.clear()
    assert [one.op for one in runner.take_pending_jobs(queues=["two", "never heard of"])] == ["b"]
    assert {sent["QueueUrl"] for sent in aws.sent if "QueueUrl" in sent} == {aws.urls["two"]}


def test_queues_that_a_function_gave_are_found_by_who_takes(aws: Any, job: Any) -> None:
    driver, worker = (aws.runner(queue_url=lambda one: aws.urls.get(one.queue or "one")) for _ in range(2))
    assert worker.take_pending_jobs() == []
    aws.requests.clear()
    driver.dispatch(EXECUTION, [job("a"), job("b", queue="two"), job("half \ud800", queue="two")])
    assert aws.requests[:2] == ["PutItem", "PutItem"]  # before the first row
    driver.dispatch(EXECUTION, [job("c"), job("d", queue="two")])
    assert sum("ROUTES" in str(item["PK"]) for item in aws.items()) == 2
    assert sorted(one.op for one in worker.take_pending_jobs(queues=["two"])) == ["b", "d", "half \ud800"]
    assert sorted(one.op for one in worker.take_pending_jobs()) == ["a", "c"]


def test_no_queue_is_starved_by_the_first(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_map=aws.urls)
    runner.dispatch(EXECUTION, [job(f"{queue}{n}", queue=queue) for n in range(3) for queue in aws.urls])
    assert {one.queue for _ in range(2) for one in runner.take_pending_jobs(1)} == {"one", "two"}


# Disturbances


def test_a_claim_whose_reply_was_lost_is_this_takers(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    aws.repeat("UpdateItem")
    (taken,) = runner.take_pending_jobs()
    assert taken.delivery == 1
    assert runner.extend_lease(taken)


def test_a_claim_of_which_nobody_knows_is_over_with_its_lease(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    aws.lose_reply("UpdateItem")
    with pytest.raises(StorageError):
        runner.take_pending_jobs()
    assert aws.messages() == (1, 0)
    assert runner.take_pending_jobs() == []
    aws.clock.now += 600
    aws.put_back()
    assert [one.delivery for one in runner.take_pending_jobs()] == [2]


def test_an_error_costs_nobody_the_jobs_that_were_taken_before(
    aws: Any, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job("a"), job("b")])
    aws.fail("UpdateItem", "InternalServerError", times=9, when=lambda body: body["Key"]["SK"] == {"S": "TASK#b"})
    assert [one.op for one in runner.take_pending_jobs()] == ["a"]
    assert "InternalServerError" in caplog.text
    assert aws.messages() == (1, 1)


def test_an_error_is_raised_where_nothing_was_taken(aws: Any, job: Any) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job()])
    aws.fail("UpdateItem", "ProvisionedThroughputExceededException")
    with pytest.raises(StorageUnavailable, match="capacity"):
        runner.take_pending_jobs()
    assert runner.take_pending_jobs() == [job()]


def test_a_missing_queue_keeps_nobody_from_the_others(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_map={**aws.urls, "gone": aws.urls["one"] + "-gone"})
    runner.dispatch(EXECUTION, [job("a", queue="one"), job("b", queue="two")])
    for _ in range(3):
        taken = runner.take_pending_jobs()
        assert len(taken) == 2
        assert all(runner.extend_lease(one, 0) for one in taken)


def test_an_interrupt_gives_back_what_was_taken(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_map={"one": aws.urls["one"], "two": aws.urls["two"]})
    runner.dispatch(EXECUTION, [job("a", queue="one"), job("b", queue="two")])

    def interrupt(_: Any) -> None:
        if threading.current_thread() is threading.main_thread() and aws.requests.count("UpdateItem") == 1:
            raise KeyboardInterrupt

    aws.requests.clear()
    aws.before("ReceiveMessage", interrupt, times=9)
    with pytest.raises(KeyboardInterrupt):
        runner.take_pending_jobs()
    assert len(runner.list_pending_jobs()) == 2
    assert aws.messages("one") == aws.messages("two") == (1, 0)


def test_a_job_without_its_inputs_is_dropped_and_stops_no_other(
    aws: Any, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    runner = aws.runner()
    large = job("large", inputs={"large": "l" * 5_000})
    runner.dispatch(EXECUTION, [large, job("small")])
    (part,) = aws.parts()
    aws.dynamodb.delete_item(TableName="tasks", Key={"PK": part["PK"], "SK": part["SK"]})
    assert [one.op for one in runner.take_pending_jobs()] == ["small"]
    assert "'large'" in caplog.text
    assert "attended" in caplog.text
    runner.dispatch(EXECUTION, [large])
    assert runner.take_pending_jobs() == [large]


def test_a_job_that_is_superseded_while_it_is_taken_is_nobodys(
    aws: Any, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job(inputs={"large": "l" * 5_000})])
    aws.before("BatchGetItem", lambda _: runner.dispatch(EXECUTION, [job(run_id=2)]))
    assert [one.run_id for one in runner.take_pending_jobs(1)] in ([], [2])
    assert caplog.record_tuples == []


def test_inputs_that_can_not_be_read_are_dropped_and_stop_no_other(
    aws: Any, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job("odd"), job("sound")])
    damage(aws, "SET inputs = :no", {":no": {"S": "[1"}})
    assert [one.op for one in runner.take_pending_jobs()] == ["sound"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    runner.dispatch(EXECUTION, [job("odd")])
    assert runner.take_pending_jobs() == [job("odd")]


def test_a_row_that_is_no_job_stops_no_other(aws: Any, job: Any, caplog: pytest.LogCaptureFixture) -> None:
    runner = aws.runner()
    runner.dispatch(EXECUTION, [job("odd"), job("sound")])
    damage(aws, "REMOVE enqueued", {})
    assert [one.op for one in runner.take_pending_jobs()] == ["sound"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def damage(aws: Any, expression: str, values: dict[str, Any]) -> None:
    aws.dynamodb.update_item(
        TableName="tasks",
        Key={"PK": {"S": "EXECUTION#flow%23one"}, "SK": {"S": "TASK#odd"}},
        UpdateExpression=expression,
        **({"ExpressionAttributeValues": values} if values else {}),
    )


# Waiting


def test_a_poll_of_one_queue_waits_at_it(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_url=aws.urls["one"])
    waits: list[int] = []

    def arrive(body: Any) -> None:
        waits.append(body["WaitTimeSeconds"])
        runner.dispatch(EXECUTION, [job()])

    aws.before("ReceiveMessage", arrive)
    assert runner.poll_pending_jobs(60) == [job()]
    assert waits == [20]


def test_a_poll_of_several_queues_finds_what_comes_to_any(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_map=aws.urls)
    waits: list[int] = []

    def arrive(body: Any) -> None:
        waits.append(body["WaitTimeSeconds"])
        if len(waits) == 2:
            runner.dispatch(EXECUTION, [job(queue="one")])

    aws.before("ReceiveMessage", arrive, times=9)
    assert runner.poll_pending_jobs(60) == [job(queue="one")]
    assert waits[:3] == [0, 0, 1]
    assert set(waits) == {0, 1}


def test_a_poll_gives_what_is_there_at_once_and_nothing_in_the_end(aws: Any, job: Any) -> None:
    runner = aws.runner()
    assert runner.poll_pending_jobs(0) == runner.poll_pending_jobs(0.01) == []
    runner.dispatch(EXECUTION, [job("a"), job("b")])
    assert len(runner.poll_pending_jobs(0, 1)) == 1
    assert len(runner.poll_pending_jobs(60, 1, [None], 30)) == 1
